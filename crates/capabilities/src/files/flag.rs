//! `--dir HOST[::GUEST][:ro]`, and who seems to have missed it.

use super::{Access, Dir};
use holm_runtime::receipt::Receipt;
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

/// Whether a program that was granted no folder, and has failed, seems to have wanted one. Every libc
/// asks for the granted folders, and where there is none it gives up without a call that could be
/// denied; so its arguments have to tell: one of them names a file.
pub fn missed(receipt: &Receipt, arguments: &[String], base: &Path) -> bool {
    let called = |interface: &str, name: &str| {
        let mut functions = receipt.calls.get(interface).into_iter().flatten();
        functions.any(|(function, _)| function.starts_with(name))
    };
    let asked = called("wasi:filesystem/preopens", "get-directories")
        || called("wasi_snapshot_preview1", "fd_prestat_get");
    let is_path = |argument: &String| {
        let value = argument
            .split_once('=')
            .map_or(argument.as_str(), |(_, value)| value);
        let path = !value.is_empty() && !value.contains("://");
        path && (value.contains('/') || base.join(value).exists())
    };
    let tried = called("wasi_snapshot_preview1", "path_");
    asked && (tried || arguments.iter().any(is_path))
}
