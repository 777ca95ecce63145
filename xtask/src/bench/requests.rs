//! Requests: what one costs the server, and how many and how fast they are answered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Target;
use super::paced::Asked;
use super::report::Section;
use super::server::Server;
use super::servers::{self, BARE, HOLM, PEER, Served, ratios};
use super::tenants::lean::Lean;
use super::tenants::{SHARE_OF_PEER_MAX, TIMES_BARE_MAX, lean_p3};
use super::{Bench, load, paced};
use crate::workspace;

/// Enough that the server always has a request waiting.
const CONNECTIONS: usize = 32;

/// What p99 over p50 under half load may be, in bare hyper's own
const TAIL_MAX: f64 = 2.0;

const LOGGED: &str = "holm up, logging";

/// One server's rounds, a value for each
#[derive(Default)]
struct Rounds {
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

/// What is measured: a guest, and how it is served
struct Case {
    title: String,
    guest: Result<PathBuf, String>,
    /// Lines of its table in the manifest
    component: &'static str,
    /// Requests that an instance serves
    reuse: u32,
    /// What is asked for, and the status of the answer
    ask: (&'static str, u16),
    /// What it should cost at most, in requests to bare hyper
    times_bare: Option<f64>,
    /// What it should cost at most, in microseconds
    cpu_us: Option<f64>,
    /// What it should cost at most, as a share of what wasmtime's own server takes
    share_of_peer: Option<f64>,
    /// Also with the access log
    logged: bool,
    /// Also the tail of its latency under half load
    tail: bool,
}

impl Case {
    fn of(guest: &str, what: &str) -> Self {
        Case {
            title: format!("{guest} ({what})"),
            guest: Bench::guest(guest),
            component: "",
            reuse: 1,
            ask: ("/", 200),
            times_bare: None,
            cpu_us: None,
            share_of_peer: None,
            logged: false,
            tail: false,
        }
    }

