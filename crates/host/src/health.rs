//! A version of an app is asked for its health before it takes the old one's place: a request as
//! any other, that comes through memory instead of a socket.

use crate::app::{App, Route};
use crate::server::{Handler, Peer};
use crate::triggers::http::host_name::HostPattern;
use crate::triggers::http::{HttpHandler, RouteTable};
use futures::future::BoxFuture;
use holm_manifest::{Problem, Problems, Span};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;

/// What has not answered by then is not healthy, whatever its own limits say.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer's body is read to its end, but not for ever.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Asks a version for its health where its manifest says how, or says what is wrong with it.
pub async fn check(app: &Arc<App>) -> Result<(), Problems> {
    let Some(path) = &app.manifest.serve.health else {
        return Ok(());
    };
    let answered = tokio::time::timeout(PATIENCE, ask(app, path)).await;
    let said = match answered {
        Ok(Ok(status)) if status.is_success() => return Ok(()),
        Ok(Ok(status)) => format!("it answered {}", status.as_u16()),
        Ok(Err(error)) => format!("its answer did not come: {error}"),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    Err(unhealthy(app, path, path.span, &said))
}

fn unhealthy(app: &App, path: &str, span: Span, said: &str) -> Problems {
    Problem::error(format!("the new version of `{}` is not healthy", app.name))
        .at(span)
        .label(format!("GET {path}: {said}"))
        .help("it must answer this path with 2xx before it takes over")
        .in_source(&app.manifest.source)
}

/// Sends the request, and reads the answer to its end; the status, or why there is none.
async fn ask(app: &Arc<App>, path: &str) -> Result<StatusCode, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = serve(far, Arc::new(HttpHandler::inside(app)));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near))
        .await
        .map_err(|e| e.to_string())?;
    let request = Request::get(path)
        .header(http::header::HOST, host(app, path))
        .header(http::header::USER_AGENT, "holm-health")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await;
        let (parts, mut body) = response.map_err(|e| e.to_string())?.into_parts();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| e.to_string())?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > BODY_BYTES_MAX {
                return Err("it is longer than 1 MiB".to_owned());
            }
        }
        Ok(parts.status)
    };
    tokio::select! {
        answer = answer => answer,
        // Both go on until the answer is there.
        _ = async { tokio::join!(serving, connection) } => Err("the connection ended".into()),
    }
}

/// Serves one connection.
fn serve<H: Handler>(stream: DuplexStream, handler: Arc<H>) -> BoxFuture<'static, ()> {
    let peer = Peer {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        // The host asks by whichever name the check has.
        local: false,
        tls: false,
        tls_version: None,
        sni: None,
        account: Arc::default(),
    };
    let service = service_fn(move |request| {
        let (handler, peer) = (handler.clone(), peer.clone());
        async move { Ok::<_, Infallible>(handler.handle(request, peer).await) }
    });
    Box::pin(async move {
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a health check ended early");
        }
    })
}

/// A host under which the app answers the path: none of its own where a route is for all.
fn host(app: &App, path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let answers = |route: &&Route| {
        let alone = RouteTable::new([(&*route.pattern, None)]);
        alone.is_ok_and(|table| matches!(table.find(None, path), Ok(Some(_))))
    };
    let routes = || app.routes.iter().filter(answers);
    if routes().any(|route| route.host.is_none()) {
        return "localhost".into();
    }
    let named = routes().find_map(|route| HostPattern::parse(route.host.as_deref()?).ok());
    match named {
        Some(HostPattern::Exact(host)) => host.into(),
        Some(HostPattern::Below(domain)) => format!("health.{domain}"),
        None => "localhost".into(),
    }
}
