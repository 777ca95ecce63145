//! Outbound HTTP against real servers: what gets through, what does not, and what breaks.

mod faults;
mod support;

use super::outbound::Patience;
use http::{StatusCode, Version};
use http_body_util::BodyExt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use support::{Component, Script, Server, request, say, text};
use wasmtime_wasi_http::{Error, RequestOptions};

const HERE: &[&[&str]] = &[&["127.0.0.1"]];

fn origin(server: &Server) -> String {
    format!("http://service.test:{}", server.port())
}

fn private() -> String {
    "private".to_owned()
}

#[tokio::test]
async fn a_granted_origin_is_reached() {
    let server =
        Server::http(|request| say(format!("{:?} {}", request.headers()["host"], request.uri())))
            .await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    let mut guest = component.guest();
    let port = server.port();
    let response = guest
        .send(
            request("POST", &format!("http://SERVICE.test.:{port}/a?b"), "hello"),
            None,
        )
        .await;
    let body = text(response.unwrap()).await;
    // What was checked is what is asked for.
    assert_eq!(body, format!("\"service.test:{port}\" /a?b"));
    assert_eq!(guest.core.flows.http_out.load(Relaxed), 5);
    assert_eq!(guest.core.flows.http_in.load(Relaxed), body.len() as u64);
    assert_eq!(guest.core.denials.list(), []);
    let uses = guest.core.seam.uses().unwrap().list();
    assert_eq!(uses.len(), 2);
    assert_eq!((uses[0].grant, &uses[0].scope), ("http", &origin(&server)));
    assert_eq!(uses[1].scope, "private");
}

#[tokio::test]
async fn a_guest_cannot_choose_the_host_header() {
    let server = Server::http(|request| say(format!("{:?}", request.headers()["host"]))).await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    let mut sent = request("GET", &origin(&server), "");
    sent.headers_mut()
        .insert("host", "other.test".parse().unwrap());
    let body = text(component.guest().send(sent, None).await.unwrap()).await;
    assert_eq!(body, format!("\"service.test:{}\"", server.port()));
}

