//! When a job was done last, in a file of its own in the app's state folder.

use chrono::{DateTime, Utc};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The file of one job.
pub struct Record(PathBuf);

impl Record {
    /// Of the job with this name. What a file's name cannot hold is written as `_` and its number, so that
    /// no two names have the same file.
    pub fn of(name: &str, state: &Path) -> Record {
        let good = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        let written = |c: char| match good(c) {
            true => c.to_string(),
            false => format!("_{:x}_", u32::from(c)),
        };
        let file: String = name.chars().map(written).collect();
        Record(state.join("cron").join(format!("{file}.last")))
    }

    /// When it was done last; nothing where it never was, or where the file cannot be read.
    pub fn read(&self) -> Option<DateTime<Utc>> {
        let text = std::fs::read_to_string(&self.0).ok()?;
        text.trim().parse().ok()
    }

    /// Notes that it was done. What cannot be written is told, and stops nothing.
    pub fn write(&self, time: DateTime<Utc>) {
        if let Err(error) = self.replace(time) {
            let file = self.0.display();
            tracing::warn!(%file, %error, "when a job was done could not be kept");
        }
    }

    fn replace(&self, time: DateTime<Utc>) -> std::io::Result<()> {
        let folder = self.0.parent().unwrap_or(&self.0);
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{}", time.to_rfc3339())?;
        file.as_file().sync_all()?;
        file.persist(&self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_rubbish_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of("night/ly", folder.path());
        assert_eq!(record.read(), None);
        let time: DateTime<Utc> = "2026-01-01T03:00:00Z".parse().unwrap();
        record.write(time);
        assert_eq!(record.read(), Some(time));
        let file = folder.path().join("cron/night_2f_ly.last");
        std::fs::write(file, [0xff, 0]).unwrap();
        assert_eq!(record.read(), None);
    }
}
