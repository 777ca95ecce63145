//! Guests in text that are written for a limit or for a fault, and what those do that no limit of the
//! manifest is for. The others stand in the table of `limits_each.rs`.

use crate::tenants::*;
use serde_json::Value;
use std::fmt::Write as _;

/// A component that answers HTTP by the function `handle` of the core instance `$i`, which takes two
/// numbers; `after` are more options of the lift. The text of `parts` makes it.
fn handler(parts: &str, after: &str) -> String {
    format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $http
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $http "incoming-request" (type $request))
            (alias export $http "response-outparam" (type $out))
            {parts}
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $i "handle") {after}))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    )
}

/// One of a single module with these fields, whose `handle` does this.
fn does(fields: &str, body: &str) -> String {
    let parts = format!(
        r#"(core module $m {fields} (func (export "handle") (param i32 i32) {body}))
           (core instance $i (instantiate $m))"#
    );
    handler(&parts, "")
}

/// One that imports a function of the host. `import` defines the component's function `$f`, and
/// `params` are its core parameters; `realloc` is what the allocator does, above `pages` of memory.
fn calls(import: &str, params: &str, (realloc, pages): (&str, u32), body: &str) -> String {
    let parts = format!(
        r#"{import}
           (core module $memory
               (memory (export "memory") {pages})
               (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
           (core instance $memory (instantiate $memory))
           (core func $lowered (canon lower (func $f)
               (memory (core memory $memory "memory"))
               (realloc (core func $memory "cabi_realloc"))))
           (core module $m
               (import "host" "memory" (memory 1))
               (import "host" "f" (func $f {params}))
               (func (export "handle") (param i32 i32) (local $at i32) {body}))
           (core instance $host
               (export "memory" (memory $memory "memory")) (export "f" (func $lowered)))
           (core instance $i (instantiate $m (with "host" (instance $host))))"#
    );
    handler(&parts, "")
}

const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" (instance $random
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
    (alias export $random "get-random-bytes" (func $f))"#;

const NOW: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (export "now" (func (result u64)))))
    (alias export $clock "now" (func $f))"#;

/// Without end.
const LOOP: &str = "(loop $more (br $more)) unreachable";

