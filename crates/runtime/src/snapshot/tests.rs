//! Each shape that is refused, by its reason; and images that behave as their originals do.

use super::*;
use crate::engines::{Engines, Proposals};
use proptest::prelude::*;
use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Config, Store};

fn snapshot(wat: &str) -> Result<Image, Refused> {
    let binary = wat::parse_str(wat).unwrap();
    let proposals = match wasmparser::Parser::is_component(&binary) {
        true => Proposals::needed_by(&binary).unwrap(),
        false => Proposals::default(),
    };
    take(&binary, &Engines::for_start(proposals).unwrap())
}

fn reason(wat: &str) -> String {
    match snapshot(wat) {
        Ok(_) => panic!("it was not refused"),
        Err(refused) => refused.to_string(),
    }
}

/// A component around one module, whose start function has this body.
fn starting(fields: &str, body: &str) -> String {
    format!(
        r#"(component
            (core module $m {fields} (func $start {body}) (start $start))
            (core instance (instantiate $m)))"#
    )
}

/// Calls `name: func() -> u32` in a fresh instance, as often as asked.
fn calls(component: &[u8], name: &str, times: usize) -> Vec<u32> {
    let engine = wasmtime::Engine::new(&Config::new()).unwrap();
    let component = Component::new(&engine, component).unwrap();
    let mut store = Store::new(&engine, ());
    let instance: Instance = Linker::new(&engine)
        .instantiate(&mut store, &component)
        .unwrap();
    let function = instance
        .get_typed_func::<(), (u32,)>(&mut store, name)
        .unwrap();
    (0..times)
        .map(|_| function.call(&mut store, ()).unwrap().0)
        .collect()
}

/// What a function of the original and of its image give; they must be the same.
fn both(wat: &str, name: &str, times: usize) -> Vec<u32> {
    let image = snapshot(wat).unwrap();
    let original = calls(&wat::parse_str(wat).unwrap(), name, times);
    assert_eq!(calls(&image.component, name, times), original);
    // What one instance wrote, the next does not see.
    assert_eq!(calls(&image.component, name, times), original);
    original
}

/// A start function that counts itself, in memory and in a global; `count` adds one and tells both.
const COUNTER: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (global $g (mut i64) (i64.const 40))
        (data (i32.const 8) "\05")
        (func $bump
            (global.set $g (i64.add (global.get $g) (i64.const 1)))
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))))
        (func (export "count") (result i32)
            call $bump
            (i32.add
                (i32.mul (i32.const 100) (i32.wrap_i64 (global.get $g)))
                (i32.load (i32.const 8))))
        (start $bump))
    (core instance $i (instantiate $m))
    (func (export "count") (result u32) (canon lift (core func $i "count"))))"#;

#[test]
fn a_start_function_runs_once_and_not_again_on_the_image() {
    assert_eq!(both(COUNTER, "count", 3), [4207, 4308, 4409]);
}

#[test]
fn an_image_has_nothing_left_to_start() {
    let image = snapshot(COUNTER).unwrap();
    assert_eq!(image.memory, 64 << 10);
    let engine = Engines::for_start(Proposals::default()).unwrap();
    let again = take(&image.component, &engine).unwrap_err();
    assert_eq!(again, Refused::NothingToStart);
}

/// An allocator that takes memory for each block and gives nothing back.
const ALLOCATOR: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (global $end (mut i32) (i32.const 65536))
        (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $end))
            (global.set $end (i32.add (global.get $end) (local.get 3)))
            (loop $more
                (if (i32.gt_u (global.get $end) (i32.shl (memory.size) (i32.const 16)))
                    (then (drop (memory.grow (i32.const 1))) (br $more))))
            local.get $at)
        (func (export "size") (result i32) memory.size))
    (core instance $i (instantiate $m))
    (func (export "size") (result u32) (canon lift (core func $i "size"))))"#;

#[test]
fn an_allocator_has_its_first_memory_already() {
    let image = snapshot(ALLOCATOR).unwrap();
    let before = calls(&wat::parse_str(ALLOCATOR).unwrap(), "size", 1);
    let after = calls(&image.component, "size", 1);
    assert_eq!(before, [1]);
    assert!(after[0] > 4, "{after:?}");
    assert_eq!(u64::from(after[0]) << 16, image.memory);
}

/// Something else of the allocator's name is left alone.
#[test]
fn a_function_that_is_no_allocator_is_not_called() {
    let wat = r#"(component (core module $m (memory 1)
        (func (export "cabi_realloc") unreachable)) (core instance (instantiate $m)))"#;
    snapshot(wat).unwrap();
}

