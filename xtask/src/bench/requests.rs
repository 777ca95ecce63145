//! Requests: what one costs the server, and how many and how fast they are answered.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Target;
use super::report::Section;
use super::server::Server;
use super::tenants::lean::Lean;
use super::{Bench, load};

/// Enough that the server always has a request waiting.
const CONNECTIONS: usize = 32;

/// What a fresh instance per request may cost, as a share of what wasmtime's own server takes
const SHARE_OF_PEER_MAX: f64 = 0.8;

const HOLM: &str = "holm up";
const LOGGED: &str = "holm up, logging";
const PEER: &str = "wasmtime serve";
const BARE: &str = "bare hyper";

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
        }
    }
}

impl Case {
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
    let lean = || -> Result<PathBuf> {
        let lab = Bench::guest("http-lab.wasm").map_err(anyhow::Error::msg)?;
        let path = bench.scratch.path().join("lean.wasm");
        std::fs::write(&path, Lean::like(&lab)?.component("lean", 1, 0)?)?;
        Ok(path)
    };
    let cases = [
        Case {
            times_bare: Some(4.0),
            ..Case::of("http-hello.wasm", "WASI 0.2, plain Rust")
        },
        Case {
            title: "a hand-written component (WASI 0.2, lean)".to_owned(),
            guest: lean().map_err(|error| format!("{error:#}")),
            times_bare: Some(1.0 / 0.3),
            ..Case::of("http-hello.wasm", "")
        },
        Case::of("http-hello-p3.wasm", "WASI 0.3, plain Rust"),
        Case {
            reuse: 128,
            ..Case::of("http-hello-p3.wasm", "WASI 0.3, 128 requests an instance")
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
        true => (3, Duration::from_secs(1)),
        false => (7, Duration::from_secs(3)),
    };
    let mut section = Section::new(format!(
        "requests: {}, {} by an instance, {CONNECTIONS} connections, {rounds} rounds of {} s",
        case.title,
        case.reuse,
        time.as_secs()
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
    section.row_with_goal(
        &format!("{HOLM} / {PEER}"),
        "CPU/request",
        &ratios(cpu(HOLM), cpu(PEER)),
        SHARE_OF_PEER_MAX,
    );
    Ok(())
}

/// Bare hyper always; the others where they are there and start.
fn start(bench: &Bench, case: &Case, section: &mut Section) -> Result<Vec<Server>> {
    let guest = case.guest.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
    let app = bench.scratch.path().join("requests");
    std::fs::create_dir_all(&app)?;
    let manifest = format!(
        "name = \"bench\"\n\n[component.web]\nsource = {guest:?}\nreuse = {}\n{}\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n",
        case.reuse, case.component
    );
    std::fs::write(app.join("holm.toml"), manifest)?;
    let folder = bench.scratch.path();
    let start = |name, command: &mut Command| {
        bench
            .cores
            .as_server(|| Server::start(name, command.current_dir(folder)))
    };
    let mut servers = Vec::new();

    // The peer keeps no access log, so neither does the row that is compared with it.
    for (name, quiet) in [(HOLM, true), (LOGGED, false)] {
        let mut holm = Command::new(&bench.holm);
        holm.args(["up", "--listen", "127.0.0.1:0"]);
        if quiet {
            holm.arg("--quiet");
        }
        match start(name, holm.arg(&app)) {
            Ok(server) => servers.push(server),
            Err(error) => section.notes.push(format!("{name}: {error:#}")),
        }
    }

    match &bench.wasmtime {
        Err(why) => section.notes.push(why.clone()),
        Ok(wasmtime) => {
            let mut serve = Command::new(wasmtime);
            serve
                .args(["serve", "-Wcomponent-model-async", "-Sp3", "-Scli"])
                // Its default for 0.3 is to reuse an instance; Holm's is a fresh one each.
                .args(["--max-instance-reuse-count", &case.reuse.to_string()])
                .args(["--addr", "127.0.0.1:0"])
                .arg(guest);
            match start(PEER, &mut serve) {
                Ok(server) => servers.push(server),
                Err(error) => section.notes.push(format!("{PEER}: {error:#}")),
            }
        }
    }

    let bodies: Vec<_> = servers
        .iter()
        .map(|server| load::body(&case.target(server)))
        .collect::<Result<_>>()?;
    ensure!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "the servers' answers differ"
    );

    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("bare-hyper");
    if let Some(body) = bodies.first() {
        bare.arg("--body").arg(&*String::from_utf8_lossy(body));
    }
    servers.push(start(BARE, &mut bare)?);
    Ok(servers)
}

/// Round by round; empty where one of the two was not measured
fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect()
}