/// Waits for one timer that is due, as often in one call as `n` says.
fn polls(n: u32) -> String {
    // After the list that is passed comes the one that is returned, and then what tells of it.
    let (list, told) = (n * 4, n * 8);
    let pages = (told >> 16) + 1;
    let parts = format!(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
               (export "pollable" (type $p (sub resource)))
               (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
           (alias export $poll "pollable" (type $pollable))
           (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
               (alias outer 1 $pollable (type $p))
               (export "pollable" (type $q (eq $p)))
               (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
           (core module $memory
               (memory (export "memory") {pages})
               (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const {list})))
           (core instance $memory (instantiate $memory))
           (core func $poll (canon lower (func $poll "poll")
               (memory (core memory $memory "memory"))
               (realloc (core func $memory "cabi_realloc"))))
           (core func $timer (canon lower (func $clock "subscribe-duration")))
           (core module $m
               (import "host" "memory" (memory 1))
               (import "host" "poll" (func $poll (param i32 i32 i32)))
               (import "host" "timer" (func $timer (param i64) (result i32)))
               (func (export "handle") (param i32 i32) (local $at i32) (local $timer i32)
                   (local.set $timer (call $timer (i64.const 0)))
                   (loop $more
                       (i32.store (local.get $at) (local.get $timer))
                       (local.set $at (i32.add (local.get $at) (i32.const 4)))
                       (br_if $more (i32.lt_u (local.get $at) (i32.const {list}))))
                   (call $poll (i32.const 0) (i32.const {n}) (i32.const {told}))
                   unreachable))
           (core instance $host
               (export "memory" (memory $memory "memory"))
               (export "poll" (func $poll)) (export "timer" (func $timer)))
           (core instance $i (instantiate $m (with "host" (instance $host))))"#
    );
    handler(&parts, "")
}

/// One of so many core instances.
fn instances(n: usize) -> String {
    let mut parts = String::from(
        r#"(core module $m (func (export "handle") (param i32 i32) unreachable))
           (core instance $i (instantiate $m)) (core module $empty)"#,
    );
    for _ in 1..n {
        let _ = write!(parts, "(core instance (instantiate $empty))");
    }
    handler(&parts, "")
}

/// The guest of this name; none where it is not one of these.
pub fn guest(name: &str) -> Option<Vec<u8>> {
    // What is async in it is for the engine of 0.3 alone.
    let text = match name.strip_suffix("-async") {
        Some(name) => {
            let plain = text(name)?;
            plain.replacen(
                "(component",
                "(component (core func (canon waitable-set.new))",
                1,
            )
        }
        None => text(name)?,
    };
    Some(wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}")))
}

fn text(name: &str) -> Option<String> {
    let nothing = ("unreachable", 1);
    let grow = |by: &str| {
        format!(
            "(loop $more (br_if $more (i32.ne (i32.const -1)
                 (table.grow (ref.null func) (i32.const {by}))))) unreachable"
        )
    };
    Some(match name {
        // Without end: where it starts, where it allocates for the host, where it cleans up.
        "endless-start" => does(&format!("(func $s {LOOP}) (start $s)"), ""),
        "endless-realloc" => calls(
            RANDOM,
            "(param i64 i32)",
            (LOOP, 1),
            "(call $f (i64.const 8) (i32.const 16))",
        ),
        "endless-post-return" => {
            let parts = format!(
                r#"(core module $m (func (export "handle") (param i32 i32))
                       (func (export "post") {LOOP}))
                   (core instance $i (instantiate $m))"#
            );
            handler(&parts, r#"(post-return (core func $i "post"))"#)
        }
        // And in what the host or the engine does for it, a little or much at a time: one such call is
        // never broken off, however long.
        "endless-now" => calls(
            NOW,
            "(result i64)",
            nothing,
            "(loop $more (drop (call $f)) (br $more))",
        ),
        "endless-fill" => does(
            "(memory 256)",
            "(loop $more (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1000000)) (br $more))",
        ),
        "endless-copy" => does(
            "(memory 256)",
            "(loop $more (memory.copy (i32.const 0x800000) (i32.const 0) (i32.const 0x800000))
                 (br $more))",
        ),
        "endless-table-fill" => does(
            "(table 100000 funcref)",
            "(loop $more (table.fill (i32.const 0) (ref.null func) (i32.const 100000)) (br $more))",
        ),
        // More of what it is made of than it may have.
        "three-memories" => does("(memory 1) (memory 1) (memory 1)", "unreachable"),
        "three-tables" => does(&"(table 1 funcref)".repeat(3), "unreachable"),
        "forty-instances" => instances(40),
        "large-table" => does("(table 1001 funcref)", "unreachable"),
        "growing-table" => does("(table 1 funcref)", &grow("100")),
        "suddenly-large-table" => does("(table 1 funcref)", &grow("-1")),
        // What was granted stays taken: between its growths it asks for more than there can ever be.
        "growing-by-bytes" => does(
            "(memory 0 (pagesize 1))",
            "(local $n i32)
             (loop $more
                 (if (i32.eq (memory.grow (i32.const 0x100000)) (i32.const -1)) (then unreachable))
                 (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))
                 (local.set $n (i32.add (local.get $n) (i32.const 1)))
                 (br_if $more (i32.lt_u (local.get $n) (i32.const 100))))",
        ),
        "endless-handles" => handler(
            r#"(type $r (resource (rep i32)))
               (core func $new (canon resource.new $r))
               (core module $m
                   (import "host" "new" (func $new (param i32) (result i32)))
                   (func (export "handle") (param i32 i32)
                       (loop $more (drop (call $new (i32.const 1))) (br $more))))
               (core instance $host (export "new" (func $new)))
               (core instance $i (instantiate $m (with "host" (instance $host))))"#,
            "",
        ),
        // More than any limit lets them.
        "hundred-memories" => does(&"(memory 1024)".repeat(100), "unreachable"),
        "hundred-memories-that-start" => does(
            &format!("{} (func $s) (start $s)", "(memory 1024)".repeat(100)),
            "unreachable",
        ),
        "thousand-instances" => instances(1000),
        // One call of the host for more than anybody needs.
        "random-terabyte" => calls(
            RANDOM,
            "(param i64 i32)",
            nothing,
            "(call $f (i64.const 0x10000000000) (i32.const 16))",
        ),
        "million-polls" => polls(1_000_000),
        "ten-million-polls" => polls(10_000_000),
        _ => return None,
    })
}

