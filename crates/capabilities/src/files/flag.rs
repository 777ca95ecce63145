//! `--dir HOST[::GUEST][:ro]`

use super::{Access, Dir};
use std::path::Path;

impl Dir {
    /// Reads the value of `--dir`: `HOST` appears to the guest as `GUEST`, or under the same name.
    /// What the user grants by hand may be written to, unless it ends in `:ro`.
    pub fn from_flag(text: &str, base: &Path) -> Result<Dir, String> {
        let (paths, access) = match text.strip_suffix(":ro") {
            Some(paths) => (paths, Access::Read),
            None => (text, Access::Write),
        };
        let (host, guest) = paths.split_once("::").unwrap_or((paths, paths));
        if text.ends_with(":rw") {
            return Err(format!(
                "`{text}` ends in `:rw`; a folder may be written to unless it ends in `:ro`"
            ));
        }
        if guest.contains("::") || paths.ends_with(":ro") {
            return Err(format!(
                "`{text}` says too much; write HOST, HOST::GUEST or HOST::GUEST:ro"
            ));
        }
        if host.is_empty() || guest.is_empty() {
            return Err(format!(
                "`{text}` names no folder; write HOST, HOST::GUEST or HOST::GUEST:ro"
            ));
        }
        Ok(Dir::new(base, guest, host, access))
    }
}
