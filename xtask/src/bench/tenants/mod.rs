//! Many apps on one machine: what one that nobody calls costs, how fast the first request to it is,
//! and how many guests can be alive at once.

mod apps;
pub mod asleep;
pub mod lean;
pub mod lean_p3;
pub mod raw;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use self::apps::Made;
use self::raw::Connection;
use super::load::Target;
use super::report::Section;
use super::server::Server;
use super::servers::{self, BARE, PEER, Served, ratios};
use super::usage::memory_kb;
use super::{Bench, load, neighbour};

/// Generated apps, each with a component of its own
const APPS: usize = 10_000;
/// Copies of a component that a real toolchain built, each with bytes of its own
const REAL: usize = 200;
/// Connections that ask one app as often as they can
const CONNECTIONS: usize = 32;
/// Apps whose first request is measured
const FIRST: usize = 1_000;
/// Starts of a host whose large apps are asked for the first time
const FIRST_OF_LARGE: usize = 20;
/// Requests to an app after its first one
const WARM: usize = 5;

/// What the start of a host with all apps may take
const START_MS_MAX: f64 = 2_000.0;
/// What the first request may take more than a warm one, for a small component
const FIRST_SMALL_MS_MAX: f64 = 1.0;
/// The same for a component of 10 MB and more
const FIRST_LARGE_MS_MAX: f64 = 10.0;
/// What a request may cost, in requests to bare hyper: a quarter of its rate
pub const TIMES_BARE_MAX: f64 = 4.0;
/// What it may cost as a share of what wasmtime's own server takes
pub const SHARE_OF_PEER_MAX: f64 = 0.5;

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
    let empty = memory_kb(start(bench, &none, &cache, &[])?.0.pid())?;
    let mut starts = Vec::new();
    for _ in 0..if bench.quick { 1 } else { 3 } {
        let (server, ms) = start(bench, &made.dir, &cache, &[])?;
        starts.push(ms);
        drop(server);
    }
    section.row_with_goal(
        "start",
        "ms to serving",
        &starts,
        START_MS_MAX * all / 10_000.0,
    );

    let (server, _) = start(bench, &made.dir, &cache, &[])?;
    let idle = memory_kb(server.pid())?;
    section.row("an app that nobody calls", "kB", &[(idle - empty) / all]);
    read_code(&cache, section)?;
    first_requests(&server, &made, section)?;
    first_of_large(bench, &made, &cache, section)?;
    let loaded = memory_kb(server.pid())?;
    let called = FIRST.min(made.generated.len()) as f64;
    section.row(
        "an app that was called",
        "kB more",
        &[(loaded - idle) / called],
    );
    asleep::measure(bench, &server, &made, section)?;
    drop(server);
    let (server, _) = bench
        .cores
        .as_server(|| start(bench, &made.dir, &cache, &[]))?;
    throughput(bench, server, &made, section)?;
    // In the same table, because it is the same question: what one tenant feels of the others.
    let beside = neighbour::measure(bench);
    section.rows.extend(beside.rows);
    section.notes.push(beside.title);
    section.notes.extend(beside.notes);
    Ok(())
}

