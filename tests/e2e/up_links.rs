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

/// A request fails like this; gives the log's line of it.
#[track_caller]
fn fails(server: &Server, path: &str, status: u16, text: &str) -> serde_json::Value {
    let (got, _, line) = server.fault(path);
    let message = line["fault"]["message"].as_str().unwrap_or_default();
    assert!(got == status && message.contains(text), "{got}: {line}");
    line
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
    assert_eq!((status, &*code), (500, "failed"), "{line}");
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
        assert_eq!((status, &*code), (500, "failed"), "{line}");
        shown += &format!("{path}: {}\n", line["fault"]["message"]);
    }
    shot!(shown);
    // Nothing is left of it.
    says(&server, "/values", "ok\n");
}

#[test]
fn the_callees_limits_bound_its_part() {
    let server = linked("", "limits = { cpu = \"50 ms\", memory = \"8 MiB\" }").up();
    let used_up = "web called holm:linked/api.spin: shop used up its CPU time (50 ms)";
    fails(&server, "/spin", 504, used_up);
    let grew = "shop wanted more memory than its limit (8 MiB)";
    fails(&server, "/grow?32", 500, grew);
    says(&server, "/grow?1", "1048576\n");
}

#[test]
fn the_callers_limits_bound_the_whole() {
    let server = linked(
        "limits = { cpu = \"50 ms\" }",
        "limits = { cpu = \"none\" }",
    )
    .up();
    let line = fails(&server, "/spin", 504, "web used up its CPU time (50 ms)");
    assert_eq!(line["receipt"]["limit"], "cpu", "{line}");
    let cpu_us = line["receipt"]["cpu_us"].as_u64().unwrap();
    assert!(cpu_us >= 50_000, "{line}");
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
    let server = linked("", "limits = { concurrency = 1 }").up();
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
         imports = {{ \"holm:linked-async/api\" = \"shop\", \
         \"holm:linked-async/plain\" = \"other\" }}\n{web}\n\n\
         [component.shop]\nsource = \"shop.wasm\"\n{shop}\n\n\
         [component.other]\nsource = \"shop.wasm\"\n\n\
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
        "/drop",
        "/give-up",
        "/triple?5",
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
    let trapped = "web called holm:linked-async/api.trap: shop trapped";
    fails(&server, "/trap", 500, trapped);
    fails(&server, "/spin", 504, "shop used up its CPU time (50 ms)");
    says(&server, "/double?2", "ok\n");
    let server = linked_async("limits = { cpu = \"50 ms\" }", "").up();
    let line = fails(&server, "/spin", 504, "web used up its CPU time (50 ms)");
    let cpu_us = line["receipt"]["cpu_us"].as_u64().unwrap();
    assert!(cpu_us >= 50_000, "{line}");
}

#[test]
fn half_a_stream_is_never_taken_for_a_whole_one() {
    let server = linked_async("", "").up();
    for path in ["/cut-short?0", "/cut-short?1000", "/refused"] {
        fails(&server, path, 500, "shop trapped");
    }
    says(&server, "/count?10", "ok\n");
}

#[test]
fn a_callee_that_its_host_holds_up_is_ended_all_the_same() {
    let server = linked_async("", "limits = { timeout = \"200 ms\" }").up();
    let late = "shop took longer than its timeout (200 ms)";
    fails(&server, "/sleep?600000", 504, late);
    // And when its caller is over: its place is free for the next.
    let server = linked_async(
        "limits = { timeout = \"200 ms\" }",
        "limits = { concurrency = 1 }",
    )
    .up();
    for _ in 0..2 {
        let late = "web took longer than its timeout (200 ms)";
        fails(&server, "/sleep?600000", 504, late);
    }
    says(&server, "/double?2", "ok\n");
}
