//! What a guest pays for a capability over what it costs without a guest: a key-value get, and a call of
//! another component by its name.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::load::Target;
use super::report::Section;
use super::server::Server;
use super::servers::{self, BARE};
use super::{Bench, keyvalue, load};

/// Gets in one request
const GETS: f64 = 1_000.0;

/// Calls of another component in one request
const CALLS: f64 = 100.0;

/// What a get may cost a guest over the same get without one, in microseconds
const GET_MAX: f64 = 2.0;

/// What a call of another component may cost over that component's own work, in microseconds
const CALL_MAX: f64 = 15.0;

/// The figure of `holm bench-keyvalue` that a guest's get is compared with
const NATIVE: &str = "get, 100 bytes";

/// Measures both.
pub fn measure(bench: &Bench) -> Section {
    let (rounds, time) = match bench.quick {
        true => (3, Duration::from_millis(500)),
        false => (7, Duration::from_secs(2)),
    };
    let mut section = Section::new(format!(
        "capabilities: CPU of the server, {rounds} rounds of {} ms",
        time.as_millis()
    ));
    if let Err(error) = fill(bench, rounds, time, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, rounds: usize, time: Duration, section: &mut Section) -> Result<()> {
    let native = native_gets(bench)?;
    let server = start(bench)?;
    let bare = servers::bare(bench, &[])?;
    // A value of as many bytes as the native get reads.
    let target = |path| Target {
        path,
        ..Target::from(server.address)
    };
    load::body(&target("/kv/set?key=read&bytes=100")).context("the value was not written")?;
    let told = load::body(&target("/fetch?url=http://other.internal/&n=2"))?;
    ensure!(
        String::from_utf8_lossy(&told).contains("\"status\":200"),
        "the other component did not answer: {}",
        String::from_utf8_lossy(&told)
    );

    let (mut gets, mut calls, mut work, mut hops) = (vec![], vec![], vec![], vec![]);
    for round in 0..=rounds {
        let time = if round == 0 { time / 4 } else { time };
        let cpu_us = |server: &Server, path: &'static str, host: Option<&str>| -> Result<f64> {
            let mut target = Target {
                path,
                ..Target::from(server.address)
            };
            if let Some(host) = host {
                target.host = host.to_owned();
            }
            let driven = bench
                .cores
                .as_client(|| load::drive(target, 1, time, || server.cpu()));
            let (load, before, after) = driven.map_err(|e| e.context(server.name))?;
            Ok((after - before).as_secs_f64() * 1e6 / load.requests as f64)
        };
        let one = cpu_us(&server, "/kv/get?key=read&n=1", None)?;
        let many = cpu_us(&server, "/kv/get?key=read&n=1000", None)?;
        let get = (many - one) / (GETS - 1.0);
        let one = cpu_us(&server, "/fetch?url=http://other.internal/&n=1", None)?;
        let many = cpu_us(&server, "/fetch?url=http://other.internal/&n=100", None)?;
        let call = (many - one) / (CALLS - 1.0);
        // What the other component takes by itself: a request to it, without its socket.
        let asked = cpu_us(&server, "/", Some("other.test"))?;
        let socket = cpu_us(&bare, "/", None)?;
        // The first round only warms caches and pools up.
        if round > 0 {
            gets.push(get);
            calls.push(call);
            work.push(asked - socket);
            hops.push(call - (asked - socket));
        }
    }
    section.row("a get, without a guest", "time, µs", &native);
    section.row("a get by a guest", "CPU, µs", &gets);
    let over: Vec<f64> = {
        let mut sorted = native.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        gets.iter().map(|get| get - median).collect()
    };
    section.row_with_goal(
        "a get by a guest, over the native one",
        "µs",
        &over,
        GET_MAX,
    );
    section.row("a call of another component by name", "CPU, µs", &calls);
    section.row(
        &format!("a request to that component, above {BARE}"),
        "CPU, µs",
        &work,
    );
    section.row_with_goal("the call's own cost: a hop", "CPU, µs", &hops, CALL_MAX);
    Ok(())
}

/// Microseconds of a get, as often as it was measured
fn native_gets(bench: &Bench) -> Result<Vec<f64>> {
    let output = Command::new(&bench.holm)
        .current_dir(bench.scratch.path())
        .args(["bench-keyvalue", "native.redb", "50"])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures = keyvalue::figures(&output.stdout).context("not offered by this holm")?;
    figures.get(NATIVE).cloned().context("no figure of a get")
}

fn start(bench: &Bench) -> Result<Server> {
    let guest = |name: &str| Bench::guest(name).map_err(anyhow::Error::msg);
    let (web, other) = (guest("http-lab.wasm")?, guest("http-hello.wasm")?);
    let app = bench.scratch.path().join("capabilities");
    std::fs::create_dir_all(&app)?;
    std::fs::write(app.join("holm.toml"), manifest(&web, &other))?;
    let mut holm = Command::new(&bench.holm);
    holm.args(["up", "--quiet", "--listen", "127.0.0.1:0"])
        .arg(&app);
    bench
        .cores
        .as_server(|| Server::start("holm up", &mut holm))
}

fn manifest(web: &Path, other: &Path) -> String {
    format!(
        "name = \"capabilities\"\n\n\
         [component.web]\nsource = {web:?}\n\
         [component.web.grants]\nkeyvalue = [\"default\"]\nhttp = [\"http://other.internal\"]\n\n\
         [component.other]\nsource = {other:?}\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n\n\
         [[http]]\nhost = \"other.test\"\nroute = \"/...\"\ncomponent = \"other\"\n"
    )
}
