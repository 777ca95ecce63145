//! The limits on keys, values and what an instance can make the host hold; always on.

use super::provider::Error;
use holm_runtime::limits::LimitHit;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 2048;
/// The largest value, in bytes; a component's `limits.value_size` may be less.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// The most keys on one page of `list-keys`.
pub const PAGE_KEYS_MAX: usize = 1000;
/// The most keys in one batch.
pub const BATCH_KEYS_MAX: usize = 1000;
/// The most bytes in one batch, keys and values together.
pub const BATCH_BYTES_MAX: usize = 64 << 20;
/// The most buckets and cas handles that an instance may hold at once.
pub const HANDLES_MAX: usize = 1024;
/// The most bytes that an instance's cas handles may hold: the values that they compare with.
pub const HELD_BYTES_MAX: usize = BATCH_BYTES_MAX;

// A batch can carry a value of the largest size, and a cas handle can hold one.
const _: () = assert!(VALUE_BYTES_MAX + KEY_BYTES_MAX <= BATCH_BYTES_MAX);
const _: () = assert!(VALUE_BYTES_MAX <= HELD_BYTES_MAX);
// A page of the longest keys stays far below what the engine copies into a guest at once.
const _: () = assert!(PAGE_KEYS_MAX * KEY_BYTES_MAX <= 4 << 20);

/// Checks a key.
pub fn key(key: &str) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::new("a key cannot be empty")),
        n if n > KEY_BYTES_MAX => Err(over("a key", n, KEY_BYTES_MAX)),
        _ => Ok(()),
    }
}

/// Checks the keys of a batch.
pub fn keys<'a>(batch: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    let count = batch.len();
    if count > BATCH_KEYS_MAX {
        return Err(Error::new(format!(
            "a batch of {count} keys is over the limit of {BATCH_KEYS_MAX}"
        )));
    }
    batch.into_iter().try_for_each(key)
}

/// Checks a batch of keys and values, each of which may be written by itself.
pub fn entries(batch: &[(String, Vec<u8>)]) -> Result<(), Error> {
    keys(batch.iter().map(|(key, _)| key.as_str()))?;
    match batch
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
    {
        n if n > BATCH_BYTES_MAX => Err(over("a batch", n, BATCH_BYTES_MAX)),
        _ => Ok(()),
    }
}

/// `a value of 17000000 bytes: the value_size limit of 16 MiB was reached`.
pub(super) fn value_over(bytes: usize, hit: LimitHit) -> Error {
    Error::new(format!("a value of {bytes} bytes: {hit}"))
}

/// `a key of 3000 bytes is over the limit of 2048`.
pub(super) fn over(what: &str, bytes: usize, limit: usize) -> Error {
    Error::new(format!(
        "{what} of {bytes} bytes is over the limit of {limit}"
    ))
}
