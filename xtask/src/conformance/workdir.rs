//! A throw-away copy of what a case needs: suites are shared and read-only, programs write.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A case's own folder: the program, and its root where it has one
pub struct Workdir {
    folder: TempDir,
}

impl Workdir {
    /// A new folder, gone when this is dropped
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("holm-conformance-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        Ok(Self { folder })
    }

    /// The folder itself, for a child's working directory
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Copies the program. A link would do for reading, but state is kept beside the file served.
    pub fn program(&self, wasm: &Path) -> Result<PathBuf> {
        let name = wasm.file_name().unwrap_or("program.wasm".as_ref());
        let copy = self.path().join(name);
        fs::copy(wasm, &copy).with_context(|| format!("cannot copy {}", wasm.display()))?;
        Ok(copy)
    }

    /// Copies a root folder, without what earlier runs left in it
    pub fn root(&self, original: &Path) -> Result<PathBuf> {
        let copy = self.path().join("root");
        copy_tree(original, &copy)
            .with_context(|| format!("cannot copy {}", original.display()))?;
        Ok(copy)
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if source.extension().is_some_and(|ending| ending == "cleanup") {
            continue;
        } else if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
            // The shared original may be read-only; the program has the right to write its copy.
            let mode = fs::metadata(&source)?.permissions().mode() | 0o600;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_copied_writable_and_without_leftovers() {
        let shared = TempDir::new().unwrap();
        fs::create_dir(shared.path().join("sub")).unwrap();
        fs::write(shared.path().join("sub/file"), "text").unwrap();
        let read_only = fs::Permissions::from_mode(0o444);
        fs::set_permissions(shared.path().join("sub/file"), read_only).unwrap();
        fs::write(shared.path().join("old.cleanup"), "left").unwrap();
        symlink("sub/file", shared.path().join("link")).unwrap();

        let workdir = Workdir::new().unwrap();
        let root = workdir.root(shared.path()).unwrap();

        let mode = fs::metadata(root.join("sub/file"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_to_string(root.join("link")).unwrap(), "text");
        assert!(fs::read_link(root.join("link")).is_ok());
        assert!(!root.join("old.cleanup").exists());
        assert!(
            shared.path().join("old.cleanup").exists(),
            "the original is left alone"
        );
    }
}
