//! What a checked manifest says, as plain data.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{AppBounds, AppLimits, Limits, Problem, Serve, Source, Span, Spanned, Value};

/// A manifest that passed every check.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The text it was read from.
    pub source: Source,
    /// The folder of the manifest, absolute; paths in it are relative to this.
    pub dir: PathBuf,
    /// Name of the app.
    pub name: String,
    /// Version of the app, free text.
    pub version: Option<String>,
    /// What the app is, in one line.
    pub description: Option<String>,
    /// What all of it together may use.
    pub limits: AppLimits,
    /// How it is served.
    pub serve: Serve,
    /// The components in the order of the file; names differ.
    pub components: Vec<Component>,
    /// What calls them, in the order of the file.
    pub triggers: Vec<Trigger>,
    /// Configured stores; an embedded store needs no words.
    pub stores: Vec<Store>,
    /// Configured brokers; one in memory needs no words.
    pub brokers: Vec<Store>,
    /// Files outside of the manifest that its variables come from, or would come from.
    pub variable_files: Vec<PathBuf>,
    /// What is probably not meant, but stops nothing.
    pub warnings: Vec<Problem>,
}

impl Manifest {
    /// The component of that name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|c| c.name == name)
    }

    /// What all of it together may use, with the defaults that its components ask for.
    pub fn bounds(&self) -> AppBounds {
        self.limits
            .bounds(self.components.iter().map(|component| &component.limits))
    }

    /// The store of that name, if it is configured.
    pub fn store(&self, name: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.name == name)
    }
}

/// A named WebAssembly file with its grants and limits.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Where the name was written.
    pub name_span: Span,
    /// Where its code is.
    pub source: Spanned<ComponentSource>,
    /// What it is, in one line.
    pub description: Option<String>,
    /// What it may do, in the order of the file.
    pub grants: Vec<Grant>,
    /// Where the grants were written: the place to add one.
    pub grants_span: Option<Span>,
    /// Which other components provide what it imports, in the order of the file.
    pub imports: Vec<Import>,
    /// What it may use.
    pub limits: Limits,
    /// Requests that one instance serves; 1 is a fresh one for each.
    pub reuse: u32,
    /// Whether its instances may begin from an image of the started component.
    pub snapshot: bool,
    /// A folder or file with its WIT, whose docs its binary may lack; as written, relative to the
    /// folder of the manifest.
    pub wit: Option<PathBuf>,
    /// How it is built.
    pub build: Option<Build>,
}

impl Component {
    /// The grant of that name.
    pub fn grant(&self, name: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.name == name)
    }
}

/// Where a component's code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// A file, as written: relative to the folder of the manifest.
    File(PathBuf),
    /// A script with a `fetch` handler, as written; Holm makes the file of it.
    Script(PathBuf),
    /// A file somewhere else, which Holm fetches once.
    Fetched(Fetched),
}

/// A file that is fetched from a URL, and known by its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is: `http://` or `https://`.
    pub url: String,
    /// Its SHA-256, as 64 hex digits in small letters.
    pub sha256: String,
}

/// Endings of scripts that Holm builds itself.
pub(crate) const SCRIPTS: [&str; 6] = ["js", "mjs", "jsx", "ts", "mts", "tsx"];

/// What is built of a script lies there, in a folder for each.
const BUILT: &str = ".holm/build";

/// What was fetched lies there, named by its digest.
const FETCHED: &str = ".holm/fetched";

impl ComponentSource {
    /// The path of the file, given the folder of the manifest.
    pub fn resolve(&self, dir: &Path) -> PathBuf {
        match self {
            Self::File(path) => dir.join(path),
            Self::Script(script) => Self::build_folder(script, dir).join("component.wasm"),
            Self::Fetched(file) => dir.join(FETCHED).join(format!("{}.wasm", file.sha256)),
        }
    }

    /// What was written.
    pub fn of(text: &str) -> Self {
        let path = PathBuf::from(text);
        match is_script(&path) {
            true => Self::Script(path),
            false => Self::File(path),
        }
    }

    /// Where a script is built, given the folder of the manifest.
    pub fn build_folder(script: &Path, dir: &Path) -> PathBuf {
        let names = script.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => name.to_str(),
            std::path::Component::ParentDir => Some("up"),
            _ => None,
        });
        let name = names.collect::<Vec<_>>().join("-");
        dir.join(BUILT).join(name)
    }
}

/// Whether a file is a script that Holm makes a component of.
pub fn is_script(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| SCRIPTS.contains(&extension))
}

/// One permission; the capability of that name reads the value.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Name of the capability.
    pub name: String,
    /// Where the name was written.
    pub name_span: Span,
    /// The scope.
    pub value: Value,
}

/// An interface that a component imports, and the component of the same app that provides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The interface: `example:payments/processor`, with or without its version.
    pub interface: Spanned<String>,
    /// The component that provides it.
    pub component: Spanned<String>,
}

impl Import {
    /// Whether this is about an import of that name: the same, or the same but for a version that
    /// the manifest leaves out.
    pub fn is_for(&self, import: &str) -> bool {
        let interface = self.interface.value.as_str();
        import == interface || import.split('@').next() == Some(interface)
    }
}

/// One source of events; the trigger of that kind reads the value.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The kind: `http`, `cron`.
    pub kind: String,
    /// Its header in the file.
    pub span: Span,
    /// Its table.
    pub value: Value,
}

/// A configured store.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its name, private to the app.
    pub name: String,
    /// Its header in the file.
    pub span: Span,
    /// Its `type`.
    pub kind: String,
    /// The whole table, `type` included.
    pub value: Value,
}

/// How to build a component.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// A command for the shell.
    #[schemars(length(min = 1))]
    #[schemars(example = "cargo build --release --target wasm32-wasip2")]
    pub command: Spanned<String>,
    /// The folder it runs in; the default is the folder of the manifest.
    pub dir: Option<PathBuf>,
    /// Folders or glob patterns that `holm dev` watches; none means the sources in the
    /// folder of the command.
    #[serde(default)]
    pub watch: Vec<String>,
}

#[cfg(test)]
mod tests {
    use crate::{ByteSize, Source, Vocabulary, parse};

    #[test]
    fn what_is_written_for_a_component_holds_unless_the_app_says_less() {
        let calls = |app: &str, component: &str| {
            let text =
                format!("name = \"a\"\n{app}\n[component.web]\nsource = \"a.wasm\"\n{component}\n");
            let manifest = parse(
                &Source::new("holm.toml", text.as_str()),
                &Vocabulary::default(),
            );
            manifest.unwrap().bounds()
        };
        let bounds = calls("", "");
        assert_eq!(
            (bounds.concurrency, bounds.log_rate),
            (1024, ByteSize(1 << 20))
        );
        assert_eq!(calls("", "limits = { concurrency = 5 }"), bounds);
        let own = "limits = { concurrency = 100_000, sockets = 9_000, log_rate = \"1 GiB\" }";
        let bounds = calls("", own);
        assert_eq!((bounds.concurrency, bounds.connections), (100_000, 9_128));
        assert_eq!(
            (bounds.open_files, bounds.log_rate),
            (8192, ByteSize(1 << 30))
        );
        let bounds = calls(
            "limits = { concurrency = 7, connections = 8, log_rate = \"1 KiB\" }",
            own,
        );
        assert_eq!(
            (bounds.concurrency, bounds.connections, bounds.log_rate),
            (7, 8, ByteSize(1024))
        );
    }
}
