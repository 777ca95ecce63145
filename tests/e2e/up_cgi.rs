//! `cgi = true`: programs that find the request in their environment and print the answer.

use crate::app::*;
use crate::support::*;

/// Functions of WASI, and one that prints a piece of memory.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $arg_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (func $print (param $at i32) (param $size i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $size)))
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $size))
        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $exit (i32.const 70))))
        (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
        (local.set $size (i32.sub (local.get $size) (i32.load (i32.const 8))))
        (br $more))))
"#;

/// A program that prints a text and does more.
fn program(text: &str, more: &str) -> String {
    let data: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        "(module {PRELUDE}\n  (data (i32.const 1024) \"{data}\")\n  (func (export \"_start\")\n    \
         (call $print (i32.const 1024) (i32.const {}))\n{more}))",
        text.len()
    )
}

/// Copies standard input to standard output.
const ECHO: &str = r#"
    (loop $next
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (i32.const 65536))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then
          (call $print (i32.const 65536) (i32.load (i32.const 8)))
          (br $next))))"#;

/// Prints the environment and the arguments, a NUL behind each.
const TOLD: &str = r#"
    (drop (call $sizes (i32.const 16) (i32.const 20)))
    (drop (call $environ (i32.const 4096) (i32.const 65536)))
    (call $print (i32.const 65536) (i32.load (i32.const 20)))
    (drop (call $arg_sizes (i32.const 16) (i32.const 20)))
    (drop (call $args (i32.const 4096) (i32.const 65536)))
    (call $print (i32.const 65536) (i32.load (i32.const 20)))"#;

const HEAD: &str = "Content-Type: text/plain\n\n";

/// An app of programs: a route for each, `/NAME/...`.
fn app(programs: &[(&str, String)]) -> App {
    let mut manifest = "name = \"gateway\"\n".to_owned();
    for (name, _) in programs {
        manifest += &format!(
            "\n[component.{name}]\nsource = \"{name}.wat\"\n\n\
             [[http]]\nroute = \"/{name}/...\"\ncomponent = \"{name}\"\ncgi = true\n"
        );
    }
    let app = App::new(&manifest);
    for (name, text) in programs {
        app.dir().write(format!("{name}.wat"), text);
    }
    app
}

#[test]
fn bodies_go_both_ways() {
    let head = "Status: 201 Made\r\nX-Echo: yes\r\nContent-Type: text/plain\r\n\r\n";
    let app = app(&[("echo", program(head, ECHO))]);
    app.check().is(0);
    let server = app.up();
    let ask = |body: Vec<u8>| server.request(http::Request::post("/echo/a").body(body).unwrap());
    let reply = ask(b"hello".to_vec());
    assert_eq!((reply.status, reply.text()), (201, "hello".into()));
    assert_eq!(reply.header("x-echo"), "yes");
    assert_eq!(server.get("/echo").text(), "");
    // More than any pipe holds, there and back.
    let much: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert!(ask(much.clone()).body == much.as_slice());
    let line = server.logged("request", |line| line["bytes_out"] == 3_000_000);
    assert_eq!(line["receipt"]["component"], "echo");
    // A body whose length nobody said is counted before the program starts.
    let chunked = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = crate::client::raw(server.addr(), chunked);
    assert!(
        crate::client::dechunked(&answer)
            .unwrap()
            .ends_with("abcde")
    );
}

#[test]
fn what_a_program_is_told() {
    let app = app(&[("told", program(HEAD, TOLD))]);
    app.edit(
        "source = \"told.wat\"",
        "source = \"told.wat\"\ngrants.env = { MODE = \"fast\" }",
    );
    let server = app.up();
    let request = http::Request::post("/told/a%20b?x=1&y")
        .header("content-type", "text/x")
        .header("x-own", "mine")
        .header("authorization", "Bearer secret");
    let reply = server.request(request.body(b"12345".to_vec()).unwrap());
    let text = reply.text();
    let told: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    for line in [
        "GATEWAY_INTERFACE=CGI/1.1",
        "REQUEST_METHOD=POST",
        "SCRIPT_NAME=/told",
        "PATH_INFO=/a b",
        "QUERY_STRING=x=1&y",
        "CONTENT_TYPE=text/x",
        "CONTENT_LENGTH=5",
        "HTTP_X_OWN=mine",
        "REMOTE_ADDR=127.0.0.1",
        "X_MATCHED_ROUTE=/told/...",
        // What was granted is there too.
        "MODE=fast",
    ] {
        assert!(told.contains(&line), "no {line} in {told:?}");
    }
    assert!(!text.contains("secret"), "{text}");
    assert!(told.ends_with(&["/told/a%20b", "x", "1", "y"]), "{told:?}");
}

#[test]
fn what_is_no_answer() {
    let app = app(&[
        ("plain", program("hello\n\n", "")),
        ("silent", program("", "")),
        ("exits", program("", "(call $exit (i32.const 3))")),
        ("traps", program("A: b\n", "(unreachable)")),
        ("well", program(HEAD, "(call $exit (i32.const 0))")),
        (
            "late",
            program(&format!("{HEAD}begun"), "(call $exit (i32.const 4))"),
        ),
    ]);
    let server = app.up();
    for (name, code, cause) in [
        (
            "plain",
            "no-answer",
            "no head of CGI: line 1 is no header field: `hello`",
        ),
        ("silent", "no-answer", "it ended before the empty line"),
        ("exits", "guest-failed", "exits exited with code 3"),
        ("traps", "guest-failed", "unreachable"),
    ] {
        let (status, said, line) = server.fault(&format!("/{name}"));
        assert!(status >= 500, "{name}: {status}");
        let told = line.to_string();
        assert!(told.contains(cause), "{name}: {code} {said} {told}");
    }
    // An exit with success is how many programs end.
    assert_eq!(server.get("/well").status, 200);
    // What fails in the middle of its answer must not look whole.
    let broken = server.try_request(http::Request::get("/late").body(Vec::new()).unwrap());
    assert!(broken.is_err(), "{broken:?}");
    server.logged("request", |line| {
        line["path"] == "/late" && line.to_string().contains("exited with code 4")
    });
}

/// Components are programs too, and a route that takes none is refused before anything runs.
#[test]
fn which_components_may_answer() {
    let hello = App::of("hello-p2", "").and("");
    hello.edit("component = \"lab\"", "component = \"lab\"\ncgi = true");
    hello.check().is(0);
    let (_, _, line) = hello.up().fault("/");
    assert!(
        line.to_string().contains("it ended before the empty line"),
        "{line}"
    );
    let service = App::of("http-hello", "");
    service.edit("component = \"lab\"", "component = \"lab\"\ncgi = true");
    shot!("cgi_no_program", service.check().is(2).stderr);
    let program = App::of("hello-p1", "");
    shot!("cgi_not_said", program.check().is(2).stderr);
}

/// Spin's name for it.
#[test]
fn wagi() {
    let app = App::spin(
        "spin_manifest_version = 2\n[application]\nname = \"old\"\n\n\
         [[trigger.http]]\nroute = \"/old/...\"\ncomponent = \"old\"\n\
         executor = { type = \"wagi\" }\n\n[component.old]\nsource = \"old.wat\"\n",
    );
    app.dir().write("old.wat", program(HEAD, TOLD));
    let server = app.up();
    let told = server.get("/old/x").text();
    assert!(told.contains("X_COMPONENT_ROUTE=/old\0"), "{told}");
    assert!(told.contains("PATH_INFO=/x\0"), "{told}");
}
