//! Data that crosses: more of it than registers hold, on either kind of engine, and to a callee in a
//! task of its own.

use super::*;
use crate::values::tests::guest::MODULE;
use crate::values::tests::random::Random;
use crate::values::{Signatures, Value};

/// So many numbers that nothing behind them fits registers.
const BEFORE: &str = "u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64";

/// What makes a component one of an engine with concurrency.
const NEWER: &str = "(type (stream u8))";

/// What puts a callee into a task of its own: an async function beside the others.
const APART: &str = r#"
    (core module $nothing (func (export "f")))
    (core instance $nothing (instantiate $nothing))
    (func $more async (canon lift (core func $nothing "f")))"#;

/// Gives back what it is given.
fn callee(ty: &str, newer: bool, apart: bool) -> String {
    format!(
        r#"(component {MODULE} {}
            (func $echo (param "v" {ty}) (result {ty})
                (canon lift (core func $i "echo")
                    (memory $memory) (realloc (core func $realloc))))
            {}
            (instance $api (export "echo" (func $echo)) {})
            (export "test:x/b" (instance $api)))"#,
        if newer { NEWER } else { "" },
        if apart { APART } else { "" },
        if apart {
            r#"(export "more" (func $more))"#
        } else {
            ""
        },
    )
}

/// Passes on what it is given, and gives back what it gets.
fn caller(ty: &str, newer: bool, apart: bool) -> String {
    format!(
        r#"(component {MODULE} {}
            (import "test:x/b" (instance $other
                (export "echo" (func (param "v" {ty}) (result {ty}))) {}))
            (core func $echo (canon lower (func $other "echo")
                (memory $memory) (realloc (core func $realloc))))
            (core module $n
                (import "" "echo" (func $echo (param i32 i32)))
                (func (export "run") (param i32) (result i32)
                    (call $echo (local.get 0) (i32.const 16)) (i32.const 16)))
            (core instance $j (instantiate $n
                (with "" (instance (export "echo" (func $echo))))))
            (func (export "run") (param "v" {ty}) (result {ty})
                (canon lift (core func $j "run")
                    (memory $memory) (realloc (core func $realloc)))))"#,
        if newer { NEWER } else { "" },
        if apart {
            r#"(export "more" (func async))"#
        } else {
            ""
        },
    )
}

#[test]
fn what_fits_no_registers_crosses_between_engines_of_each_kind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut random = Random(11);
    for more in [
        "(list u8)",
        "(list (list f64)) string",
        "(map string (list u32))",
        "(list s16 5) (option (list (tuple u8 char) 2))",
    ] {
        let ty = format!("(tuple {BEFORE} {more})");
        for (newer_caller, newer_callee, apart) in [
            (false, false, false),
            (false, true, false),
            (true, false, false),
            (true, true, false),
            (true, true, true),
        ] {
            let room = Room::new();
            let text = callee(&ty, newer_callee, apart);
            let other = room.callee("other", &text, &[], Allowance::UNLIMITED);
            assert_eq!(other.prepared.artifact.key.concurrency, newer_callee);
            let text = caller(&ty, newer_caller, apart);
            let web = room.prepare("web", &text, &[("test:x/b", &other)]).unwrap();
            assert_eq!(web.artifact.key.concurrency, newer_caller);
            let binary = wat::parse_str(&text).unwrap();
            let signatures = Signatures::of_binary(&binary, None).unwrap();
            let run = signatures.find("run").unwrap();
            for _ in 0..8 {
                let value: Value = random.value(&run.params[0].ty);
                let make: MakeState<State> =
                    Arc::new(|| Ok(state("web", Budget::new(Allowance::UNLIMITED))));
                let outcome = runtime.block_on(web.call(run, vec![value.clone()], make));
                assert_eq!(outcome.result.unwrap(), Some(value), "{ty}");
                let receipt = outcome.receipt.unwrap();
                assert_eq!(receipt.calls["test:x/b"]["echo"].count, 1);
            }
        }
    }
}
