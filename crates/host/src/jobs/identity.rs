//! Who a host is to brokers: a number that it keeps in the state folder, so that a session which a broker
//! has kept is found again.

use sha2::{Digest as _, Sha256};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A number that nobody else has.
pub(super) fn fresh() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

/// The number of the host whose state is in this folder; made where there is none. One that cannot be
/// kept lasts as long as the process.
pub(super) fn of_host(state: &Path) -> String {
    // Listeners begin side by side, and each must be told the number that is kept in the end: under
    // another a broker keeps a session that nobody ever asks for.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = state.join("messaging");
    let file = folder.join("host");
    let read = std::fs::read_to_string(&file).unwrap_or_default();
    let read = read.trim();
    if read.len() == 32 && read.bytes().all(|b| b.is_ascii_hexdigit()) {
        return read.to_owned();
    }
    let made = fresh();
    let kept = || {
        std::fs::create_dir_all(&folder)?;
        let mut new = tempfile::NamedTempFile::new_in(&folder)?;
        writeln!(new, "{made}")?;
        new.as_file().sync_all()?;
        new.persist(&file)?;
        std::io::Result::Ok(())
    };
    if let Err(error) = kept() {
        let file = file.display();
        tracing::warn!(%file, %error, "who this host is to brokers could not be kept");
    }
    made
}

/// The name of one listener of a host, no longer than the shortest that a protocol allows.
pub(super) fn of_listener(host: &str, app: &str, trigger: &str) -> String {
    let digest = Sha256::digest(format!("{host}\n{app}\n{trigger}"));
    let hex: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("holm-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_and_rubbish_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let one = of_host(folder.path());
        assert_eq!(of_host(folder.path()), one);
        std::fs::write(folder.path().join("messaging/host"), [0xff, 0]).unwrap();
        let other = of_host(folder.path());
        assert_ne!(other, one);
        assert_eq!(of_host(folder.path()), other);
        let name = |host: &str, trigger| of_listener(host, "app", trigger);
        assert_eq!(name(&one, "a"), name(&one, "a"));
        assert_ne!(name(&one, "a"), name(&one, "b"));
        assert_ne!(name(&one, "a"), name(&other, "a"));
        // MQTT 3.1.1 promises 23.
        assert!(name(&one, "a").len() <= 23);
    }

    #[test]
    fn all_who_ask_at_once_are_told_the_same() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let begin = std::sync::Barrier::new(8);
            let told: Vec<String> = std::thread::scope(|scope| {
                let ask = || {
                    begin.wait();
                    of_host(folder.path())
                };
                let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|t| t.join().unwrap()).collect()
            });
            let kept = of_host(folder.path());
            assert!(told.iter().all(|one| *one == kept), "{told:?} {kept}");
        }
    }
}
