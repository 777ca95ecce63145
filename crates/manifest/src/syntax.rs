//! From TOML text to values: syntax errors in our words, nesting bounded.

use toml::de::{DeTable, DeValue};

use crate::validate::shorten;
use crate::{Key, Problem, Source, Span, Table, Value, ValueKind};

/// Deeper than any manifest; keeps every later walk over a value off the end of the stack.
const DEPTH_MAX: usize = 64;

/// The TOML parser allows 80 arrays and inline tables in each other, with keys of 80
/// parts each: 6400 levels that it builds and drops by recursion. A debug build takes
/// some KB for each; the memory is only touched if a file asks for it.
const STACK_BYTES: usize = 64 << 20;

/// Reads the text as TOML; all syntax errors, at most one for each line.
pub(crate) fn read(source: &Source) -> Result<Value, Vec<Problem>> {
    let ours = |what: &str| Err(vec![Problem::error(format!("{FAILED}: {what}"))]);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, || read_here(source)) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| ours("this is a bug in Holm")),
            Err(error) => ours(&error.to_string()),
        }
    })
}

const FAILED: &str = "the manifest could not be parsed";

fn read_here(source: &Source) -> Result<Value, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if !errors.is_empty() {
        return Err(tell(source, &errors));
    }
    let mut problems = Vec::new();
    // What is missing at the top level is missed at the first line.
    let first = source.text.lines().next().map_or(0, str::len);
    let root = convert_table(table.get_ref(), 0, &mut problems);
    match problems.is_empty() {
        true => Ok(Value::new(ValueKind::Table(root), Span::new(0, first))),
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

/// The parser's errors in the order of the file, without those that only echo another:
/// what follows on the same line, and the keys of a table whose header is there twice.
fn tell(source: &Source, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut errors: Vec<&toml::de::Error> = errors.iter().collect();
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut problems: Vec<Problem> = Vec::new();
    let mut told = None;
    let mut doubled = None;
    // The header of the table that the error is in; found going forward, for there can
    // be as many errors as lines.
    let mut header = None;
    let mut seen = 0;
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        let line = source.line_start(start);
        if source.text[line..].starts_with('[') {
            header = Some(line);
        } else if let Some(at) = source.text[seen..line.max(seen)].rfind("\n[") {
            header = Some(seen + at + 1);
        }
        seen = line.max(seen);
        let echo = told == Some(line) || (error.message() == DUPLICATE && doubled == header);
        if echo && !problems.is_empty() {
            continue;
        }
        if error.message() == DUPLICATE && header == Some(line) {
            doubled = header;
        }
        told = Some(line);
        problems.push(syntax_error(source, error));
    }
    problems
}

const DUPLICATE: &str = "duplicate key";

/// The parser's error, with a hint for the slips that people make.
fn syntax_error(source: &Source, error: &toml::de::Error) -> Problem {
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (error.message(), None),
    };
    let range = error.span().unwrap_or(0..0);
    let found = source.text.get(range.clone()).unwrap_or_default();
    if what.contains("recursion limit") || what.contains("cannot recurse") {
        let problem = too_deep();
        return match error.span() {
            Some(span) => problem.at(span.into()),
            None => problem,
        };
    }
    // An error at the very start still has a place: the first character.
    let end = match range.end {
        0 => source.text.chars().next().map_or(0, char::len_utf8),
        end => end,
    };
    let span = Span::new(range.start, end);
    let problem = |message: &str| Problem::error(message).at(span);
    match what {
        DUPLICATE => {
            return problem(&format!("`{}` is written twice", shorten(found)))
                .label("the second one")
                .help("each key and each [table] is written once: rename or merge them");
        }
        QUOTES if found.trim().is_empty() => {
            return problem("a value is missing")
                .label("nothing here")
                .help("write `key = value`");
        }
        QUOTES => {
            return problem("text must be in quotes")
                .label("expected a value")
                .help(format!("write {found:?}"));
        }
        _ => {}
    }
    let problem = problem(&match what {
        "" => "this is not TOML".to_owned(),
        _ => format!("this is not TOML: {what}"),
    });
    let problem = match expected {
        Some("newline, `#`") => problem.label("expected the end of the line"),
        Some("nothing") => problem.label("not expected here"),
        Some(expected) => problem.label(format!("expected {expected}")),
        None => problem,
    };
    let help = match what {
        _ if source.text.trim_start().starts_with('{') => {
            "this looks like JSON, but a manifest is TOML: `key = value`"
        }
        "invalid unquoted key" if found == ":" => "write `key = value`",
        "invalid unquoted key" => {
            "a key with other characters than A-Z a-z 0-9 _ - needs quotes: \"…\""
        }
        "key with no value" | "missing value for key" | "missing value" => "write `key = value`",
        "invalid float" | "invalid integer" => "if this is text, put it in quotes: \"…\"",
        "invalid basic string" | "invalid literal string" => "close the quotes",
        "unclosed table" => "close the header with `]`",
        "unclosed array table" => "close the header with `]]`",
        _ => return problem,
    };
    problem.help(help)
}

const QUOTES: &str = "string values must be quoted";
