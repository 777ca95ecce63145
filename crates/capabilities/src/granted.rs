//! Stores in a grant, as a manifest writes them: names, each alone or with its access.

use holm_manifest::{Problem, Span, Value, ValueKind};

/// What may be done with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Only what changes nothing.
    Read,
    /// Everything.
    Write,
}

impl Access {
    /// The word of a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
        }
    }
}

/// One store of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub name: String,
    pub access: Access,
    pub span: Span,
}

/// What a store's name may be: safe as a file's name and on a command line.
pub(crate) const NAME: &str =
    "1 to 63 letters, digits, `-`, `_` and `.`, the first a letter or a digit";

pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The schema of what [`read`] reads.
pub(crate) fn schema() -> schemars::Schema {
    let one = serde_json::json!({
        "type": ["string", "object"],
        "properties": {
            "store": { "type": "string" },
            "access": { "type": "string", "enum": ["read", "write"] },
        },
        "required": ["store"],
        "additionalProperties": false,
    });
    schemars::json_schema!({ "type": "array", "items": one })
}

/// The stores in the grant of this name.
pub(crate) fn read(grant: &str, value: &Value) -> Result<Vec<Granted>, Problem> {
    let Some(items) = value.as_array() else {
        return Err(Problem::error("expected a list of stores")
            .at(value.span)
            .label(format!("this is {}", value.kind.name()))
            .help(format!("write `{grant} = [\"default\"]`")));
    };
    items.iter().map(one).collect()
}

fn one(value: &Value) -> Result<Granted, Problem> {
    let ValueKind::Table(table) = &value.kind else {
        return named(value, Access::Write);
    };
    let mut access = Access::Write;
    for (key, value) in table.iter() {
        match (key.name.as_str(), value.as_str()) {
            ("store", _) => {}
            ("access", Some("read")) => access = Access::Read,
            ("access", Some("write")) => access = Access::Write,
            ("access", _) => {
                return Err(Problem::error("`access` is \"read\" or \"write\"").at(value.span));
            }
            (other, _) => {
                return Err(Problem::error(format!("unknown key `{other}`"))
                    .at(key.span)
                    .help("known are `store` and `access`"));
            }
        }
    }
    match table.get("store") {
        Some(name) => named(name, access),
        None => Err(Problem::error("`store` is missing").at(value.span)),
    }
}

fn named(name: &Value, access: Access) -> Result<Granted, Problem> {
    match name.as_str() {
        Some(text) if is_name(text) => Ok(Granted {
            name: text.to_owned(),
            access,
            span: name.span,
        }),
        Some(text) => Err(
            Problem::error(format!("{text:?} cannot be the name of a store"))
                .at(name.span)
                .label(format!("a name is {NAME}")),
        ),
        None => Err(Problem::error("expected a store's name")
            .at(name.span)
            .label(format!("this is {}", name.kind.name()))),
    }
}