/// What a request to one of all these apps costs, beside a server that has only this guest, and
/// beside one that has none.
fn throughput(bench: &Bench, many: Server, made: &Made, section: &mut Section) -> Result<()> {
    let (rounds, time) = match bench.quick {
        true => (2, Duration::from_millis(500)),
        false => (5, Duration::from_secs(1)),
    };
    let Some(name) = made.real.first() else {
        return Ok(());
    };
    let guest = made.dir.join(name).join("app.wasm");
    let mut all = vec![
        many,
        servers::bare(bench, &["--body", &format!("{name}\n")])?,
    ];
    match Served::of(&guest).peer(bench) {
        Ok(peer) => all.push(peer),
        Err(error) => section.notes.push(format!("{error:#}")),
    }
    let mut cpu = vec![Vec::new(); all.len()];
    let mut rate = Vec::new();
    for round in 0..=rounds {
        for (index, server) in all.iter().enumerate() {
            let target = Target {
                host: format!("{name}.test"),
                ..Target::from(server.address)
            };
            let (load, before, after) = bench
                .cores
                .as_client(|| load::drive(target, CONNECTIONS, time, || server.cpu()))
                .context(server.name)?;
            if round > 0 {
                cpu[index].push((after - before).as_secs_f64() * 1e6 / load.requests as f64);
                if index == 0 {
                    rate.push(load.requests as f64 / load.wall.as_secs_f64());
                }
            }
        }
    }
    section.row("one of all these apps", "CPU/request, µs", &cpu[0]);
    section.row("one of all these apps", "requests/s", &rate);
    section.row_with_goal(
        &format!("one of all these apps / {BARE}"),
        "CPU/request",
        &ratios(&cpu[0], &cpu[1]),
        TIMES_BARE_MAX,
    );
    if let Some(peer) = cpu.get(2) {
        section.row_with_goal(
            &format!("one of all these apps / {PEER}"),
            "CPU/request",
            &ratios(&cpu[0], peer),
            SHARE_OF_PEER_MAX,
        );
    }
    Ok(())
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
fn start(bench: &Bench, dir: &Path, cache: &Path, flags: &[&str]) -> Result<(Server, f64)> {
    let began = Instant::now();
    let mut command = Command::new(&bench.holm);
    command
        .args(["up", "--quiet", "--listen", "127.0.0.1:0", "--apps"])
        .arg(dir)
        .args(flags)
        .env("HOLM_CACHE_DIR", cache)
        .current_dir(bench.scratch.path());
    let server = Server::start("holm up --apps", &mut command)?;
    Ok((server, began.elapsed().as_secs_f64() * 1e3))
}

/// Reads the machine code of large components: what the system has taken out of its page cache since it
/// was written is then the system's to bring back, and not the first request's.
fn read_code(cache: &Path, section: &mut Section) -> Result<()> {
    let mut files = 0;
    let mut folders = vec![cache.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.len() > 1 << 20 {
                fs::read(entry.path())?;
                files += 1;
            }
        }
    }
    section.notes.push(format!(
        "before the first requests {files} files of machine code over 1 MiB were read once: from a disk \
         the first request takes as long as the disk does"
    ));
    Ok(())
}

/// The first request to an app beside later ones, on one connection.
fn first_requests(server: &Server, made: &Made, section: &mut Section) -> Result<()> {
    let mut connection = Connection::open(server.address)?;
    // The engine and its pool are made for the very first of all.
    connection.ask(&made.warm_up, &made.warm_up)?;
    for (what, names) in [("small", &made.generated), ("79 kB, Rust", &made.real)] {
        let mut firsts = Firsts::default();
        // From all over, not the first of them.
        let step = (names.len() / FIRST).max(1);
        for name in names.iter().step_by(step).take(FIRST) {
            firsts.ask(&mut connection, name, name)?;
        }
        firsts.rows(what, FIRST_SMALL_MS_MAX, section);
    }
    Ok(())
}

/// The same for those of over 10 MB. There are few of them, so the host is started anew for each
/// time that they are asked.
fn first_of_large(bench: &Bench, made: &Made, cache: &Path, section: &mut Section) -> Result<()> {
    let times = if bench.quick { 3 } else { FIRST_OF_LARGE };
    let mut firsts = Firsts::default();
    for _ in 0..times {
        let (server, _) = start(bench, &made.dir, cache, &[])?;
        let mut connection = Connection::open(server.address)?;
        connection.ask(&made.warm_up, &made.warm_up)?;
        for name in &made.large {
            // They have no page here.
            firsts.ask(&mut connection, name, "no such page")?;
        }
    }
    firsts.rows("over 10 MB", FIRST_LARGE_MS_MAX, section);
    Ok(())
}

/// First requests and those after them, in milliseconds
#[derive(Default)]
struct Firsts {
    first: Vec<f64>,
    more: Vec<f64>,
    warm: Vec<f64>,
}

impl Firsts {
    /// Asks an app for the first time, and then some more.
    fn ask(&mut self, connection: &mut Connection, name: &str, answer: &str) -> Result<()> {
        let first = connection.ask(name, answer)?;
        let mut later: Vec<f64> = (0..WARM)
            .map(|_| connection.ask(name, answer))
            .collect::<Result<_>>()?;
        later.sort_by(f64::total_cmp);
        self.first.push(first);
        self.more.push(first - later[WARM / 2]);
        self.warm.extend(later);
        Ok(())
    }

    fn rows(mut self, what: &str, goal: f64, section: &mut Section) {
        let n = self.first.len();
        if n == 0 {
            return;
        }
        let row = |name: &str| format!("{what} ({n}): {name}");
        section.row(&row("warm"), "ms, p50", &[percentile(&mut self.warm, 0.5)]);
        section.row(
            &row("first"),
            "ms, p50",
            &[percentile(&mut self.first, 0.5)],
        );
        section.row_with_goal(
            &row("first, above warm"),
            "ms, p99",
            &[percentile(&mut self.more, 0.99)],
            goal,
        );
    }
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
