//! `[variables]`: values that come from outside of the manifest, and the templates that they fill.
//!
//! ```toml
//! [variables]
//! region = "eu"
//! token = { required = true, secret = true }
//!
//! [component.web.grants]
//! config = { url = "https://{{ region }}.example.com", token = "{{ token }}" }
//! ```
//! They are filled in before anything else of the manifest is checked, in one pass over its values;
//! so whoever reads a grant or a store meets what it means, and the places stay those of the file.

mod declared;
mod expand;
mod given;
mod secrets;
mod template;
#[cfg(test)]
mod tests;

pub use given::Given;
pub(crate) use secrets::Secrets;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::{Problem, Source, Span, Value};
use declared::Declared;

/// The key of the table.
pub(crate) const TABLE: &str = "variables";

/// A manifest whose templates are filled.
pub(crate) struct Filled {
    /// Its values.
    pub(crate) root: Value,
    /// What is wrong with the variables and with their use.
    pub(crate) problems: Vec<Problem>,
    /// Places whose value is not known, so that nothing can be said of it.
    pub(crate) unknown: Vec<Span>,
    /// What must not be shown.
    pub(crate) secrets: Secrets,
    /// Files that the values came from, or would have come from if they were there.
    pub(crate) files: Vec<PathBuf>,
}

/// Fills the templates of a manifest that has the table `[variables]`.
pub(crate) fn fill(root: &Value, source: &Source, dir: &Path, given: &Given) -> Filled {
    let mut problems = Vec::new();
    let declared = Declared::read(root.get(TABLE), dir, given, &mut problems);
    let mut filling = expand::Filling {
        declared: &declared,
        source,
        problems,
        unknown: Vec::new(),
        places: Vec::new(),
    };
    let root = filling.root(root);
    let expand::Filling {
        problems,
        unknown,
        places,
        ..
    } = filling;
    Filled {
        root,
        problems,
        unknown,
        secrets: Secrets::new(declared.secrets(), places, declared.written()),
        files: declared.files,
    }
}

/// Spin's rule for the names of variables, which is ours.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The table's part of the manifest's schema.
pub(crate) fn schema() -> Json {
    let text = |meaning: &str| json!({ "description": meaning, "type": "string" });
    json!({
        "description": "Values from outside of the manifest, for templates `{{ NAME }}` in it: `[variables]`.",
        "x-example": "[variables]\nregion = \"eu\"\ntoken = { required = true, secret = true }",
        "type": "object",
        "x-noun": "variable",
        "propertyNames": {
            "description": "Name of a variable.",
            "type": "string",
            "pattern": "^[a-z][a-z0-9_]*$",
            "maxLength": 63,
            "x-expected": "lower case letters, digits and single `_` between them, the first a letter",
        },
        "additionalProperties": {
            "anyOf": [
                { "description": "What it is unless somebody says otherwise.", "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "default": text("What it is unless somebody says otherwise; without it the variable is required."),
                        "required": {
                            "description": "Somebody must say what it is.",
                            "type": "boolean",
                        },
                        "secret": {
                            "description": "It is never printed, nor what it was filled into.",
                            "type": "boolean",
                            "default": false,
                        },
                        "file": {
                            "description": "A file whose text is the value, relative to the manifest; a line break at its end does not count.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["/run/secrets/token"],
                        },
                        "description": text("What it is for, in one line."),
                    },
                },
            ],
        },
    })
}
