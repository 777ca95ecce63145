//! A TOML value that knows where it was written.

use serde_json::Value as Json;

use crate::{Redacted, Span};

/// A TOML value with its place in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Where it was written; for a table with a `[header]`, the header.
    pub span: Span,
    /// What it is.
    pub kind: ValueKind,
}

/// The kinds of TOML values.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// Text.
    String(String),
    /// Text that a secret variable was filled into.
    Secret(Redacted<String>),
    /// A whole number.
    Integer(i64),
    /// A number with a point, an exponent, `inf` or `nan`.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A date, a time, or both, as written.
    Datetime(String),
    /// A list.
    Array(Vec<Value>),
    /// Keys and values.
    Table(Table),
}

impl ValueKind {
    /// The kind with its article, for messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::String(_) | Self::Secret(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a point",
            Self::Bool(_) => "a boolean",
            Self::Datetime(_) => "a date or time",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key, quotes and escapes resolved.
    pub name: String,
    /// Where it was written (first).
    pub span: Span,
}

/// A TOML table in the order of the file. Look-up is linear: tables written by hand are short.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    entries: Vec<(Key, Value)>,
}

impl Table {
    /// A table of these entries; the keys must differ.
    pub fn new(entries: Vec<(Key, Value)>) -> Self {
        Self { entries }
    }

    /// The value under a key.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.get_key_value(name).map(|(_, value)| value)
    }

    /// The value under a key, and the key with its place.
    pub fn get_key_value(&self, name: &str) -> Option<(&Key, &Value)> {
        self.iter().find(|(key, _)| key.name == name)
    }

    /// All entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.name.as_str())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Value {
    /// A value at a place.
    pub const fn new(kind: ValueKind, span: Span) -> Self {
        Self { span, kind }
    }

    /// A string made in code.
    pub fn string(text: impl Into<String>) -> Self {
        Self::made(ValueKind::String(text.into()))
    }

    /// An integer made in code.
    pub fn integer(number: i64) -> Self {
        Self::made(ValueKind::Integer(number))
    }

    /// A boolean made in code.
    pub fn bool(value: bool) -> Self {
        Self::made(ValueKind::Bool(value))
    }

    /// An array made in code.
    pub fn array(items: Vec<Self>) -> Self {
        Self::made(ValueKind::Array(items))
    }

    /// A table made in code; of equal keys the last one holds.
    pub fn table<K: Into<String>>(entries: Vec<(K, Self)>) -> Self {
        let mut table = Table::default();
        for (name, value) in entries {
            let name = name.into();
            match table.entries.iter_mut().find(|(key, _)| key.name == name) {
                Some((_, old)) => *old = value,
                None => {
                    let span = Span::default();
                    table.entries.push((Key { name, span }, value));
                }
            }
        }
        Self::made(ValueKind::Table(table))
    }

    fn made(kind: ValueKind) -> Self {
        Self::new(kind, Span::default())
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            ValueKind::String(text) => Some(text),
            ValueKind::Secret(text) => Some(text.reveal()),
            _ => None,
        }
    }

    /// The number, if this is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self.kind {
            ValueKind::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            ValueKind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match &self.kind {
            ValueKind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The table, if this is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value under a key, if this is a table that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_table()?.get(name)
    }

    /// This table without one key: what is left for a parser that does not know the key.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut copy = self.clone();
        if let ValueKind::Table(table) = &mut copy.kind {
            table.entries.retain(|(key, _)| key.name != name);
        }
        copy
    }

    /// The same value as JSON; dates become strings, as do numbers that JSON lacks.
    pub fn to_json(&self) -> Json {
        match &self.kind {
            ValueKind::String(text) | ValueKind::Datetime(text) => text.as_str().into(),
            ValueKind::Secret(text) => text.reveal().as_str().into(),
            ValueKind::Integer(number) => (*number).into(),
            ValueKind::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| number.to_string().into(), Json::Number),
            ValueKind::Bool(value) => (*value).into(),
            ValueKind::Array(items) => items.iter().map(Self::to_json).collect(),
            ValueKind::Table(table) => table
                .iter()
                .map(|(key, value)| (key.name.clone(), value.to_json()))
                .collect(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::integer(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::bool(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::array(items.into_iter().map(Into::into).collect())
    }
}
