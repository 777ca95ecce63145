//! The server's socket: taken before anything is compiled, served from when the app is there.

use super::{Args, Stop};
use crate::out;
use holm_host::apps::Apps;
use holm_host::patience::Patience;
use holm_host::server::{Limits, Server};
use holm_host::shutdown::Shutdown;
use holm_host::tls::Tls;
use holm_runtime::Error;
use std::io::IsTerminal as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:3000";

/// A server at work; it ends with the number of requests and jobs that were cut.
pub(super) type Serving = tokio::task::JoinHandle<usize>;

/// A socket that is taken and answers nobody yet.
pub(super) struct Bound {
    server: Server,
    scheme: &'static str,
}

/// Takes the address: one that is in use is told before an app was compiled for a minute.
pub(super) fn bind(
    args: &Args,
    tls: Option<(PathBuf, PathBuf)>,
    listen: Option<&str>,
    patience: Patience,
) -> Result<Bound, Stop> {
    let tls = tls
        .map(|(cert, key)| Tls::open(cert, key))
        .transpose()
        .map_err(|e| Error::yours(e.to_string()).help("--tls-cert and --tls-key take PEM files"))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::bind(address(listen)?, tls).map_err(|e| {
        let error = Error::yours(e.message());
        e.help().into_iter().fold(error, Error::help)
    })?;
    let server = server.with_limits(Limits {
        patience,
        grace: args.grace.0,
        ..Limits::default()
    });
    Ok(Bound { server, scheme })
}

/// Answers from now on, and says so.
pub(super) fn serve(args: &Args, bound: Bound, apps: &Arc<Apps>, shutdown: &Shutdown) -> Serving {
    let Bound { server, scheme } = bound;
    // The line is for programs that wait for it.
    out::line(format_args!("Serving {scheme}://{}", server.local_addr()));
    if std::io::stderr().is_terminal() {
        tokio::spawn(tell_drain(args.grace, apps.clone(), shutdown.clone()));
    }
    apps.wake();
    let (apps, shutdown, grace) = (apps.clone(), shutdown.clone(), args.grace.0);
    // A task of its own: compiling for a reload holds a thread up, and connections must not wait.
    tokio::spawn(async move {
        let jobs = async {
            shutdown.draining().await;
            let until = Instant::now() + grace;
            let left = tokio::select! {
                left = apps.rest(grace) => left,
                // What is left is asked for once more, and not waited for.
                () = shutdown.stopping() => apps.rest(Duration::ZERO).await,
            };
            (left, until)
        };
        let (requests, (jobs, until)) = tokio::join!(server.serve(apps.handler(), &shutdown), jobs);
        let patience = until.saturating_duration_since(Instant::now());
        let left = tokio::select! {
            left = apps.end(patience) => left,
            () = shutdown.stopping() => apps.list().iter().map(|a| a.standing.in_flight()).sum(),
        };
        // What was cut with its connection is not counted once more.
        requests + jobs + if requests > 0 { 0 } else { left }
    })
}

/// Says to a person what a server that was asked to end still waits for.
async fn tell_drain(grace: holm_manifest::Time, apps: Arc<Apps>, shutdown: Shutdown) {
    shutdown.draining().await;
    let waiting: usize = apps.list().iter().map(|a| a.standing.in_flight()).sum();
    if waiting > 0 {
        let (requests, them) = match waiting {
            1 => ("request", "it"),
            _ => ("requests", "them"),
        };
        eprintln!("waiting for {waiting} {requests} ({grace} at most); Ctrl-C again cuts {them}");
    }
}

/// The address that somebody wrote, or where the server listens without it.
pub fn address(listen: Option<&str>) -> Result<SocketAddr, Error> {
    let text = listen.unwrap_or(LISTEN);
    text.to_socket_addrs()
        .map_err(|e| e.to_string())
        .and_then(|mut all| {
            all.next()
                .ok_or_else(|| "it resolves to nothing".to_owned())
        })
        .map_err(|e| {
            Error::yours(format!("`{text}` is not an address to listen on"))
                .caused_by(e)
                .help("write HOST:PORT: --listen 127.0.0.1:3000")
        })
}
