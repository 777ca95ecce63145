//! Spin's key-value stores and variables, called by a component and by the core module that cargo
//! leaves of the same source.

use crate::app::*;
use crate::support::*;

const GRANTS: &str = "grants = { keyvalue = [\"default\"], config = { variable = \"value\" } }\n";

#[track_caller]
fn says(server: &Server, target: &str, status: u16, text: &str) {
    let reply = server.get(target);
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (status, text),
        "{target}"
    );
}

fn all(server: &Server) {
    let ok = |target: &str, text: &str| says(server, target, 200, text);
    let fails = |target: &str, text: &str| says(server, target, 500, text);
    fails("/kv/open?store=forbidden", "Error::AccessDenied");
    fails("/old/open?store=forbidden", "Error::AccessDenied");
    ok("/kv/get?store=default&key=a", "None");
    ok("/kv/set?store=default&key=a&value=1", "()");
    ok("/kv/get?store=default&key=a", "Some(\"1\")");
    // The old interface sees the same store.
    ok("/old/get?store=default&key=a", "\"1\"");
    ok("/old/set?store=default&key=b&value=2", "()");
    ok("/kv/exists?store=default&key=b", "true");
    ok("/kv/keys?store=default", "[\"a\", \"b\"]");
    ok("/old/delete?store=default&key=a", "()");
    ok("/old/delete?store=default&key=a", "()");
    fails("/old/get?store=default&key=a", "Error::NoSuchKey");
    fails("/old/closed?store=default&key=a", "Error::InvalidStore");
    ok("/old/keys?store=default", "[\"b\"]");
    ok("/variable?name=variable", "value");
    ok("/old-variable?name=variable", "value");
    let error = |target: &str| {
        let reply = server.get(target);
        assert_eq!(reply.status, 500, "{target}: {}", reply.text());
        reply.text()
    };
    assert!(error("/variable?name=none").starts_with("Error::Undefined"));
    assert!(error("/variable?name=not-one").starts_with("Error::InvalidName"));
    assert!(error("/old-variable?name=none").starts_with("Error::Provider"));
    assert!(error("/old-variable?name=4").starts_with("Error::InvalidKey"));
}

#[test]
fn a_component() {
    all(&App::of("spin-lab", GRANTS).up());
}

#[test]
fn a_core_module() {
    all(&App::of("spin-lab-core", GRANTS).up());
    let file = guest("spin-lab-core");
    let out = holm().arg("inspect").arg(&file).run();
    out.is(0);
    let form = "form       component, made of a core module with the reactor adapter\n";
    assert!(out.stdout.contains(form), "{}", out.stdout);
    assert!(
        out.stdout.contains("import fermyon:spin/key-value@2.0.0;"),
        "{}",
        out.stdout
    );
    // Of the file, whatever was made of it; also when it comes from the cache.
    let again = holm().arg("inspect").arg(&file).run();
    assert_eq!(out.stdout, again.stdout);
}

#[test]
fn without_a_grant_it_loads_and_is_denied() {
    let server = App::of("spin-lab", "").up();
    says(
        &server,
        "/kv/open?store=default",
        500,
        "Error::AccessDenied",
    );
    let denials = server.entry("/kv/open")["denials"].clone();
    assert_eq!(denials[0]["line"], "keyvalue = [\"default\"]", "{denials}");
}