/// Two modules, one memory: what an adapter's data and the start wrote there is in the image, and is
/// not written a second time.
#[test]
fn modules_that_share_a_memory() {
    let wat = r#"(component
        (core module $main
            (memory (export "memory") 1)
            (data (i32.const 0) "\01")
            (func (export "get") (result i32) (i32.load (i32.const 0))))
        (core module $adapter
            (import "env" "memory" (memory 1))
            (global $calls (mut i32) (i32.const 0))
            (data (i32.const 1) "\02")
            (func $start
                (global.set $calls (i32.const 7))
                (i32.store8 (i32.const 1) (i32.const 3))
                (i32.store8 (i32.const 2) (global.get $calls)))
            (start $start))
        (core instance $i (instantiate $main))
        (core instance $env (export "memory" (memory $i "memory")))
        (core instance (instantiate $adapter (with "env" (instance $env))))
        (func (export "get") (result u32) (canon lift (core func $i "get"))))"#;
    assert_eq!(both(wat, "get", 1), [0x07_03_01]);
}

/// Passive segments keep their numbers, which instructions name.
#[test]
fn segments_that_are_used_later() {
    let wat = r#"(component
        (core module $m
            (memory 1)
            (data (i32.const 0) "first")
            (data $late "\2a")
            (func $start (i32.store8 (i32.const 100) (i32.const 1)))
            (func (export "get") (result i32)
                (memory.init $late (i32.const 200) (i32.const 0) (i32.const 1))
                (i32.add (i32.load8_u (i32.const 200)) (i32.load8_u (i32.const 100))))
            (start $start))
        (core instance $i (instantiate $m))
        (func (export "get") (result u32) (canon lift (core func $i "get"))))"#;
    assert_eq!(both(wat, "get", 2), [43, 43]);
}

/// Tables are filled by their segments as before, and functions in them are called.
#[test]
fn tables_are_filled_as_before() {
    let wat = r#"(component
        (core module $m
            (table 4 funcref)
            (memory 1)
            (type $f (func (result i32)))
            (func $five (result i32) i32.const 5)
            (elem (i32.const 2) func $five)
            (func $start (i32.store (i32.const 0) (call_indirect (type $f) (i32.const 2))))
            (func (export "get") (result i32)
                (i32.add (i32.load (i32.const 0)) (call_indirect (type $f) (i32.const 2))))
            (start $start))
        (core instance $i (instantiate $m))
        (func (export "get") (result u32) (canon lift (core func $i "get"))))"#;
    assert_eq!(both(wat, "get", 1), [10]);
}

#[test]
fn a_core_module_is_no_component() {
    assert_eq!(reason("(module)"), "the start of a core module is its run");
}

#[test]
fn nothing_runs_before_it_is_called() {
    let wat = r#"(component (core module $m (memory 1) (func (export "f")))
        (core instance (instantiate $m)))"#;
    assert_eq!(reason(wat), "nothing in it runs before it is called");
}

#[test]
fn shapes_that_are_refused_are_named() {
    let table = "(table 1 funcref) (func $f) (elem declare func $f)";
    let cases = [
        (
            "(component (component (core module)))".to_owned(),
            "it has a component in it with a module of its own",
        ),
        (
            r#"(component (core module $m (func $s) (start $s))
                (core instance (instantiate $m)) (core instance (instantiate $m)))"#
                .to_owned(),
            "it has a module that is instantiated twice",
        ),
        (
            r#"(component (import "m" (core module)))"#.to_owned(),
            "it has a module from outside",
        ),
        (
            r#"(component (import "c" (component)))"#.to_owned(),
            "it has a component from outside",
        ),
        (
            starting(table, "(table.set (i32.const 0) (ref.func $f))"),
            "it has the instruction table.set",
        ),
        (
            starting(table, "(table.grow (ref.null func) (i32.const 1)) drop"),
            "it has the instruction table.grow",
        ),
        (
            starting(r#"(memory 1) (data $d "x")"#, "data.drop $d"),
            "it has the instruction data.drop",
        ),
        (
            starting("(global (mut funcref) (ref.null func))", "nop"),
            "it has a global variable that holds a reference",
        ),
        (
            starting("(memory 1 1 shared)", "nop"),
            "it has memory that threads share",
        ),
    ];
    for (wat, expected) in cases {
        assert_eq!(reason(&wat), expected, "{wat}");
    }
}

#[test]
fn starts_that_fail_are_named() {
    let cases = [
        (
            starting("", "unreachable"),
            "it fails while it starts: wasm trap: wasm `unreachable` instruction executed",
        ),
        (
            starting("", "(loop $l (br $l))"),
            "its start takes more than 500000000 instructions",
        ),
        (
            starting("(memory 1)", "(drop (memory.grow (i32.const 2000)))"),
            "it fails while it starts: it takes more than 64 MiB of memory",
        ),
        (
            starting(
                "(memory 400)",
                "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 20000000) (i32.const 1))",
            ),
            "its started memory spans more than 16 MiB",
        ),
    ];
    for (wat, expected) in cases {
        assert_eq!(reason(&wat), expected, "{wat}");
    }
}

