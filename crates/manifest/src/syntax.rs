//! From TOML text to values: syntax errors in our words, nesting bounded.

use toml::de::{DeTable, DeValue};

use crate::{Key, Problem, Source, Span, Table, Value, ValueKind};

/// Deeper than any manifest; keeps every later walk over a value off the end of the stack.
const DEPTH_MAX: usize = 64;

/// Reads the text as TOML; all syntax errors, at most one for each line.
pub(crate) fn read(source: &Source) -> Result<Value, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if !errors.is_empty() {
        let mut problems: Vec<Problem> = Vec::new();
        let mut line = 0;
        for error in errors {
            let problem = syntax_error(source, &error);
            // What follows a syntax error on its line is mostly its echo.
            let here = problem
                .span
                .map_or(0, |span| source.line_start(span.start) + 1);
            if problems.is_empty() || here != line {
                problems.push(problem);
            }
            line = here;
        }
        return Err(problems);
    }
    let mut problems = Vec::new();
    let end = source.text.len();
    let root = convert_table(table.get_ref(), 0, &mut problems);
    match problems.is_empty() {
        true => Ok(Value::new(ValueKind::Table(root), Span::new(end, end))),
        false => Err(problems),
    }
}

fn convert_table(table: &DeTable<'_>, depth: usize, problems: &mut Vec<Problem>) -> Table {
    let mut entries: Vec<(Key, Value)> = table
        .iter()
        .map(|(key, value)| {
            let name = key.get_ref().to_string();
            let span = key.span().into();
            let value = convert(value.get_ref(), value.span().into(), depth + 1, problems);
            (Key { name, span }, value)
        })
        .collect();
    // The parser sorts by name; the file's own order is what users expect back.
    entries.sort_by_key(|(key, _)| key.span.start);
    Table::new(entries)
}

fn convert(value: &DeValue<'_>, span: Span, depth: usize, problems: &mut Vec<Problem>) -> Value {
    if depth > DEPTH_MAX {
        // One is enough: the outermost that is too deep.
        if problems.is_empty() {
            problems.push(too_deep().at(span));
        }
        return Value::new(ValueKind::Bool(false), span);
    }
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => ValueKind::Integer(number),
            Err(_) => {
                problems.push(
                    Problem::error("this integer is too large")
                        .at(span)
                        .label(format!("expected {} to {}", i64::MIN, i64::MAX)),
                );
                ValueKind::Integer(0)
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => ValueKind::Float(number),
            Err(_) => {
                problems.push(Problem::error("this number cannot be read").at(span));
                ValueKind::Float(0.0)
            }
        },
        DeValue::Boolean(value) => ValueKind::Bool(*value),
        DeValue::Datetime(datetime) => ValueKind::Datetime(datetime.to_string()),
        DeValue::Array(items) => ValueKind::Array(
            items
                .iter()
                .map(|item| convert(item.get_ref(), item.span().into(), depth + 1, problems))
                .collect(),
        ),
        DeValue::Table(table) => ValueKind::Table(convert_table(table, depth, problems)),
    };
    Value::new(kind, span)
}

fn too_deep() -> Problem {
    Problem::error("tables and arrays are nested too deeply")
        .help(format!("a manifest is nested at most {DEPTH_MAX} deep"))
}

/// The parser's error, with a hint for the slips that people make.
fn syntax_error(source: &Source, error: &toml::de::Error) -> Problem {
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (error.message(), None),
    };
    if what.contains("recursion limit") || what.contains("cannot recurse") {
        let problem = too_deep();
        return match error.span() {
            Some(span) => problem.at(span.into()),
            None => problem,
        };
    }
    let help = match what {
        "string values must be quoted" => Some("put the text between quotes: \"…\""),
        "duplicate key" => Some("each key and each [table] is written once: rename or merge them"),
        "key with no value" | "missing value for key" | "missing value" => {
            Some("write `key = value`")
        }
        "invalid unquoted key" => {
            Some("a key of other characters than A-Z a-z 0-9 _ - needs quotes: \"…\"")
        }
        "unclosed table" => Some("close the header with `]`"),
        "unclosed array table" => Some("close the header with `]]`"),
        _ => None,
    };
    let mut problem = Problem::error(match what {
        "" => "this is not TOML".to_owned(),
        _ => format!("this is not TOML: {what}"),
    });
    if what == "duplicate key" {
        problem.message = "this is written twice".to_owned();
    }
    let span = error.span().unwrap_or(0..0);
    // An error at the very start still has a place: the first character.
    let end = match span.end {
        0 => source.text.chars().next().map_or(0, char::len_utf8),
        end => end,
    };
    problem = problem.at(Span::new(span.start, end));
    if let Some(expected) = expected {
        problem = problem.label(format!("expected {expected}"));
    }
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}
