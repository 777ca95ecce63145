//! What people say of variables outside of the manifest: flags, the environment, `.env`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::source::reason;
use crate::{Problem, Redacted};

/// How variables are called in the environment and in `.env`: these words, and the name in upper
/// case. The first of them is asked first.
pub(super) const NAMES: [&str; 2] = ["HOLM_VARIABLE_", "SPIN_VARIABLE_"];

/// Values by the name of the variable.
type Values = BTreeMap<String, Redacted<String>>;

/// The values that come with the process: its flags and its environment.
#[derive(Clone, Debug, Default)]
pub struct Given {
    flags: Values,
    environment: Values,
    not_needed: bool,
}

impl Given {
    /// What flags say, and this process's environment.
    pub fn of_process(flags: impl IntoIterator<Item = (String, String)>) -> Self {
        let environment = std::env::vars_os().filter_map(|(key, value)| {
            let (key, value) = (key.into_string().ok()?, value.into_string().ok()?);
            Some((key, value))
        });
        Self::new(flags, environment)
    }

    /// What flags say, and an environment.
    pub fn new(
        flags: impl IntoIterator<Item = (String, String)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let flags = flags.into_iter();
        Given {
            flags: flags.map(|(name, value)| (name, value.into())).collect(),
            environment: named(environment),
            not_needed: false,
        }
    }

    /// For those who want to know what a manifest says but for its variables: that they have no
    /// value is no mistake, and of what they are filled into nothing is said.
    pub fn not_needed() -> Self {
        Given {
            not_needed: true,
            ..Self::default()
        }
    }

    /// Whether a variable must have a value.
    pub(super) fn is_needed(&self) -> bool {
        !self.not_needed
    }

    /// The value of a variable.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.flags.get(name).or_else(|| self.environment.get(name));
        found.map(|value| value.reveal().as_str())
    }

    /// The names that flags speak of.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &str> {
        self.flags.keys().map(String::as_str)
    }
}

/// The variables among some names and values.
fn named(all: impl IntoIterator<Item = (String, String)>) -> Values {
    let mut found = Values::new();
    let mut theirs = Values::new();
    for (key, value) in all {
        for (index, word) in NAMES.into_iter().enumerate() {
            let Some(name) = key.strip_prefix(word) else {
                continue;
            };
            // Two names that differ in case would be one variable; only the upper case counts.
            if name.chars().any(|c| c.is_ascii_lowercase()) {
                continue;
            }
            let values = if index == 0 { &mut found } else { &mut theirs };
            values.insert(name.to_ascii_lowercase(), value.clone().into());
        }
    }
    for (name, value) in theirs {
        found.entry(name).or_insert(value);
    }
    found
}

/// The values of a file `.env`.
#[derive(Debug, Default)]
pub(super) struct Dotenv(Values);

impl Dotenv {
    /// Reads the file; there need not be one.
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        let cannot = |why: String| {
            Problem::error(format!("`.env` beside the manifest cannot be read: {why}"))
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(cannot(reason(&error))),
        };
        Self::parse(&text).map_err(cannot)
    }

    /// Reads the text of one. What is wrong is told without what stands there, which may be secret.
    ///
    /// A `$` is a `$`: the library would put in what the process's environment says, which is the
    /// operator's and not the app's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // One of those that mean nothing to anybody; there are more of them than a file has characters.
        let dollar = ('\u{f0000}'..='\u{ffffd}').find(|c| !text.contains(*c));
        let dollar = dollar.ok_or("it has characters that stand for nothing")?;
        let covered = plain_dollars(text, dollar);
        let entries: Result<Vec<_>, _> = dotenvy::from_read_iter(covered.as_bytes()).collect();
        match entries {
            Ok(entries) => Ok(Dotenv(named(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.replace(dollar, "$"))),
            ))),
            Err(dotenvy::Error::LineParse(line, _)) => {
                let at = covered
                    .lines()
                    .position(|one| line.lines().next() == Some(one));
                let place = at.map_or("a line".to_owned(), |at| format!("line {}", at + 1));
                Err(format!("{place} is not NAME=VALUE"))
            }
            Err(_) => Err("it is not made of lines NAME=VALUE".into()),
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.reveal().as_str())
    }
}

/// The text with another character in place of each `$` that no backslash stands before.
fn plain_dollars(text: &str, other: char) -> String {
    let mut escaped = false;
    let plain = text.chars().map(|c| {
        let is = c;
        let c = if c == '$' && !escaped { other } else { c };
        escaped = is == '\\' && !escaped;
        c
    });
    plain.collect()
}
