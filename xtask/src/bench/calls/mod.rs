//! A call: the same functions of one component, called inside of Holm, from Python (beside PyPI's
//! `wasmtime` and a native extension), over HTTP and by an agent.

mod http;
mod mcp;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Bench;
use super::report::Section;
use super::spread::Spread;
use crate::workspace;

/// How long the calls of one round last together
const ROUND: Duration = Duration::from_millis(50);

/// What a call from Python may cost beyond Holm's own, for numbers, in microseconds
const OVER_OWN_MAX: f64 = 1.0;

/// How many times faster than PyPI's `wasmtime` a call from Python is to be, as a ratio of times
const OF_WASMTIME_MAX: f64 = 0.1;

/// What is called, and its arguments by name.
struct Case {
    name: &'static str,
    function: &'static str,
    arguments: Value,
    /// Whether the cost is the call, and not what is in it
    scalar: bool,
}

fn cases() -> [Case; 6] {
    let case = |name, function, arguments, scalar| Case {
        name,
        function,
        arguments,
        scalar,
    };
    let floats: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let form = json!({
        "truth": true, "small": -1, "byte": 2, "short": -3, "word": 4, "int": -5, "count": 6,
        "long": -7, "size": 8, "single": 0.5, "double": 0.25, "letter": "z", "text": "text",
        "name": "name", "raw": "cmF3", "numbers": [1, -2], "color": "green", "may": ["read"],
        "maybe": 9, "last": 10,
    });
    let short = "x".repeat(16);
    let long = "x".repeat(1 << 20);
    [
        case("nothing", "nothing", json!({}), true),
        case("two integers", "add", json!({ "a": 1, "b": 2 }), true),
        case(
            "a string of 16 B",
            "length",
            json!({ "text": short }),
            false,
        ),
        case("a string of 1 MB", "length", json!({ "text": long }), false),
        case(
            "a million floats",
            "sum",
            json!({ "values": floats }),
            false,
        ),
        case(
            "a record of 20 fields, and back",
            "same",
            json!({ "form": form }),
            false,
        ),
    ]
}

/// By who calls and what: microseconds of each round
type Figures = BTreeMap<(String, String), Vec<f64>>;

/// Measures all who can be measured here.
pub fn measure(bench: &Bench) -> Section {
    let rounds = if bench.quick { 3 } else { 15 };
    let mut section = Section::new(format!(
        "calls: guests/wat/calls.wat, one of them in CPU time ([[call]] and mcp: wall time), {rounds} rounds of {} ms",
        ROUND.as_millis()
    ));
    let mut figures = Figures::new();
    let cases = cases();
    for (who, measured) in [
        ("inside", inside(bench, rounds)),
        ("from Python", from_python(bench, rounds)),
        ("over HTTP", http::measure(bench, &cases, rounds)),
        ("by an agent", mcp::measure(bench, &cases, rounds)),
    ] {
        match measured {
            Ok(more) => figures.extend(more),
            Err(error) => section
                .notes
                .push(format!("{who}: not measured: {error:#}")),
        }
    }
    for case in &cases {
        rows(&mut section, &figures, case);
    }
    section
}

/// Who calls, in the order of the table
const WHO: [&str; 8] = [
    "typed",
    "dynamic",
    "holm",
    "holm, an instance",
    "wasmtime",
    "native",
    "[[call]]",
    "mcp",
];

fn rows(section: &mut Section, figures: &Figures, case: &Case) {
    let of = |who: &str| figures.get(&(who.to_owned(), case.name.to_owned()));
    let figure = format!("{}, µs", case.name);
    for who in WHO {
        let shown = match who {
            "typed" | "dynamic" => format!("inside, {who}"),
            "[[call]]" | "mcp" => who.to_owned(),
            of => format!("Python: {of}"),
        };
        section.row(&shown, &figure, of(who).map_or(&[], Vec::as_slice));
    }
    let median = |who: &str| Some(Spread::of(of(who)?)?.median);
    let (Some(ours), Some(own)) = (of("holm"), median("dynamic")) else {
        return;
    };
    if case.scalar {
        let over: Vec<f64> = ours.iter().map(|one| one - own).collect();
        section.row_with_goal(
            "Python: holm - inside, dynamic",
            &figure,
            &over,
            OVER_OWN_MAX,
        );
    }
    if let Some(theirs) = median("wasmtime") {
        let ratio: Vec<f64> = ours.iter().map(|one| one / theirs).collect();
        let figure = case.name;
        section.row_with_goal("Python: holm / wasmtime", figure, &ratio, OF_WASMTIME_MAX);
    }
}

