//! Version 1 as version 2: one kind of trigger for the whole app, and each component with its own.

use super::{Entries, entry, string};
use crate::{Key, Problem, Table, Value, ValueKind};

/// Before `allowed_outbound_hosts` there was no word for databases, and all of them were open.
const DATABASES: [&str; 3] = ["redis://*:*", "mysql://*:*", "postgres://*:*"];

/// The same app in version 2. What the schema refused is left out.
pub(super) fn to_version_2(root: &Value, problems: &mut Vec<Problem>) -> Value {
    let mut application = Entries::default();
    for name in ["name", "version", "description", "authors"] {
        if let Some((key, value)) = entry(root, name) {
            application.put(name, key.span, value.clone());
        }
    }
    let trigger = root.get("trigger");
    let kind = trigger.and_then(|trigger| trigger.get("type"));
    let kind_name = kind.and_then(Value::as_str).unwrap_or("http");
    let kind_span = kind.map_or(root.span, |kind| kind.span);
    if let Some(trigger) = trigger {
        let mut kinds = Entries::default();
        kinds.put(kind_name, kind_span, trigger.without("type"));
        application.put("trigger", trigger.span, kinds.value(trigger.span));
    }

    let mut components: Vec<(Key, Value)> = Vec::new();
    let mut triggers = Vec::new();
    let list = root.get("component").and_then(Value::as_array);
    for component in list.unwrap_or_default() {
        let Some(id) = component.get("id") else {
            continue;
        };
        let Some(name) = id.as_str().map(kebab) else {
            continue;
        };
        if components.iter().any(|(key, _)| key.name == name) {
            let problem = Problem::error(format!("there are two components `{name}`"));
            problems.push(problem.at(id.span).label("the second one"));
            continue;
        }
        if let Some(own) = component.get("trigger") {
            triggers.push(trigger_of(own, &name, id));
        }
        let key = Key {
            name,
            span: id.span,
        };
        components.push((key, newer(component)));
    }

    let mut out = Entries::default();
    out.put("application", root.span, application.value(root.span));
    if let Some((key, variables)) = entry(root, "variables") {
        out.put("variables", key.span, variables.clone());
    }
    let mut kinds = Entries::default();
    kinds.put(
        kind_name,
        kind_span,
        Value::new(ValueKind::Array(triggers), kind_span),
    );
    out.put("trigger", kind_span, kinds.value(kind_span));
    let components = Value::new(ValueKind::Table(Table::new(components)), root.span);
    out.put("component", root.span, components);
    out.value(root.span)
}

fn trigger_of(own: &Value, component: &str, id: &Value) -> Value {
    let mut trigger = Entries::default();
    for (key, value) in own.as_table().into_iter().flat_map(Table::iter) {
        trigger.0.push((key.clone(), value.clone()));
    }
    trigger.put("component", id.span, string(component, id.span));
    trigger.value(own.span)
}

/// One component, its keys as version 2 has them.
fn newer(component: &Value) -> Value {
    let mut out = Entries::default();
    for (key, value) in component.as_table().into_iter().flat_map(Table::iter) {
        match &*key.name {
            "id" | "trigger" => {}
            "config" => out.put("variables", key.span, value.clone()),
            _ => out.0.push((key.clone(), value.clone())),
        }
    }
    if component.get("allowed_outbound_hosts").is_none() {
        let at = component.span;
        let all = DATABASES.map(|host| string(host, at)).into();
        out.put(
            "allowed_outbound_hosts",
            at,
            Value::new(ValueKind::Array(all), at),
        );
    }
    out.value(component.span)
}

/// Version 1 was less strict about ids.
fn kebab(id: &str) -> String {
    id.replace('_', "-").to_lowercase()
}
