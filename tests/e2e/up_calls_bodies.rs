//! `[[call]]` and bodies: how much is collected, what streams, and who may send it.

use crate::app::*;
use crate::client::{self, Connection};
use crate::support::*;
use serde_json::{Value, json};

const FLOWS: &str = "/api/holm:streams/flows";
const BODIES: &str = "/api/holm:bodies/bodies";
const TOOLS: &str = "/api/example:lab/tools";

/// A guest with all of its functions; `more` are lines of its component's table.
fn of(name: &str, more: &str) -> App {
    let manifest = format!(
        "name = \"lab\"\n\n[component.lab]\nsource = \"lab.wasm\"\n{more}\n\n\
         [[call]]\nroute = \"/api/...\"\ncomponent = \"lab\"\nfunctions = [\"*\"]\n"
    );
    App::new(&manifest).guest("lab.wasm", name)
}

fn request(path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
    let request = http::Request::post(path);
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    server.request(request(path, headers).body(body.into()).unwrap())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

#[track_caller]
fn code(reply: &Reply) -> (u16, String) {
    let said = reply.json();
    let code = said["code"].as_str().unwrap().to_owned();
    assert_eq!(said["type"], format!("urn:holm:problem:{code}"));
    (reply.status, code)
}

#[test]
fn what_is_collected_is_bounded_whatever_the_limit_says() {
    let server = of("call-lab", "limits = { request_body = \"none\" }").up();
    let fits = format!("[\"{}\"]", "A".repeat(15 << 20));
    let reply = post(&server, &format!("{TOOLS}/count"), &[JSON], fits);
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!((15 << 20) / 4 * 3))
    );
    // A list of 100 MB. Where it is said at once nobody waits for it.
    let length = 100_000_000_u64;
    let said = client::raw(
        server.addr(),
        format!(
            "POST {TOOLS}/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        ),
    );
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("\"code\":\"too_large\""), "{said}");
    // Else it is found out on the way.
    let unsaid = client::block(async {
        let mut unsaid = Connection::http2(server.addr()).await;
        let long = request(&format!("{TOOLS}/count"), &[JSON]).body(client::long(length));
        client::whole(unsaid.send(long.unwrap()).await.unwrap()).await
    });
    assert_eq!(code(&unsaid.unwrap()), (413, "too_large".into()));
    let line = server.logged("request", |line| line["status"] == 413);
    assert_eq!(line["fault"]["limit"], "request_body");
    assert!(line["fault"].to_string().contains("16 MiB"), "{line}");
}

#[test]
fn what_is_held_for_calls_is_of_the_hosts_memory() {
    let server = of("call-lab", "").up_with(&["--memory", "64 MiB"]);
    // Who is refused early may find the connection gone in HTTP/1.1, before it has read why.
    let counts = || {
        let body = format!("[\"{}\"]", "A".repeat(12 << 20)).into_bytes();
        let asked = request(&format!("{TOOLS}/count"), &[JSON]).body(body);
        let reply = server.try_request(asked.unwrap());
        reply.is_ok_and(|reply| reply.status == 200)
    };
    assert!(counts());
    client::block(async {
        // Clients that are slow to end what they began, and together more than there is: whoever
        // comes when there is no room is refused, and the others hold what they sent.
        let mut slow = Vec::new();
        for _ in 0..8 {
            let mut connection = Connection::http2(server.addr()).await;
            let (mut pieces, body) = client::pieces();
            let sent = request(&format!("{TOOLS}/count"), &[JSON])
                .body(body)
                .unwrap();
            slow.push(Box::pin(async move {
                let fill = async {
                    let mut open = pieces.send("[\"").await;
                    for _ in 0..14 {
                        open = open && pieces.send("A".repeat(1 << 20)).await;
                    }
                    std::future::pending::<()>().await
                };
                tokio::select! {
                    reply = connection.send(sent) => client::whole(reply.unwrap()).await.unwrap(),
                    () = fill => unreachable!("the body never ends"),
                }
            }));
        }
        let (busy, _, held) = futures::future::select_all(slow).await;
        assert_eq!(code(&busy), (503, "busy".into()), "{}", busy.text());
        assert_eq!(held.len(), 7);
    });
    // They are gone, and what they held is given back.
    until("there is room again", || counts().then_some(()));
}

