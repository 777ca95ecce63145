//! What a schema wants, in words; and the message when it gets something else.

use serde_json::Value as Json;

use super::{Place, Walk, list};
use crate::{Problem, Value, ValueKind, bytes, or_none, time};

impl<'s> Walk<'s> {
    /// A value of a kind that none of `wanted` allows. `schema` is the one that may
    /// carry an example.
    pub(super) fn wrong_type(
        &self,
        value: &Value,
        wanted: &[&'s Json],
        schema: &'s Json,
        place: &Place,
    ) -> Problem {
        let mut words = Vec::new();
        for schema in wanted {
            self.words(schema, &mut words, 0);
        }
        let expected = or(&words);
        let problem = Problem::error(format!("{} must be {expected}", place.name))
            .at(value.span)
            .label(format!("this is {}", value.kind.name()));
        let wants = |word: &str| words.iter().any(|known| known == word);
        let help = match (&value.kind, place.key) {
            // The span of a table with a header is the header, which holds the key.
            (ValueKind::Table(_), Some(key))
                if wants("an array of tables") && within(key.span, value.span) =>
            {
                Some(format!("there can be several, so write `[[{}]]`", key.name))
            }
            (ValueKind::Array(items), Some(key))
                if wants("a table") && within(key.span, value.span) && !items.is_empty() =>
            {
                Some("there is only one, so write its header with single brackets".into())
            }
            (ValueKind::Integer(number), Some(key))
                if schema_format(schema) == Some(time::FORMAT) =>
            {
                Some(format!("write `{} = \"{number} s\"` for seconds", key.name))
            }
            (ValueKind::Integer(number), Some(key)) if wants("a string") && words.len() == 1 => {
                Some(format!("write `{} = \"{number}\"`", key.name))
            }
            (ValueKind::Datetime(date), Some(key)) if wants("a string") => {
                Some(format!("write `{} = \"{date}\"`", key.name))
            }
            (ValueKind::String(text), _) if wants("an array of strings") => {
                Some(format!("write [{text:?}]"))
            }
            (ValueKind::String(text), Some(key))
                if wants("true or false") && (text == "true" || text == "false") =>
            {
                Some(format!("write `{} = {text}`, without quotes", key.name))
            }
            _ => self.example(schema, place),
        };
        match help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }

    /// A line to write, from the schema's example.
    pub(super) fn example(&self, schema: &'s Json, place: &Place) -> Option<String> {
        let key = place.key?;
        if let Some(example) = list(self.resolve(schema), "examples").first() {
            return Some(format!("for example: {} = {}", key.name, toml(example)));
        }
        // A snippet of TOML, as fragments bring one.
        let snippet = schema.get("x-example")?.as_str()?.trim();
        (!snippet.is_empty()).then(|| format!("for example:\n{snippet}"))
    }

    /// Adds what `schema` wants, each thing once.
    pub(super) fn words(&self, schema: &'s Json, out: &mut Vec<String>, depth: usize) {
        let schema = self.resolve(schema);
        if depth > 8 {
            return;
        }
        let mut add = |word: String| {
            if !out.contains(&word) {
                out.push(word);
            }
        };
        let or_none = or_none::allowed(schema);
        let known = match schema_format(schema) {
            Some(bytes::FORMAT) => Some("a size such as \"64 MiB\""),
            Some(time::FORMAT) => Some("a time such as \"10 s\""),
            _ if or_none => Some("an integer"),
            _ => None,
        };
        if let Some(known) = known {
            add(known.into());
            if or_none {
                add(format!("{:?}", or_none::WORD));
            }
            return;
        }
        if let Some(only) = schema.get("const") {
            return add(toml(only));
        }
        if schema.get("enum").is_some() {
            list(schema, "enum").iter().for_each(|one| add(toml(one)));
            return;
        }
        let types = match schema.get("type") {
            Some(Json::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
            None => &[],
        };
        for name in types {
            match name.as_str().unwrap_or_default() {
                "string" => add("a string".into()),
                "integer" => add("an integer".into()),
                "number" => add("a number".into()),
                "boolean" => add("true or false".into()),
                "array" => add(self.array_word(schema).into()),
                "object" => add("a table".into()),
                _ => {}
            }
        }
        if types.is_empty() {
            for keyword in ["anyOf", "oneOf", "allOf"] {
                for branch in list(schema, keyword) {
                    self.words(branch, out, depth + 1);
                }
            }
        }
    }

    fn array_word(&self, schema: &'s Json) -> &'static str {
        let items = schema.get("items").map(|items| self.resolve(items));
        let kind = items.and_then(|items| items.get("type")?.as_str());
        match kind {
            Some("string") => "an array of strings",
            Some("object") => "an array of tables",
            Some("integer") => "an array of integers",
            _ => "an array",
        }
    }
}

fn within(inner: crate::Span, outer: crate::Span) -> bool {
    outer.start < inner.start && inner.end < outer.end
}

fn schema_format(schema: &Json) -> Option<&str> {
    schema.get("format")?.as_str()
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn or(words: &[String]) -> String {
    match words {
        [] => "something else".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A JSON value as one would write it in TOML.
pub(super) fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let entry = |(key, value): (&String, &Json)| match key.chars().all(bare) {
                true => format!("{key} = {}", toml(value)),
                false => format!("{key:?} = {}", toml(value)),
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
