//! `spin.toml`, the manifest of Spin's apps, read as one of ours.
//!
//! A translation from tree to tree: what comes out is the [`Value`] that an equal `holm.toml` would
//! be, each part with the place that it has in spin.toml. What is wrong with it later is shown there.
//! [`schema`] is what spin.toml may say; [`old`] makes version 1 into version 2; the other files are
//! one part of version 2 each. It knows the grants and triggers that Spin's words become by name,
//! which nothing else in this crate does.

mod component;
mod dependencies;
mod hosts;
mod old;
mod schema;
#[cfg(test)]
mod tests;
mod triggers;

use crate::validate::{Place, validate};
use crate::{Key, Problem, Source, Span, Table, Value, ValueKind};

/// The name of Spin's manifest in an app's folder.
pub const SPIN_FILE_NAME: &str = "spin.toml";

const VERSION: &str = "spin_manifest_version";
/// What the version was called at first.
const OLD_VERSION: &str = "spin_version";

/// Whether a manifest is Spin's: by its name, or by the key that all of Spin's begin with.
pub(crate) fn is_spin(source: &Source, root: &Value) -> bool {
    let named = source.path.file_name().is_some_and(|n| n == SPIN_FILE_NAME);
    named || root.get(VERSION).is_some() || root.get(OLD_VERSION).is_some()
}

/// What the rest of the language has words for; the rest of it may be older than this.
pub(crate) struct Words<'a> {
    /// Whether there is a grant of that name.
    pub(crate) grant: &'a dyn Fn(&str) -> bool,
    /// Whether an app has variables.
    pub(crate) variables: bool,
}

/// The tree of an equal holm.toml, with all that is wrong. None where nothing can be read.
pub(crate) fn translate(root: &Value, words: &Words<'_>) -> (Option<Value>, Vec<Problem>) {
    let version = match version(root) {
        Ok(version) => version,
        Err(problem) => return (None, vec![problem]),
    };
    let schema = match version {
        Version::One => schema::version_1(),
        Version::Two => schema::version_2(),
    };
    let mut problems = validate(root, &schema, &schema, &Place::root());
    let newer;
    let root = match version {
        Version::One => {
            newer = old::to_version_2(root, &mut problems);
            &newer
        }
        Version::Two => root,
    };
    let mut app = App {
        words,
        problems,
        components: Vec::new(),
        triggers: Vec::new(),
        crons: Vec::new(),
        redis: Vec::new(),
        mqtt: Vec::new(),
    };
    let value = app.translate(root);
    (Some(value), app.problems)
}

enum Version {
    One,
    Two,
}

fn version(root: &Value) -> Result<Version, Problem> {
    let Some(value) = root.get(VERSION).or_else(|| root.get(OLD_VERSION)) else {
        return Err(Problem::error(format!("missing key `{VERSION}`"))
            .at(root.span)
            .label(format!("`{VERSION}` is required here"))
            .help(format!("add a first line: {VERSION} = 2")));
    };
    match (&value.kind, value.as_integer()) {
        (_, Some(2)) => Ok(Version::Two),
        (ValueKind::String(text), _) if text == "1" => Ok(Version::One),
        (_, Some(1)) => Ok(Version::One),
        _ => Err(Problem::error(format!("`{VERSION}` must be 2 or \"1\""))
            .at(value.span)
            .label("no manifest of Spin has this version")
            .help(format!("write {VERSION} = 2"))),
    }
}

/// The app while it is translated.
struct App<'a> {
    words: &'a Words<'a>,
    problems: Vec<Problem>,
    /// Those of the file, then those that stand inside of triggers and dependencies.
    components: Vec<(Key, Value)>,
    triggers: Vec<Value>,
    /// Those by the clock.
    crons: Vec<Value>,
    /// Those by channels of Redis.
    redis: Vec<Value>,
    /// Those by topics of MQTT.
    mqtt: Vec<Value>,
}

