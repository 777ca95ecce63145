//! The hidden `cargo xtask bare-hyper`: HTTP and nothing else, the bench's yardstick.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Flags of `cargo xtask bare-hyper`
#[derive(Parser)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to answer
    #[arg(long, value_name = "TEXT", default_value = "Hello, world!\n")]
    body: String,
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
    let body = Bytes::from(args.body);
    loop {
        let (socket, _) = listener.accept().await.context("cannot accept")?;
        // As `holm up` and `wasmtime serve` set it; the yardstick must not win by batching.
        socket.set_nodelay(true)?;
        let body = body.clone();
        let answer = service_fn(move |_: Request<Incoming>| {
            let response = Response::new(Full::new(body.clone()));
            async { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
        // A client that goes away is no concern of a yardstick.
        tokio::spawn(async move { drop(connection.await) });
    }
}