#[tokio::test]
async fn an_origin_without_a_grant_is_denied() {
    let server = Server::http(|_| say("no")).await;
    let resolver = Script::new(HERE);
    let component = Component::new(&["https://api.example.com".into()], resolver.clone());
    let mut guest = component.guest();
    let uri = format!("{}/secret?token", origin(&server));
    assert!(matches!(
        guest.get(&uri).await,
        Err(Error::HttpRequestDenied)
    ));
    let to = origin(&server);
    let (asked, line, flag) = guest.denied();
    assert_eq!(asked, format!("send a request to {to}"));
    assert_eq!(
        line,
        format!(r#"http = ["https://api.example.com", "{to}"]"#)
    );
    assert_eq!(flag, format!("--http {to}"));
    assert_eq!((server.connections(), resolver.asked()), (0, 0));
}

#[tokio::test]
async fn a_granted_name_does_not_lead_to_a_private_address() {
    let server = Server::http(|_| say("no")).await;
    let component = Component::new(&[origin(&server)], Script::new(HERE));
    let mut guest = component.guest();
    assert!(matches!(
        guest.get(&origin(&server)).await,
        Err(Error::DestinationIpProhibited)
    ));
    let to = origin(&server);
    let (asked, line, flag) = guest.denied();
    assert_eq!(
        asked,
        format!("send a request to {to} (127.0.0.1, a loopback address)")
    );
    assert_eq!(line, format!(r#"http = ["{to}", "private"]"#));
    assert_eq!(flag, "--http private");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn any_origin_means_any_public_one() {
    let server = Server::http(|_| say("no")).await;
    let component = Component::new(&["*".into()], Script::new(HERE));
    let port = server.port();
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "localhost.test",
        "0.0.0.0",
        "[::1]",
    ] {
        let sent = component
            .guest()
            .get(&format!("http://{host}:{port}/"))
            .await;
        assert!(
            matches!(sent, Err(Error::DestinationIpProhibited)),
            "{host}"
        );
    }
    let mut guest = component.guest();
    let _ = guest.get(&format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(
        guest.denied().1,
        format!(r#"http = ["*", "http://127.0.0.1:{port}"]"#)
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_metadata_service_needs_its_own_name() {
    let component = Component::new(
        &["*".into(), private()],
        Script::new(&[&["169.254.169.254"]]),
    );
    let mut guest = component.guest();
    let sent = guest.get("http://metadata.test/latest").await;
    assert!(matches!(sent, Err(Error::DestinationIpProhibited)));
    assert_eq!(
        guest.denied().1,
        r#"http = ["*", "private", "http://169.254.169.254"]"#
    );
}

#[tokio::test]
async fn localhost_is_loopback_and_never_looked_up() {
    let server = Server::http(|_| say("here")).await;
    let resolver = Script::silent();
    let origin = format!("http://localhost:{}", server.port());
    let component = Component::new(std::slice::from_ref(&origin), resolver.clone());
    assert_eq!(
        text(component.guest().get(&origin).await.unwrap()).await,
        "here"
    );
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn a_redirect_is_the_guests_to_follow() {
    let server = Server::http(|_| {
        let mut reply = say("");
        *reply.status_mut() = StatusCode::FOUND;
        reply
            .headers_mut()
            .insert("location", "http://127.0.0.1/".parse().unwrap());
        reply
            .headers_mut()
            .insert("alt-svc", "h2=\"127.0.0.1:1\"".parse().unwrap());
        reply
    })
    .await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    let response = component.guest().get(&origin(&server)).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_address_that_was_checked_is_dialled() {
    // Two servers on one port: the first address is named by the grant, the second is not.
    let good = Server::raw("127.0.0.1", |_| async {}).await;
    let evil = Server::raw_at(&format!("127.0.0.2:{}", good.port()), |_| async {}).await;
    let resolver = Script::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let named = format!("http://127.0.0.1:{}", good.port());
    let component = Component::new(&[origin(&good), named], resolver.clone());
    let sent = component.guest().get(&origin(&good)).await;
    assert!(matches!(
        sent,
        Err(Error::HttpResponseIncomplete | Error::ConnectionTerminated)
    ));
    assert_eq!(
        (good.connections(), evil.connections(), resolver.asked()),
        (1, 0, 1)
    );
    // The name has moved; the next connection is checked anew.
    let sent = component.guest().get(&origin(&good)).await;
    assert!(matches!(sent, Err(Error::DestinationIpProhibited)));
    assert_eq!(
        (good.connections(), evil.connections(), resolver.asked()),
        (1, 0, 2)
    );
}

#[tokio::test]
async fn of_mixed_answers_only_the_open_ones_are_dialled() {
    let good = Server::http(|_| say("good")).await;
    let evil = Server::raw_at(&format!("127.0.0.2:{}", good.port()), |_| async {}).await;
    let resolver = Script::new(&[&["127.0.0.2", "10.0.0.1", "127.0.0.1", "::ffff:127.0.0.2"]]);
    let named = format!("http://127.0.0.1:{}", good.port());
    let component = Component::new(&[origin(&good), named], resolver);
    assert_eq!(
        text(component.guest().get(&origin(&good)).await.unwrap()).await,
        "good"
    );
    assert_eq!(evil.connections(), 0);
}

#[tokio::test]
async fn connections_are_kept_for_their_component_alone() {
    let server = Server::http(|_| say("hi")).await;
    let grant = [origin(&server), private()];
    let one = Component::new(&grant, Script::new(HERE));
    for _ in 0..3 {
        assert_eq!(
            text(one.guest().get(&origin(&server)).await.unwrap()).await,
            "hi"
        );
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.connections(), 1);
    let other = Component::new(&grant, Script::new(HERE));
    assert_eq!(
        text(other.guest().get(&origin(&server)).await.unwrap()).await,
        "hi"
    );
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let server = Server::http(|_| {
        let mut reply = say("once");
        reply
            .headers_mut()
            .insert("connection", "close".parse().unwrap());
        reply
    })
    .await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    for n in 1..=3 {
        assert_eq!(
            text(component.guest().get(&origin(&server)).await.unwrap()).await,
            "once"
        );
        assert_eq!(server.connections(), n);
    }
}

#[tokio::test]
async fn https_speaks_http_2_where_the_origin_does() {
    let answer = |request: &http::Request<hyper::body::Incoming>| {
        say(format!(
            "{:?} {}",
            request.version(),
            request.uri().authority().map_or("", |a| a.as_str())
        ))
    };
    let (server, trust) = Server::https(&[b"h2", b"http/1.1"], answer).await;
    let origin = format!("https://service.test:{}", server.port());
    let component = Component::trusting(&[origin.clone(), private()], Script::new(HERE), trust);
    for _ in 0..3 {
        let response = component.guest().get(&origin).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(
            text(response).await,
            format!("HTTP/2.0 service.test:{}", server.port())
        );
    }
    assert_eq!(server.connections(), 1);
    let (server, trust) = Server::https(&[b"http/1.1"], answer).await;
    let origin = format!("https://service.test:{}", server.port());
    let component = Component::trusting(&[origin.clone(), private()], Script::new(HERE), trust);
    assert_eq!(
        text(component.guest().get(&origin).await.unwrap()).await,
        "HTTP/1.1 "
    );
}

#[tokio::test]
async fn requests_of_one_instance_are_bounded() {
    let server = Server::http(|_| say("x")).await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    let mut guest = component.guest();
    let mut held = Vec::new();
    for _ in 0..128 {
        held.push(guest.get(&origin(&server)).await.unwrap());
    }
    assert!(matches!(
        guest.get(&origin(&server)).await,
        Err(Error::ConnectionLimitReached)
    ));
    held.pop();
    assert!(guest.get(&origin(&server)).await.is_ok());
    assert!(component.guest().get(&origin(&server)).await.is_ok());
}

#[tokio::test]
async fn no_tunnels_and_no_user_names() {
    let component = Component::new(&["all".into()], Script::new(HERE));
    let mut guest = component.guest();
    let sent = guest
        .send(request("CONNECT", "http://a:1/", ""), None)
        .await;
    assert!(matches!(sent, Err(Error::HttpRequestMethodInvalid)));
    assert!(matches!(
        guest.get("http://a@b/").await,
        Err(Error::HttpRequestUriInvalid)
    ));
}

#[test]
fn any_wish_for_patience_is_granted_within_reason() {
    let long = Some(Duration::MAX);
    let all = |d| RequestOptions {
        connect_timeout: d,
        first_byte_timeout: d,
        between_bytes_timeout: d,
    };
    let patience = Patience::of(Some(all(long)));
    assert!(
        tokio::time::Instant::now()
            .checked_add(patience.between_bytes)
            .is_some()
    );
    assert_eq!(
        Patience::of(Some(all(Some(Duration::ZERO)))).connect,
        Duration::ZERO
    );
    let usual = Patience::of(None);
    assert_eq!(
        [usual.connect, usual.first_byte, usual.between_bytes].map(|d| d.as_secs()),
        [10, 30, 60]
    );
}

#[tokio::test]
async fn huge_and_zero_patience_do_not_panic() {
    let server = Server::http(|_| say("x")).await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    for (patience, works) in [(Duration::MAX, true), (Duration::ZERO, false)] {
        let options = RequestOptions {
            connect_timeout: Some(patience),
            first_byte_timeout: Some(patience),
            between_bytes_timeout: Some(patience),
        };
        let sent = component
            .guest()
            .send(request("GET", &origin(&server), ""), Some(options))
            .await;
        let read = match sent {
            Ok(response) => response.into_body().collect().await.is_ok(),
            Err(_) => false,
        };
        assert!(read || !works, "{patience:?}");
    }
}