#[test]
fn no_web_page_of_another_site_calls_a_function() {
    let server = of("call-lab", "").up();
    let grow = format!("{TOOLS}/print");
    let spin = "/api/example:lab/tools/wait";
    let kinds = |headers: &[(&str, &str)], path: &str| {
        let reply = post(&server, path, headers, "");
        (reply.status, reply.json()["code"].clone())
    };
    // A form, or a script that may not ask first, sends a body without a type at best.
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(
            kinds(headers, &grow),
            (415, json!("media_type")),
            "{headers:?}"
        );
    }
    assert_eq!(kinds(&[], spin), (415, json!("media_type")));
    // A name that was made to lead here.
    for host in ["evil.example", "evil.example:3000", "10.1.2.3"] {
        let reply = kinds(&[("host", host), JSON], &grow);
        assert_eq!(reply, (421, json!("host")), "{host}");
        let page = http::Request::get("/api/openapi.json").header("host", host);
        assert_eq!(server.request(page.body(vec![]).unwrap()).status, 421);
    }
    for host in ["localhost:1", "a.localhost", "[::1]:80", "127.0.0.2"] {
        let reply = post(&server, "/api/greet", &[("host", host), JSON], "[\"Ada\"]");
        assert_eq!(reply.json(), "Hello, Ada!", "{host}");
    }
    let app = of("call-lab", "");
    app.edit(
        "route = \"/api/...\"",
        "route = \"/api/...\"\nhost = \"shop.example\"",
    );
    let server = app.up();
    let shop = [("host", "shop.example"), JSON];
    assert_eq!(post(&server, "/api/greet", &shop, "[\"Ada\"]").status, 200);
}

#[test]
fn a_function_that_takes_nothing_needs_no_body_of_a_program() {
    let server = of("bodies-lab", "").up();
    let reply = post(&server, &format!("{BODIES}/input"), &[], "");
    assert_eq!((reply.status, reply.json()), (200, json!("")));
    let page = [("origin", "http://evil.example")];
    let reply = post(&server, &format!("{BODIES}/input"), &page, "");
    assert_eq!(code(&reply), (415, "media_type".into()));
    // A page that was let in says what it sends.
    let page = [("origin", "http://localhost"), JSON];
    let reply = post(&server, &format!("{BODIES}/input"), &page, "");
    assert_eq!(reply.status, 200);
}

#[test]
fn bad_bodies_and_an_async_function() {
    let server = of("streams-lab", "").up();
    let add = format!("{FLOWS}/add");
    let reply = post(&server, &add, &[JSON], r#"{"a": 4294967295, "b": 2}"#);
    assert_eq!((reply.status, reply.json()), (200, json!(1)));
    let reply = post(&server, &add, &[JSON], &b"[1, \"\xff\"]"[..]);
    assert_eq!(code(&reply), (400, "arguments".into()));
    assert_eq!(reply.json()["detail"], "it is not UTF-8");
    // What is wrong with arguments is in the log too.
    let line = server.logged("request", |line| line["status"] == 400);
    assert!(
        line["fault"].to_string().contains("it is not UTF-8"),
        "{line}"
    );
    let reply = post(&server, &format!("{FLOWS}/pairs"), &[JSON], "[]");
    assert_eq!(code(&reply), (501, "not_callable".into()));
    let why = "its result holds a stream of `tuple<u32, u32>`";
    server.wait_for(&format!("cannot be called: {why}"));
    // Named by itself it is refused.
    let app = of("streams-lab", "");
    app.edit("[\"*\"]", "[\"holm:streams/flows.pairs\"]");
    app.refused()
        .is(2)
        .says("`holm:streams/flows.pairs` cannot be called from here");
}

#[test]
fn a_stream_goes_in_as_it_comes() {
    // More than its memory and more than what is collected.
    let limits = "limits = { memory = \"4 MiB\", concurrency = 1, queue = 0 }";
    let server = of("bodies-lab", limits).up();
    let tally = format!("{BODIES}/tally");
    let bytes = 64 << 20;
    let reply = client::block(async {
        let mut connection = Connection::http1(server.addr()).await;
        let path = format!("{tally}?label=a+b%26c&times=2");
        let sent = request(&path, &[BYTES]).body(client::long(bytes)).unwrap();
        client::whole(connection.send(sent).await.unwrap()).await
    });
    let reply = reply.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json(), format!("a b&c: {bytes}, a b&c: {bytes}"));
    let line = server.logged("request", |line| line["status"] == 200);
    assert_eq!(line["bytes_in"], bytes);
    // The same as JSON.
    let body = json!({"label": "x", "data": "AAEC"}).to_string();
    let reply = post(&server, &tally, &[JSON], body);
    assert_eq!(reply.json(), "x: 3");
    // Its own err, before the body has come, and what does not fit.
    let reply = post(&server, &format!("{tally}?label="), &[BYTES], "12");
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!("no label"))
    );
    for (query, detail) in [
        ("", "parameter `label` (string) is missing in the query"),
        (
            "?label=a&times=x",
            "it is not JSON: expected value at line 1 column 1",
        ),
        (
            "?label=a&data=b",
            "there is no parameter `data` that the query may have",
        ),
    ] {
        let reply = post(&server, &format!("{tally}{query}"), &[BYTES], "12");
        assert_eq!(code(&reply), (400, "arguments".into()), "{query}");
        assert_eq!(reply.json()["detail"], detail, "{query}");
    }
    // A client that leaves takes its call with it: its place is free again.
    client::block(async {
        let mut connection = Connection::http1(server.addr()).await;
        let (mut pieces, body) = client::pieces();
        let sent = request(&format!("{tally}?label=left"), &[BYTES])
            .body(body)
            .unwrap();
        let sent = Box::pin(async move { connection.send(sent).await });
        let fill = async {
            for _ in 0..8 {
                assert!(pieces.send("x".repeat(64 << 10)).await);
            }
        };
        tokio::select! {
            () = fill => {}
            answer = sent => panic!("{answer:?}"),
        }
    });
    until("its place is free", || {
        let reply = post(&server, &format!("{tally}?label=b"), &[BYTES], "12");
        (reply.status == 200).then_some(())
    });
    let limit = "limits = { request_body = \"1 MiB\" }";
    let server = of("bodies-lab", limit).up();
    let reply = client::block(async {
        let mut connection = Connection::http2(server.addr()).await;
        let sent = request(&format!("{tally}?label=a"), &[BYTES]).body(client::long(2 << 20));
        client::whole(connection.send(sent.unwrap()).await.unwrap()).await
    });
    assert_eq!(code(&reply.unwrap()), (413, "too_large".into()));
}

