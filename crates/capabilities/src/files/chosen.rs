//! A read-only folder made of chosen files: `{ files = ["assets/**"], exclude = ["*.tmp"] }`.
//!
//! The files are listed when the component is loaded, and put together when an instance first needs
//! them: as links to the same data, or as copies where the folder of state is on another disk. The
//! folder is removed when the component's code is let go. One that a killed process has left behind is
//! removed by the next that makes one; a lock on each says which are in use.

use globset::{GlobBuilder, GlobMatcher};
use rustix::fs::{FlockOperation, flock};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use walkdir::WalkDir;

/// The folder in an app's state that those of chosen files are made in.
const FOLDER: &str = "files";

/// Chosen files as the manifest writes them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Files and folders that keep their paths, or that are put somewhere else.
    files: Vec<Which>,
    /// Patterns of files that are left out.
    #[serde(default)]
    exclude: Vec<String>,
}

/// One line of the choice.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Which {
    /// A path or a pattern, relative to the manifest: `assets/**`.
    Pattern(String),
    /// A file or folder, and where the guest finds it.
    Placed(Placed),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Placed {
    /// The file or folder, relative to the manifest.
    source: String,
    /// Its path below the granted one.
    destination: String,
}

/// The files that were chosen: each where it is, and where the guest finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    files: Arc<[(PathBuf, PathBuf)]>,
    /// Where the app's data lives.
    state: PathBuf,
}

/// What is wrong with a choice.
pub(super) struct Wrong {
    /// Which line of `files`, or of `exclude`.
    pub(super) line: Line,
    /// In words.
    pub(super) what: String,
    /// What to do about it.
    pub(super) help: &'static str,
}

/// A place in a choice.
#[derive(Clone, Copy)]
pub(super) enum Line {
    /// An item of `files`.
    Files(usize),
    /// An item of `exclude`.
    Exclude(usize),
}

const OUTSIDE: &str = "files are chosen from the folder of the manifest and those below it";

impl Choice {
    /// Finds the files.
    pub(super) fn list(&self, base: &Path, state: &Path) -> Result<Chosen, Wrong> {
        let root = base.canonicalize().unwrap_or_else(|_| base.to_owned());
        let excluded = Excluded {
            patterns: excludes(&self.exclude)?,
            state: state.canonicalize().unwrap_or_else(|_| state.to_owned()),
            variables: root.join(".env"),
        };
        let mut files = Vec::new();
        for (index, which) in self.files.iter().enumerate() {
            let found = match which {
                Which::Pattern(pattern) => by_pattern(&root, pattern, &excluded),
                Which::Placed(placed) => by_place(&root, placed, &excluded),
            };
            files.extend(found.map_err(|(what, help)| Wrong {
                line: Line::Files(index),
                what,
                help,
            })?);
        }
        // Of two for one place the later one is found there.
        files.sort_by(|(_, one), (_, other)| one.cmp(other));
        files.reverse();
        files.dedup_by(|(_, one), (_, other)| one == other);
        files.reverse();
        Ok(Chosen {
            files: files.into(),
            state: state.to_owned(),
        })
    }
}

/// A sentence, and what to do about it.
type Said = (String, &'static str);

/// What is left out.
struct Excluded {
    patterns: Vec<GlobMatcher>,
    /// Where the app's data lives.
    state: PathBuf,
    /// The file of the app's variables: a pattern does not mean it, only its name does.
    variables: PathBuf,
}

impl Excluded {
    /// Whether somebody said so of a path from the root.
    fn says(&self, from_root: &Path) -> bool {
        self.patterns.iter().any(|p| p.is_match(from_root))
    }

    /// Whether it is Holm's own, or a secret.
    fn is_own(&self, path: &Path) -> bool {
        path == self.state
            || path == self.variables
            || path.file_name().is_some_and(|name| name == ".holm")
    }
}

fn excludes(patterns: &[String]) -> Result<Vec<GlobMatcher>, Wrong> {
    let each = patterns.iter().enumerate().map(|(index, pattern)| {
        // In these `*` stands for slashes too, as it does for Spin.
        matcher(pattern, false).map_err(|what| Wrong {
            line: Line::Exclude(index),
            what,
            help: "`*`, `**`, `?` and `[a-z]` stand for what shells take them for",
        })
    });
    each.collect()
}

fn matcher(pattern: &str, literal_separator: bool) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(literal_separator)
        .build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        format!(
            "`{}` is no pattern: {}",
            pattern.escape_debug(),
            error.kind()
        )
    })
}

