//! One pass over the values of a manifest, in which templates become what they stand for.

use super::declared::Declared;
use super::is_name;
use super::template::{Piece, is_template, pieces};
use crate::{Key, Problem, Redacted, Source, Span, Table, Value, ValueKind};

/// The grants that templates are filled in.
const GRANTS: [&str; 9] = [
    "config", "secrets", "env", "http", "net", "redis", "mqtt", "postgres", "mysql",
];

/// The keys of triggers that templates are filled in: where something is, and who logs in there.
const ADDRESS: [&str; 6] = ["address", "url", "username", "password", "channel", "topic"];

/// The pass, and what it finds.
pub(super) struct Filling<'a> {
    pub(super) declared: &'a Declared,
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    /// Values with a variable that has none.
    pub(super) unknown: Vec<Span>,
    /// Values with something secret in them.
    pub(super) places: Vec<Span>,
}

impl Filling<'_> {
    /// The whole manifest: only what is named above is looked into.
    pub(super) fn root(&mut self, root: &Value) -> Value {
        self.entries(root, |filling, key, value| match key.name.as_str() {
            super::TABLE => value.clone(),
            "component" => filling.entries(value, |filling, _, component| {
                filling.entries(component, |filling, key, value| {
                    match key.name == "grants" {
                        true => filling.entries(value, Self::grant),
                        false => value.clone(),
                    }
                })
            }),
            "store" | "broker" => filling.all(value),
            _ => filling.trigger(value),
        })
    }

    fn grant(&mut self, key: &Key, value: &Value) -> Value {
        match GRANTS.contains(&key.name.as_str()) {
            true => self.all(value),
            false => value.clone(),
        }
    }

    fn trigger(&mut self, value: &Value) -> Value {
        let ValueKind::Array(items) = &value.kind else {
            return value.clone();
        };
        let address = |filling: &mut Self, key: &Key, value: &Value| match ADDRESS
            .contains(&key.name.as_str())
        {
            true => filling.all(value),
            false => value.clone(),
        };
        let items = items.iter().map(|item| self.entries(item, address));
        Value::new(ValueKind::Array(items.collect()), value.span)
    }

    /// A table with its values made anew; anything else as it is.
    fn entries(
        &mut self,
        value: &Value,
        mut each: impl FnMut(&mut Self, &Key, &Value) -> Value,
    ) -> Value {
        let ValueKind::Table(table) = &value.kind else {
            return value.clone();
        };
        let entries = table
            .iter()
            .map(|(key, value)| (key.clone(), each(self, key, value)));
        Value::new(ValueKind::Table(Table::new(entries.collect())), value.span)
    }

    /// A value with all strings in it filled.
    fn all(&mut self, value: &Value) -> Value {
        match &value.kind {
            ValueKind::String(text) if is_template(text) => self.text(text, value.span),
            ValueKind::Array(items) => {
                let items = items.iter().map(|item| self.all(item));
                Value::new(ValueKind::Array(items.collect()), value.span)
            }
            ValueKind::Table(_) => self.entries(value, |filling, _, value| filling.all(value)),
            _ => value.clone(),
        }
    }

    fn text(&mut self, text: &str, span: Span) -> Value {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(open) => {
                let problem = Problem::error("a `{{` without its `}}`");
                self.wrong(problem, span, text, open.0, 2);
                return Value::new(ValueKind::String(text.to_owned()), span);
            }
        };
        let (mut filled, mut secret) = (String::with_capacity(text.len()), false);
        for piece in pieces {
            let (name, at) = match piece {
                Piece::Text(text) => {
                    filled.push_str(text);
                    continue;
                }
                Piece::Name { name, at } => (name, at),
            };
            match self.declared.find(name) {
                Some(variable) => {
                    secret |= variable.secret;
                    match &variable.value {
                        Some(value) => filled.push_str(value.reveal()),
                        // Said already, at the variable.
                        None => self.unknown.push(span),
                    }
                }
                None => {
                    let problem = match is_name(name) {
                        true => Problem::error(format!("there is no variable `{name}`")),
                        false => Problem::error("this is not the name of a variable")
                            .note("a `{{` that begins no template is written {{ \"{{\" }}"),
                    };
                    let problem = problem.help(self.declared.others(name));
                    self.wrong(problem, span, text, at, name.len());
                }
            }
        }
        let kind = match secret {
            true => {
                self.places.push(span);
                ValueKind::Secret(Redacted::new(filled))
            }
            false => ValueKind::String(filled),
        };
        Value::new(kind, span)
    }

    /// A mistake within a template: at its own place where the file has the text to the letter.
    fn wrong(&mut self, problem: Problem, span: Span, text: &str, at: usize, length: usize) {
        self.unknown.push(span);
        let written = self
            .source
            .text
            .get(span.start..span.end)
            .unwrap_or_default();
        let begin = written.find(text).map(|begin| span.start + begin + at);
        let place = begin.map_or(span, |begin| Span::new(begin, begin + length.max(1)));
        self.problems
            .push(problem.at(place).label("in this template"));
    }
}
