//! A 0.1 module at work.

use crate::{calls, flows, grants, used, wasi, watched, writable};
use holm_capabilities::State;
use holm_capabilities::stdio::{Capture, Stdio};
use holm_manifest::Value;
use holm_runtime::InstanceState;
use wasmtime::{Linker, Module, Store};

/// Writes "hello" to /data/out.txt (unless it cannot), reads /site/in.txt, and prints what it read.
/// Folder 3 is /data, folder 4 is /site: folders come sorted by the guest's path. Exports the error
/// numbers of opening the two.
const COPY: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "out.txt" "in.txt" "hello")
  (data (i32.const 32) "\0d\00\00\00\05\00\00\00")     ;; iovec: "hello"
  (data (i32.const 40) "\00\01\00\00\40\00\00\00")     ;; iovec: 64 bytes at 256
  (global (export "wrote") (mut i32) (i32.const -1))
  (global (export "opened") (mut i32) (i32.const -1))
  (func (export "run") (result i32)
    (drop (call $environ (i32.const 512) (i32.const 600)))
    ;; create | truncate, the rights to read and write
    (global.set 0 (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 7)
      (i32.const 9) (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 100)))
    (if (i32.eqz (global.get 0)) (then
      (if (call $write (i32.load (i32.const 100)) (i32.const 32) (i32.const 1) (i32.const 104))
        (then unreachable))
      (if (call $close (i32.load (i32.const 100))) (then unreachable))))
    (global.set 1 (call $open (i32.const 4) (i32.const 0) (i32.const 7) (i32.const 6)
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 100)))
    (if (i32.eqz (global.get 1)) (then
      (if (call $read (i32.load (i32.const 100)) (i32.const 40) (i32.const 1) (i32.const 104))
        (then unreachable))
      ;; print what was read
      (i32.store (i32.const 44) (i32.load (i32.const 104)))
      (if (call $write (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 104))
        (then unreachable))))
    (i32.load (i32.const 104))))"#;

async fn run(
    mut grants: holm_capabilities::Grants,
) -> (Store<State>, [i32; 3], Vec<String>, String) {
    let engine = crate::engine(false);
    let mut linker = Linker::<State>::new(&engine);
    holm_capabilities::wasi_0_1::link_module(&mut linker).unwrap();
    let capture = Capture::new("", 1 << 16);
    grants.stdio = Stdio::Capture(capture.clone());
    let (core, uses) = watched();
    let mut store = Store::new(&engine, State::module(&grants, core, wasi()).unwrap());
    let module = Module::new(&engine, wat::parse_str(COPY).unwrap()).unwrap();
    let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .unwrap();
    let size = run.call_async(&mut store, ()).await.unwrap();
    let codes = ["wrote", "opened"].map(|name| {
        let global = instance.get_global(&mut store, name).unwrap();
        global.get(&mut store).unwrap_i32()
    });
    let printed = String::from_utf8(capture.stdout.contents().to_vec()).unwrap();
    (store, [codes[0], codes[1], size], used(&uses), printed)
}

#[tokio::test]
async fn bytes_calls_and_uses_are_recorded() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(base.path().join("data")).unwrap();
    std::fs::create_dir_all(base.path().join("public")).unwrap();
    std::fs::write(base.path().join("public/in.txt"), "good morning").unwrap();
    let dirs = Value::table(vec![
        ("/data", writable("data")),
        ("/site", "public".into()),
    ]);
    let env = Value::table(vec![("GREETING", Value::string("hello"))]);
    let grants = grants(base.path(), &[("dirs", dirs), ("env", env)]);

    let (mut store, codes, used, printed) = run(grants).await;
    assert_eq!(codes, [0, 0, 12]);
    assert_eq!(printed, "good morning");
    assert_eq!(
        std::fs::read_to_string(base.path().join("data/out.txt")).unwrap(),
        "hello"
    );
    assert_eq!(flows(store.data_mut()), [12, 5, 0, 12]);
    assert_eq!(
        used,
        ["dirs /data write", "dirs /site read", "env GREETING"]
    );
    let calls = calls(store.data_mut());
    assert_eq!(calls["wasi_snapshot_preview1.path_open"], 2);
    assert_eq!(calls["wasi_snapshot_preview1.fd_write"], 2);
    assert_eq!(calls.len(), 5);
    assert_eq!(store.data_mut().core().denials.list(), []);
}

#[tokio::test]
async fn a_read_only_folder_refuses_and_says_what_would_allow() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(base.path().join("d")).unwrap();
    let dirs = Value::table(vec![("/data", Value::string("d"))]);
    let (mut store, codes, used, _) = run(grants(base.path(), &[("dirs", dirs)])).await;
    const PERM: i32 = 63;
    const BADF: i32 = 8;
    assert_eq!(codes[..2], [PERM, BADF]);
    assert_eq!(used, ["dirs /data read"]);
    let denials = store.data_mut().core().denials.list();
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].asked, "write in /data");
    assert_eq!(
        denials[0].line,
        r#"dirs = { "/data" = { path = "d", access = "write" } }"#
    );
    assert_eq!(denials[0].flag, "--dir d::/data");
}

#[tokio::test]
async fn a_module_without_memory_is_told_so() {
    let engine = crate::engine(false);
    let mut linker = Linker::<State>::new(&engine);
    holm_capabilities::wasi_0_1::link_module(&mut linker).unwrap();
    let grants = grants(&std::env::temp_dir(), &[]);
    let mut store = Store::new(
        &engine,
        State::module(&grants, watched().0, wasi()).unwrap(),
    );
    let text = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32)))
        (func (export "run") (result i32) (call $y)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .unwrap();
    let error = run.call_async(&mut store, ()).await.unwrap_err();
    assert!(format!("{error:?}").contains("missing required memory export"));
}