#[test]
fn items_go_in_as_lines_of_json_as_they_come() {
    // More items than its memory has room for, in more text than is collected.
    let limits = "limits = { memory = \"2 MiB\", concurrency = 1, queue = 0 }";
    let server = of("streams-lab", limits).up_with(&["--memory", "64 MiB"]);
    let double = format!("{FLOWS}/double");
    let addr = server.addr();
    let items = 600_000_u64;
    let counted = client::block(async {
        // Each item is answered by itself: in HTTP/2 that would be more frames than clients bear with.
        let mut connection = Connection::http1(addr).await;
        let (mut pieces, body) = client::pieces();
        let sent = request(&double, &[LINES]).body(body).unwrap();
        let mut answer = connection.send(sent).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let fill = async move {
            for piece in 0..items / 10_000 {
                let numbers = piece * 10_000..(piece + 1) * 10_000;
                let text: String = numbers.map(|n| format!("{n:>29}\n")).collect();
                assert!(pieces.send(text).await);
            }
        };
        let read = async {
            let (mut lines, mut last) = (0, Vec::new());
            while let Some(piece) = client::piece(&mut answer).await {
                let piece = piece.unwrap();
                lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
                last.extend_from_slice(&piece);
                last.drain(..last.len().saturating_sub(16));
            }
            (lines, String::from_utf8(last).unwrap())
        };
        tokio::join!(fill, read).1
    });
    assert_eq!(counted.0, items);
    let last = (items - 1) * 2;
    assert!(counted.1.ends_with(&format!("\n{last}\n")), "{counted:?}");
    // One at a time, each answered before the next is sent.
    client::block(async {
        let mut connection = Connection::http2(addr).await;
        let (mut pieces, body) = client::pieces();
        let sent = request(&double, &[LINES]).body(body).unwrap();
        let mut answer = connection.send(sent).await.unwrap();
        for (sent, given) in [("7\n", "14\n"), ("\n8\n", "16\n")] {
            assert!(pieces.send(sent).await);
            assert_eq!(client::piece(&mut answer).await.unwrap().unwrap(), given);
        }
        // A bad one in the middle of the answer: it ends, and not as a whole one does.
        assert!(pieces.send("\"x\"\n").await);
        assert!(client::piece(&mut answer).await.unwrap().is_err());
    });
    let line = server.logged("request", |line| {
        line["fault"].to_string().contains("values[2]: line 4: ")
    });
    assert!(line["fault"].to_string().contains("expected u32"), "{line}");
    // Where nothing was answered yet it is told like any argument that does not fit.
    let words = format!("{FLOWS}/words");
    let reply = post(&server, &words, &[LINES], "\"a\"\n\"b\"\n\"c\"");
    assert_eq!((reply.status, reply.json()), (200, json!(["a", "b", "c"])));
    for (body, path, detail) in [
        (
            "\"a\"\n\n7\n\"c\"\n",
            "words[1]",
            "line 3: expected string, got 7",
        ),
        (
            "\"a\"\n\"b",
            "words[1]",
            "line 2: it is not JSON: EOF while parsing a string at column 2",
        ),
    ] {
        let reply = post(&server, &words, &[LINES], body);
        assert_eq!(code(&reply), (400, "arguments".into()), "{body}");
        let said = reply.json();
        assert_eq!(
            (&said["path"], &said["detail"]),
            (&json!(path), &json!(detail))
        );
    }
    // Bytes go as they are, and lines are no bytes.
    let reply = post(&server, &format!("{FLOWS}/total"), &[LINES], "1\n");
    assert_eq!(code(&reply), (415, "media_type".into()));
    let document = server.get("/api/openapi.json").json();
    let double = &document["paths"]["/holm:streams/flows@1.0.0/double"]["post"];
    let lines = &double["requestBody"]["content"]["application/x-ndjson"];
    assert!(lines["x-item"].is_object(), "{lines}");
}

