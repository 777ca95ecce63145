//! Habits of the edge: who asks, redirects and rewrites, compression, limits of rate, CORS.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use async_compression::tokio::write::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use http::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

fn ask(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    server.request(request.body(Vec::new()).unwrap())
}

/// An app whose component answers everything; `route` are more lines of its route.
fn lab(route: &str) -> App {
    App::lab("").and(route)
}

#[test]
fn who_asks_behind_a_proxy_that_is_trusted() {
    let app = lab("metadata = \"edge\"\n[serve]\nproxies = { trusted = [\"127.0.0.0/8\"] }");
    let server = app.up();
    let forged = [
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
        ("holm-client-ip", "6.6.6.6"),
        ("holm-tls-sni", "forged.example"),
        ("holm-more", "forged"),
    ];
    let seen = ask(&server, "/headers", &forged).json();
    assert_eq!(seen["holm-client-ip"], "192.0.2.7");
    assert_eq!(seen["holm-http-version"], "1.1");
    for name in ["holm-tls-sni", "holm-tls-version", "holm-more"] {
        assert_eq!(seen[name], Value::Null, "{name}");
    }
    let line = server.entry("/headers");
    assert_eq!(line["client"], "192.0.2.7");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    // Without a proxy nobody is believed, and the log says no more than before.
    app.edit("proxies = { trusted = [\"127.0.0.0/8\"] }", "");
    let server = app.up();
    let seen = ask(&server, "/headers", &forged).json();
    assert_eq!(seen["holm-client-ip"], "127.0.0.1");
    assert_eq!(server.entry("/headers")["client"], Value::Null);
}

#[test]
fn what_a_component_does_not_ask_for_it_is_not_told() {
    let server = lab("").up();
    let seen = ask(&server, "/headers", &[]).json();
    let names: Vec<_> = seen.as_object().unwrap().keys().collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn requests_are_sent_elsewhere() {
    let server = lab(
        "[[http]]\nroute = \"/old/...\"\nredirect = { to = \"/new/...\", status = 308 }\n\
         [[http]]\nhost = \"www.example.com\"\nroute = \"/...\"\nredirect = { to = \"https://example.com/...\" }\n\
         [[http]]\nroute = \"/users/:id\"\nredirect = { to = \"/people/:id?v=2\", status = 301 }",
    )
    .up();
    let led = |path: &str, host: &str| {
        let reply = ask(&server, path, &[("host", host)]);
        (reply.status, reply.header("location").to_owned())
    };
    assert_eq!(led("/old/a?b=c", "x"), (308, "/new/a?b=c".into()));
    assert_eq!(
        led("/old//evil.example", "x"),
        (308, "/new/evil.example".into())
    );
    assert_eq!(led("/users/7?v=1", "x"), (301, "/people/7?v=2".into()));
    let (status, location) = led("/a//b", "www.example.com");
    assert_eq!((status, &*location), (307, "https://example.com/a//b"));
}

#[test]
fn a_component_is_asked_for_another_path() {
    let app = App::lab("");
    app.edit(
        "route = \"/...\"",
        "route = \"/api/v1/...\"\nrewrite = \"/...\"",
    );
    let app = app.and(
        "[[http]]\nroute = \"/page/:name\"\nfiles = \"pages\"\nrewrite = \"/:name/index.html\"",
    );
    app.dir().write("pages/about/index.html", "about us");
    let server = app.up();
    assert_eq!(server.get("/api/v1/hello").text(), "hello\n");
    let seen = server.get("/api/v1/request?q=1").json();
    assert_eq!(seen["path"], "/request?q=1", "{seen}");
    assert_eq!(server.get("/page/about").text(), "about us");
    assert_eq!(server.get("/page/none").status, 404);
    // The log has the path that was asked for.
    assert_eq!(server.entry("/api/v1/hello")["status"], 200);
}

fn plain(coding: &str, bytes: &[u8]) -> String {
    macro_rules! read {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(Vec::new());
            block(async {
                decoder.write_all(bytes).await.unwrap();
                decoder.flush().await.unwrap();
            });
            String::from_utf8(decoder.into_inner()).unwrap()
        }};
    }
    match coding {
        "gzip" => read!(GzipDecoder),
        "br" => read!(BrotliDecoder),
        "zstd" => read!(ZstdDecoder),
        other => panic!("{other:?} is no coding"),
    }
}

#[test]
fn answers_get_smaller_where_that_helps() {
    let app = lab(
        "compress = true\n[[http]]\nroute = \"/static/...\"\nfiles = \"static\"\ncompress = true",
    );
    let page = "<p>the same again and again</p>\n".repeat(2000);
    app.dir().write("static/page.html", &page);
    app.dir().write("static/tiny.html", "tiny");
    app.dir().write("static/photo.png", &page);
    let server = app.up();
    for (accept, coding) in [
        ("gzip, deflate", "gzip"),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0, br;q=0.1, gzip", "gzip"),
    ] {
        let reply = ask(&server, "/static/page.html", &[("accept-encoding", accept)]);
        assert_eq!(reply.header("content-encoding"), coding);
        assert_eq!(reply.header("vary"), "accept-encoding");
        assert!(reply.body.len() < page.len() / 50, "{}", reply.body.len());
        assert_eq!(plain(coding, &reply.body), page);
        // The client has it, whatever it came as.
        let tag = reply.header("etag");
        assert!(tag.starts_with("W/"), "{tag}");
        let known = [("accept-encoding", accept), ("if-none-match", tag)];
        assert_eq!(ask(&server, "/static/page.html", &known).status, 304);
    }
    let gzip = [("accept-encoding", "gzip")];
    for path in ["/static/tiny.html", "/static/photo.png"] {
        let reply = ask(&server, path, &gzip);
        assert_eq!(
            (reply.status, reply.header("content-encoding")),
            (200, ""),
            "{path}"
        );
    }
    let part = [("accept-encoding", "gzip"), ("range", "bytes=0-9")];
    let reply = ask(&server, "/static/page.html", &part);
    assert_eq!((reply.status, reply.header("content-encoding")), (206, ""));
    assert_eq!(reply.text(), page[..10]);
    assert_eq!(ask(&server, "/static/page.html", &[]).text(), page);
    // A component's answer, which says no length.
    let request = Request::post("/echo")
        .header("content-type", "text/plain")
        .header("accept-encoding", "gzip")
        .body(page.clone().into_bytes())
        .unwrap();
    let reply = server.request(request);
    assert_eq!(plain("gzip", &reply.body), page);
    let line = server.entry("/echo");
    assert_eq!(
        line["bytes_out"],
        reply.body.len(),
        "what goes over the wire"
    );
}