/// The component's file
fn component() -> PathBuf {
    workspace::root().join("guests/wat/calls.wat")
}

/// As the command itself measures them: `holm bench-calls`
fn inside(bench: &Bench, rounds: u32) -> Result<Figures> {
    let mut command = Command::new(&bench.holm);
    command
        .current_dir(bench.scratch.path())
        .arg("bench-calls")
        .arg(component())
        .arg(rounds.to_string());
    let printed = printed(bench, command)?;
    let mut figures = Figures::new();
    for line in printed.lines() {
        let parsed = line.split_once('\t').and_then(|(what, nanoseconds)| {
            let (who, case) = what.split_once(", ")?;
            Some((who, case, nanoseconds.parse::<f64>().ok()?))
        });
        let (who, case, nanoseconds) = parsed.with_context(|| format!("it said {line:?}"))?;
        let key = (who.to_owned(), case.to_owned());
        figures.entry(key).or_default().push(nanoseconds / 1e3);
    }
    Ok(figures)
}

/// As `embed/python/bench/calls.py` measures them, by the interpreter of `scripts/test-python`
fn from_python(bench: &Bench, rounds: u32) -> Result<Figures> {
    let mut figures = Figures::new();
    for (case, ways) in script(bench, "calls.py", rounds)? {
        for (who, seconds) in ways {
            let microseconds = seconds.into_iter().map(|s| s * 1e6).collect();
            figures.insert((who, case.clone()), microseconds);
        }
    }
    Ok(figures)
}

/// What a script of `embed/python/bench` has measured: by case and by who, seconds of each round
fn script(
    bench: &Bench,
    name: &str,
    rounds: u32,
) -> Result<BTreeMap<String, BTreeMap<String, Vec<f64>>>> {
    let mut command = Command::new(workspace::python().context("run scripts/test-python first")?);
    command
        .current_dir(bench.scratch.path())
        .arg(workspace::root().join("embed/python/bench").join(name))
        .args(["--json", "--rounds", &rounds.to_string()]);
    let printed = printed(bench, command)?;
    serde_json::from_str(&printed).context("it printed something else")
}

/// Measures real work: the crates of `examples/from-python` beside native packages of Python.
pub fn libraries(bench: &Bench) -> Section {
    let rounds = if bench.quick { 3 } else { 15 };
    let mut section = Section::new(format!(
        "libraries in Python: components beside native packages, CPU time, {rounds} rounds"
    ));
    let all = match script(bench, "libraries.py", rounds) {
        Ok(all) => all,
        Err(error) => {
            section.notes.push(format!("not measured: {error:#}"));
            return section;
        }
    };
    for (case, ways) in &all {
        for (who, seconds) in ways {
            let milliseconds: Vec<f64> = seconds.iter().map(|s| s * 1e3).collect();
            section.row(who, &format!("{case}, ms"), &milliseconds);
        }
        let others = ways.iter().filter(|(who, _)| *who != "holm");
        for (who, seconds) in others {
            let (Some(ours), Some(theirs)) = (ways.get("holm"), Spread::of(seconds)) else {
                continue;
            };
            let ratio: Vec<f64> = ours.iter().map(|one| one / theirs.median).collect();
            section.row(&format!("holm / {who}"), case, &ratio);
        }
    }
    section
}

fn printed(bench: &Bench, mut command: Command) -> Result<String> {
    command.stdin(Stdio::null());
    let output = bench.cores.as_server(|| Ok(command.output()?))?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Calls in rounds: microseconds of each round's calls. The first call is not counted.
fn in_rounds(rounds: u32, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    call()?;
    (0..rounds)
        .map(|_| {
            let (began, mut calls) = (Instant::now(), 0);
            while began.elapsed() < ROUND {
                call()?;
                calls += 1;
            }
            Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
        })
        .collect()
}
