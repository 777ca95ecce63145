//! Which file is the manifest of what the user named.

use std::path::{Path, PathBuf};

use crate::source::reason;
use crate::{FILE_NAME, Problem, SPIN_FILE_NAME};

/// Manifests of other tools, which we recognise but do not read yet.
const FOREIGN: [&str; 2] = ["wasmcloud.toml", "wadm.yaml"];

/// The manifest of an app: a folder's `holm.toml`, else its `spin.toml`; or the file itself.
pub fn find(dir_or_file: &Path) -> Result<PathBuf, Problem> {
    let shown = dir_or_file.display();
    let about = std::fs::metadata(dir_or_file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let problem = Problem::error(format!("there is no `{shown}`"));
            problem.help("name the folder of an app, or its manifest")
        }
        _ => Problem::error(format!("cannot read `{shown}`: {}", reason(&error))),
    })?;
    if about.is_dir() {
        return in_folder(dir_or_file);
    }
    let name = dir_or_file.file_name().and_then(|name| name.to_str());
    if let Some(name) = name.filter(|name| FOREIGN.contains(name)) {
        return Err(foreign(name));
    }
    if dir_or_file.extension().is_some_and(|ext| ext == "wasm") {
        let problem = Problem::error(format!("`{shown}` is WebAssembly, not a manifest"));
        return Err(problem.help(alone(dir_or_file)));
    }
    Ok(dir_or_file.to_owned())
}

/// Where a folder without a manifest may have its script.
const SCRIPTS: [&str; 8] = [
    "src/index.ts",
    "src/index.js",
    "src/worker.ts",
    "src/worker.js",
    "index.ts",
    "index.js",
    "worker.ts",
    "worker.js",
];

/// The script of an app that has no manifest: the file itself, or that of a folder; with the folder.
pub fn find_script(dir_or_file: &Path) -> Option<(PathBuf, PathBuf)> {
    if dir_or_file.is_dir() {
        let written = |name: &&str| dir_or_file.join(name).exists();
        if [FILE_NAME, SPIN_FILE_NAME].iter().any(|name| written(name)) {
            return None;
        }
        let script = SCRIPTS
            .iter()
            .find(|name| dir_or_file.join(name).is_file())?;
        return Some((dir_or_file.to_owned(), script.into()));
    }
    let is_one = crate::is_script(dir_or_file) && dir_or_file.is_file();
    let name = is_one.then(|| dir_or_file.file_name()).flatten()?;
    let folder = dir_or_file.parent().unwrap_or(Path::new(""));
    Some((folder.to_owned(), name.into()))
}

fn in_folder(dir: &Path) -> Result<PathBuf, Problem> {
    for name in [FILE_NAME, SPIN_FILE_NAME] {
        let path = dir.join(name);
        match std::fs::File::open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let why = reason(&error);
                return Err(Problem::error(format!(
                    "cannot read `{}`: {why}",
                    path.display()
                )));
            }
            Err(_) => {}
        }
    }
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    if let Some(name) = names.iter().find(|name| FOREIGN.contains(&name.as_str())) {
        return Err(foreign(name));
    }
    let shown = match dir.as_os_str().is_empty() {
        true => ".".into(),
        false => dir.display().to_string(),
    };
    let problem = Problem::error(format!("there is no {FILE_NAME} in `{shown}`"));
    let near = crate::nearest(FILE_NAME, names.iter().map(String::as_str));
    let wasm = names.iter().find(|name| name.ends_with(".wasm"));
    Err(if let Some(near) = near {
        problem.help(format!("found {near}: rename it to {FILE_NAME}"))
    } else if let Some(wasm) = wasm {
        let file = dir.join(wasm);
        problem.help(format!("found {wasm}; {}", alone(&file)))
    } else if let Some(above) = above(dir) {
        problem.help(format!("found one above it, in `{}`", above.display()))
    } else {
        problem.help("an app is a folder with a holm.toml; a single component is served by: holm up FILE.wasm")
    })
}

/// What can be done with a file that has no manifest.
fn alone(file: &Path) -> String {
    let file = file.display();
    format!(
        "without a manifest, a service is served by `holm up {file}`, and a program is run by `holm run {file}`"
    )
}

fn above(dir: &Path) -> Option<PathBuf> {
    let full = std::path::absolute(dir).ok()?;
    full.ancestors()
        .skip(1)
        .find(|dir| dir.join(FILE_NAME).is_file() || dir.join(SPIN_FILE_NAME).is_file())
        .map(Path::to_owned)
}

fn foreign(name: &str) -> Problem {
    Problem::error(format!("found {name}: not supported yet by this version"))
        .help(format!("write a {FILE_NAME} beside it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_without_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(find_script(dir), None);
        std::fs::create_dir(dir.join("src")).unwrap();
        std::fs::write(dir.join("src/index.ts"), "").unwrap();
        std::fs::write(dir.join("index.js"), "").unwrap();
        assert_eq!(find_script(dir), Some((dir.into(), "src/index.ts".into())));
        assert_eq!(
            find_script(&dir.join("index.js")),
            Some((dir.into(), "index.js".into()))
        );
        assert_eq!(find_script(&dir.join("other.js")), None);
        std::fs::write(dir.join("holm.toml"), "").unwrap();
        assert_eq!(find_script(dir), None);
    }

    #[test]
    fn finds_or_says_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let fail = |path: &Path| find(path).unwrap_err();
        let says = |problem: Problem| format!("{} | {}", problem.message, problem.help.unwrap());

        assert!(fail(&dir.join("none")).message.starts_with("there is no"));
        assert!(says(fail(dir)).contains("holm up FILE.wasm"));

        std::fs::write(dir.join("app.wasm"), "").unwrap();
        assert!(says(fail(dir)).contains("found app.wasm"));
        assert!(says(fail(&dir.join("app.wasm"))).contains("holm run"));

        std::fs::write(dir.join("holm.tml"), "").unwrap();
        assert!(says(fail(dir)).contains("found holm.tml: rename it"));

        std::fs::write(dir.join("wadm.yaml"), "").unwrap();
        assert!(says(fail(dir)).contains("found wadm.yaml: not supported yet"));
        assert!(says(fail(&dir.join("wadm.yaml"))).contains("not supported yet"));

        std::fs::write(dir.join("spin.toml"), "").unwrap();
        assert_eq!(find(dir).unwrap(), dir.join("spin.toml"));
        assert_eq!(find(&dir.join("spin.toml")).unwrap(), dir.join("spin.toml"));

        std::fs::write(dir.join("holm.toml"), "").unwrap();
        assert_eq!(find(dir).unwrap(), dir.join("holm.toml"));
        assert_eq!(find(&dir.join("holm.toml")).unwrap(), dir.join("holm.toml"));

        std::fs::create_dir(dir.join("sub")).unwrap();
        assert!(says(fail(&dir.join("sub"))).contains("found one above"));
    }
}
