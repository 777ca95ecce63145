//! A file that is written whole or not at all.

use crate::error::{Error, Result};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Writes a file that a user named; `example` is how such a file is called.
pub(crate) fn write(path: &Path, bytes: &[u8], example: &str) -> Result<()> {
    prepare(path, bytes, example)?()
}

/// The same in two steps: what is returned gives the file its name.
pub(crate) fn prepare<'a>(
    path: &'a Path,
    bytes: &[u8],
    example: &str,
) -> Result<impl FnOnce() -> Result<()> + use<'a>> {
    let wrong = |error: std::io::Error| {
        // The name that it has meanwhile is nobody's business.
        let cause = error.to_string();
        let cause = cause.split(" at path ").next().unwrap_or_default();
        Error::yours(format!("cannot write {}", path.display())).caused_by(cause)
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let what = format!("there is no folder {}", folder.display());
        let help = format!("create it: mkdir -p {}", folder.display());
        return Err(Error::yours(what).help(help));
    }
    if path.is_dir() {
        let what = format!("{} is a folder", path.display());
        let help = format!("name the file: -o {}/{example}", path.display());
        return Err(Error::yours(what).help(help));
    }
    let mut file = tempfile::Builder::new()
        // As any program writes a file: what the umask allows.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)?;
    file.as_file().sync_all().map_err(wrong)?;
    Ok(move || {
        file.persist(path).map_err(|error| wrong(error.error))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_until_all_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x.wasm");
        write(&path, b"old", "FILE.wasm").unwrap();
        let named = prepare(&path, b"new", "FILE.wasm").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        named().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        drop(prepare(&path, b"newer", "FILE.wasm").unwrap());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
