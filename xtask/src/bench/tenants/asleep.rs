//! Guests that are alive at once, asleep in a call.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper::{Request, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use super::apps::{self, Made};
use super::raw::Connection;
use super::start;
use crate::bench::Bench;
use crate::bench::report::Section;
use crate::bench::server::Server;
use crate::bench::usage::memory_kb;

/// On a machine as it comes
const ASLEEP: usize = 10_000;

/// Where the operator raised the machine's number of mappings
const MORE: usize = 100_000;

/// Mappings that so many take: five for each, and some for code
const MAPPINGS_FOR_MORE: usize = 6 * MORE;

/// The app that is asked then
const SLEEPER: &str = "sleeper";

/// As many as a server gives a connection
const STREAMS: usize = 250;

/// Ten thousand, each on a connection of its own.
pub fn measure(bench: &Bench, server: &Server, made: &Made, section: &mut Section) -> Result<()> {
    let wanted = if bench.quick { ASLEEP / 10 } else { ASLEEP };
    let mut awake = Connection::open(server.address)?;
    awake.ask(&made.warm_up, &made.warm_up)?;
    let before = memory_kb(server.pid())?;
    let mut connections = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        let mut connection = Connection::open(server.address)?;
        connection.ask(&made.warm_up, &made.warm_up)?;
        connections.push(connection);
    }
    let idle = memory_kb(server.pid())?;
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
    thread::sleep(Duration::from_secs(1));
    section.row(
        "guests asleep",
        "kB each",
        &[(memory_kb(server.pid())? - before) / wanted as f64],
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

/// A hundred thousand, where the operator raised `vm.max_map_count`.
pub fn measure_more(bench: &Bench) -> Section {
    let mut section = Section::new(format!("{MORE} guests asleep at once, in one host"));
    if let Err(error) = more(bench, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

/// As streams of HTTP/2, because an address has not so many ports.
fn more(bench: &Bench, section: &mut Section) -> Result<()> {
    let most = fs::read_to_string("/proc/sys/vm/max_map_count")?;
    if most.trim().parse::<usize>()? < MAPPINGS_FOR_MORE {
        bail!(
            "raise vm.max_map_count to {MAPPINGS_FOR_MORE} (it is {})",
            most.trim()
        );
    }
    let (dir, cache) = (
        bench.scratch.path().join("asleep"),
        bench.scratch.path().join("asleep-cache"),
    );
    apps::make_sleeper(&dir, SLEEPER)?;
    let instances = (MORE + 64).to_string();
    let (server, ms) = start(bench, &dir, &cache, &["--instances", &instances])?;
    section.row("host", "start, ms to serving", &[ms]);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answered = runtime.block_on(async {
        let mut asked = JoinSet::new();
        // The first has the code compiled and the pool made.
        ask(&server, 1, &mut asked).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = memory_kb(server.pid())?;
        let began = server.cpu()?;
        while asked.len() < MORE {
            ask(&server, STREAMS.min(MORE - asked.len()), &mut asked).await?;
            // Lets the requests out before there are more.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Until all have been read, and have fallen asleep; they sleep for longer.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let each = |total: f64| total / MORE as f64;
        let memory = memory_kb(server.pid())? - before;
        section.row("a guest asleep", "kB", &[each(memory)]);
        let maps = maps_of(&server)?;
        section.row(
            "a guest asleep",
            "mappings, the pool's all in",
            &[each(maps)],
        );
        let cpu = (server.cpu()? - began).as_secs_f64() * 1e6;
        section.row("putting it to sleep", "CPU, µs", &[each(cpu)]);
        let mut answered = 0;
        while let Some(answer) = asked.join_next().await {
            let answer = answer.context("a client stopped")??;
            answered += usize::from(answer == SLEEPER.as_bytes());
        }
        anyhow::Ok(answered)
    })?;
    section.row("guests asleep", "woke and answered", &[answered as f64]);
    ensure!(
        answered == MORE,
        "{} of {MORE} did not answer",
        MORE - answered
    );
    Ok(())
}

type Asked = JoinSet<Result<Bytes>>;

/// Asks so often at once, on a connection of its own.
async fn ask(server: &Server, times: usize, asked: &mut Asked) -> Result<()> {
    let socket = TcpStream::connect(server.address).await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    tokio::spawn(async move { drop(connection.await) });
    for _ in 0..times {
        let mut sender = sender.clone();
        let request = Request::get(format!("http://{SLEEPER}.test/"));
        let request = request.body(Empty::<Bytes>::new())?;
        asked.spawn(async move {
            sender.ready().await?;
            answer(sender.send_request(request).await?).await
        });
    }
    Ok(())
}

async fn answer(response: hyper::Response<Incoming>) -> Result<Bytes> {
    Ok(response.into_body().collect().await?.to_bytes())
}

fn maps_of(server: &Server) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/maps", server.pid()))?;
    Ok(text.lines().count() as f64)
}
