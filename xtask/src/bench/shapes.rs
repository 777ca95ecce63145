//! Requests of other shapes than a short one with a short answer: bodies, headers, HTTP/2, and
//! thousands of connections that ask for nothing. Bare hyper does the same work.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::load::{self, Client};
use super::report::Section;
use super::server::Server;
use super::servers::{self, BARE, HOLM, PEER, Served, ratios};
use super::spread::Spread;
use super::tenants::raw::Connection;
use super::{Bench, usage};

/// Requests that are under way at once
const AT_ONCE: usize = 32;

/// Streams on each connection of HTTP/2
const STREAMS: usize = 8;

/// Connections that ask for nothing
const IDLE: usize = 10_000;

/// Headers of a request with many, its `host` among them; more hyper does not take as it comes.
const HEADERS: usize = 100;

/// A kind of request
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    guest: &'static str,
    path: &'static str,
    /// Bytes that are sent
    body: usize,
    headers: usize,
    http2: bool,
    /// What bare hyper is told, so that it does the same
    bare: &'static [&'static str],
}

const HELLO: Shape = Shape {
    name: "a hello",
    guest: "http-hello.wasm",
    path: "/",
    body: 0,
    headers: 1,
    http2: false,
    bare: &["--body", "hello\n"],
};

const SHAPES: [Shape; 8] = [
    HELLO,
    Shape {
        name: "64 KiB answered",
        guest: "http-lab.wasm",
        path: "/big?bytes=65536&length=1",
        bare: &["--big", "65536"],
        ..HELLO
    },
    Shape {
        name: "1 MiB answered",
        guest: "http-lab.wasm",
        path: "/big?bytes=1048576&length=1",
        bare: &["--big", "1048576"],
        ..HELLO
    },
    Shape {
        name: "64 KiB sent",
        guest: "http-lab.wasm",
        path: "/sink",
        body: 64 << 10,
        bare: &["--sink"],
        ..HELLO
    },
    Shape {
        name: "1 MiB sent",
        guest: "http-lab.wasm",
        path: "/sink",
        body: 1 << 20,
        bare: &["--sink"],
        ..HELLO
    },
    Shape {
        name: "100 headers",
        headers: HEADERS,
        ..HELLO
    },
    Shape {
        name: "100 headers, read",
        guest: "http-lab.wasm",
        path: "/headers",
        headers: HEADERS,
        bare: &["--headers"],
        ..HELLO
    },
    Shape {
        name: "HTTP/2",
        http2: true,
        bare: &["--body", "hello\n", "--http2"],
        ..HELLO
    },
];

/// Measures all shapes.
pub fn measure(bench: &Bench) -> Section {
    let (rounds, time) = match bench.quick {
        true => (2, Duration::from_millis(500)),
        false => (3, Duration::from_millis(800)),
    };
    let mut section = Section::new(format!(
        "requests of other shapes: CPU per request, a fresh instance each, {AT_ONCE} at once, {rounds} rounds of {} s",
        time.as_secs_f64()
    ));
    for shape in &SHAPES {
        if let Err(error) = compare(bench, shape, rounds, time, &mut section) {
            let note = format!("{}: not measured: {error:#}", shape.name);
            section.notes.push(note);
        }
    }
    if let Err(error) = idle(bench, rounds, time, &mut section) {
        let note = format!("idle connections: not measured: {error:#}");
        section.notes.push(note);
    }
    section
}

fn compare(
    bench: &Bench,
    shape: &Shape,
    rounds: usize,
    time: Duration,
    section: &mut Section,
) -> Result<()> {
    let guest = Bench::guest(shape.guest).map_err(|missing| anyhow!(missing))?;
    let served = Served {
        component: "grants = { keyvalue = [\"default\"] }",
        ..Served::of(&guest)
    };
    let mut all = vec![
        servers::bare(bench, shape.bare)?,
        served.holm(bench, HOLM, &["--quiet"])?,
    ];
    // It speaks no HTTP/2 without TLS, and has not the key-value interface that the other guest wants.
    if !shape.http2 && shape.guest == HELLO.guest {
        match served.peer(bench) {
            Ok(peer) => all.push(peer),
            Err(error) => section.notes.push(format!("{}: {error:#}", shape.name)),
        }
    }
    let mut cpu = vec![Vec::new(); all.len()];
    for round in 0..=rounds {
        for (server, cpu) in all.iter().zip(&mut cpu) {
            let time = if round == 0 { time / 4 } else { time };
            let us = per_request(bench, server, shape, time)
                .map_err(|error| error.context(server.name))?;
            if round > 0 {
                cpu.push(us);
            }
        }
    }
    let of = |name| {
        let found = all.iter().position(|server| server.name == name);
        found.map_or(&[][..], |index| &cpu[index])
    };
    section.row(shape.name, &format!("{BARE}, µs"), of(BARE));
    section.row(shape.name, &format!("{HOLM}, µs"), of(HOLM));
    let beside = |ours, theirs| ratios(of(ours), of(theirs));
    section.row(shape.name, &format!("{HOLM} / {BARE}"), &beside(HOLM, BARE));
    section.row(shape.name, &format!("{PEER} / {BARE}"), &beside(PEER, BARE));
    section.row(shape.name, &format!("{HOLM} / {PEER}"), &beside(HOLM, PEER));
    Ok(())
}