/// What its limits allow, it may have: it gets as far as its own trap.
#[test]
fn as_much_as_is_allowed() {
    let cases = [
        ("memories", "three-memories", "limits.memories = 3"),
        ("tables", "three-tables", "limits.tables = 3"),
        ("elements", "large-table", "limits.table_elements = 1001"),
    ];
    let server = host_of(&cases).up();
    for (name, ..) in cases {
        assert_eq!(get(&server, name, "/").status, 500);
        let line = server.logged("request", |line| line["component"] == name);
        assert_eq!(line["receipt"]["limit"], Value::Null, "{line}");
        let message = line["fault"]["message"].as_str().unwrap();
        assert!(message.contains("unreachable"), "{line}");
    }
}

/// One call of the host for more than there is: it is refused before anything is made of it.
#[test]
fn one_call_for_more_than_there_is() {
    let server = host_of(&[
        ("random", "random-terabyte", ""),
        ("random-3", "greedy-p3", ""),
        ("polls", "million-polls", ""),
        ("more-polls", "ten-million-polls", ""),
    ])
    .up();
    assert_eq!(get(&server, "good", "/").status, 200);
    let before = server.memory_peak_mb();
    beside_a_neighbour(&server, || {
        let fault = |name: &str| {
            assert_eq!(get(&server, name, "/").status, 500, "{name}");
            server.logged("request", |line| line["component"] == name)["fault"].clone()
        };
        let random = fault("random");
        let message = random["message"].as_str().unwrap();
        assert!(
            message.contains("requested len 1099511627776 exceeds"),
            "{random}"
        );
        assert_eq!(fault("polls")["limit"], "handles");
        assert_eq!(fault("more-polls")["limit"], "call_data");
        // Of 0.3 it gets as many as are made in one call, which it may ask again.
        let some = get(&server, "random-3", "/random?n=1099511627776");
        assert_eq!(some.status, 200, "{}", some.text());
    });
    // The guests' own memory is the largest part: 80 MB.
    let after = server.memory_peak_mb();
    assert!(after < before + 300, "{before} MB, {after} MB");
}

/// More parts than an instance can have by any limit: the component does not load, its app goes on, and
/// nothing is made of them on the way.
#[test]
fn more_parts_than_there_can_be() {
    let cases = [
        ("memories", "hundred-memories", ""),
        ("started", "hundred-memories-that-start", ""),
        ("instances", "thousand-instances", ""),
        ("sound", "http-lab", ""),
    ];
    let server = host_of(&cases).up();
    assert_eq!(get(&server, "good", "/").status, 200);
    assert_eq!(get(&server, "sound", "/hello").status, 200);
    let before = server.memory_peak_mb();
    beside_a_neighbour(&server, || {
        for name in ["memories", "started", "instances"] {
            assert_eq!(get(&server, name, "/").status, 500, "{name}");
            let line = server.logged("request", |line| line["component"] == name);
            let message = line["fault"]["message"].as_str().unwrap();
            let expected = format!("component `limits/{name}` does not load");
            assert_eq!(message, expected, "{line}");
            assert_eq!(get(&server, "sound", "/hello").status, 200);
        }
    });
    // A hundred memories of 64 MiB are 6.7 GB.
    let after = server.memory_peak_mb();
    assert!(after < before + 500, "{before} MB, {after} MB");
}
