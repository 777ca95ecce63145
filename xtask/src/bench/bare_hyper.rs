//! The hidden `cargo xtask bare-hyper`: HTTP and nothing else, the bench's yardstick.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// Flags of `cargo xtask bare-hyper`
#[derive(Parser)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to answer
    #[arg(long, value_name = "TEXT", default_value = "Hello, world!\n")]
    body: String,
    /// Answer so many bytes instead
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["sink", "headers"])]
    big: Option<usize>,
    /// Read the request's body and answer how long it was
    #[arg(long, conflicts_with = "headers")]
    sink: bool,
    /// Answer the request's headers as JSON
    #[arg(long)]
    headers: bool,
    /// Speak HTTP/2 with prior knowledge, and nothing else
    #[arg(long)]
    http2: bool,
}

/// What is done for each request
#[derive(Clone)]
enum Work {
    Say(Bytes),
    Sink,
    Headers,
}

/// Serves until it is killed, on the runtime that Holm and the peers use: tokio's default one.
pub fn run(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> Result<ExitCode> {
    let listener = TcpListener::bind(args.listen)
        .await
        .context("cannot listen")?;
    println!("Serving http://{}", listener.local_addr()?);
    let work = match (args.big, args.sink, args.headers) {
        (Some(bytes), ..) => Work::Say(pattern(bytes)),
        (_, true, _) => Work::Sink,
        (_, _, true) => Work::Headers,
        _ => Work::Say(Bytes::from(args.body)),
    };
    loop {
        let (socket, _) = listener.accept().await.context("cannot accept")?;
        // As `holm up` and `wasmtime serve` set it; the yardstick must not win by batching.
        socket.set_nodelay(true)?;
        tokio::spawn(connection(socket, work.clone(), args.http2));
    }
}

async fn connection(socket: TcpStream, work: Work, http2: bool) {
    let service = service_fn(move |request| answer(request, work.clone()));
    let socket = TokioIo::new(socket);
    // A client that goes away is no concern of a yardstick.
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        drop(
            builder
                .max_concurrent_streams(250)
                .serve_connection(socket, service)
                .await,
        );
    } else {
        drop(
            http1::Builder::new()
                .serve_connection(socket, service)
                .await,
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    work: Work,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = match work {
        Work::Say(body) => body,
        Work::Sink => {
            let mut body = request.into_body();
            let mut total = 0;
            while let Some(frame) = body.frame().await {
                total += frame?.data_ref().map_or(0, Bytes::len);
            }
            format!("{total}\n").into()
        }
        Work::Headers => json(&request).into(),
    };
    Ok(Response::new(Full::new(body)))
}

/// What the guest `http-lab` answers for `/big`
pub fn pattern(bytes: usize) -> Bytes {
    b"0123456789abcdef"
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

/// What it answers for `/headers`
fn json<B>(request: &Request<B>) -> String {
    let headers = request.headers().iter();
    let map: serde_json::Map<String, serde_json::Value> = headers
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into())
        })
        .collect();
    serde_json::Value::from(map).to_string()
}
