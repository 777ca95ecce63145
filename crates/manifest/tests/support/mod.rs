//! A vocabulary for tests: shaped like the real one, small enough to read.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(missing_docs, reason = "test code")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holm_manifest::{
    ByteSize, Fragment, Manifest, Problem, Problems, Source, Spanned, Value, Vocabulary,
};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct KeyValue(#[allow(dead_code)] Vec<String>);

#[derive(Deserialize, JsonSchema)]
struct Http(Vec<Spanned<String>>);

#[derive(Deserialize, JsonSchema)]
struct Dirs(#[allow(dead_code)] BTreeMap<String, Dir>);

/// A folder, alone or with what may be done there.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Dir {
    /// The path, to read.
    Path(#[allow(dead_code)] String),
    /// The path and the access.
    Full(#[allow(dead_code)] FullDir),
    /// Chosen files.
    Chosen(#[allow(dead_code)] Chosen),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// Which ones.
    #[allow(dead_code)]
    files: Vec<ChosenFile>,
    /// Which not.
    #[allow(dead_code)]
    #[serde(default)]
    exclude: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum ChosenFile {
    /// A pattern.
    Pattern(#[allow(dead_code)] String),
    /// One file, under another name.
    Placed(#[allow(dead_code)] BTreeMap<String, String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FullDir {
    /// Folder on the host.
    #[allow(dead_code)]
    path: String,
    /// What may be done there.
    #[serde(default)]
    #[allow(dead_code)]
    access: Option<Access>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    /// Path; `...` at the end takes all below.
    #[schemars(example = "/...", length(min = 1))]
    route: Spanned<String>,
    /// Whose headers the guest finds.
    #[allow(dead_code)]
    metadata: Option<String>,
    /// What is answered without a component.
    #[allow(dead_code)]
    respond: Option<serde_json::Value>,
    /// Component that answers.
    component: Option<String>,
    /// Folder of files that are served.
    files: Option<PathBuf>,
    /// Methods; all if absent.
    #[allow(dead_code)]
    #[serde(default)]
    methods: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cron {
    /// When, as five fields.
    #[schemars(example = "*/5 * * * *")]
    #[allow(dead_code)]
    schedule: String,
    /// Component that is called.
    #[allow(dead_code)]
    component: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "provider", rename_all = "lowercase")]
#[allow(dead_code)]
enum KeyValueStore {
    /// A file of ours.
    Redb {
        /// The file.
        path: Option<PathBuf>,
        /// The most that it holds.
        limit: Option<ByteSize>,
    },
    /// Gone when the app ends.
    Memory {
        /// The most that it holds.
        limit: Option<ByteSize>,
    },
    /// A Redis server.
    Redis {
        /// Where it is.
        #[schemars(example = "redis://127.0.0.1:6379")]
        url: String,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SqlStore {
    /// File of the database.
    #[allow(dead_code)]
    path: Option<PathBuf>,
}

fn nothing(_: &Value) -> Vec<Problem> {
    Vec::new()
}

fn check_http(value: &Value) -> Vec<Problem> {
    let origins = match value.parse::<Http>() {
        Ok(http) => http.0,
        Err(problem) => return vec![problem],
    };
    let wrong = |origin: &Spanned<String>| {
        let known = origin.starts_with("https://") || origin.starts_with("http://");
        let known = known || **origin == *"private";
        (!known).then(|| {
            Problem::error("this is not an origin")
                .at(origin.span)
                .label("expected a scheme and a host")
                .help(format!("write \"https://{}\"", origin.value))
        })
    };
    origins.iter().filter_map(wrong).collect()
}

fn check_http_trigger(value: &Value) -> Vec<Problem> {
    let trigger = match value.parse::<HttpTrigger>() {
        Ok(trigger) => trigger,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    if !trigger.route.starts_with('/') {
        problems.push(
            Problem::error("`route` must start with `/`")
                .at(trigger.route.span)
                .label("no `/` here"),
        );
    }
    let answers = [
        trigger.component.is_some(),
        trigger.files.is_some(),
        trigger.respond.is_some(),
    ];
    if answers.iter().filter(|there| **there).count() != 1 {
        problems.push(
            Problem::error("a route has either `component` or `files`")
                .at(value.span)
                .label(match trigger.files {
                    Some(_) => "this has both",
                    None => "this has none of them",
                }),
        );
    }
    problems
}

pub fn vocabulary() -> Vocabulary {
    let fragment = |name, doc, schema, check| Fragment {
        name,
        doc,
        example: "",
        schema,
        check,
    };
    Vocabulary {
        grants: vec![
            fragment(
                "keyvalue",
                "Stores of keys and values.",
                schema_for!(KeyValue),
                nothing,
            ),
            fragment(
                "http",
                "Origins it may call.",
                schema_for!(Http),
                check_http,
            ),
            fragment(
                "net",
                "Hosts and ports it may dial.",
                schema_for!(KeyValue),
                nothing,
            ),
            fragment("dirs", "Folders it may open.", schema_for!(Dirs), nothing),
            fragment(
                "env",
                "Environment variables.",
                schema_for!(BTreeMap<String, String>),
                nothing,
            ),
            fragment(
                "config",
                "Configuration values.",
                schema_for!(BTreeMap<String, String>),
                nothing,
            ),
        ],
        triggers: vec![
            fragment(
                "http",
                "A route.",
                schema_for!(HttpTrigger),
                check_http_trigger,
            ),
            fragment("cron", "A schedule.", schema_for!(Cron), nothing),
        ],
        stores: vec![
            fragment(
                "keyvalue",
                "Keys and values.",
                schema_for!(KeyValueStore),
                nothing,
            ),
            fragment("sql", "A database.", schema_for!(SqlStore), nothing),
        ],
        brokers: Vec::new(),
    }
}

/// Parses a text under the name that the snapshots show.
pub fn parse(text: &str) -> Result<Manifest, Problems> {
    holm_manifest::parse(&Source::new("holm.toml", text), &vocabulary())
}

/// What the user sees: the errors, or else the warnings, or else nothing.
pub fn shown(text: &str) -> String {
    shown_as("holm.toml", text)
}

/// The same of a manifest of that name.
pub fn shown_as(name: &str, text: &str) -> String {
    let problems = match holm_manifest::parse(&Source::new(name, text), &vocabulary()) {
        Ok(manifest) if manifest.warnings.is_empty() => return String::new(),
        Ok(manifest) => Problems::new(manifest.source, manifest.warnings),
        Err(problems) => problems,
    };
    problems.render(false, 80)
}

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The files of a test folder in order.
pub fn files(name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(name)).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A manifest with some of everything that is right.
pub const VALID: &str = include_str!("valid.toml");