#[test]
fn a_heads_answer_promises_what_a_gets_would_have() {
    let app = lab("[[http]]\nroute = \"/static/...\"\nfiles = \"static\"\ncompress = true");
    app.dir().write("static/page.html", "<p>".repeat(2000));
    let server = app.up();
    let head = Request::head("/static/page.html").header("accept-encoding", "gzip");
    let reply = server.request(head.body(Vec::new()).unwrap());
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert!(reply.body.is_empty() && !reply.headers.contains_key("content-length"));
}

#[test]
fn events_are_not_held_up() {
    for name in ["http-lab", "http-lab-p3"] {
        let app = App::of(name, "grants.keyvalue = [\"default\"]").and("compress = true");
        let server = app.up();
        block(async {
            let mut connection = Connection::http1(server.addr()).await;
            // The second comes in an hour.
            let request = Request::get("/sse?n=2&ms=3600000").header("accept-encoding", "gzip");
            let request = request.body(full("")).unwrap();
            let mut response = connection.send(request).await.unwrap();
            assert_eq!(response.headers()["content-encoding"], "gzip");
            let mut decoder = GzipDecoder::new(Vec::new());
            while !String::from_utf8_lossy(decoder.get_ref()).contains("event 1") {
                let piece = piece(&mut response).await.unwrap().unwrap();
                decoder.write_all(&piece).await.unwrap();
                decoder.flush().await.unwrap();
            }
        });
    }
}

#[test]
fn who_asks_too_often_waits() {
    let app = lab(
        "rate_limit = { requests = 2, per = \"1 h\", header = \"x-api-key\" }\n\
         cors = { origins = [\"https://app.example\"] }\n\
         [serve]\nproxies = { trusted = [\"127.0.0.1\"] }",
    );
    let server = app.up();
    let by = |name: &str, value: &str| ask(&server, "/hello", &[(name, value)]);
    for _ in 0..2 {
        assert_eq!(by("x-api-key", "one").status, 200);
        assert_eq!(by("x-forwarded-for", "192.0.2.1").status, 200);
    }
    let page = [
        ("x-api-key", "one"),
        ("origin", "https://app.example"),
        ("accept", "application/json"),
    ];
    let reply = ask(&server, "/hello", &page);
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (429, &"too_many".into())
    );
    let wait: u32 = reply.header("retry-after").parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    // The page that asked may read why.
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(by("x-forwarded-for", "192.0.2.1").status, 429);
    assert_eq!(by("x-api-key", "two").status, 200);
    assert_eq!(by("x-forwarded-for", "192.0.2.2").status, 200);
}

#[test]
fn pages_of_other_sites() {
    let app = lab(
        "cors = { origins = [\"https://app.example\", \"https://*.app.example\"], methods = [\"GET\", \"PUT\"], \
         headers = [\"content-type\", \"x-token\"], expose = [\"x-total\"], credentials = true, max_age = \"1 h\" }",
    );
    let server = app.up();
    let preflight = |origin: &str| {
        let request = Request::options("/hello")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-token");
        server.request(request.body(Vec::new()).unwrap())
    };
    let reply = preflight("https://a.app.example");
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://a.app.example"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "content-type, x-token"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "3600"),
        ("vary", "origin"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    // The component has not seen it.
    assert_eq!(server.entry("/hello")["component"], Value::Null);
    let reply = preflight("https://evil.example");
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (204, "")
    );
    let reply = ask(&server, "/headers", &[("origin", "https://app.example")]);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(reply.header("access-control-expose-headers"), "x-total");
    let reply = ask(&server, "/headers", &[("origin", "https://evil.example")]);
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "")
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let app = lab(
        "[[http]]\nroute = \"/a/:id\"\nredirect = { to = \"/b/:name\" }\n\
         [[http]]\nroute = \"/b\"\nredirect = { to = \"b\", status = 304 }\n\
         [[http]]\nroute = \"/c\"\nrespond = { body = \"c\" }\nrewrite = \"/d/...\"\n\
         [[http]]\nroute = \"/d\"\ncomponent = \"lab\"\nrate_limit = { requests = 5, per = \"0 s\" }\n\
         [[http]]\nroute = \"/e\"\ncomponent = \"lab\"\ncors = { origins = [\"*\"], credentials = true }\n\
         [[http]]\nroute = \"/f\"\ncomponent = \"lab\"\ncors = { origins = [\"app.example\"] }\n\
         [serve]\nproxies = { trusted = [\"proxy\"] }",
    );
    let out = app.check();
    out.is(2);
    shot!(out.stderr);
}
