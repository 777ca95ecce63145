//! `[component.NAME.imports]`: components that call each other, each in its own instance with its own
//! grants and limits.

use crate::app::*;
use crate::support::*;

/// `web` calls `shop`; lines for the table of each.
fn linked(web: &str, shop: &str) -> App {
    let manifest = format!(
        "name = \"linked\"\n\n[component.web]\nsource = \"web.wasm\"\n\
         imports = {{ \"holm:linked/api\" = \"shop\" }}\n{web}\n\n\
         [component.shop]\nsource = \"shop.wasm\"\n{shop}\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n"
    );
    App::new(&manifest)
        .guest("web.wasm", "link-caller")
        .guest("shop.wasm", "link-callee")
}

#[track_caller]
fn says(server: &Server, path: &str, text: &str) {
    let reply = server.get(path);
    assert_eq!(
        (reply.status, reply.text()),
        (200, text.to_owned()),
        "{path}"
    );
}

#[test]
fn each_shape_of_a_value_crosses() {
    let server = linked("", "").up();
    says(&server, "/values", "ok\n");
    says(&server, "/bytes?0", "ok\n");
    says(&server, "/bytes?1000000", "ok\n");
}

#[test]
fn resources_are_owned_lent_and_dropped_once() {
    let server = linked("", "").up();
    says(&server, "/resources", "ok\n");
    // What one event leaves behind, the next does not find.
    says(&server, "/left", "0 3\n");
    says(&server, "/left", "0 3\n");
    let (status, code, line) = server.fault("/twice");
    assert_eq!((status, &*code), (500, "guest_failed"), "{line}");
    assert!(line.to_string().contains("unknown handle index"), "{line}");
    says(&server, "/resources", "ok\n");
}

#[test]
fn a_reused_caller_gets_a_fresh_callee_for_each_event() {
    let server = linked("reuse = 100", "reuse = 100").up();
    for _ in 0..5 {
        says(&server, "/left", "0 3\n");
        says(&server, "/resources", "ok\n");
    }
}

#[test]
fn a_call_is_in_the_receipt_and_what_it_used_in_the_callees_account() {
    let server = linked("", "grants = { env = { WHO = \"shop\" } }").up();
    says(&server, "/calls?3", "ok\n");
    let line = server.entry("/calls");
    let calls = &line["receipt"]["calls"];
    assert_eq!(calls["holm:linked/api"]["nothing"]["count"], 3, "{line}");
    // What the callee asked of its host is not the caller's.
    says(&server, "/variable", "None Some(\"shop\")\n");
}

#[test]
fn a_failing_callee_fails_its_caller_by_name() {
    let server = linked("", "").up();
    let mut shown = String::new();
    for path in ["/trap", "/exit"] {
        let (status, code, line) = server.fault(path);
        assert_eq!((status, &*code), (500, "guest_failed"), "{line}");
        shown += &format!("{path}: {}\n", line["error"]);
    }
    shot!(shown);
    // Nothing is left of it.
    says(&server, "/values", "ok\n");
}

#[test]
fn the_callees_limits_bound_its_part() {
    let server = linked("", "limits = { cpu = \"50 ms\", memory = \"8 MiB\" }").up();
    let (status, _, line) = server.fault("/spin");
    assert_eq!(status, 504, "{line}");
    let error = line["error"].to_string();
    assert!(
        error.contains("shop used up its CPU time (50 ms)"),
        "{line}"
    );
    let (status, _, line) = server.fault("/grow?32");
    assert_eq!(status, 500, "{line}");
    let error = line["error"].to_string();
    assert!(
        error.contains("shop wanted more memory than its limit (8 MiB)"),
        "{line}"
    );
    says(&server, "/grow?1", "1048576\n");
}

#[test]
fn the_callers_limits_bound_the_whole() {
    let server = linked(
        "limits = { cpu = \"50 ms\" }",
        "limits = { cpu = \"none\" }",
    )
    .up();
    let (status, _, line) = server.fault("/spin");
    assert_eq!(status, 504, "{line}");
    let error = line["error"].to_string();
    assert!(error.contains("web used up its CPU time (50 ms)"), "{line}");
    assert_eq!(line["receipt"]["limit"], "cpu", "{line}");
    assert!(
        line["receipt"]["cpu_us"].as_u64().unwrap() >= 50_000,
        "{line}"
    );
}

