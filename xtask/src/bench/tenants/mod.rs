//! Many apps on one machine: what one that nobody calls costs, how fast the first request to it is,
//! and how many guests can be alive at once.

mod apps;
pub mod lean;
pub mod raw;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use self::apps::Made;
use self::raw::Connection;
use super::Bench;
use super::report::Section;
use super::server::Server;

/// Generated apps, each with a component of its own
const APPS: usize = 10_000;
/// Copies of a component that a real toolchain built, each with bytes of its own
const REAL: usize = 200;
/// Guests asleep in a call at once
const ASLEEP: usize = 10_000;
/// Apps whose first request is measured
const FIRST: usize = 1_000;
/// Requests to an app after its first one
const WARM: usize = 5;

/// What the start of a host with all apps may take
const START_MS_MAX: f64 = 2_000.0;
/// What the first request may take more than a warm one, for a small component
const FIRST_SMALL_MS_MAX: f64 = 1.0;
/// The same for a component of 10 MB and more
const FIRST_LARGE_MS_MAX: f64 = 10.0;

/// Measures a host of many apps.
pub fn measure(bench: &Bench) -> Section {
    let (apps, real) = match bench.quick {
        true => (APPS / 10, REAL / 10),
        false => (APPS, REAL),
    };
    let mut section = Section::new(format!(
        "tenants: {apps} generated apps and {real} of a real toolchain, one host"
    ));
    if let Err(error) = fill(bench, apps, real, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, count: usize, real: usize, section: &mut Section) -> Result<()> {
    let made = apps::make(bench.scratch.path(), count, real)?;
    section.row("generating", "ms/app", &[made.ms_each()]);
    let cache = bench.scratch.path().join("cache");
    let prepared = prepare(bench, &made.dir, &cache)?;
    let all = made.names.len() as f64;
    section.row("compiling into the cache", "ms/app", &[prepared / all]);

    let none = bench.scratch.path().join("no-apps");
    fs::create_dir_all(&none)?;
    let empty = memory_of(&start(bench, &none, &cache)?.0)?;
    let mut starts = Vec::new();
    for _ in 0..if bench.quick { 1 } else { 3 } {
        let (server, ms) = start(bench, &made.dir, &cache)?;
        starts.push(ms);
        drop(server);
    }
    section.row_with_goal(
        "start",
        "ms to serving",
        &starts,
        START_MS_MAX * all / 10_000.0,
    );

    let (server, _) = start(bench, &made.dir, &cache)?;
    let idle = memory_of(&server)?;
    section.row("an app that nobody calls", "kB", &[(idle - empty) / all]);
    first_requests(&server, &made, section)?;
    let loaded = memory_of(&server)?;
    let called = FIRST.min(made.generated.len()) as f64;
    section.row(
        "an app that was called",
        "kB more",
        &[(loaded - idle) / called],
    );
    asleep(bench, &server, &made, section)
}

/// Compiles everything into the cache; gives the milliseconds that it took.
fn prepare(bench: &Bench, dir: &Path, cache: &Path) -> Result<f64> {
    let began = Instant::now();
    let checked = Command::new(&bench.holm)
        .args(["check", "--apps"])
        .arg(dir)
        .env("HOLM_CACHE_DIR", cache)
        .output()?;
    ensure!(
        checked.status.success(),
        "holm check --apps failed: {}",
        String::from_utf8_lossy(&checked.stderr)
    );
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Starts a host of the apps in a folder; gives the milliseconds until it served.
fn start(bench: &Bench, dir: &Path, cache: &Path) -> Result<(Server, f64)> {
    let began = Instant::now();
    let mut command = Command::new(&bench.holm);
    command
        .args(["up", "--quiet", "--listen", "127.0.0.1:0", "--apps"])
        .arg(dir)
        .env("HOLM_CACHE_DIR", cache)
        .current_dir(bench.scratch.path());
    let server = Server::start("holm up --apps", &mut command)?;
    Ok((server, began.elapsed().as_secs_f64() * 1e3))
}

/// The first request to an app beside later ones, on one connection.
fn first_requests(server: &Server, made: &Made, section: &mut Section) -> Result<()> {
    let mut connection = Connection::open(server.address)?;
    // The engine and its pool are made for the very first of all.
    connection.ask(&made.warm_up, &made.warm_up)?;
    let kinds = [
        ("small", &made.generated, FIRST_SMALL_MS_MAX),
        ("79 kB, Rust", &made.real, FIRST_SMALL_MS_MAX),
        ("over 10 MB", &made.large, FIRST_LARGE_MS_MAX),
    ];
    for (what, names, goal) in kinds {
        let (mut first, mut more, mut warm) = (Vec::new(), Vec::new(), Vec::new());
        // From all over, not the first of them.
        let step = (names.len() / FIRST).max(1);
        for name in names.iter().step_by(step).take(FIRST) {
            // Each answers its own name, but for the guestbooks, which have no page here.
            let answer = match name.starts_with("guestbook") {
                true => "no such page",
                false => name,
            };
            let began = connection.ask(name, answer)?;
            let mut later: Vec<f64> = (0..WARM)
                .map(|_| connection.ask(name, answer))
                .collect::<Result<_>>()?;
            later.sort_by(f64::total_cmp);
            first.push(began);
            more.push(began - later[WARM / 2]);
            warm.extend(later);
        }
        if names.is_empty() {
            continue;
        }
        let n = names.len().min(FIRST);
        section.row(
            &format!("{what} ({n}): warm"),
            "ms, p50",
            &[percentile(&mut warm, 0.5)],
        );
        section.row(
            &format!("{what} ({n}): first"),
            "ms, p50",
            &[percentile(&mut first, 0.5)],
        );
        section.row_with_goal(
            &format!("{what} ({n}): first, above warm"),
            "ms, p99",
            &[percentile(&mut more, 0.99)],
            goal,
        );
    }
    Ok(())
}

/// Guests that are alive at once, asleep in a call.
fn asleep(bench: &Bench, server: &Server, made: &Made, section: &mut Section) -> Result<()> {
    let wanted = if bench.quick { ASLEEP / 10 } else { ASLEEP };
    let mut awake = Connection::open(server.address)?;
    awake.ask(&made.warm_up, &made.warm_up)?;
    let before = memory_of(server)?;
    let mut connections = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        let mut connection = Connection::open(server.address)?;
        connection.ask(&made.warm_up, &made.warm_up)?;
        connections.push(connection);
    }
    let idle = memory_of(server)?;
    section.row(
        "idle keep-alive connections",
        "kB each",
        &[(idle - before) / wanted as f64],
    );
    let (before, maps) = (idle, maps_of(server)?);
    for connection in &mut connections {
        connection.send(&made.sleeper)?;
    }
    // All have been sent; give the last of them time to fall asleep.
    std::thread::sleep(Duration::from_secs(1));
    section.row(
        "guests asleep",
        "kB each",
        &[(memory_of(server)? - before) / wanted as f64],
    );
    section.row(
        "guests asleep",
        "mappings each",
        &[(maps_of(server)? - maps) / wanted as f64],
    );
    let meanwhile: Vec<f64> = (0..100)
        .map(|_| awake.ask(&made.warm_up, &made.warm_up))
        .collect::<Result<_>>()?;
    section.row("a request meanwhile", "ms", &meanwhile);
    let answered = connections
        .iter_mut()
        .map(|connection| connection.answer(&made.sleeper))
        .filter(Result::is_ok)
        .count();
    section.row("guests asleep", "woke and answered", &[answered as f64]);
    ensure!(
        answered == wanted,
        "{} of {wanted} did not answer",
        wanted - answered
    );
    Ok(())
}

/// The memory that a server holds, in kB; what it shares with others counts in part.
fn memory_of(server: &Server) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", server.pid()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    Ok(kib.context("no Pss in smaps_rollup")? * 1.024)
}

fn maps_of(server: &Server) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/maps", server.pid()))?;
    Ok(text.lines().count() as f64)
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
