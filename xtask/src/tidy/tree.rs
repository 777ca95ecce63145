//! The files that the rules look at: what git tracks, and what it would track if it were asked now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Every file of the repository, by its path below the root
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Reads the files: new ones too, so that a finding comes before the commit and not after it.
    pub fn of_git(root: &Path) -> Result<Self> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .context("cannot start git, which tidy asks for the list of files")?;
        if !listed.status.success() {
            bail!(
                "git ls-files failed: {}",
                String::from_utf8_lossy(&listed.stderr).trim()
            );
        }
        let mut files = BTreeMap::new();
        for name in listed
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let name = std::str::from_utf8(name).context("a file's name is not UTF-8")?;
            let path = root.join(name);
            // A link points at a file that is listed itself, or at nothing of ours.
            if path
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_symlink())
            {
                continue;
            }
            match fs::read(&path) {
                Ok(bytes) => drop(files.insert(name.to_owned(), bytes)),
                // Tracked, but deleted in the working tree.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
            }
        }
        Ok(Self { files })
    }

    /// A tree of these files
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        Self {
            files: files.iter().map(owned).collect(),
        }
    }

    /// How many files there are
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// All files with their bytes
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// All files that are text, with it
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter_map(|(path, bytes)| Some((path, std::str::from_utf8(bytes).ok()?)))
    }

    /// All Rust files of Holm itself; guests and examples are other people's first programs
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        const OURS: [&str; 5] = ["crates/", "embed/", "deploy/", "tests/", "xtask/"];
        self.texts().filter(|(path, _)| {
            path.ends_with(".rs") && OURS.iter().any(|folder| path.starts_with(folder))
        })
    }

    /// Whether there is such a file
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The names of the folders right below a folder (which ends in a slash)
    pub fn folders(&self, below: &str) -> BTreeSet<&str> {
        let inside = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(below));
        inside
            .filter_map(|rest| Some(rest.split_once('/')?.0))
            .collect()
    }
}