#[test]
fn grants_are_kept_apart() {
    let dirs = "dirs = { \"/data\" = { path = \"PATH\", access = \"read\" } }";
    let own = |path: &str| {
        format!(
            "grants = {{ env = {{ WHO = \"{path}\" }}, {} }}",
            dirs.replace("PATH", path)
        )
    };
    let app = linked(&own("web"), &own("shop"));
    app.dir().write("web/file", "the web's");
    app.dir().write("shop/file", "the shop's");
    let server = app.up();
    says(&server, "/variable", "Some(\"web\") Some(\"shop\")\n");
    says(
        &server,
        "/file",
        "Some(\"the web's\") Some(\"the shop's\")\n",
    );
    // One without any, and the other way round.
    for (web, shop, variable) in [
        (own("web"), String::new(), "Some(\"web\") None\n"),
        (String::new(), own("shop"), "None Some(\"shop\")\n"),
    ] {
        let app = linked(&web, &shop);
        app.dir().write("web/file", "web");
        app.dir().write("shop/file", "shop");
        let server = app.up();
        says(&server, "/variable", variable);
        says(&server, "/file", variable);
    }
}

#[test]
fn a_callee_takes_turns_among_its_own_calls() {
    let server = linked("", "limits = { concurrency = 1, queue = 0 }").up();
    // Its one place is free again when the event is over.
    for _ in 0..5 {
        says(&server, "/calls?2", "ok\n");
    }
}

#[test]
fn what_cannot_be_linked_is_said_at_its_line() {
    let app = linked("", "");
    app.check().is(0);
    let mut said = String::new();
    for (from, to) in [
        ("\"holm:linked/api\"", "\"holm:linked/apy\""),
        ("= \"shop\" }", "= \"shoq\" }"),
        ("imports = { \"holm:linked/api\" = \"shop\" }", ""),
        ("source = \"shop.wasm\"", "source = \"hello.wasm\""),
    ] {
        let app = linked("", "").guest("hello.wasm", "http-hello");
        app.edit(from, to);
        let out = app.check();
        out.is(2);
        said += &format!("{}\n", out.stderr);
    }
    shot!(said);
}

/// The same between components of 0.3, with lines for the table of the second.
fn linked_async(web: &str, shop: &str) -> App {
    let manifest = format!(
        "name = \"linked\"\n\n[component.web]\nsource = \"web.wasm\"\n\
         imports = {{ \"holm:linked-async/api\" = \"shop\" }}\n{web}\n\n\
         [component.shop]\nsource = \"shop.wasm\"\n{shop}\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n"
    );
    App::new(&manifest)
        .guest("web.wasm", "link-caller-p3")
        .guest("shop.wasm", "link-callee-p3")
}

#[test]
fn async_functions_streams_and_futures_cross() {
    let server = linked_async("", "").up();
    for path in [
        "/plain?3",
        "/double?21",
        "/later",
        "/meet",
        "/jobs",
        "/upper?0",
        "/upper?10",
        "/upper?1000000",
        "/sum?100000",
        "/count?0",
        "/count?1000",
        "/some",
    ] {
        says(&server, path, "ok\n");
    }
    let line = server.entry("/meet");
    let calls = &line["receipt"]["calls"]["holm:linked-async/api"];
    assert_eq!(calls["meet"]["count"], 2, "{line}");
}

#[test]
fn an_async_callee_fails_and_is_stopped_by_name() {
    let server = linked_async("", "limits = { cpu = \"50 ms\" }").up();
    let (status, _, line) = server.fault("/trap");
    assert_eq!(status, 500, "{line}");
    assert!(line["error"].to_string().contains("shop trapped"), "{line}");
    let (status, _, line) = server.fault("/spin");
    assert_eq!(status, 504, "{line}");
    assert!(
        line["error"]
            .to_string()
            .contains("shop used up its CPU time (50 ms)"),
        "{line}"
    );
    says(&server, "/double?2", "ok\n");
    let server = linked_async("limits = { cpu = \"50 ms\" }", "").up();
    let (status, _, line) = server.fault("/spin");
    assert_eq!(status, 504, "{line}");
    assert!(
        line["error"]
            .to_string()
            .contains("web used up its CPU time (50 ms)"),
        "{line}"
    );
    assert!(
        line["receipt"]["cpu_us"].as_u64().unwrap() >= 50_000,
        "{line}"
    );
}
