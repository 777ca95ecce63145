//! `[[trigger.KIND]]`: what calls the components. A new kind is a line in [`App::triggers_of`].

use super::{App, Entries, entry, slug, string};
use crate::{Key, Problem, Span, Value, ValueKind};

/// What Spin itself answers with 200, for load balancers.
const HEALTH: &str = "/.well-known/spin/health";

impl App<'_> {
    /// Adds the triggers of one kind. Redis and MQTT go beside `http` when they are there.
    pub(super) fn triggers_of(&mut self, kind: &Key, items: &[Value]) {
        for (number, item) in items.iter().enumerate() {
            match &*kind.name {
                "http" => self.http(item, number),
                "cron" => self.cron(item, number),
                other => self.problems.push(
                    Problem::error(format!(
                        "the trigger `{}` is not supported yet by this version",
                        other.escape_debug()
                    ))
                    .at(item.span)
                    .label("nothing would call its component")
                    .help("supported: [[trigger.http]] and [[trigger.cron]]"),
                ),
            }
        }
    }

    fn http(&mut self, item: &Value, number: usize) {
        for name in ["components", "dependencies"] {
            if let Some((key, _)) = entry(item, name) {
                self.problems.push(
                    Problem::error(format!("`{name}` of a trigger is not supported yet"))
                        .at(key.span)
                        .label("middleware is not run")
                        .help("remove it, or let the component do what it did"),
                );
            }
        }
        let executor = item.get("executor");
        let kind = executor.and_then(|executor| executor.get("type"));
        let wagi = kind.filter(|kind| kind.as_str() == Some("wagi"));
        if let Some(executor) = executor.filter(|_| wagi.is_some()) {
            self.executor(executor);
        }
        let mut out = Entries::default();
        match entry(item, "route") {
            Some((key, route)) if route.as_table().is_some() => {
                let private = route.get("private").unwrap_or(route);
                out.put("private", key.span, private.clone());
            }
            Some((key, route)) => {
                let text = route.as_str().unwrap_or_default();
                out.put("route", key.span, string(pattern(text), route.span));
            }
            None => {}
        }
        if let Some((key, component)) = entry(item, "component") {
            let name = match component.as_table() {
                None => slug(component.as_str().unwrap_or_default()),
                Some(_) => self.inline(item, key, component, number),
            };
            out.put("component", key.span, string(name, component.span));
            match wagi {
                Some(wagi) => out.put("cgi", wagi.span, Value::from(true)),
                None => out.put("metadata", key.span, string("spin", key.span)),
            }
        }
        if let Some((key, fixed)) = entry(item, "static_response") {
            out.put("respond", key.span, respond(fixed));
        }
        self.triggers.push(out.value(item.span));
    }

    /// What may be said of the executor `wagi` is what it does anyway.
    fn executor(&mut self, executor: &Value) {
        for (name, usual, does) in [
            (
                "argv",
                "${SCRIPT_NAME} ${ARGS}",
                "the path, then names and values of the query",
            ),
            ("entrypoint", "_start", "`_start`"),
        ] {
            if let Some((key, value)) = entry(executor, name)
                && value.as_str() != Some(usual)
            {
                self.problems.push(
                    Problem::error(format!("another `{name}` of a program is not supported"))
                        .at(key.span)
                        .label(format!("it is always {does}"))
                        .help("remove it"),
                );
            }
        }
    }

    /// The trigger of Spin's cron plugin: its schedule has seconds in front.
    fn cron(&mut self, item: &Value, number: usize) {
        let mut out = Entries::default();
        if let Some((key, schedule)) = entry(item, "cron_expression") {
            out.put("schedule", key.span, schedule.clone());
        }
        if let Some((key, component)) = entry(item, "component") {
            let component_name = match component.as_table() {
                None => slug(component.as_str().unwrap_or_default()),
                Some(_) => self.inline(item, key, component, number),
            };
            let id = item.get("id").and_then(Value::as_str).map(slug);
            let name = id.unwrap_or_else(|| format!("{component_name}-cron{}", number + 1));
            out.put("name", key.span, string(name, component.span));
            out.put(
                "component",
                key.span,
                string(component_name, component.span),
            );
        }
        self.crons.push(out.value(item.span));
    }

    /// A component that is written into its trigger.
    fn inline(&mut self, item: &Value, key: &Key, component: &Value, number: usize) -> String {
        let id = item.get("id").and_then(Value::as_str).map(slug);
        let natural = id.map(|id| format!("{id}-component"));
        let mut counted = (number + 1..).map(|count| format!("inline-component{count}"));
        let taken = |name: &String| self.components.iter().any(|(key, _)| key.name == *name);
        let name = natural
            .filter(|name| !taken(name))
            .or_else(|| counted.find(|name| !taken(name)))
            .unwrap_or_default();
        let key = Key {
            name: name.clone(),
            span: key.span,
        };
        self.component(&key, component);
        name
    }

    /// The address that Spin answers itself, unless the app takes it.
    pub(super) fn health(&mut self, at: Span) {
        let route = |trigger: &Value| trigger.get("route")?.as_str().map(str::to_owned);
        let routes: Vec<String> = self.triggers.iter().filter_map(route).collect();
        if routes.is_empty() || routes.iter().any(|route| route == HEALTH) {
            return;
        }
        let mut answer = Entries::default();
        answer.put("body", at, string("OK", at));
        let mut out = Entries::default();
        out.put("route", at, string(HEALTH, at));
        out.put("respond", at, answer.value(at));
        self.triggers.push(out.value(at));
    }
}

/// A route as ours are: from the root, and with `/...` where Spin takes `/*` too.
fn pattern(route: &str) -> String {
    let route = match route.strip_suffix("/*") {
        Some(above) => format!("{above}/..."),
        None => route.to_owned(),
    };
    match route.starts_with('/') {
        true => route,
        false => format!("/{route}"),
    }
}

fn respond(fixed: &Value) -> Value {
    let mut out = Entries::default();
    for (theirs, ours) in [
        ("status_code", "status"),
        ("headers", "headers"),
        ("body", "body"),
    ] {
        if let Some((key, value)) = entry(fixed, theirs)
            && !matches!(&value.kind, ValueKind::Table(table) if table.is_empty())
        {
            out.put(ours, key.span, value.clone());
        }
    }
    out.value(fixed.span)
}
