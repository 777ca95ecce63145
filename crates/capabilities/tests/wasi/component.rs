//! A 0.2 component at work.

use crate::{calls, flows, grants, used, wasi, watched, writable};
use holm_capabilities::stdio::{Capture, Stdio};
use holm_capabilities::{Era, State, link_component};
use holm_manifest::Value;
use holm_runtime::InstanceState;
use wasmtime::Store;
use wasmtime::component::{Component, Linker};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// Just as much of WASI as the guest imports; the versions are older than what is linked.
const WIT: &str = r#"
package test:guest;

world guest {
    import wasi:filesystem/types@0.2.0;
    import wasi:filesystem/preopens@0.2.0;
    import wasi:cli/stdout@0.2.0;
    export run: func() -> u32;
}
"#;
const IO: &str = r#"
package wasi:io@0.2.0;
interface error { resource error; }
interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
    resource output-stream {
        blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
}
"#;
const FILESYSTEM: &str = r#"
package wasi:filesystem@0.2.0;
interface types {
    use wasi:io/streams@0.2.0.{input-stream, output-stream};
    flags path-flags { symlink-follow }
    flags open-flags { create, directory, exclusive, truncate }
    flags descriptor-flags {
        read, write, file-integrity-sync, data-integrity-sync, requested-write-sync,
        mutate-directory,
    }
    enum error-code {
        access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
        illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop,
        too-many-links, message-size, name-too-long, no-device, no-entry, no-lock,
        insufficient-memory, insufficient-space, not-directory, not-empty, not-recoverable,
        unsupported, no-tty, no-such-device, overflow, not-permitted, pipe, read-only,
        invalid-seek, text-file-busy, cross-device,
    }
    resource descriptor {
        read-via-stream: func(offset: u64) -> result<input-stream, error-code>;
        write-via-stream: func(offset: u64) -> result<output-stream, error-code>;
        read: func(length: u64, offset: u64) -> result<tuple<list<u8>, bool>, error-code>;
        open-at: func(path-flags: path-flags, path: string, open-flags: open-flags,
            %flags: descriptor-flags) -> result<descriptor, error-code>;
    }
}
interface preopens {
    use types.{descriptor};
    get-directories: func() -> list<tuple<descriptor, string>>;
}
"#;
const CLI: &str = r#"
package wasi:cli@0.2.0;
interface stdout {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stdout: func() -> output-stream;
}
"#;

