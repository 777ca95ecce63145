//! Scripts with a `fetch` handler, in JavaScript or TypeScript, as components.
//!
//! ```toml
//! [component.web]
//! source = "src/index.ts"
//! ```
//!
//! The build is npm's: `esbuild` makes one file of the script and what it imports, and
//! `@bytecodealliance/componentize-js` runs its top level once and makes a component of the result. Both
//! are of the project's own `node_modules`. What Holm adds is the little that stands between the
//! handler and WASI: `env` and `ctx`.

mod wasi;

pub use wasi::WASI_0_2;

use crate::building::{self, BuildCause, BuildError};
use holm_manifest::{Build, Component, ComponentSource, Manifest, Spanned, Value, ValueKind};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the component is built against: StarlingMonkey exports exactly this version.
const VERSION: &str = "0.2.10";

const BUILD: &str = include_str!("build.mjs");
const RUNTIME: &str = include_str!("runtime.js");
const KEYVALUE: &str = include_str!("../../../../wit/wasi-keyvalue@0.2.0-draft2/store.wit");
const CONFIG: &str = include_str!("../../../../wit/wasi-config@0.2.0-rc.1/store.wit");

/// How the line begins that imports the user's script.
const SCRIPT: &str = "import * as script from ";

/// Files of a project beside its sources that its build depends on.
const BESIDE: [&str; 3] = ["package.json", "package-lock.json", "tsconfig.json"];

/// Folders that hold what tools make.
const IGNORED: [&str; 4] = ["node_modules", ".holm", ".git", "dist"];

/// The script of a component, where it is one.
pub fn script(component: &Component) -> Option<&Path> {
    match &component.source.value {
        ComponentSource::Script(script) => Some(script),
        ComponentSource::File(_) | ComponentSource::Fetched(_) => None,
    }
}

/// Files and folders whose changes make a new component, relative to the manifest's folder.
pub fn sources(script: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let folder = script.parent().filter(|f| !f.as_os_str().is_empty());
    let mut all = vec![folder.unwrap_or(Path::new(".")).to_owned()];
    all.extend(BESIDE.map(PathBuf::from));
    // What it is granted, it is built with.
    all.extend(manifest.source.path.file_name().map(PathBuf::from));
    all
}

/// Whether the component is missing, or older than what it is made of.
pub fn is_outdated(component: &Component, manifest: &Manifest) -> bool {
    let Some(script) = script(component) else {
        return false;
    };
    let made = modified(&component.source.value.resolve(&manifest.dir));
    let Some(made) = made else { return true };
    // Granted by a flag, or written by an older Holm.
    let folder = ComponentSource::build_folder(script, &manifest.dir);
    let main = Bindings::of(component).main(script);
    let is_as = |name: &str, text: &str| {
        fs::read_to_string(folder.join(name))
            .is_ok_and(|is| without_script(&is).eq(without_script(text)))
    };
    if !is_as("main.js", &main) || !is_as("runtime.js", RUNTIME) || !is_as("build.mjs", BUILD) {
        return true;
    }
    let sources = sources(script, manifest);
    sources
        .iter()
        .any(|path| is_newer(&manifest.dir.join(path), made))
}

