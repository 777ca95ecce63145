//! A value checked against a JSON schema; everything that is wrong, each with its place.
//!
//! Only the keywords that our schemas use, but those with messages for people. What it
//! enforces is the published schema, so an editor and Holm say the same.

mod expected;
mod scalar;
mod table;
mod union;

use serde_json::Value as Json;

use crate::{Key, Problem, Value, ValueKind};

/// References nest no deeper than this; a schema that refers to itself stops here.
const DEPTH_MAX: usize = 200;

/// All that is wrong with `value` by `schema`, whose references lead into `root`.
pub(crate) fn validate(value: &Value, schema: &Json, root: &Json, place: &Place) -> Vec<Problem> {
    let mut walk = Walk {
        root,
        problems: Vec::new(),
        depth: 0,
    };
    walk.check(value, schema, place);
    walk.problems
}

/// How a value is called in messages, and the key it stands under.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    pub(crate) name: String,
    pub(crate) key: Option<&'a Key>,
}

const ROOT: &str = "the manifest";

impl<'a> Place<'a> {
    pub(crate) fn root() -> Self {
        Self {
            name: ROOT.into(),
            key: None,
        }
    }

    fn is_root(&self) -> bool {
        self.key.is_none() && self.name == ROOT
    }

    pub(crate) fn key(key: &'a Key) -> Self {
        Self {
            name: format!("`{}`", shorten(&key.name)),
            key: Some(key),
        }
    }

    fn item(&self, index: usize) -> Self {
        // In an array of tables every header shows itself; counting would not help.
        Self {
            name: format!("item {} of {}", index + 1, self.name),
            key: None,
        }
    }
}

/// A name fit for a message.
pub(crate) fn shorten(name: &str) -> String {
    let mut out: String = name.chars().take(60).collect();
    if out.len() < name.len() {
        out.push('…');
    }
    out.escape_debug().to_string()
}

struct Walk<'s> {
    root: &'s Json,
    problems: Vec<Problem>,
    depth: usize,
}

impl<'s> Walk<'s> {
    fn check(&mut self, value: &Value, schema: &'s Json, place: &Place) {
        if self.depth > DEPTH_MAX {
            return;
        }
        self.depth += 1;
        self.check_here(value, schema, place);
        self.depth -= 1;
    }

    fn check_here(&mut self, value: &Value, schema: &'s Json, place: &Place) {
        if schema == &Json::Bool(false) {
            let problem = Problem::error(format!("{} is not allowed here", place.name));
            self.problems.push(problem.at(value.span));
            return;
        }
        if let Some(target) = self.target(schema) {
            self.check(value, target, place);
        }
        for part in list(schema, "allOf") {
            self.check(value, part, place);
        }
        for keyword in ["anyOf", "oneOf"] {
            if schema.get(keyword).is_some() {
                self.check_union(value, list(schema, keyword), schema, place);
            }
        }
        if !accepts(schema, value) {
            let problem = self.wrong_type(value, &[schema], schema, place);
            self.problems.push(problem);
            return;
        }
        self.check_choice(value, schema, place);
        match &value.kind {
            ValueKind::String(text) => self.check_string(text, value, schema, place),
            ValueKind::Secret(text) => self.check_string(text.reveal(), value, schema, place),
            ValueKind::Integer(number) => {
                self.check_number(*number as f64, value, schema, place);
            }
            ValueKind::Float(number) => self.check_number(*number, value, schema, place),
            ValueKind::Array(items) => self.check_array(items, value, schema, place),
            ValueKind::Table(table) => self.check_table(table, value, schema, place),
            ValueKind::Bool(_) | ValueKind::Datetime(_) => {}
        }
    }

    /// What a `$ref` leads to.
    fn target(&self, schema: &Json) -> Option<&'s Json> {
        let path = schema.get("$ref")?.as_str()?;
        self.root.pointer(path.strip_prefix('#')?)
    }

    /// The schema behind any number of references.
    fn resolve(&self, mut schema: &'s Json) -> &'s Json {
        for _ in 0..DEPTH_MAX {
            match self.target(schema) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The problems that `value` has with one schema, without reporting them.
    fn trial(&self, value: &Value, schema: &'s Json, place: &Place) -> Vec<Problem> {
        let mut walk = Walk {
            root: self.root,
            problems: Vec::new(),
            depth: self.depth,
        };
        walk.check(value, schema, place);
        walk.problems
    }

    fn check_array(&mut self, items: &[Value], value: &Value, schema: &'s Json, place: &Place) {
        let limit = |keyword| schema.get(keyword).and_then(Json::as_u64);
        let count = items.len() as u64;
        let words = |n: u64| match n {
            1 => "1 item".to_owned(),
            _ => format!("{n} items"),
        };
        let wanted = match (limit("minItems"), limit("maxItems")) {
            (Some(least), _) if count < least => Some(format!("at least {}", words(least))),
            (_, Some(most)) if count > most => Some(format!("at most {}", words(most))),
            _ => None,
        };
        if let Some(wanted) = wanted {
            self.problems.push(
                Problem::error(format!("{} must have {wanted}", place.name))
                    .at(value.span)
                    .label(format!("this has {}", words(count))),
            );
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.check(item, schema, &place.item(index));
            }
        }
        if schema.get("uniqueItems") == Some(&Json::Bool(true)) {
            let twice = items.iter().enumerate().find_map(|(index, item)| {
                let same = |other: &&Value| other.to_json() == item.to_json();
                items[..index].iter().find(same).map(|_| item)
            });
            if let Some(item) = twice {
                let problem = Problem::error(format!("{} has an item twice", place.name));
                self.problems
                    .push(problem.at(item.span).label("again here"));
            }
        }
    }
}

/// The schemas under a keyword.
fn list<'s>(schema: &'s Json, keyword: &str) -> &'s [Json] {
    let items = schema.get(keyword).and_then(Json::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

/// Whether the `type` keyword, if there is one, allows this kind of value.
fn accepts(schema: &Json, value: &Value) -> bool {
    let allows = |name: &Json| {
        matches!(
            (name.as_str(), &value.kind),
            (Some("string"), ValueKind::String(_) | ValueKind::Secret(_))
                | (Some("integer" | "number"), ValueKind::Integer(_))
                | (Some("number"), ValueKind::Float(_))
                | (Some("boolean"), ValueKind::Bool(_))
                | (Some("array"), ValueKind::Array(_))
                | (Some("object"), ValueKind::Table(_))
        )
    };
    match schema.get("type") {
        None => true,
        Some(Json::Array(names)) => names.iter().any(allows),
        Some(name) => allows(name),
    }
}