/// Opens out.txt in the first folder and in.txt in the second; writes "hello" to the one, reads the
/// other once whole and once from its sixth byte, and prints what it read last. Returns the error
/// code of opening out.txt plus one, or 0.
const GUEST: &str = r#"(module
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $dirs (param i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
    (func $open (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.write-via-stream"
    (func $writer (param i32 i64 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read-via-stream"
    (func $reader (param i32 i64 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read"
    (func $read (param i32 i64 i64 i32)))
  (import "wasi:filesystem/types@0.2.0" "[resource-drop]descriptor" (func $drop (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read"
    (func $take (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $put (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $close (param i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "out.txt" "in.txt" "hello")
  (global $next (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "run") (result i32)
    (local $dir i32) (local $file i32) (local $stream i32)
    (call $dirs (i32.const 100))
    (local.set $dir (i32.load (i32.const 100)))
    ;; out.txt: create | truncate, write
    (call $open (i32.load (local.get $dir)) (i32.const 0) (i32.const 0) (i32.const 7)
      (i32.const 9) (i32.const 2) (i32.const 108))
    (if (i32.load8_u (i32.const 108))
      (then (return (i32.add (i32.load8_u (i32.const 112)) (i32.const 1)))))
    (local.set $file (i32.load (i32.const 112)))
    (call $writer (local.get $file) (i64.const 0) (i32.const 108))
    (if (i32.load8_u (i32.const 108)) (then unreachable))
    (local.set $stream (i32.load (i32.const 112)))
    (call $put (local.get $stream) (i32.const 13) (i32.const 5) (i32.const 116))
    (if (i32.load8_u (i32.const 116)) (then unreachable))
    (call $close (local.get $stream))
    (call $drop (local.get $file))
    ;; in.txt: read
    (call $open (i32.load offset=12 (local.get $dir)) (i32.const 0) (i32.const 7) (i32.const 6)
      (i32.const 0) (i32.const 1) (i32.const 108))
    (if (i32.load8_u (i32.const 108)) (then unreachable))
    (local.set $file (i32.load (i32.const 112)))
    (call $read (local.get $file) (i64.const 100) (i64.const 0) (i32.const 116))
    (if (i32.load8_u (i32.const 116)) (then unreachable))
    (call $reader (local.get $file) (i64.const 5) (i32.const 108))
    (if (i32.load8_u (i32.const 108)) (then unreachable))
    (call $take (i32.load (i32.const 112)) (i64.const 100) (i32.const 116))
    (if (i32.load8_u (i32.const 116)) (then unreachable))
    (call $put (call $stdout) (i32.load (i32.const 120)) (i32.load (i32.const 124))
      (i32.const 132))
    (i32.const 0)))"#;

fn guest() -> Vec<u8> {
    let mut resolve = Resolve::default();
    for (name, text) in [("io", IO), ("filesystem", FILESYSTEM), ("cli", CLI)] {
        resolve.push_str(name, text).unwrap();
    }
    let package = resolve.push_str("guest", WIT).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(GUEST).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

async fn run(
    era: Era,
    mut grants: holm_capabilities::Grants,
) -> (Store<State>, u32, Vec<String>, String) {
    let engine = crate::engine(era == Era::P3);
    let mut linker = Linker::<State>::new(&engine);
    link_component(&mut linker, era).unwrap();
    let capture = Capture::new("", 1 << 16);
    grants.stdio = Stdio::Capture(capture.clone());
    let (core, uses) = watched();
    let mut store = Store::new(&engine, State::component(&grants, core, wasi()).unwrap());
    let component = Component::new(&engine, guest()).unwrap();
    let instance = linker
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    let run = instance
        .get_typed_func::<(), (u32,)>(&mut store, "run")
        .unwrap();
    let (code,) = run.call_async(&mut store, ()).await.unwrap();
    let printed = String::from_utf8(capture.stdout.contents().to_vec()).unwrap();
    (store, code, used(&uses), printed)
}

#[tokio::test]
async fn bytes_calls_and_uses_are_recorded() {
    for era in [Era::P2, Era::P3] {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("data")).unwrap();
        std::fs::create_dir_all(base.path().join("public")).unwrap();
        std::fs::write(base.path().join("public/in.txt"), "good morning").unwrap();
        let dirs = Value::table(vec![
            ("/data", writable("data")),
            ("/site", "public".into()),
        ]);
        let (mut store, code, used, printed) =
            run(era, grants(base.path(), &[("dirs", dirs)])).await;

        assert_eq!(code, 0);
        assert_eq!(printed, "morning");
        assert_eq!(
            std::fs::read_to_string(base.path().join("data/out.txt")).unwrap(),
            "hello"
        );
        assert_eq!(flows(store.data_mut()), [12 + 7, 5, 0, 7]);
        assert_eq!(used, ["dirs /data write", "dirs /site read"]);
        let calls = calls(store.data_mut());
        assert_eq!(calls["wasi:filesystem/types.[method]descriptor.open-at"], 2);
        assert_eq!(calls["wasi:filesystem/types.[resource-drop]descriptor"], 1);
        assert_eq!(calls["wasi:cli/stdout.get-stdout"], 1);
        assert_eq!(calls.len(), 10);
    }
}

#[tokio::test]
async fn a_read_only_folder_refuses_and_says_what_would_allow() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(base.path().join("d")).unwrap();
    let dirs = Value::table(vec![("/data", Value::string("d"))]);
    let (mut store, code, used, _) = run(Era::P2, grants(base.path(), &[("dirs", dirs)])).await;
    const NOT_PERMITTED: u32 = 31;
    assert_eq!(code, NOT_PERMITTED + 1);
    assert_eq!(used, ["dirs /data read"]);
    let denials = store.data_mut().core().denials.list();
    assert_eq!(denials.len(), 1);
    assert_eq!(
        denials[0].line,
        r#"dirs = { "/data" = { path = "d", access = "write" } }"#
    );
}