#[test]
fn a_stream_comes_out_as_it_is_made() {
    let limits = "limits = { memory = \"4 MiB\", concurrency = 1, queue = 0 }";
    let server = of("streams-lab", limits).up();
    let bytes = 64_u64 << 20;
    let addr = server.addr();
    let ask = |path: String, body: String| async move {
        let mut connection = Connection::http1(addr).await;
        let sent = request(&path, &[JSON]).body(client::full(body)).unwrap();
        (connection.send(sent).await.unwrap(), connection)
    };
    let (head, length) = client::block(async {
        let (answer, _connection) = ask(format!("{FLOWS}/bytes"), format!("[{bytes}]")).await;
        let head = answer.headers().clone();
        (head, client::count(answer).await.unwrap())
    });
    assert_eq!(head["content-type"], "application/octet-stream");
    assert_eq!(head["x-content-type-options"], "nosniff");
    assert_eq!(length, bytes);
    let lines = post(&server, &format!("{FLOWS}/count"), &[JSON], "[3]");
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert_eq!(lines.text(), "0\n1\n2\n");
    // As a whole, where JSON is asked for.
    let whole = [JSON, ("accept", "application/json")];
    let lines = post(&server, &format!("{FLOWS}/count"), &whole, "[3]");
    assert_eq!(lines.json(), json!([0, 1, 2]));
    let answer = post(&server, &format!("{FLOWS}/bytes"), &whole, "[3]");
    assert_eq!(answer.json(), "BwcH");
    let line = server.logged("request", |line| {
        line["path"].as_str().unwrap().ends_with("/count")
    });
    assert_eq!(line["status"], 200);
    assert!(line["receipt"]["cpu_us"].is_u64(), "{line}");
}

#[test]
fn what_goes_in_comes_out_at_the_same_time() {
    let server = of("bodies-lab", "limits = { memory = \"4 MiB\" }").up();
    client::block(async {
        let mut connection = Connection::http2(server.addr()).await;
        let (mut pieces, body) = client::pieces();
        let sent = request(&format!("{BODIES}/add-one"), &[BYTES])
            .body(body)
            .unwrap();
        let answer = async move { connection.send(sent).await.unwrap() };
        let first = async {
            assert!(pieces.send("abc").await);
            pieces
        };
        let (mut answer, mut pieces) = tokio::join!(answer, first);
        assert_eq!(answer.status(), 200);
        assert_eq!(client::piece(&mut answer).await.unwrap().unwrap(), "bcd");
        // Only after the answer to what came before.
        assert!(pieces.send("xyz").await);
        assert_eq!(client::piece(&mut answer).await.unwrap().unwrap(), "yz{");
        drop(pieces);
        assert!(client::piece(&mut answer).await.is_none());
    });
    // An err in place of a stream.
    let reply = post(
        &server,
        &format!("{BODIES}/add-one"),
        &[BYTES],
        &[255, 1][..],
    );
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!("255 is the last"))
    );
}

