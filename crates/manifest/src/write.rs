//! A tree as TOML text, laid out as people write a holm.toml.

use crate::{Table, Value, ValueKind};
use std::fmt::Write as _;

/// Wider lines are written as several, where that can be done.
const WIDTH: usize = 100;

/// Tables that hold tables by name: each of those has a header of its own.
const NAMED: [&str; 3] = ["component", "store", "broker"];

/// The text of a manifest: what is one value stands above, then a header for each table.
pub fn to_toml(root: &Value) -> String {
    let mut out = String::new();
    let Some(table) = root.as_table() else {
        return out;
    };
    let (tables, plain): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| is_table(value));
    for (key, value) in plain {
        line(&mut out, &key.name, value);
    }
    for (key, value) in tables {
        let name = bare(&key.name);
        match &value.kind {
            ValueKind::Array(items) => {
                for item in items {
                    header(&mut out, &format!("[[{name}]]"));
                    lines(&mut out, item);
                }
            }
            ValueKind::Table(inner) if NAMED.contains(&key.name.as_str()) && all_tables(inner) => {
                for (key, value) in inner.iter() {
                    named(&mut out, &format!("{name}.{}", bare(&key.name)), value);
                }
            }
            _ => {
                header(&mut out, &format!("[{name}]"));
                lines(&mut out, value);
            }
        }
    }
    out
}

/// One of several tables of a kind, with the tables in it under headers of their own.
fn named(out: &mut String, path: &str, value: &Value) {
    header(out, &format!("[{path}]"));
    let entries = value.as_table().into_iter().flat_map(Table::iter);
    let (tables, plain): (Vec<_>, Vec<_>) =
        entries.partition(|(_, value)| value.as_table().is_some());
    for (key, value) in plain {
        line(out, &key.name, value);
    }
    for (key, value) in tables {
        header(out, &format!("[{path}.{}]", bare(&key.name)));
        lines(out, value);
    }
}

/// Whether a table holds tables, and nothing else.
fn all_tables(table: &Table) -> bool {
    !table.is_empty() && table.iter().all(|(_, value)| value.as_table().is_some())
}

/// Whether a value at the top stands under a header: an array of tables, or a table.
fn is_table(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Table(_) => true,
        ValueKind::Array(items) => {
            !items.is_empty() && items.iter().all(|item| item.as_table().is_some())
        }
        _ => false,
    }
}

fn header(out: &mut String, text: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(text);
    out.push('\n');
}

fn lines(out: &mut String, value: &Value) {
    for (key, value) in value.as_table().into_iter().flat_map(Table::iter) {
        line(out, &key.name, value);
    }
}

fn line(out: &mut String, key: &str, value: &Value) {
    let key = bare(key);
    let text = inline(value);
    // Writing to a string cannot fail.
    let _ = match &value.kind {
        ValueKind::Array(items) if key.len() + 3 + text.len() > WIDTH => {
            let items: String = items.iter().fold(String::new(), |mut all, item| {
                let _ = writeln!(all, "    {},", inline(item));
                all
            });
            writeln!(out, "{key} = [\n{items}]")
        }
        _ => writeln!(out, "{key} = {text}"),
    };
}

fn inline(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => quoted(text),
        // Made of a variable; what is imported has the template in its place.
        ValueKind::Secret(_) => quoted("(secret)"),
        ValueKind::Integer(number) => number.to_string(),
        ValueKind::Float(number) if number.is_nan() => "nan".into(),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::Bool(value) => value.to_string(),
        ValueKind::Datetime(text) => text.clone(),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Table(table) if table.is_empty() => "{}".into(),
        ValueKind::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", bare(&key.name), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A key, in quotes where it needs them.
fn bare(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A string as TOML writes it. Several lines stay several.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, syntax};

    fn read(text: &str) -> Value {
        syntax::read(&Source::new("t", text)).unwrap_or_else(|p| panic!("{p:?}\n{text}"))
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let text = "name = \"a\\\"\\\\b\\u0007\\u007f\u{e9}\"\nf = 1e400\nn = -3\nd = 1979-05-27\n\
                    list = [1, [2.5, true], {}]\n\
                    [variables]\nx = { default = \"y\", secret = true }\n\
                    [component.web]\nsource = \"w.wasm\"\n\
                    grants.env = { \"A B\" = \"c\", \"\" = \"\" }\n\
                    [component.web.build]\ncommand = \"make\\nall\"\n\
                    [[http]]\nroute = \"/...\"\nrespond = { headers = { a = \"b\" } }\n\
                    [[http]]\nroute = \"/x\"\n[odd]\na.b.c = [{ d = 1 }]\n";
        let value = read(text);
        let written = to_toml(&value);
        assert_eq!(read(&written).to_json(), value.to_json(), "{written}");
        assert_eq!(to_toml(&read(&written)), written);
    }

    #[test]
    fn long_lists_take_a_line_for_each() {
        let long = vec!["0123456789".repeat(5); 3];
        let written = to_toml(&Value::table(vec![("list", Value::from(long))]));
        assert_eq!(written.lines().count(), 5, "{written}");
    }

    #[test]
    fn any_text_that_is_a_manifest_can_be_written() {
        let words = [
            "[a]\n", "[[b]]\n", "c = ", "{ ", " }", "\"\"\"", "\n", "1", "'", "[", "]",
        ];
        crate::fuzz::text("manifest", &words, |text| {
            let Ok(value) = syntax::read(&Source::new("t", text)) else {
                return;
            };
            let written = to_toml(&value);
            let again = read(&written);
            assert_eq!(again.to_json(), value.to_json(), "{written}");
        });
    }
}