/// CPU time of a server for each request, in microseconds.
fn per_request(bench: &Bench, server: &Server, shape: &Shape, time: Duration) -> Result<f64> {
    let clients = connect(server.address, shape);
    let driven = bench
        .cores
        .as_client(|| load::drive_with(clients, time, || server.cpu()))?;
    let (load, before, after) = driven;
    Ok((after - before).as_secs_f64() * 1e6 / load.requests as f64)
}

/// Connections that wait for another request, and what they cost Holm and bare hyper.
fn idle(bench: &Bench, rounds: usize, time: Duration, section: &mut Section) -> Result<()> {
    let count = if bench.quick { IDLE / 10 } else { IDLE };
    let guest = Bench::guest(HELLO.guest).map_err(|missing| anyhow!(missing))?;
    let all = [
        servers::bare(bench, HELLO.bare)?,
        Served::of(&guest).holm(bench, HOLM, &["--quiet"])?,
    ];
    let name = format!("{count} idle connections");
    let mut with = [Vec::new(), Vec::new()];
    for (server, with) in all.iter().zip(&mut with) {
        let measure = || per_request(bench, server, &HELLO, time);
        // Pools and buffers are as large as they get.
        measure()?;
        let mut without = Vec::new();
        for _ in 0..rounds {
            without.push(measure()?);
        }
        let before = usage::memory_kb(server.pid())?;
        let held: Vec<Connection> = (0..count)
            .map(|_| {
                let mut connection = Connection::open(server.address)?;
                connection.ask("idle", "hello")?;
                Ok(connection)
            })
            .collect::<Result<_>>()?;
        let each = (usage::memory_kb(server.pid())? - before) / count as f64;
        let (began, wait) = (server.cpu()?, Duration::from_secs(2));
        thread::sleep(wait);
        let busy = (server.cpu()? - began).as_secs_f64() / wait.as_secs_f64();
        for _ in 0..rounds {
            with.push(measure()?);
        }
        section.row(&name, &format!("{}, kB each", server.name), &[each]);
        section.row(&name, &format!("{}, CPU ms/s", server.name), &[busy * 1e3]);
        let slower = Spread::of(&without).map(|without| without.median);
        let slower: Vec<f64> = with
            .iter()
            .map(|with| with / slower.unwrap_or(1.0))
            .collect();
        let figure = format!("{}, CPU/request with / without", server.name);
        section.row(&name, &figure, &slower);
        drop(held);
    }
    let figure = format!("{HOLM} / {BARE}, CPU/request");
    section.row(&name, &figure, &ratios(&with[1], &with[0]));
    Ok(())
}

/// A connection, or a stream on one
enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Many(http2::SendRequest<Full<Bytes>>),
}

/// A client that sends requests of a shape
struct Asking {
    sender: Sender,
    address: SocketAddr,
    shape: Shape,
    body: Bytes,
}

async fn connect(address: SocketAddr, shape: &Shape) -> Result<Vec<Asking>> {
    let body = Bytes::from(vec![b'x'; shape.body]);
    let asking = |sender| Asking {
        sender,
        address,
        shape: *shape,
        body: body.clone(),
    };
    let mut all = Vec::new();
    while all.len() < AT_ONCE {
        let socket = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        socket.set_nodelay(true)?;
        let socket = TokioIo::new(socket);
        if shape.http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await?;
            tokio::spawn(async move { drop(connection.await) });
            all.extend((0..STREAMS).map(|_| asking(Sender::Many(sender.clone()))));
        } else {
            let (sender, connection) = http1::handshake(socket).await?;
            tokio::spawn(async move { drop(connection.await) });
            all.push(asking(Sender::One(sender)));
        }
    }
    Ok(all)
}

impl Client for Asking {
    async fn ask(&mut self) -> Result<()> {
        let (address, path) = (self.address, self.shape.path);
        let method = if self.body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        let mut request = Request::builder().method(method);
        request = match &self.sender {
            Sender::One(_) => request.uri(path).header("host", address.to_string()),
            Sender::Many(_) => request.uri(format!("http://{address}{path}")),
        };
        for number in 1..self.shape.headers {
            request = request.header(format!("x-header-{number}"), "a value of some length");
        }
        let request = request.body(Full::new(self.body.clone()))?;
        let sent = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Many(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        };
        let response = sent.context("no response")?;
        let status = response.status();
        let mut body = response.into_body();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            size += frame
                .context("the body broke off")?
                .data_ref()
                .map_or(0, Bytes::len);
        }
        ensure!(status == 200 && size > 0, "answered {status}, {size} bytes");
        Ok(())
    }
}
