//! A hostile neighbour: what a tenant's clients feel of another tenant that wants all there is.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use tokio::runtime;
use tokio::task::JoinSet;

use super::Bench;
use super::load::{self, Target};
use super::paced;
use super::report::Section;
use super::server::Server;

/// As many as a component may have by default: the hostile tenant is at its full concurrency.
const CONCURRENCY: usize = 512;

/// How many times slower a tenant's p99 may become
const SLOWER_MAX: f64 = 3.0;

/// What hostile tenants do: the name in the table, and the path of the guest
const HOSTILE: [(&str, &str); 2] = [("computes without end", "/spin"), ("asks without end", "/")];

/// Two apps in one server on two cores, one asked at half of what it could answer.
pub fn measure(bench: &Bench) -> Section {
    let (rounds, time) = match bench.quick {
        true => (3, Duration::from_secs(2)),
        false => (5, Duration::from_secs(5)),
    };
    let mut section = Section::new(format!(
        "a neighbour: http-hello.wasm at half load, {CONCURRENCY} connections to http-lab.wasm, \
         server and clients on two cores, {rounds} rounds of {} s each",
        time.as_secs()
    ));
    if let Err(error) = fill(bench, rounds, time, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, rounds: usize, time: Duration, section: &mut Section) -> Result<()> {
    let apps = bench.scratch.path().join("apps");
    app(&apps, "quiet", "http-hello.wasm", "")?;
    app(
        &apps,
        "loud",
        "http-lab.wasm",
        "[component.loud.grants]\nkeyvalue = [\"default\"]\n",
    )?;
    bench.cores.on_both(|| {
        let mut up = Command::new(&bench.holm);
        up.args(["up", "--quiet", "--listen", "127.0.0.1:0", "--apps"])
            .arg(&apps);
        let server = Server::start("holm up", up.current_dir(bench.scratch.path()))?;
        let quiet = target(server.address, "quiet", "/");
        let (full, ..) = load::drive(quiet.clone(), 32, time, || Ok(()))?;
        let half = full.requests as f64 / full.wall.as_secs_f64() / 2.0;
        let mut alone = [Vec::new(), Vec::new()];
        let mut beside = HOSTILE.map(|_| [Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            calm(&server)?;
            note(&mut alone, paced::drive(&quiet, half, time)?);
            for ((_, path), beside) in HOSTILE.iter().zip(&mut beside) {
                calm(&server)?;
                let loud = target(server.address, "loud", path);
                let load = while_attacked(&loud, || paced::drive(&quiet, half, time))?;
                note(beside, load);
            }
        }
        section.row("quiet", "requests/s", &[half]);
        section.row("quiet, alone", "latency p50, µs", &alone[0]);
        section.row("quiet, alone", "latency p99, µs", &alone[1]);
        for ((name, _), beside) in HOSTILE.iter().zip(&beside) {
            let who = format!("quiet, beside one that {name}");
            section.row(&who, "latency p50, µs", &beside[0]);
            section.row(&who, "latency p99, µs", &beside[1]);
            let slower = beside[1].iter().zip(&alone[1]);
            let slower: Vec<f64> = slower.map(|(beside, alone)| beside / alone).collect();
            section.row_with_goal(&who, "p99 / p99 alone", &slower, SLOWER_MAX);
        }
        Ok(())
    })
}

fn note(rounds: &mut [Vec<f64>; 2], load: load::Load) {
    rounds[0].push(load.latency_us(0.5));
    rounds[1].push(load.latency_us(0.99));
}

fn target(address: SocketAddr, app: &str, path: &'static str) -> Target {
    Target {
        status: 200,
        address,
        host: format!("{app}.localhost"),
        path,
    }
}

fn app(apps: &Path, name: &str, guest: &str, more: &str) -> Result<()> {
    let guest = match Bench::guest(guest) {
        Ok(guest) => guest,
        Err(missing) => bail!(missing),
    };
    let folder = apps.join(name);
    fs::create_dir_all(&folder)?;
    fs::copy(guest, folder.join("guest.wasm")).context("cannot copy the guest")?;
    let manifest = format!(
        "name = \"{name}\"\n\n[component.{name}]\nsource = \"guest.wasm\"\n\n{more}\n\
         [[http]]\nroute = \"/...\"\nhost = \"{name}.localhost\"\ncomponent = \"{name}\"\n"
    );
    fs::write(folder.join("holm.toml"), manifest)?;
    Ok(())
}

/// Waits until nothing is left of the last attack.
fn calm(server: &Server) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let before = server.cpu()?;
        thread::sleep(Duration::from_millis(500));
        if server.cpu()? - before < Duration::from_millis(20) {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("the server is still busy half a minute after the load");
        }
    }
}

/// Does something while a tenant is asked at its full concurrency, again as soon as it answers.
fn while_attacked<T>(loud: &Target, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let attack = scope.spawn(|| attack(loud, &over));
        // Until all have connected and the first have been asked.
        thread::sleep(Duration::from_secs(1));
        let done = work();
        over.store(true, Relaxed);
        match attack.join() {
            Ok(attacked) => attacked.and(done),
            Err(_) => bail!("the attack panicked"),
        }
    })
}

fn attack(loud: &Target, over: &AtomicBool) -> Result<()> {
    // An attacker's own machine is not the server's: it may have here what nobody else wants.
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut attackers = JoinSet::new();
        for _ in 0..CONCURRENCY {
            attackers.spawn(attacker(loud.clone()));
        }
        while !over.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Dropped with all its connections.
        drop(attackers);
    });
    Ok(())
}

/// Whatever it is answered, it asks again.
async fn attacker(loud: Target) {
    loop {
        let Ok(mut sender) = load::connect(loud.address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        loop {
            let request = Request::get(loud.path).header("host", &loud.host);
            let Ok(request) = request.body(Empty::new()) else {
                return;
            };
            if sender.ready().await.is_err() {
                break;
            }
            let Ok(response) = sender.send_request(request).await else {
                break;
            };
            if response.into_body().collect().await.is_err() {
                break;
            }
        }
    }
}