    fn target(&self, server: &Server) -> Target {
        Target {
            path: self.ask.0,
            // Bare hyper has an answer to everything.
            status: if server.name == BARE { 200 } else { self.ask.1 },
            ..Target::from(server.address)
        }
    }
}

/// Measures guests of several kinds under all servers that can be had.
pub fn measure_all(bench: &Bench) -> Vec<Section> {
    let lean = |generation: fn(&Path) -> Result<Vec<u8>>, like: &str, name: &str| {
        let like = Bench::guest(like)?;
        let path = bench.scratch.path().join(name);
        let made = generation(&like).and_then(|bytes| Ok(std::fs::write(&path, bytes)?));
        made.map(|()| path).map_err(|error| format!("{error:#}"))
    };
    let cases = [
        Case {
            times_bare: Some(TIMES_BARE_MAX),
            share_of_peer: Some(SHARE_OF_PEER_MAX),
            logged: true,
            tail: true,
            ..Case::of("http-hello.wasm", "WASI 0.2, plain Rust")
        },
        Case {
            component: "snapshot = false",
            // 0.17 of its rate
            times_bare: Some(5.88),
            ..Case::of(
                "http-hello.wasm",
                "WASI 0.2, plain Rust, without a snapshot",
            )
        },
        Case {
            title: "a hand-written component (WASI 0.2, lean)".to_owned(),
            guest: lean(
                |like| Lean::like(like)?.component("lean", 1, 0),
                "http-lab.wasm",
                "lean.wasm",
            ),
            // 0.30 of its rate
            times_bare: Some(3.33),
            ..Case::of("http-hello.wasm", "")
        },
        Case {
            title: "examples/hello (WASI 0.2, the same without the adapter of 0.1)".to_owned(),
            guest: Ok(workspace::root().join("examples/hello/hello.wasm")),
            times_bare: Some(TIMES_BARE_MAX),
            share_of_peer: Some(SHARE_OF_PEER_MAX),
            ..Case::of("http-hello.wasm", "")
        },
        Case::of("http-hello-p3.wasm", "WASI 0.3, plain Rust"),
        Case {
            reuse: 128,
            ..Case::of("http-hello-p3.wasm", "WASI 0.3, 128 requests an instance")
        },
        Case {
            title: "a hand-written component (WASI 0.3, lean, 128 requests an instance)".to_owned(),
            guest: lean(lean_p3::component, "http-hello-p3.wasm", "lean-p3.wasm"),
            reuse: 128,
            // 0.35 of its rate
            times_bare: Some(2.86),
            ..Case::of("http-hello-p3.wasm", "")
        },
        Case {
            component: "grants = { keyvalue = [\"default\"] }",
            // A page that it does not have: nothing but its own code runs.
            ask: ("/", 404),
            cpu_us: Some(1_000.0),
            ..Case::of("guestbook-js.wasm", "JavaScript, pre-initialised")
        },
    ];
    cases.iter().map(|case| measure(bench, case)).collect()
}

/// Measures one guest under all servers that can be had.
fn measure(bench: &Bench, case: &Case) -> Section {
    let (rounds, time) = match bench.quick {
        true => (2, Duration::from_millis(500)),
        false => (5, Duration::from_millis(800)),
    };
    let mut section = Section::new(format!(
        "requests: {}, {} by an instance, {CONNECTIONS} connections, {rounds} rounds of {} s",
        case.title,
        case.reuse,
        time.as_secs_f64()
    ));
    match &case.guest {
        Err(missing) => section.notes.push(missing.clone()),
        Ok(_) => {
            if let Err(error) = fill(bench, case, rounds, time, &mut section) {
                section.notes.push(format!("not measured: {error:#}"));
            }
        }
    }
    section
}

fn fill(
    bench: &Bench,
    case: &Case,
    rounds: usize,
    time: Duration,
    section: &mut Section,
) -> Result<()> {
    let servers = start(bench, case, section)?;
    let mut measured: Vec<Rounds> = servers.iter().map(|_| Rounds::default()).collect();
    // Round by round, not server by server: what the machine does meanwhile hits all alike.
    // The first round only warms caches and pools up.
    for round in 0..=rounds {
        for (server, measured) in servers.iter().zip(&mut measured) {
            let time = if round == 0 { time / 4 } else { time };
            let driven = bench
                .cores
                .as_client(|| load::drive(case.target(server), CONNECTIONS, time, || server.cpu()))
                .map_err(|error| error.context(server.name))?;
            if round > 0 {
                let (load, before, after) = driven;
                let cpu = (after - before).as_secs_f64() * 1e6;
                measured.cpu_us.push(cpu / load.requests as f64);
                measured
                    .per_second
                    .push(load.requests as f64 / load.wall.as_secs_f64());
                measured.p50_us.push(load.latency_us(0.5));
                measured.p99_us.push(load.latency_us(0.99));
            }
        }
    }

    for (server, rounds) in servers.iter().zip(&measured) {
        section.row(server.name, "CPU/request, µs", &rounds.cpu_us);
        section.row(server.name, "requests/s", &rounds.per_second);
        section.row(server.name, "latency p50, µs", &rounds.p50_us);
        section.row(server.name, "latency p99, µs", &rounds.p99_us);
    }
    let cpu = |name| {
        let found = servers.iter().position(|server| server.name == name);
        found.map_or(&[][..], |index| &measured[index].cpu_us)
    };
    let beside_bare = ratios(cpu(HOLM), cpu(BARE));
    match case.times_bare {
        Some(goal) => {
            section.row_with_goal(
                &format!("{HOLM} / {BARE}"),
                "CPU/request",
                &beside_bare,
                goal,
            );
        }
        None => section.row(&format!("{HOLM} / {BARE}"), "CPU/request", &beside_bare),
    }
    if let Some(goal) = case.cpu_us {
        section.row_with_goal(HOLM, "CPU/request, µs", cpu(HOLM), goal);
    }
    section.row(
        &format!("{PEER} / {BARE}"),
        "CPU/request",
        &ratios(cpu(PEER), cpu(BARE)),
    );
    let beside_peer = ratios(cpu(HOLM), cpu(PEER));
    match case.share_of_peer {
        Some(goal) => section.row_with_goal(
            &format!("{HOLM} / {PEER}"),
            "CPU/request",
            &beside_peer,
            goal,
        ),
        None => section.row(&format!("{HOLM} / {PEER}"), "CPU/request", &beside_peer),
    }
    if case.tail {
        let named = |name| servers.iter().find(|server| server.name == name);
        if let (Some(holm), Some(bare)) = (named(HOLM), named(BARE)) {
            tails(bench, [holm, bare], rounds, time, section)?;
        }
    }
    Ok(())
}

/// How much longer the slowest of a hundred requests takes than the middle one, for Holm and bare
/// hyper, each asked half as often as it can answer on time.
fn tails(
    bench: &Bench,
    servers: [&Server; 2],
    rounds: usize,
    time: Duration,
    section: &mut Section,
) -> Result<()> {
    // At `/`, where both answer.
    let asked = |server: &Server| Asked {
        address: server.address,
        app: "any",
        answer: "",
    };
    let half = |server| {
        let capacity = || paced::capacity(asked(server), time);
        Ok::<_, anyhow::Error>(bench.cores.as_client(capacity)? / 2.0)
    };
    let halves = [half(servers[0])?, half(servers[1])?];
    let mut tails = [Vec::new(), Vec::new()];
    let mut middles = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (at, (tails, middles)) in tails.iter_mut().zip(&mut middles).enumerate() {
            let asked = asked(servers[at]);
            let load = bench
                .cores
                .as_client(|| paced::drive(asked, halves[at], time))?;
            tails.push(load.latency_us(0.99) / load.latency_us(0.5));
            middles.push(load.latency_us(0.5));
        }
    }
    for (((server, half), tails), middles) in servers.iter().zip(halves).zip(&tails).zip(&middles) {
        let at = format!("at {half:.0} requests/s");
        section.row(server.name, &format!("p50 {at}, µs"), middles);
        section.row(server.name, &format!("p99 / p50 {at}"), tails);
    }
    section.row_with_goal(
        &format!("{HOLM} / {BARE}"),
        "p99 / p50 under half load",
        &ratios(&tails[0], &tails[1]),
        TAIL_MAX,
    );
    Ok(())
}

/// Bare hyper always; the others where they are there and start.
fn start(bench: &Bench, case: &Case, section: &mut Section) -> Result<Vec<Server>> {
    let guest = case.guest.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
    let served = Served {
        component: case.component,
        reuse: case.reuse,
        ..Served::of(guest)
    };
    let mut servers = Vec::new();
    let mut started = |server: Result<Server>| match server {
        Ok(server) => servers.push(server),
        Err(error) => section.notes.push(format!("{error:#}")),
    };
    started(served.holm(bench, HOLM, &["--quiet"]));
    // The peer keeps no access log, so neither does the row that is compared with it.
    if case.logged {
        started(served.holm(bench, LOGGED, &[]));
    }
    started(served.peer(bench));
    let bodies: Vec<_> = servers
        .iter()
        .map(|server| load::body(&case.target(server)))
        .collect::<Result<_>>()?;
    ensure!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "the servers' answers differ"
    );
    let body = bodies.first().map(|body| String::from_utf8_lossy(body));
    let body = body.unwrap_or("hello\n".into());
    servers.push(servers::bare(bench, &["--body", &body])?);
    Ok(servers)
}
