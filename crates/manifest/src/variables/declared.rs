//! The variables of a manifest with their values.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::given::{Dotenv, Given, NAMES};
use super::is_name;
use crate::source::reason;
use crate::{Key, Problem, Redacted, Span, Spanned, Value, nearest};

/// The largest file that is read as a value.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One variable.
pub(super) struct Variable {
    pub(super) name: String,
    /// None where nobody said what it is, or it could not be read; that was told.
    pub(super) value: Option<Redacted<String>>,
    pub(super) secret: bool,
}

/// All of them, in the order of the file.
pub(super) struct Declared {
    list: Vec<Variable>,
    /// Where the manifest itself writes a value that must not be shown.
    written: Vec<Span>,
    /// Where values came from, or would have.
    pub(super) files: Vec<PathBuf>,
}

/// A variable as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    default: Option<Spanned<String>>,
    required: Option<Spanned<bool>>,
    secret: bool,
    file: Option<Spanned<PathBuf>>,
    #[allow(dead_code, reason = "it is for who reads the manifest")]
    description: Option<String>,
}

impl Written {
    fn of(value: &Value) -> Result<Self, Problem> {
        match value.as_str() {
            Some(text) => Ok(Written {
                default: Some(Spanned::new(text.to_owned(), value.span)),
                ..Written::default()
            }),
            None => value.parse(),
        }
    }
}

impl Declared {
    /// Reads the table and finds the values. What its schema says of it is told elsewhere.
    pub(super) fn read(
        table: Option<&Value>,
        dir: &Path,
        given: &Given,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let path = dir.join(".env");
        let dotenv = match given.is_needed() {
            true => Dotenv::read(&path),
            false => Ok(Dotenv::default()),
        };
        let dotenv = dotenv.unwrap_or_else(|problem| {
            problems.push(problem);
            Dotenv::default()
        });
        let mut all = Declared {
            list: Vec::new(),
            written: Vec::new(),
            files: vec![path],
        };
        let table = table.and_then(Value::as_table);
        for (key, value) in table.into_iter().flat_map(crate::Table::iter) {
            if !is_name(&key.name) {
                // The schema has told of characters; of where a `_` may stand it cannot.
                if key.name.contains("__") || key.name.ends_with('_') {
                    problems.push(
                        Problem::error("this cannot be the name of a variable")
                            .at(key.span)
                            .label("a `_` stands between letters or digits"),
                    );
                }
                continue;
            }
            // One that is written wrong is there, so that its use is no second mistake.
            let written = Written::of(value).unwrap_or_default();
            let readable = Written::of(value).is_ok();
            all.files
                .extend(written.file.iter().map(|file| dir.join(&**file)));
            // Also of one in which something else is wrong.
            if value.get("secret").and_then(Value::as_bool) == Some(true) {
                all.written
                    .extend(value.get("default").map(|default| default.span));
            }
            let value = match readable {
                true => value_of(key, &written, dir, given, &dotenv, problems),
                false => None,
            };
            all.list.push(Variable {
                name: key.name.clone(),
                value: value.map(Redacted::new),
                secret: written.secret,
            });
        }
        for name in given.flags() {
            if all.find(name).is_none() {
                let problem = Problem::error(format!("there is no variable `{name}`"));
                problems.push(problem.help(all.others(name)));
            }
        }
        all
    }

    pub(super) fn find(&self, name: &str) -> Option<&Variable> {
        self.list.iter().find(|variable| variable.name == name)
    }

    /// What to say to somebody who meant another one.
    pub(super) fn others(&self, name: &str) -> String {
        let names = || self.list.iter().map(|variable| variable.name.as_str());
        match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.list.is_empty() => "add it under [variables]".into(),
            None => format!("variables: {}", names().collect::<Vec<_>>().join(", ")),
        }
    }

    /// Where the manifest itself writes one of them.
    pub(super) fn written(&self) -> Vec<Span> {
        self.written.clone()
    }

    /// The values that must not be shown.
    pub(super) fn secrets(&self) -> Vec<Redacted<String>> {
        let secret = self.list.iter().filter(|variable| variable.secret);
        secret
            .filter_map(|variable| variable.value.clone())
            .collect()
    }
}

/// What a variable is: from the flag, the environment, `.env`, its file, its default.
fn value_of(
    key: &Key,
    written: &Written,
    dir: &Path,
    given: &Given,
    dotenv: &Dotenv,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let name = &key.name;
    if let (Some(required), Some(default)) = (&written.required, &written.default)
        && required.value
    {
        problems.push(
            Problem::error(format!("variable `{name}` is required and has a default"))
                .at(default.span)
                .label("what for?")
                .help("leave one of the two out"),
        );
    }
    if !given.is_needed() {
        return None;
    }
    if let Some(value) = given.value(name).or_else(|| dotenv.value(name)) {
        return Some(value.to_owned());
    }
    if let Some(file) = &written.file {
        match read(&dir.join(&**file)) {
            Ok(Some(value)) => return Some(value),
            Ok(None) => {}
            Err(why) => {
                let shown = file.display();
                let problem = Problem::error(format!("variable `{name}`: `{shown}` {why}"));
                problems.push(problem.at(file.span).label("this file"));
                return None;
            }
        }
    }
    if let Some(default) = &written.default {
        return Some(default.value.clone());
    }
    let upper = name.to_uppercase();
    let mut problem = Problem::error(format!("variable `{name}` has no value"))
        .at(key.span)
        .label("nobody said what it is")
        .help(format!("on the command line: --variable {name}=…"))
        .note(format!(
            "or in the environment, or in a file .env beside the manifest: {}{upper}=…",
            NAMES[0]
        ));
    problem = match &written.file {
        Some(file) => problem.note(format!(
            "or in its file, which is not there: {}",
            file.display()
        )),
        None => problem.note(format!(
            "or in a file that the manifest names: {name} = {{ file = \"…\" }}"
        )),
    };
    problems.push(problem.note(format!("or in the manifest: {name} = \"…\"")));
    None
}

/// The text of a file without the line break at its end; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {}", reason(&error))),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {}", reason(&error)))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("is larger than 1 MiB".into());
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(Some(text))
}