fn by_pattern(
    root: &Path,
    pattern: &str,
    excluded: &Excluded,
) -> Result<Vec<(PathBuf, PathBuf)>, Said> {
    let relative = inside(pattern)?;
    let path = root.join(&relative);
    if path.is_file() {
        return match excluded.says(&relative) {
            true => Ok(Vec::new()),
            false => Ok(vec![(real(root, &path)?, relative)]),
        };
    }
    if path.is_dir() {
        return below(root, &path, &relative, excluded, |_| true);
    }
    if !pattern.contains(['*', '?', '[', '{']) {
        let what = format!("there is no `{}`", pattern.escape_debug());
        return Err((what, "a pattern has a `*`: assets/**"));
    }
    let text = relative.to_string_lossy();
    let matcher = matcher(&text, true).map_err(|what| (what, OUTSIDE))?;
    // What stands before the first wildcard need not be searched beside.
    let fixed: PathBuf = relative
        .components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect();
    let start = root.join(&fixed);
    if !start.is_dir() {
        return Ok(Vec::new());
    }
    below(root, &start, &fixed, excluded, |path| {
        matcher.is_match(path)
    })
}

fn by_place(
    root: &Path,
    placed: &Placed,
    excluded: &Excluded,
) -> Result<Vec<(PathBuf, PathBuf)>, Said> {
    let relative = inside(&placed.source)?;
    let destination = inside(placed.destination.trim_start_matches('/'))?;
    let path = root.join(&relative);
    if path.is_dir() {
        return below(root, &path, &destination, excluded, |_| true);
    }
    if !path.is_file() {
        let what = format!("there is no `{}`", placed.source.escape_debug());
        return Err((what, "`source` is a file or a folder, without wildcards"));
    }
    if destination.as_os_str().is_empty() || placed.destination.ends_with('/') {
        let what = format!(
            "`{}` is no name of a file",
            placed.destination.escape_debug()
        );
        return Err((what, "`destination` of a file ends in its name"));
    }
    if excluded.says(&relative) {
        return Ok(Vec::new());
    }
    Ok(vec![(real(root, &path)?, destination)])
}

/// The files below a folder that are chosen by their path from the root, to be found below `to`.
fn below(
    root: &Path,
    start: &Path,
    to: &Path,
    excluded: &Excluded,
    chosen: impl Fn(&Path) -> bool,
) -> Result<Vec<(PathBuf, PathBuf)>, Said> {
    let mut files = Vec::new();
    for entry in WalkDir::new(start)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !excluded.is_own(entry.path()))
    {
        let entry = entry.map_err(|error| {
            let what = format!("`{}` cannot be read: {error}", start.display());
            (what, "make it readable, or leave it out with `exclude`")
        })?;
        let path = entry.path();
        let from_root = path.strip_prefix(root).unwrap_or(path);
        if !chosen(from_root) || excluded.says(from_root) || !path.is_file() {
            continue;
        }
        let place = to.join(path.strip_prefix(start).unwrap_or(path));
        files.push((real(root, path)?, place));
    }
    Ok(files)
}

/// A path that leads nowhere but below where it begins.
fn inside(path: &str) -> Result<PathBuf, Said> {
    let mut inside = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            _ => {
                let what = format!("`{}` leads out of the folder", path.escape_debug());
                return Err((what, OUTSIDE));
            }
        }
    }
    Ok(inside)
}

/// The file itself, with links followed; not one that they lead out to.
fn real(root: &Path, path: &Path) -> Result<PathBuf, Said> {
    match path.canonicalize() {
        Ok(real) if real.starts_with(root) => Ok(real),
        Ok(_) => {
            let what = format!(
                "`{}` is a link that leads out of the folder",
                path.display()
            );
            Err((what, OUTSIDE))
        }
        Err(error) => {
            let what = format!("`{}` cannot be read: {error}", path.display());
            Err((what, "make it readable, or leave it out with `exclude`"))
        }
    }
}

