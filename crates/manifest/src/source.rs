//! The text of a manifest and the name it is shown under.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Problem;
use crate::variables::Secrets;

/// A manifest's text and where it came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as it is shown to the user.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
    /// What problems of it must not show.
    pub(crate) secrets: Arc<Secrets>,
}

/// A place as editors count it: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

const BOM: char = '\u{feff}';

impl Source {
    /// The largest manifest that is read, in bytes. A hand-written one has a few
    /// kilobytes; what is larger is some other file, and parsing it would only
    /// cost memory.
    pub const BYTES_MAX: u64 = 1 << 20;

    /// A source made in memory.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            secrets: Arc::default(),
        }
    }

    /// Reads a file; refuses what is no text or too large to be a manifest.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let shown = path.display();
        let cannot = |error: std::io::Error| {
            Problem::error(format!("cannot read `{shown}`: {}", reason(&error)))
        };
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a file that grows or lies about its size is caught.
        File::open(path)
            .and_then(|file| file.take(Self::BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(cannot)?;
        if bytes.len() as u64 > Self::BYTES_MAX {
            return Err(
                Problem::error(format!("`{shown}` is too large for a manifest"))
                    .help("a manifest has at most 1 MiB; is this the right file?"),
            );
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes()[..good]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count();
                Err(Problem::error(format!(
                    "`{shown}` is not UTF-8 text: line {line} has a byte that is no character"
                ))
                .help("save the file with the encoding UTF-8"))
            }
        }
    }

    /// Line and column of a byte offset; offsets past the end mean the end.
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before[line_start..]
                .chars()
                .filter(|char| *char != BOM)
                .count(),
        }
    }

    /// Offset of the start of the line that holds `offset`.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let before = &self.text[..self.floor(offset)];
        before.rfind('\n').map_or(0, |at| at + 1)
    }

    /// The nearest character boundary at or before `offset`.
    pub(crate) fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

/// An operating system's error without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => {
            let text = error.to_string();
            match text.find(" (os error") {
                Some(at) => text[..at].to_lowercase(),
                None => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let source = Source::new("t", "\u{feff}aé\nüb");
        assert_eq!(source.position(3), Position { line: 1, column: 1 });
        assert_eq!(source.position(6), Position { line: 1, column: 3 });
        assert_eq!(source.position(9), Position { line: 2, column: 2 });
        assert_eq!(source.position(999), Position { line: 2, column: 3 });
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holm.toml");
        std::fs::write(&path, b"name = \"x\"\n\xff").unwrap();
        let problem = Source::read(&path).unwrap_err();
        assert!(problem.message.contains("line 2"), "{}", problem.message);

        std::fs::write(&path, vec![b'#'; 1 + (1 << 20)]).unwrap();
        assert!(
            Source::read(&path)
                .unwrap_err()
                .message
                .contains("too large")
        );
        let missing = Source::read(&dir.path().join("none")).unwrap_err();
        assert!(missing.message.ends_with("no such file"));
        let folder = Source::read(dir.path()).unwrap_err();
        assert!(folder.message.ends_with("it is a folder"));
    }
}