/// The lines of a generated file but for where the script lies: a folder may be moved.
fn without_script(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with(SCRIPT))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Whether a file, or anything in a folder, was changed after that.
fn is_newer(path: &Path, made: SystemTime) -> bool {
    if !path.is_dir() {
        return modified(path).is_some_and(|changed| changed > made);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let sources = entries.filter(|e| !IGNORED.iter().any(|ignored| e.file_name() == *ignored));
    // Links are not followed: they may lead in a circle.
    sources
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
        .any(|entry| is_newer(&entry.path(), made))
}

/// Builds a script.
///
/// # Errors
/// A tool is missing, or refuses the script; its own words have gone to standard error.
pub async fn build(
    component: &Component,
    script: &Path,
    manifest: &Manifest,
) -> Result<(), BuildError> {
    let folder = ComponentSource::build_folder(script, &manifest.dir);
    let below = ComponentSource::build_folder(script, Path::new(""));
    let command = format!("node {}", shell_word(&below.join("build.mjs")));
    let command = Build {
        command: Spanned {
            value: command,
            span: component.source.span,
        },
        dir: None,
        watch: Vec::new(),
    };
    write(component, script, manifest, &folder).map_err(|error| BuildError {
        component: component.name.clone(),
        command: command.command.value.clone(),
        cause: BuildCause::NotStarted(error),
        missing: Vec::new(),
    })?;
    building::build(&component.name, &command, &manifest.dir).await
}

/// A path as one word for the shell.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Writes what the build needs beside the script.
fn write(
    component: &Component,
    script: &Path,
    manifest: &Manifest,
    folder: &Path,
) -> io::Result<()> {
    let source = manifest.dir.join(script).canonicalize()?;
    let bindings = Bindings::of(component);
    let deps = folder.join("wit/deps");
    fs::create_dir_all(&deps)?;
    fs::write(folder.join("build.mjs"), BUILD)?;
    fs::write(folder.join("runtime.js"), RUNTIME)?;
    fs::write(folder.join("main.js"), bindings.main(&source))?;
    fs::write(folder.join("wit/worker.wit"), bindings.world())?;
    for (name, text) in WASI_0_2 {
        fs::write(deps.join(name), text.replace(wasi::VERSION, VERSION))?;
    }
    let keyvalue = format!("package wasi:keyvalue@0.2.0-draft2;\n\n{KEYVALUE}");
    fs::write(deps.join("keyvalue.wit"), keyvalue)?;
    let config = format!("package wasi:config@0.2.0-rc.1;\n\n{CONFIG}");
    fs::write(deps.join("config.wit"), config)
}

/// What the handler finds in `env`.
#[derive(Debug, Default, PartialEq)]
struct Bindings {
    stores: Vec<String>,
    variables: bool,
}

impl Bindings {
    /// Those of a component: the stores and values that it was granted.
    fn of(component: &Component) -> Self {
        let stores = component.grant("keyvalue").map(|grant| &grant.value.kind);
        let names = match stores {
            Some(ValueKind::Array(stores)) => stores.iter().filter_map(Self::name).collect(),
            _ => Vec::new(),
        };
        Bindings {
            stores: names,
            variables: component.grant("config").is_some(),
        }
    }

    fn name(store: &Value) -> Option<String> {
        let name = store.as_str().or_else(|| store.get("store")?.as_str())?;
        Some(name.to_owned())
    }

    /// The script that imports the user's.
    fn main(&self, source: &Path) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let source = quoted(&source.display().to_string());
        let mut imports =
            format!("import {{ serve, Store }} from \"./runtime.js\";\n{SCRIPT}{source};\n");
        let mut entries = Vec::new();
        if self.variables {
            imports += "import { getAll } from \"wasi:config/store@0.2.0-rc.1\";\n";
            entries.push("...Object.fromEntries(getAll())".to_owned());
        }
        if !self.stores.is_empty() {
            imports += "import { open } from \"wasi:keyvalue/store@0.2.0-draft2\";\n";
        }
        for store in &self.stores {
            let store = quoted(store);
            entries.push(format!("{store}: new Store({store}, open)"));
        }
        let entries = entries.join(", ");
        format!("{imports}\nserve(script.default, () => ({{ {entries} }}));\n")
    }

    /// The world of the component.
    fn world(&self) -> String {
        let mut world = format!(
            "package holm:worker;\n\nworld worker {{\n  include wasi:http/proxy@{VERSION};\n"
        );
        if self.variables {
            world += "  import wasi:config/store@0.2.0-rc.1;\n";
        }
        if !self.stores.is_empty() {
            world += "  import wasi:keyvalue/store@0.2.0-draft2;\n";
        }
        world + "}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_manifest::{Parser, Source};
    use std::time::Duration;

    fn manifest(path: &Path, text: &str) -> Manifest {
        let text = format!("name = \"a\"\n[component.web]\nsource = \"src/index.ts\"\n{text}");
        let source = Source::new(path.join("holm.toml"), text);
        Parser::new(crate::vocabulary()).parse(&source).unwrap()
    }

    #[test]
    fn bindings_come_from_grants() {
        let text = "[component.web.grants]\nkeyvalue = [\"default\", \"users\"]\n\
                    config = { GREETING = \"hi\" }";
        let manifest = manifest(Path::new("/app"), text);
        let bindings = Bindings::of(&manifest.components[0]);
        assert_eq!(bindings.stores, ["default", "users"]);
        let main = bindings.main(Path::new("/app/a \"b\".ts"));
        assert!(
            main.contains(r#"import * as script from "/app/a \"b\".ts";"#),
            "{main}"
        );
        assert!(
            main.contains(r#""users": new Store("users", open)"#),
            "{main}"
        );
        assert!(main.contains("...Object.fromEntries(getAll())"), "{main}");
        let world = bindings.world();
        assert!(
            world.contains("import wasi:keyvalue/store@0.2.0-draft2;"),
            "{world}"
        );
        // What is not granted is not imported, or the app would not load.
        let none = Bindings::default();
        let all = none.main(Path::new("/a.js")) + &none.world();
        assert!(
            !all.contains("keyvalue") && !all.contains("config"),
            "{all}"
        );
    }

    #[test]
    fn a_script_that_changed_is_built_again() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let manifest = manifest(dir, "");
        let component = &manifest.components[0];
        assert!(is_outdated(component, &manifest), "there is nothing yet");
        let made = component.source.value.resolve(dir);
        assert_eq!(made, dir.join(".holm/build/src-index.ts/component.wasm"));
        for path in ["src/lib/a.ts", "src/node_modules/b.js"] {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        }
        fs::create_dir_all(made.parent().unwrap()).unwrap();
        let file = fs::File::create(&made).unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        file.set_modified(later).unwrap();
        fs::write(dir.join("src/index.ts"), "").unwrap();
        let folder = made.parent().unwrap();
        write(component, Path::new("src/index.ts"), &manifest, folder).unwrap();
        assert!(!is_outdated(component, &manifest));
        // Built with other grants, as by a flag.
        let granted = self::manifest(dir, "grants = { config = { a = \"b\" } }\n");
        assert!(is_outdated(&granted.components[0], &granted));
        let newer = later + Duration::from_secs(1);
        let touch = |path: &str| {
            let file = fs::File::create(dir.join(path)).unwrap();
            file.set_modified(newer).unwrap();
        };
        touch("src/node_modules/b.js");
        assert!(!is_outdated(component, &manifest), "not a source");
        touch("src/lib/a.ts");
        assert!(is_outdated(component, &manifest));
        file.set_modified(newer).unwrap();
        assert!(!is_outdated(component, &manifest));
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(shell_word(Path::new("a b'c")), r"'a b'\''c'");
    }
}