/// A folder of chosen files that was made; dropping it removes it.
#[derive(Debug)]
pub(super) struct Made {
    folder: TempDir,
    /// Held as long as the folder is used.
    _lock: File,
}

impl Made {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Chosen {
    /// Where the files are, links followed.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(source, _)| source.as_path())
    }

    /// Puts the files together.
    pub(super) fn make(&self) -> io::Result<Made> {
        let parent = self.state.join(FOLDER);
        std::fs::create_dir_all(&parent)?;
        // One at a time: what is new and not locked yet must not look left behind.
        let alone = File::open(&parent)?;
        flock(&alone, FlockOperation::LockExclusive)?;
        sweep(&parent);
        let folder = TempDir::with_prefix_in("chosen-", &parent)?;
        let lock = File::open(folder.path())?;
        flock(&lock, FlockOperation::LockShared)?;
        drop(alone);
        for (from, to) in self.files.iter() {
            let to = folder.path().join(to);
            if let Some(above) = to.parent() {
                std::fs::create_dir_all(above)?;
            }
            if std::fs::hard_link(from, &to).is_err() {
                std::fs::copy(from, &to)?;
            }
        }
        Ok(Made {
            folder,
            _lock: lock,
        })
    }
}

/// Removes what nobody uses any more. What cannot be removed is in nobody's way.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let left = File::open(&path)
            .is_ok_and(|folder| flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok());
        if left {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn site() -> TempDir {
        let base = tempfile::tempdir().unwrap();
        for path in [
            "assets/a.css",
            "assets/img/b.png",
            "assets/c.tmp",
            "x.txt",
            "deep/e/f",
        ] {
            let path = base.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, path.file_name().unwrap().to_str().unwrap()).unwrap();
        }
        std::fs::create_dir_all(base.path().join(".holm/files")).unwrap();
        std::fs::write(base.path().join(".holm/secret"), "").unwrap();
        base
    }

    fn list(base: &Path, json: serde_json::Value) -> Result<Vec<String>, String> {
        let choice: Choice = serde_json::from_value(json).unwrap();
        let chosen = choice.list(base, &base.join(".holm")).map_err(|w| w.what)?;
        let made = chosen.make().unwrap();
        let mut found: Vec<String> = WalkDir::new(made.path())
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry.path().strip_prefix(made.path()).unwrap();
                format!(
                    "{}={}",
                    path.display(),
                    std::fs::read_to_string(entry.path()).unwrap()
                )
            })
            .collect();
        found.sort();
        Ok(found)
    }

    #[test]
    fn patterns_folders_and_places() {
        let base = site();
        let files = |json| list(base.path(), serde_json::json!({ "files": json }));
        let all = [
            "assets/a.css=a.css",
            "assets/c.tmp=c.tmp",
            "assets/img/b.png=b.png",
        ];
        for pattern in ["assets/**", "assets/**/*", "assets", "./assets/"] {
            assert_eq!(
                files(serde_json::json!([pattern])).unwrap(),
                all,
                "{pattern}"
            );
        }
        let one = ["assets/a.css=a.css", "assets/c.tmp=c.tmp"];
        assert_eq!(files(serde_json::json!(["assets/*"])).unwrap(), one);
        assert_eq!(
            files(serde_json::json!(["x.txt"])).unwrap(),
            ["x.txt=x.txt"]
        );
        assert_eq!(files(serde_json::json!(["none/*"])).unwrap(), [""; 0]);
        let placed = serde_json::json!([
            { "source": "assets/img", "destination": "/i" },
            { "source": "x.txt", "destination": "y/z.txt" },
            { "source": "deep", "destination": "/" },
        ]);
        assert_eq!(
            files(placed).unwrap(),
            ["e/f=f", "i/b.png=b.png", "y/z.txt=x.txt"]
        );
        // Of two for one place the later one.
        let twice =
            serde_json::json!(["x.txt", { "source": "assets/a.css", "destination": "x.txt" }]);
        assert_eq!(files(twice).unwrap(), ["x.txt=a.css"]);
        let everything = files(serde_json::json!(["**"])).unwrap();
        assert_eq!(everything.len(), 5, "{everything:?}");
    }

    #[test]
    fn what_is_left_out() {
        let base = site();
        let json =
            serde_json::json!({ "files": ["assets/**"], "exclude": ["*.tmp", "assets/img/*"] });
        assert_eq!(list(base.path(), json).unwrap(), ["assets/a.css=a.css"]);
        let named = serde_json::json!({
            "files": ["x.txt", { "source": "assets/c.tmp", "destination": "c" }],
            "exclude": ["*.txt", "*.tmp"],
        });
        assert_eq!(list(base.path(), named).unwrap(), [""; 0]);
    }

    #[test]
    fn variables_and_state_are_left_out() {
        let base = site();
        std::fs::write(base.path().join(".env"), "SECRET=1").unwrap();
        std::fs::write(base.path().join("deep/.env"), "").unwrap();
        // A folder of state with another name, that a link leads to.
        std::fs::create_dir(base.path().join("data")).unwrap();
        std::fs::write(base.path().join("data/store"), "secret").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let state = elsewhere.path().join("state");
        symlink(base.path().join("data"), &state).unwrap();
        let chosen = |files| {
            let choice: Choice = serde_json::from_value(files).unwrap();
            let Ok(chosen) = choice.list(base.path(), &state) else {
                panic!("all of it can be chosen");
            };
            let places = chosen.files.iter().map(|(_, to)| to.display().to_string());
            places.collect::<Vec<_>>()
        };
        let all = chosen(serde_json::json!({ "files": ["**"] }));
        assert!(
            !all.iter()
                .any(|f| f == ".env" || f.starts_with("data") || f.starts_with(".holm"))
        );
        assert!(all.contains(&"deep/.env".to_owned()), "{all:?}");
        // Who names it has it.
        assert_eq!(chosen(serde_json::json!({ "files": [".env"] })), [".env"]);
    }

    #[test]
    fn what_cannot_be_chosen() {
        let base = site();
        symlink("/etc/passwd", base.path().join("assets/link")).unwrap();
        for (files, says) in [
            (serde_json::json!(["../x"]), "leads out of the folder"),
            (
                serde_json::json!(["/etc/passwd"]),
                "leads out of the folder",
            ),
            (serde_json::json!(["nothing.txt"]), "there is no"),
            (serde_json::json!(["a[/*"]), "is no pattern"),
            (serde_json::json!(["assets/**"]), "is a link that leads out"),
            (
                serde_json::json!([{ "source": "x.txt", "destination": "/" }]),
                "no name of a file",
            ),
            (
                serde_json::json!([{ "source": "x.txt", "destination": "../y" }]),
                "leads out",
            ),
            (
                serde_json::json!([{ "source": "y.txt", "destination": "y" }]),
                "there is no",
            ),
        ] {
            let error = list(base.path(), serde_json::json!({ "files": files })).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let json = serde_json::json!({ "files": [], "exclude": ["[a"] });
        assert!(
            list(base.path(), json)
                .unwrap_err()
                .contains("is no pattern")
        );
    }

    #[test]
    fn a_folder_is_removed_when_nobody_uses_it() {
        let base = site();
        let choice: Choice =
            serde_json::from_value(serde_json::json!({ "files": ["x.txt"] })).unwrap();
        let Ok(chosen) = choice.list(base.path(), &base.path().join(".holm")) else {
            panic!("it is there");
        };
        let count = || {
            std::fs::read_dir(base.path().join(".holm/files"))
                .unwrap()
                .count()
        };
        let first = chosen.make().unwrap();
        let second = chosen.make().unwrap();
        assert_eq!(count(), 2);
        // As a killed process leaves it: nobody holds its lock.
        let left = second.folder.keep();
        drop(second._lock);
        assert!(left.exists());
        let third = chosen.make().unwrap();
        assert!(!left.exists() && first.path().exists() && third.path().exists());
        drop((first, third));
        assert_eq!(count(), 0);
    }
}