impl App<'_> {
    fn translate(&mut self, root: &Value) -> Value {
        let mut out = Entries::default();
        let application = root.get("application");
        self.application(application, &mut out);
        if let Some((key, variables)) = entry(root, "variables") {
            self.variables(key, variables, &mut out);
        }
        for (key, component) in tables(root.get("component")) {
            self.component(key, component);
        }
        for (kind, items) in tables(root.get("trigger")) {
            match items.as_array() {
                Some(items) => {
                    let common = application.and_then(|app| app.get("trigger")?.get(&kind.name));
                    self.triggers_of(kind, items, common);
                }
                None => self.problems.push(
                    Problem::error(format!(
                        "`{}` must be an array of tables",
                        kind.name.escape_debug()
                    ))
                    .at(items.span)
                    .label(format!("this is {}", items.kind.name()))
                    .help(format!(
                        "there can be several, so write `[[trigger.{}]]`",
                        kind.name.escape_debug()
                    )),
                ),
            }
        }
        self.health(application.map_or(root.span, |table| table.span));
        let made = std::mem::take(&mut self.components);
        if !made.is_empty() {
            let at = root.get("component").map_or(root.span, |table| table.span);
            out.put(
                "component",
                at,
                Value::new(ValueKind::Table(Table::new(made)), at),
            );
        }
        for (kind, triggers) in [
            ("http", std::mem::take(&mut self.triggers)),
            ("cron", std::mem::take(&mut self.crons)),
            ("redis", std::mem::take(&mut self.redis)),
            ("mqtt", std::mem::take(&mut self.mqtt)),
        ] {
            if !triggers.is_empty() {
                let all = Value::new(ValueKind::Array(triggers), root.span);
                out.put(kind, root.span, all);
            }
        }
        out.value(root.span)
    }

    fn application(&mut self, application: Option<&Value>, out: &mut Entries) {
        for name in ["name", "version", "description"] {
            let Some((key, value)) = application.and_then(|table| entry(table, name)) else {
                continue;
            };
            let value = match value.as_str() {
                Some("") if name != "name" => continue,
                Some(text) if name == "name" => string(slug(text), value.span),
                _ => value.clone(),
            };
            out.put(name, key.span, value);
        }
        let http = application.and_then(|table| table.get("trigger")?.get("http"));
        if let Some(base) = http.and_then(|http| http.get("base"))
            && base.as_str().is_none_or(|base| base != "/")
        {
            self.problems.push(
                Problem::error("`base` is not supported: Spin itself has given it up")
                    .at(base.span)
                    .label("expected \"/\"")
                    .help("remove the line, and write the base into each `route`"),
            );
        }
    }

    fn variables(&mut self, key: &Key, variables: &Value, out: &mut Entries) {
        if !self.words.variables {
            self.problems.push(
                Problem::error("`variables` are not supported yet by this version")
                    .at(key.span)
                    .label("an app has none here"),
            );
            return;
        }
        for (_, variable) in tables(Some(variables)) {
            let required = variable.get("required").and_then(Value::as_bool) == Some(true);
            if required == variable.get("default").is_some() {
                let label = match required {
                    true => "this has both",
                    false => "this has none of them",
                };
                self.problems.push(
                    Problem::error("a variable is either `required` or has a `default`")
                        .at(variable.span)
                        .label(label),
                );
            }
        }
        out.put("variables", key.span, variables.clone());
    }
}

/// A table while it is made.
#[derive(Default)]
struct Entries(Vec<(Key, Value)>);

impl Entries {
    fn put(&mut self, name: &str, at: Span, value: Value) {
        let name = name.to_owned();
        self.0.push((Key { name, span: at }, value));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value(self, at: Span) -> Value {
        Value::new(ValueKind::Table(Table::new(self.0)), at)
    }
}

/// The key and the value of that name, if this is a table that has it.
fn entry<'v>(table: &'v Value, name: &str) -> Option<(&'v Key, &'v Value)> {
    table.as_table()?.get_key_value(name)
}

/// The entries of a table of tables, if there is one.
fn tables(table: Option<&Value>) -> impl Iterator<Item = (&Key, &Value)> {
    table
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::iter)
}

fn string(text: impl Into<String>, at: Span) -> Value {
    Value::new(ValueKind::String(text.into()), at)
}

/// A name as ours are: Spin takes any text for an app's, and capitals for a component's.
fn slug(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    let mut name = match name.chars().next() {
        None => "app".to_owned(),
        Some('0'..='9') => format!("app-{name}"),
        Some(_) => name.to_owned(),
    };
    name.truncate(63);
    name
}
