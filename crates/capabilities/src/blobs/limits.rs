//! The limits on names, objects and what an instance can make the host hold; always on.

use super::error::Error;

/// The longest name of an object, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// The most names in one call: of a listing, or to delete.
pub const NAMES_MAX: usize = 1000;
/// The most containers, values and listings that an instance may hold at once.
pub const HANDLES_MAX: usize = 256;
/// The most values of an instance that are being written at once.
pub const OUTGOING_MAX: usize = 16;
/// The most bytes that an instance may write into values of which nobody knows yet where they go.
pub const WAITING_BYTES_MAX: usize = 16 << 20;
/// The most bytes that `incoming-value-consume-sync` gives in one piece.
pub const SYNC_BYTES_MAX: u64 = 64 << 20;
/// The bytes of an object that are sent to where it is kept at once; servers take no less than 5 MiB.
pub const PART_BYTES: usize = 8 << 20;
/// The largest object that a store can be told to take: servers take 10000 parts.
pub const OBJECT_BYTES_MAX: u64 = 64 << 30;
/// The most objects that are written to one container at once, by all instances together. Each holds
/// two parts at most.
pub const UPLOADS_MAX: usize = 32;

const _: () = assert!(OBJECT_BYTES_MAX / PART_BYTES as u64 <= 10_000);

/// Checks the name of an object: what every provider can keep, and a folder with no surprise.
pub fn name(name: &str) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::new(format!("the name of an object {why}")));
    match name.len() {
        0 => return wrong("cannot be empty"),
        n if n > NAME_BYTES_MAX => {
            return wrong(&format!("has at most {NAME_BYTES_MAX} bytes, not {n}"));
        }
        _ => {}
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return wrong("cannot have control characters");
    }
    if name
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return wrong("has no empty part, `.` or `..` between its `/`");
    }
    Ok(())
}

/// Checks the names of one call.
pub fn names(names: &[String]) -> Result<(), Error> {
    if names.len() > NAMES_MAX {
        return Err(Error::new(format!(
            "{} names in one call are over the limit of {NAMES_MAX}",
            names.len()
        )));
    }
    names.iter().try_for_each(|one| name(one))
}
