//! The admin API's answers for people.

use holm_manifest::ByteSize;
use serde_json::Value;
use std::fmt::Write as _;

/// The app that is spoken of.
pub fn name(said: &Value) -> &str {
    said["name"].as_str().unwrap_or_default()
}

/// All apps.
pub fn list(said: &Value) -> String {
    let mut rows = vec![["NAME", "VERSION", "STATE", "IN FLIGHT", "ROUTES"].map(String::from)];
    for app in items(&said["apps"]) {
        rows.push([
            name(app).to_owned(),
            text(&app["version"]).to_owned(),
            state(app).to_owned(),
            number(&app["in_flight"]).to_string(),
            routes(app).collect::<Vec<_>>().join(" "),
        ]);
    }
    match rows.len() {
        1 => "no apps\n".to_owned(),
        _ => columns(&rows),
    }
}

/// One app.
pub fn one(said: &Value) -> String {
    let mut out = format!("{} {}\n", name(said), text(&said["version"]));
    if let Some(description) = said["description"].as_str() {
        let _ = writeln!(out, "{description}");
    }
    let _ = writeln!(out, "manifest   {}", text(&said["manifest"]));
    let in_flight = number(&said["in_flight"]);
    let _ = writeln!(
        out,
        "state      {}, {in_flight} requests in flight",
        state(said)
    );
    for (route, shown) in items(&said["routes"]).zip(routes(said)) {
        let target = route["component"].as_str().unwrap_or("files");
        let _ = writeln!(out, "route      {shown}  →  {target}");
    }
    for component in items(&said["components"]) {
        let loaded = match component["loaded"].as_bool() {
            Some(true) => "loaded",
            _ => "not loaded",
        };
        let at_work = number(&component["at_work"]);
        let _ = writeln!(
            out,
            "component  {}  {loaded}, {at_work} at work  {}",
            name(component),
            text(&component["source"])
        );
    }
    out
}

/// An app that is removed, and what stays of it.
pub fn removed(said: &Value) -> String {
    format!(
        "removed {}\n{}its stores' data, if it has any, stays in {}\n",
        name(said),
        kept(said),
        text(&said["state"])
    )
}

/// Where a folder is kept that somebody had put there by hand.
pub fn kept(said: &Value) -> String {
    match said["kept"].as_str() {
        Some(kept) => format!("the folder that was there before is kept in {kept}\n"),
        None => String::new(),
    }
}

/// An app that is drained, or not quite.
pub fn drained(said: &Value) -> String {
    match number(&said["in_flight"]) {
        0 => format!("drained {}\n", name(said)),
        left => format!(
            "{} takes no new requests; {left} in flight have not ended yet\n",
            name(said)
        ),
    }
}

/// What all apps used.
pub fn usage(said: &Value) -> String {
    let mut rows = vec![heads("APP")];
    for app in items(&said["apps"]) {
        rows.push(row(name(app), &app["usage"]));
    }
    columns(&rows)
}

/// What an app used, component by component.
pub fn usage_of_one(said: &Value) -> String {
    let mut rows = vec![heads("COMPONENT")];
    let components = said["components"].as_object().into_iter().flatten();
    for (name, usage) in components {
        rows.push(row(name, usage));
    }
    if !said["files"].is_null() {
        rows.push(row("(files)", &said["files"]));
    }
    rows.push(row("(all)", &said["usage"]));
    let mut out = columns(&rows);
    for (key, what) in [("failures", "failed"), ("limits", "limit")] {
        let counts = said["usage"][key].as_object().into_iter().flatten();
        for (name, count) in counts {
            let _ = writeln!(out, "{what} {name}: {}", number(count));
        }
    }
    out
}

fn heads(first: &str) -> [String; 7] {
    [
        first,
        "REQUESTS",
        "FAILED",
        "CPU",
        "PEAK MEMORY",
        "IN",
        "OUT",
    ]
    .map(String::from)
}

fn row(name: &str, usage: &Value) -> [String; 7] {
    let failed = usage["failures"].as_object().into_iter().flatten();
    let failed: u64 = failed.map(|(_, count)| number(count)).sum();
    let bytes = |key: &str| ByteSize(number(&usage[key])).to_string();
    [
        name.to_owned(),
        number(&usage["requests"]).to_string(),
        failed.to_string(),
        format!("{:.3} s", number(&usage["cpu_us"]) as f64 / 1e6),
        bytes("memory_peak"),
        bytes("bytes_in"),
        bytes("bytes_out"),
    ]
}

fn state(app: &Value) -> &'static str {
    match app["drained"].as_bool() {
        Some(true) => "drained",
        _ => "serving",
    }
}

/// Its routes with their hosts.
fn routes(app: &Value) -> impl Iterator<Item = String> {
    items(&app["routes"]).map(|route| format!("{}{}", text(&route["host"]), text(&route["route"])))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Rows under each other; the last column is as wide as it likes.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells.map(|(cell, w)| format!("{cell:w$}")).collect();
        out += line.join("  ").trim_end();
        out.push('\n');
    }
    out
}