/// A start that reads a clock would freeze its time into every instance.
#[test]
fn a_start_that_calls_the_host_is_refused_by_name() {
    let wat = r#"(component
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (export "now" (func (result u64)))))
        (core func $now (canon lower (func $clock "now")))
        (core module $m
            (import "clock" "now" (func $now (result i64)))
            (func $start (drop (call $now)))
            (start $start))
        (core instance $c (export "now" (func $now)))
        (core instance (instantiate $m (with "clock" (instance $c)))))"#;
    assert_eq!(
        reason(wat),
        "it calls wasi:clocks/monotonic-clock@0.2.0.now while it starts"
    );
}

/// A handle lies in the host, where an image does not reach.
#[test]
fn a_start_that_makes_a_handle_is_refused() {
    let wat = r#"(component
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m
            (import "r" "new" (func $new (param i32) (result i32)))
            (func $start (drop (call $new (i32.const 1))))
            (start $start))
        (core instance $c (export "new" (func $new)))
        (core instance (instantiate $m (with "r" (instance $c)))))"#;
    assert_eq!(
        reason(wat),
        "it calls the component model's resource-new while it starts"
    );
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    let engine = Engines::for_start(Proposals::default()).unwrap();
    let large = vec![0; FILE_BYTES_MAX + 1];
    let refused = take(&large, &engine).unwrap_err();
    assert_eq!(refused.to_string(), "it is larger than 4 MiB");
}

#[test]
fn an_image_above_the_memory_limit_is_not_used() {
    let start = Start::Snapshot { memory: 3 << 20 };
    assert!(start.clone().within(Some(3 << 20)).is_snapshot());
    assert_eq!(
        start.clone().within(Some(2 << 20)).to_string(),
        "ordinary, because its image has 3 MiB of memory and its limit is 2 MiB"
    );
    assert_eq!(
        start.within(None).to_string(),
        "ordinary, because no image was asked for"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in memory, its stretches put onto zeros are the memory again.
    #[test]
    fn stretches_of_a_memory_are_all_of_it(
        writes in prop::collection::vec((0usize..200_000, prop::collection::vec(any::<u8>(), 1..40)), 0..60),
        dense in any::<bool>(),
    ) {
        let mut memory = vec![0u8; 4 * 65_536];
        for (at, bytes) in &writes {
            memory[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        if dense {
            // More stretches than an image may have segments, so that gaps have to be closed.
            memory.iter_mut().step_by(48).for_each(|byte| *byte = 1);
        }
        let mut again = vec![0u8; memory.len()];
        let mut behind = 0;
        for (start, bytes) in rewrite::runs(&memory).unwrap() {
            prop_assert!(start >= behind);
            behind = start + bytes.len();
            again[start..behind].copy_from_slice(bytes);
        }
        prop_assert!(again == memory);
    }

    /// Values of every type come back bit by bit.
    #[test]
    fn globals_keep_their_bits(a in any::<i32>(), b in any::<i64>(), c in any::<u32>(), d in any::<u64>()) {
        let wat = format!(
            r#"(component (core module $m
                (memory (export "memory") 1)
                (global $a (mut i32) (i32.const 0))
                (global $const i32 (i32.const 3))
                (global $b (mut i64) (i64.const 0))
                (global $c (mut f32) (f32.const 0))
                (global $d (mut f64) (f64.const 0))
                (global $e (mut v128) (v128.const i64x2 0 0))
                (func $start
                    (global.set $a (i32.const {a}))
                    (global.set $b (i64.const {b}))
                    (global.set $c (f32.reinterpret_i32 (i32.const {c})))
                    (global.set $d (f64.reinterpret_i64 (i64.const {d})))
                    (global.set $e (i64x2.splat (i64.const {b}))))
                (func (export "hash") (result i32) (local $h i64)
                    (local.set $h (i64.extend_i32_u (global.get $a)))
                    (local.set $h (i64.xor (i64.rotl (local.get $h) (i64.const 7)) (global.get $b)))
                    (local.set $h (i64.xor (i64.rotl (local.get $h) (i64.const 7))
                        (i64.extend_i32_u (i32.reinterpret_f32 (global.get $c)))))
                    (local.set $h (i64.xor (i64.rotl (local.get $h) (i64.const 7))
                        (i64.reinterpret_f64 (global.get $d))))
                    (local.set $h (i64.xor (i64.rotl (local.get $h) (i64.const 7))
                        (i64x2.extract_lane 1 (global.get $e))))
                    (i32.xor (global.get $const)
                        (i32.xor (i32.wrap_i64 (local.get $h))
                            (i32.wrap_i64 (i64.shr_u (local.get $h) (i64.const 32))))))
                (start $start))
            (core instance $i (instantiate $m))
            (func (export "hash") (result u32) (canon lift (core func $i "hash"))))"#,
        );
        both(&wat, "hash", 1);
    }
}