#[test]
fn a_stream_that_breaks_or_is_left() {
    let limits = "limits = { concurrency = 1, queue = 0, response_body = \"1 MiB\" }";
    let server = of("streams-lab", limits).up();
    // It traps in the middle: nobody takes half for the whole.
    let sent = request(&format!("{FLOWS}/breaks"), &[JSON]).body(b"[100]".to_vec());
    let half = server.try_request(sent.unwrap());
    assert!(half.is_err(), "{}", half.unwrap().text());
    let line = server.logged("request", |l| {
        l["path"].as_str().unwrap().ends_with("/breaks")
    });
    assert!(
        line["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("trapped"),
        "{line}"
    );
    // As a whole it is a failure from the start, and not one of time.
    let whole = [JSON, ("accept", "application/json")];
    let reply = post(&server, &format!("{FLOWS}/breaks"), &whole, "[100]");
    assert_eq!(code(&reply), (500, "failed".into()));
    // More than an answer may have.
    let sent = request(&format!("{FLOWS}/bytes"), &[JSON]).body(b"[2000000]".to_vec());
    assert!(server.try_request(sent.unwrap()).is_err());
    let line = server.logged("request", |l| l["fault"]["limit"] == "response_body");
    assert_eq!(line["fault"]["kind"], "guest", "{line}");
    let server = of("bodies-lab", "limits = { concurrency = 1, queue = 0 }").up();
    client::block(async {
        let mut connection = Connection::http1(server.addr()).await;
        let sent = request(&format!("{BODIES}/endless"), &[]).body(client::full(""));
        let mut answer = connection.send(sent.unwrap()).await.unwrap();
        assert!(client::piece(&mut answer).await.unwrap().is_ok());
        // And leaves.
    });
    until("its place is free", || {
        let reply = post(&server, &format!("{BODIES}/input"), &[], "");
        (reply.status == 200).then_some(())
    });
    let line = server.logged("request", |l| {
        l["path"].as_str().unwrap().ends_with("/endless")
    });
    assert_eq!(line["aborted"], true, "{line}");
}

#[test]
fn a_result_without_end_is_the_guests_fault() {
    let _alone = alone();
    let server = of("bodies-lab", "limits = { cpu = \"60 s\" }").up();
    let whole = [("accept", "application/json")];
    let reply = post(&server, &format!("{BODIES}/endless"), &whole, "");
    assert_eq!(code(&reply), (500, "failed".into()));
    let line = server.entry(&format!("{BODIES}/endless"));
    assert_eq!(line["fault"]["kind"], "guest", "{line}");
    assert!(
        line["fault"]
            .to_string()
            .contains("longer than what is collected"),
        "{line}"
    );
}

#[test]
fn openapi_tells_of_streams() {
    let server = of("bodies-lab", "").up();
    let reply = server.get("/api/openapi.json");
    let (version, _) = crate::python::run_python("openapi_check.py", &[], &reply.text());
    assert_eq!(version, "3.1.1\n");
    let tally = &reply.json()["paths"]["/holm:bodies/bodies@1.0.0/tally"]["post"];
    let body = &tally["requestBody"];
    assert!(
        body["content"]["application/octet-stream"].is_object(),
        "{body}"
    );
    assert!(
        body["description"]
            .as_str()
            .unwrap()
            .starts_with("JSON of at most 16 MiB.")
    );
    let names: Vec<&Value> = tally["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["name"])
        .collect();
    assert_eq!(names, ["label", "times"]);
    let endless = &reply.json()["paths"]["/holm:bodies/bodies@1.0.0/endless"]["post"];
    let content = &endless["responses"]["200"]["content"];
    assert!(content["application/octet-stream"].is_object(), "{content}");
    let server = of("streams-lab", "").up();
    let document = server.get("/api/openapi.json").json();
    let count = &document["paths"]["/holm:streams/flows@1.0.0/count"]["post"];
    let lines = &count["responses"]["200"]["content"]["application/x-ndjson"];
    assert!(lines["x-item"].is_object(), "{lines}");
}

#[test]
fn ids_of_operations_differ() {
    let manifest = "name = \"clash\"\n\n[component.clash]\nsource = \"clash.wat\"\n\n\
                    [[call]]\nroute = \"/...\"\ncomponent = \"clash\"\nfunctions = [\"*\"]\n";
    let app = App::new(manifest);
    std::os::unix::fs::symlink(wat("clash"), app.dir().join("clash.wat")).unwrap();
    let server = app.up();
    let document = server.get("/openapi.json");
    crate::python::run_python("openapi_check.py", &[], &document.text());
    let document = document.json();
    let paths = document["paths"].as_object().unwrap();
    let ids: std::collections::BTreeSet<&str> = paths
        .values()
        .map(|path| path["post"]["operationId"].as_str().unwrap())
        .collect();
    assert_eq!((paths.len(), ids.len()), (3, 3), "{ids:?}");
    assert!(ids.iter().all(|id| !id.contains(':')), "{ids:?}");
}
