//! `[[call]]`: functions of a component, called with JSON over HTTP.

use crate::app::*;
use crate::python::run_python;
use crate::support::*;
use serde_json::{Value, json};

const TOOLS: &str = "/api/example:lab/tools";

/// The lab with some of its functions; `more` are lines of its component's table.
fn lab(functions: &str, more: &str) -> App {
    let manifest = format!(
        "name = \"lab\"\n\n[component.lab]\nsource = \"lab.wasm\"\n{more}\n\n\
         [[call]]\nroute = \"/api/...\"\ncomponent = \"lab\"\nfunctions = {functions}\n"
    );
    App::new(&manifest).guest("lab.wasm", "call-lab")
}

fn post(server: &Server, path: &str, body: &str) -> Reply {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(body.as_bytes().to_vec())
        .unwrap();
    server.request(request)
}

/// Calls, and gives what the problem says beside what all of them say.
#[track_caller]
fn problem(server: &Server, path: &str, body: &str) -> (u16, Value, Value) {
    let reply = post(server, path, body);
    told(server, &reply)
}

#[track_caller]
fn told(server: &Server, reply: &Reply) -> (u16, Value, Value) {
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let mut said = reply.json();
    assert_eq!(said["status"], reply.status);
    let id = said["request_id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("x-request-id"), id);
    let line = server.logged("request", |line| line["request_id"] == *id);
    assert_eq!(line["status"], reply.status, "{line}");
    for key in ["type", "title", "status", "request_id"] {
        said.as_object_mut().unwrap().remove(key);
    }
    (reply.status, said, line)
}

#[test]
fn values_go_in_and_out() {
    let server = lab("[\"*\"]", "").up();
    let reply = post(&server, "/api/greet", r#"{"name": "Ada"}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.json(), "Hello, Ada!");
    // By position, with or without the version.
    let reply = post(&server, "/api/greet", r#"["Bob"]"#);
    assert_eq!(reply.json(), "Hello, Bob!");
    let order = r#"{"order": {"items": [{"name": "tea", "count": 3}]}}"#;
    for path in [format!("{TOOLS}/price"), format!("{TOOLS}@1.0.0/price")] {
        let reply = post(&server, &path, order);
        assert_eq!((reply.status, reply.json()), (200, json!(750)), "{path}");
    }
    // Bytes are base64, and arrays are read too.
    for data in ["\"AAECAw==\"", "[0, 1, 2, 3]"] {
        let reply = post(&server, &format!("{TOOLS}/count"), &format!("[{data}]"));
        assert_eq!(reply.json(), 4);
    }
    let reply = post(&server, &format!("{TOOLS}/variable"), r#"["NONE"]"#);
    assert_eq!(reply.json(), Value::Null);
    // What gives nothing has no body.
    let reply = post(&server, &format!("{TOOLS}/print"), r#"["a line"]"#);
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    server.logged("log", |l| l["line"] == "a line" && l["stream"] == "stdout");
    let reply = post(&server, &format!("{TOOLS}/check"), order);
    assert_eq!(reply.status, 204);
    let line = server.entry("/api/greet");
    assert_eq!(line["component"], "lab");
    assert_eq!(line["route"], "/api/...");
    assert_eq!(line["bytes_in"], 15);
    assert!(line["receipt"]["cpu_us"].as_u64().is_some(), "{line}");
}

#[test]
fn an_err_is_a_problem_with_its_value() {
    let server = lab("[\"example:lab/tools.*\"]", "").up();
    let empty = r#"{"order": {"items": []}}"#;
    let (status, said, line) = problem(&server, &format!("{TOOLS}/price"), empty);
    assert_eq!(status, 422);
    assert_eq!(said, json!({"code": "err", "error": "empty"}));
    // The component did what it is for.
    assert_eq!(line.get("fault"), None, "{line}");
    let many = r#"{"order": {"items": [{"name": "tea", "count": 101}]}}"#;
    let (status, said, _) = problem(&server, &format!("{TOOLS}/check"), many);
    assert_eq!(status, 422);
    assert_eq!(said["error"], json!({"too-many": 101}));
}

#[test]
fn what_does_not_fit_is_said_with_its_place() {
    let server = lab("[\"*\"]", "").up();
    let price = format!("{TOOLS}/price");
    for (path, body, place) in [
        (
            &*price,
            r#"{"order": {"items": [{"name": "a", "count": 1}, {"name": "b", "count": "x"}]}}"#,
            Some("order.items[1].count"),
        ),
        (
            &*price,
            r#"{"order": {"items": [{"name": "a", "count": 4294967296}]}}"#,
            Some("order.items[0].count"),
        ),
        (
            &*price,
            r#"{"order": {"items": [{"count": 1}]}}"#,
            Some("order.items[0]"),
        ),
        (&*price, r#"{"order": {}, "order": {}}"#, None),
        ("/api/greet", "{}", None),
        ("/api/greet", r#"{"name": "a", "more": 1}"#, None),
        ("/api/greet", "[]", None),
        ("/api/greet", r#"["a", "b"]"#, None),
        ("/api/greet", "\"a\"", None),
        ("/api/greet", "{", None),
        ("/api/greet", "", None),
        ("/api/greet", "[\"\u{0}\"", None),
    ] {
        let (status, said, _) = problem(&server, path, body);
        assert_eq!(
            (status, &said["code"]),
            (400, &json!("arguments")),
            "{body}: {said}"
        );
        assert!(
            said["detail"].as_str().is_some_and(|d| !d.is_empty()),
            "{body}: {said}"
        );
        if let Some(place) = place {
            assert_eq!(said["path"], place, "{body}: {said}");
        }
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, _, _) = problem(&server, "/api/greet", &deep);
    assert_eq!(status, 400);
    assert_eq!(post(&server, "/api/greet", r#"["well"]"#).status, 200);
}

#[test]
fn who_asks_wrongly() {
    let server = lab("[\"greet\", \"example:lab/tools.print\"]", "").up();
    let send = |method: &str, path: &str, kind: Option<&str>| {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let reply = server.request(request.body(b"[\"a\"]".to_vec()).unwrap());
        let allow = reply.header("allow").to_owned();
        let (status, said, _) = told(&server, &reply);
        (status, said["code"].as_str().unwrap().to_owned(), allow)
    };
    let json = Some("application/json");
    let is = |status: u16, code: &str, allow: &str| (status, code.to_owned(), allow.to_owned());
    assert_eq!(send("GET", "/api/greet", json), is(405, "method", "POST"));
    // A page of another site cannot say JSON without asking first.
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        assert_eq!(send("POST", "/api/greet", kind), is(415, "media_type", ""));
    }
    // What is not listed is not there.
    for path in [
        format!("{TOOLS}/spin"),
        "/api/none".into(),
        "/api/greet/more".into(),
        "/api/example:lab/tools".into(),
        "/api/example:lab/tools@2.0.0/print".into(),
        "/api/%ff".into(),
    ] {
        assert_eq!(
            send("POST", &path, json),
            is(404, "no_function", ""),
            "{path}"
        );
    }
    assert_eq!(
        send("POST", "/api/openapi.json", json),
        is(405, "method", "GET, HEAD")
    );
    let utf8 = Some("application/json; charset=utf-8");
    let request = http::Request::post("/api/%67reet").header("content-type", utf8.unwrap());
    let reply = server.request(request.body(b"[\"a\"]".to_vec()).unwrap());
    assert_eq!(reply.json(), "Hello, a!");
}

#[test]
fn a_function_that_fails_hurts_itself_alone() {
    let limits = "limits = { cpu = \"300 ms\", memory = \"16 MiB\", request_body = \"1 KiB\", \
                  response_body = \"4 KiB\" }";
    let server = lab("[\"*\"]", limits).up();
    let fails = |function: &str, body: &str| {
        let (status, said, line) = problem(&server, &format!("{TOOLS}/{function}"), body);
        // What is inside stays inside.
        assert_eq!(said.as_object().unwrap().len(), 1, "{said}");
        (
            status,
            said["code"].as_str().unwrap().to_owned(),
            line["fault"].clone(),
        )
    };
    let (status, code, fault) = fails("crash", r#"["boom"]"#);
    assert_eq!((status, &*code), (500, "failed"));
    assert!(
        fault["message"].as_str().unwrap().contains("trapped"),
        "{fault}"
    );
    assert!(
        !fault["backtrace"].as_array().unwrap().is_empty(),
        "{fault}"
    );
    let (status, code, fault) = fails("spin", "[]");
    assert_eq!((status, &*code), (504, "too_slow"));
    assert_eq!(fault["limit"], "cpu");
    let (status, code, fault) = fails("grow", "[64]");
    assert_eq!((status, &*code), (500, "failed"));
    assert_eq!(fault["limit"], "memory");
    let (status, code, fault) = fails("exit", "[3]");
    assert_eq!((status, &*code), (500, "failed"));
    assert_eq!(fault["message"], "lab exited with code 1");
    let (status, code, fault) = fails("exit", "[0]");
    assert_eq!((status, &*code), (500, "failed"));
    assert!(
        fault["message"]
            .as_str()
            .unwrap()
            .contains("before the function had ended")
    );
    let (status, code, fault) = fails("repeat", r#"["0123456789", 500]"#);
    assert_eq!((status, &*code), (500, "failed"));
    assert_eq!(fault["limit"], "response_body");
    let (status, code, fault) = fails("count", &format!("[\"{}\"]", "A".repeat(2000)));
    assert_eq!((status, &*code), (413, "too_large"));
    assert_eq!(fault["limit"], "request_body");
    assert_eq!(post(&server, "/api/greet", r#"["well"]"#).status, 200);
}

#[test]
fn a_result_that_lies_is_a_fault() {
    let manifest = "name = \"lies\"\n\n[component.lies]\nsource = \"lies.wat\"\n\n\
                    [[call]]\nroute = \"/...\"\ncomponent = \"lies\"\nfunctions = [\"*\"]\n";
    let app = App::new(manifest);
    std::os::unix::fs::symlink(wat("lies"), app.dir().join("lies.wat")).unwrap();
    let server = app.up();
    for path in ["/nonsense", "/nowhere", "/no-char"] {
        let (status, said, line) = problem(&server, path, "");
        assert_eq!((status, said), (500, json!({"code": "failed"})), "{path}");
        assert_eq!(line["fault"]["kind"], "guest", "{line}");
    }
}

#[test]
fn openapi_of_every_type_is_what_a_validator_takes() {
    let linked = "/holm:linked/api@0.1.0";
    let linked = [
        "numbers",
        "text",
        "one-order",
        "shapes",
        "named",
        "nested",
        "bytes",
    ]
    .map(|function| format!("{linked}/{function}"));
    // Of each how many functions there are, and which give back what they take.
    let labs: [(&str, usize, &[String]); 5] = [
        ("values-lab", 27, &["/holm:values/echo@1.2.0/".into()]),
        ("link-callee", 17, &linked),
        ("streams-lab", 11, &[]),
        ("link-callee-p3", 15, &[]),
        ("greet", 7, &[]),
    ];
    for (guest, functions, echoes) in labs {
        let manifest = "name = \"lab\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
                        [[call]]\nroute = \"/...\"\ncomponent = \"lab\"\nfunctions = [\"*\"]\n";
        let server = App::new(manifest).guest("lab.wasm", guest).up();
        let document = server.get("/openapi.json");
        let (version, _) = run_python("openapi_check.py", &[], &document.text());
        assert_eq!(version, "3.1.1\n", "{guest}");
        let paths = &document.json()["paths"];
        assert_eq!(paths.as_object().unwrap().len(), functions, "{guest}");
        // What it allows is taken, and what is given is what it says.
        if !echoes.is_empty() {
            let url = format!("http://{}", server.addr());
            let mut args = vec![&*url, "1"];
            args.extend(echoes.iter().map(|path| &**path));
            let (tried, _) = run_python("openapi_values.py", &args, "");
            let tried: usize = tried.trim().parse().unwrap();
            assert_eq!(tried, if echoes.len() == 1 { 20 } else { echoes.len() });
        }
    }
}

#[test]
fn openapi_is_what_a_validator_takes() {
    let app = lab("[\"*\"]", "description = \"A shop\"\nwit = \"wit\"");
    // Its toolchain has dropped the docs.
    let wit = repo().join("guests/rust/call-lab/wit");
    std::os::unix::fs::symlink(wit, app.dir().join("wit")).unwrap();
    let server = app.up();
    let reply = server.get("/api/openapi.json");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let document = reply.json();
    let (version, _) = run_python("openapi_check.py", &[], &reply.text());
    assert_eq!(version, "3.1.1\n");
    assert_eq!(document["servers"], json!([{"url": "/api"}]));
    assert_eq!(document["info"]["description"], "A shop");
    let price = &document["paths"]["/example:lab/tools@1.0.0/price"]["post"];
    assert_eq!(price["summary"], "price");
    assert_eq!(price["description"], "The price of an order, in cents.");
    assert!(price["responses"]["422"].is_object(), "{price}");
    assert!(document["paths"]["/greet"]["post"]["responses"]["422"].is_null());
    // What cannot be called is said, with the reason.
    let not = document["x-not-callable"].as_array().unwrap();
    assert!(
        not.iter()
            .any(|of| of["function"] == "example:lab/tools@1.0.0.tab.total"),
        "{not:?}"
    );
    let (status, said, _) = problem(&server, &format!("{TOOLS}/tab.total"), "[]");
    assert_eq!((status, &said["code"]), (501, &json!("not_callable")));
    assert!(said["detail"].as_str().unwrap().contains("tab"), "{said}");
    shot!("openapi", serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn the_page_is_one_file_under_a_strict_policy() {
    let server = lab("[\"greet\"]", "").up();
    let moved = server.get("/api");
    assert_eq!((moved.status, moved.header("location")), (308, "/api/"));
    let page = server.get("/api/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let without = lab("[\"greet\"]\nopenapi = false\npage = false", "").up();
    for path in ["/api/", "/api/openapi.json"] {
        let (status, _, _) = told(&without, &without.get(path));
        assert_eq!(status, 404, "{path}");
    }
}

#[test]
fn what_a_manifest_may_not_say() {
    let refused = lab(
        "[\"gret\", \"example:lab/tools.tab.total\", \"example:none/none.*\"]",
        "",
    )
    .refused();
    shot!(
        "call_refused",
        refused.stderr.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    );
    refused.is(2);
    let wrong = lab("[\"a b\"]\nroute = \"/api\"", "");
    wrong.edit("route = \"/api/...\"\n", "");
    shot!("call_wrong", wrong.check().stderr);
}

#[test]
fn calls_wait_for_their_turn_and_a_client_may_leave() {
    let limits = "limits = { cpu = \"60 s\", concurrency = 1, queue = 0 }";
    let server = lab("[\"*\"]", limits).up();
    let spin = http::Request::post(format!("{TOOLS}/spin"))
        .header("content-type", "application/json")
        .header("host", "localhost")
        .body(crate::client::full("[]"))
        .unwrap();
    let addr = server.addr();
    let greet = || post(&server, "/api/greet", r#"["next"]"#);
    crate::client::block(async {
        let mut connection = crate::client::Connection::http1(addr).await;
        let sent = connection.send(spin);
        let busy = async {
            loop {
                let reply = greet();
                if reply.status == 503 {
                    return reply;
                }
                tokio::task::yield_now().await;
            }
        };
        // It never answers; the component has no other place.
        tokio::select! {
            answer = sent => panic!("{answer:?}"),
            reply = busy => {
                assert_eq!(told(&server, &reply).1, json!({"code": "busy"}));
                assert_eq!(reply.header("retry-after"), "1");
            }
        }
    });
    // The client has left, and with it its guest: its place is free again.
    let line = server.logged("request", |l| {
        l["path"].as_str().unwrap().ends_with("/spin")
    });
    assert_eq!(
        (&line["status"], &line["aborted"]),
        (&Value::Null, &json!(true))
    );
    until("the place is free", || {
        let reply = greet();
        assert!([200, 503].contains(&reply.status), "{}", reply.text());
        (reply.status == 200).then_some(())
    });
}
