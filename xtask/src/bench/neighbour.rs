//! A hostile neighbour: what a tenant's clients feel of another tenant that wants all there is.
//!
//! One server with two apps, on two cores. `quiet` is asked at a fixed rate by an open loop: requests
//! go out when they are due, and are late from then on. The rate is half of the highest at which it
//! still answers on time. `loud` has as many clients as a component may have calls at once, each asking again as soon as it is
//! answered. Each round measures `quiet` alone, then beside each kind of neighbour, so that whatever
//! else the machine does meets all alike; the ratio is that of one round, and its median counts.
//!
//! Clients are on other machines in life, and share the two cores here. `quiet`'s clients run before
//! all others, whoever else there is: they need little, and their own waiting would be taken for the
//! server's. `loud`'s clients come after all others: they must not take from the server what only
//! they have here.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use tokio::runtime;
use tokio::task::JoinSet;

use super::Bench;
use super::load::{self, Target};
use super::paced::{self, Asked};
use super::report::Section;
use super::server::Server;

/// As many as a component may have by default: the hostile tenant is at its full concurrency.
const CONCURRENCY: usize = 512;

/// How many times slower a tenant's p99 may become
const SLOWER_MAX: f64 = 3.0;

/// By so much Holm's slow lane is nicer than the process
const NICER: i32 = 5;

/// What hostile tenants do: the name in the table, and the path of the guest
const HOSTILE: [(&str, &str); 2] = [("computes without end", "/spin"), ("asks without end", "/")];

/// What one way to serve the quiet app gave, a value for each round
#[derive(Default)]
struct Rounds {
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    /// What the neighbour was answered
    loud_per_second: Vec<f64>,
}

impl Rounds {
    fn note(&mut self, load: &load::Load) {
        self.p50_us.push(load.latency_us(0.5));
        self.p99_us.push(load.latency_us(0.99));
    }
}

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
    // On a thread of its own, whose priority is nobody else's.
    let first = thread::scope(|scope| scope.spawn(paced::before_all_others).join());
    if let Ok(Err(error)) = first {
        section.notes.push(format!(
            "quiet's clients wait for a core like all others, and their latency has that in it: {error}"
        ));
    }
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
        let quiet = Asked {
            address: server.address,
            app: "quiet",
            answer: "hello",
        };
        // Of what these very clients can get: other clients would be answered more or less.
        let half = paced::capacity(quiet, time / 2)? / 2.0;
        let mut alone = Rounds::default();
        let mut loops = Rounds::default();
        let mut beside = HOSTILE.map(|_| Rounds::default());
        for _ in 0..rounds {
            calm(&server)?;
            alone.note(&paced::drive(quiet, half, time)?);
            calm(&server)?;
            loops.note(&while_looped(|| paced::drive(quiet, half, time))?);
            for ((_, path), beside) in HOSTILE.iter().zip(&mut beside) {
                calm(&server)?;
                let loud = target(server.address, "loud", path);
                let (load, answered) = while_attacked(&loud, || paced::drive(quiet, half, time))?;
                beside.note(&load);
                beside.loud_per_second.push(answered);
            }
        }
        section.row("quiet", "requests/s", &[half]);
        section.row("quiet, alone", "latency p50, µs", &alone.p50_us);
        section.row("quiet, alone", "latency p99, µs", &alone.p99_us);
        let who = "quiet, beside two loops of another process, as nice as the slow lane";
        section.row(who, "latency p50, µs", &loops.p50_us);
        section.row(who, "latency p99, µs", &loops.p99_us);
        for ((name, _), beside) in HOSTILE.iter().zip(&beside) {
            let who = format!("quiet, beside one that {name}");
            section.row(&who, "latency p50, µs", &beside.p50_us);
            section.row(&who, "latency p99, µs", &beside.p99_us);
            let slower = beside.p99_us.iter().zip(&alone.p99_us);
            let slower: Vec<f64> = slower.map(|(beside, alone)| beside / alone).collect();
            section.row_with_goal(&who, "p99 / p99 alone", &slower, SLOWER_MAX);
            let who = format!("the one that {name}");
            section.row(&who, "answers/s", &beside.loud_per_second);
        }
        Ok(())
    })
}

fn target(address: SocketAddr, app: &str, path: &'static str) -> Target {
    Target {
        status: 200,
        address,
        host: format!("{app}.test"),
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
         [[http]]\nroute = \"/...\"\nhost = \"{name}.test\"\ncomponent = \"{name}\"\n"
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

/// Does something while a tenant is asked at its full concurrency, again as soon as it answers;
/// gives also how many answers a second the tenant gave.
fn while_attacked<T>(loud: &Target, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let attack = scope.spawn(|| attack(loud, &over, &answered));
        // Until all have connected and the first have been asked.
        thread::sleep(Duration::from_secs(1));
        let (before, began) = (answered.load(Relaxed), Instant::now());
        let done = work();
        let answers = answered.load(Relaxed) - before;
        let per_second = answers as f64 / began.elapsed().as_secs_f64();
        over.store(true, Relaxed);
        match attack.join() {
            Ok(attacked) => attacked.and(done).map(|done| (done, per_second)),
            Err(_) => bail!("the attack panicked"),
        }
    })
}

/// Does something while two threads compute, of a priority like that of the slow lane's: what the
/// operating system makes of it, without any work of Holm's.
fn while_looped<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // Where that fails it is a harder neighbour.
                let _ = rustix::process::nice(NICER);
                while !over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let done = work();
        over.store(true, Relaxed);
        done
    })
}

fn attack(loud: &Target, over: &AtomicBool, answered: &AtomicUsize) -> Result<()> {
    // Of this thread; so much that nothing else is behind it.
    rustix::process::nice(19)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let count = Arc::new(AtomicUsize::new(0));
        let mut attackers = JoinSet::new();
        for _ in 0..CONCURRENCY {
            attackers.spawn(attacker(loud.clone(), count.clone()));
        }
        while !over.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            answered.store(count.load(Relaxed), Relaxed);
        }
        // Dropped with all its connections.
        drop(attackers);
    });
    Ok(())
}

/// Whatever it is answered, it asks again.
async fn attacker(loud: Target, answered: Arc<AtomicUsize>) {
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
            answered.fetch_add(1, Relaxed);
        }
    }
}
