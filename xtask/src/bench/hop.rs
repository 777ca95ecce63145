//! A hop: what a call from one component to another costs, linked in `holm.toml` (two instances) and
//! composed into one file.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Target;
use super::report::Section;
use super::server::Server;
use super::{Bench, load};

/// Calls of an empty function in one request
const CALLS: f64 = 1_000.0;

/// Bytes that one call takes and gives back
const BYTES: f64 = 100_000.0;

const LINKED: &str = "linked";
/// To a callee in a task of its own, by an async function.
const APART: &str = "linked, async";
const FUSED: &str = "composed";

/// What a hop may cost beside the values that it copies, in microseconds
const HOP_MAX: f64 = 5.0;

/// One server's rounds, a value for each
#[derive(Default)]
struct Rounds {
    call_us: Vec<f64>,
    first_us: Vec<f64>,
    byte_ns: Vec<f64>,
}

/// Measures both.
pub fn measure(bench: &Bench) -> Section {
    let (rounds, time) = match bench.quick {
        true => (3, Duration::from_millis(500)),
        false => (7, Duration::from_secs(2)),
    };
    let title = format!(
        "a hop between two components: CPU of an empty call, {CALLS} in a request, {rounds} rounds of {} ms",
        time.as_millis()
    );
    let mut section = Section::new(title);
    if let Err(error) = fill(bench, rounds, time, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, rounds: usize, time: Duration, section: &mut Section) -> Result<()> {
    let app = bench.scratch.path().join("hop");
    let servers = start(bench, &app)?;
    let mut measured: Vec<Rounds> = servers.iter().map(|_| Rounds::default()).collect();
    for round in 0..=rounds {
        for (server, rounds) in servers.iter().zip(&mut measured) {
            let cpu_us = |path: &'static str| -> Result<f64> {
                let target = Target {
                    path,
                    ..Target::from(server.address)
                };
                let time = if round == 0 { time / 4 } else { time };
                let driven = bench
                    .cores
                    .as_client(|| load::drive(target, 1, time, || server.cpu()));
                let (load, before, after) = driven.map_err(|e| e.context(server.name))?;
                Ok((after - before).as_secs_f64() * 1e6 / load.requests as f64)
            };
            let none = cpu_us("/calls?0")?;
            let one = cpu_us("/calls?1")?;
            let many = cpu_us("/calls?1000")?;
            let bytes = match server.name {
                APART => None,
                _ => Some(cpu_us("/bytes?100000")?),
            };
            // The first round only warms caches and pools up.
            if round > 0 {
                rounds.call_us.push((many - one) / (CALLS - 1.0));
                rounds.first_us.push(one - none);
                let byte_ns = bytes.map(|bytes| (bytes - one) * 1e3 / BYTES);
                rounds.byte_ns.extend(byte_ns);
            }
        }
    }
    for (server, rounds) in servers.iter().zip(&measured) {
        match server.name {
            LINKED | APART => {
                section.row_with_goal(server.name, "CPU/call, µs", &rounds.call_us, HOP_MAX);
            }
            name => section.row(name, "CPU/call, µs", &rounds.call_us),
        }
        section.row(server.name, "first call of a request, µs", &rounds.first_us);
        if !rounds.byte_ns.is_empty() {
            section.row(server.name, "a byte there and back, ns", &rounds.byte_ns);
        }
    }
    Ok(())
}

fn start(bench: &Bench, app: &Path) -> Result<Vec<Server>> {
    let guest = |name: &str| Bench::guest(name).map_err(anyhow::Error::msg);
    let (web, other) = (guest("link-caller.wasm")?, guest("link-callee.wasm")?);
    std::fs::create_dir_all(app)?;
    let fused = app.join("fused.wasm");
    let composed = Command::new(&bench.holm)
        .arg("compose")
        .arg(&web)
        .arg("--plug")
        .arg(&other)
        .arg("-o")
        .arg(&fused)
        .output()?;
    ensure!(
        composed.status.success(),
        "holm compose: {}",
        String::from_utf8_lossy(&composed.stderr)
    );
    let route = "[[http]]\nroute = \"/...\"\ncomponent = \"web\"\n";
    let linked = |web: &Path, imports: &str, other: &Path| {
        format!(
            "name = \"linked\"\n[component.web]\nsource = {web:?}\nimports = {{ {imports} }}\n\
             [component.other]\nsource = {other:?}\n{route}"
        )
    };
    let beside = linked(&web, "\"holm:linked/api\" = \"other\"", &other);
    let (web, other) = (guest("link-caller-p3.wasm")?, guest("link-callee-p3.wasm")?);
    let both = "\"holm:linked-async/api\" = \"other\", \"holm:linked-async/plain\" = \"other\"";
    let apart = linked(&web, both, &other);
    let fused = format!("name = \"fused\"\n[component.web]\nsource = {fused:?}\n{route}");
    let mut servers = Vec::new();
    for (name, manifest) in [(LINKED, beside), (APART, apart), (FUSED, fused)] {
        let file = app.join(name).join("holm.toml");
        std::fs::create_dir_all(app.join(name))?;
        std::fs::write(&file, manifest)?;
        let mut holm = Command::new(&bench.holm);
        holm.args(["up", "--quiet", "--listen", "127.0.0.1:0"])
            .arg(&file);
        servers.push(bench.cores.as_server(|| Server::start(name, &mut holm))?);
    }
    Ok(servers)
}
