//! An app as a tar: its manifest, and the files and folders that it names.

use crate::grants::place_here;
use holm_capabilities::files::{Chosen, Files};
use holm_capabilities::{Capability as _, Place};
use holm_manifest::{FILE_NAME, Manifest, Problem, Problems, Span, Value, ValueKind};
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Folders in one another, at most; links that lead in a circle end here.
const DEPTH_MAX: usize = 32;

/// Packs an app, or says what cannot be sent.
pub fn pack(manifest: &Manifest) -> Result<Vec<u8>, Problems> {
    let mut entries = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, span) in named(manifest) {
        let taken = inside(&path).and_then(|inside| {
            let from = manifest.dir.join(&inside);
            collect(&from, &inside, 0, &mut entries).map_err(|error| {
                Problem::error(format!("cannot read `{}`: {error}", path.display()))
            })
        });
        if let Err(problem) = taken {
            problems.push(problem.at(span));
        }
    }
    if !problems.is_empty() {
        return Err(Problems::new(manifest.source.clone(), problems));
    }
    write(manifest, &entries).map_err(|error| {
        Problem::error(format!("the app cannot be packed: {error}")).in_source(&manifest.source)
    })
}

/// What a manifest names of its own folder.
fn named(manifest: &Manifest) -> Vec<(PathBuf, Span)> {
    let mut named = Vec::new();
    for component in &manifest.components {
        let path = component.source.value.resolve(Path::new(""));
        named.push((path, component.source.span));
        // A folder that is named whole is the server's own.
        let dirs = component.grant("dirs").map(|grant| &grant.value.kind);
        if let Some(ValueKind::Table(dirs)) = dirs {
            let paths = dirs.iter().filter_map(|(_, dir)| {
                let path = dir.as_str().or_else(|| dir.get("path")?.as_str())?;
                Some((PathBuf::from(path), dir.span))
            });
            named.extend(paths.filter(|(path, _)| path.is_relative()));
        }
        if let Some(grant) = component.grant("dirs") {
            let at = |path| (path, grant.value.span);
            named.extend(chosen(manifest, &grant.value).into_iter().map(at));
        }
    }
    for trigger in &manifest.triggers {
        if let Some(files) = trigger.value.get("files") {
            named.extend(files.as_str().map(|path| (path.into(), files.span)));
        }
    }
    named
}

/// The files that folders of chosen files are made of. What is wrong with them is told where the app is
/// loaded.
fn chosen(manifest: &Manifest, grant: &Value) -> Vec<PathBuf> {
    let place = Place {
        base: manifest.dir.clone(),
        ..place_here(None)
    };
    let root = manifest.dir.canonicalize().unwrap_or_default();
    let granted = Files::granted(Some(grant), &place).unwrap_or_default();
    let chosen = granted.dirs().iter().filter_map(|dir| dir.chosen.as_ref());
    chosen
        .flat_map(Chosen::sources)
        .filter_map(|source| Some(source.strip_prefix(&root).ok()?.to_owned()))
        .collect()
}

/// The path without its dots, if it stays inside the app's folder.
fn inside(path: &Path) -> Result<PathBuf, Problem> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        let stays = match part {
            Component::CurDir => true,
            Component::Normal(name) => {
                inside.push(name);
                true
            }
            Component::ParentDir => inside.pop(),
            Component::RootDir | Component::Prefix(_) => false,
        };
        if !stays {
            return Err(Problem::error(format!(
                "`{}` is outside of the app's folder",
                path.display()
            ))
            .help("only what is inside is sent: copy it there"));
        }
    }
    Ok(inside)
}

/// Notes files and folders, links as what they lead to.
fn collect(
    from: &Path,
    inside: &Path,
    depth: usize,
    entries: &mut BTreeMap<PathBuf, PathBuf>,
) -> io::Result<()> {
    let about = std::fs::metadata(from)?;
    // The app's folder itself, where it is served whole, holds what is not the app's.
    let own = |name: &Path| name.as_os_str() == ".holm" || name.as_os_str() == ".git";
    if depth > DEPTH_MAX {
        return Err(io::Error::other("too many folders in one another"));
    }
    if !inside.as_os_str().is_empty() {
        entries.insert(inside.to_owned(), from.to_owned());
    }
    if about.is_dir() {
        for entry in std::fs::read_dir(from)? {
            let name = PathBuf::from(entry?.file_name());
            if !own(&name) {
                collect(&from.join(&name), &inside.join(&name), depth + 1, entries)?;
            }
        }
    }
    Ok(())
}

fn write(manifest: &Manifest, entries: &BTreeMap<PathBuf, PathBuf>) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let text = manifest.source.text.as_bytes();
    tar.append_data(&mut header(EntryType::Regular, text.len()), FILE_NAME, text)?;
    for (inside, from) in entries {
        if inside == Path::new(FILE_NAME) {
            continue;
        }
        if from.is_dir() {
            tar.append_data(&mut header(EntryType::Directory, 0), inside, io::empty())?;
        } else {
            let bytes = std::fs::read(from)?;
            let mut header = header(EntryType::Regular, bytes.len());
            tar.append_data(&mut header, inside, &*bytes)?;
        }
    }
    tar.into_inner()
}

/// The same for everybody: who owns a file here, and when it was written, is nothing of the app.
fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(match kind {
        EntryType::Directory => 0o755,
        _ => 0o644,
    });
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_not_sent() {
        let is = |path: &str, is: Option<&str>| {
            let inside = inside(Path::new(path)).ok();
            assert_eq!(inside, is.map(PathBuf::from), "{path}");
        };
        is("./a/../b/c.wasm", Some("b/c.wasm"));
        is("a.wasm", Some("a.wasm"));
        is("../a.wasm", None);
        is("a/../../b", None);
        is("/etc/passwd", None);
    }
}
