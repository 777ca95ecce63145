//! `--invoke`: one exported function, its arguments and results as text.

use crate::support::*;

fn greet(call: &str) -> Output {
    run().args(["--invoke", call]).arg(guest("greet")).run()
}

#[test]
fn values_of_each_kind() {
    greet(r#"greet("Ada")"#).prints("\"Hello, Ada!\"\n");
    greet(r#"greet("\"ä€\n")"#).prints("\"Hello, \\\"ä€\\n!\"\n");
    greet("add(1, 2)").prints("3\n");
    greet("add(4294967295, 1)").prints("0\n");
    greet("sum([1, 2.5, -3])").prints("0.5\n");
    // As Rust sums nothing.
    greet("sum([])").prints("-0\n");
    greet("divide(7, 2)").prints("ok(3)\n");
    greet("divide(7, 0)").prints("err(\"7 cannot be divided by 0\")\n");
    greet("midpoint({x: 0, y: 2}, {x: 4, y: 4})").prints("{x: 2, y: 3}\n");
    greet("area(rectangle(({x: 0, y: 0}, {x: 2, y: 3})))").prints("6\n");
    greet("area(dot)").prints("0\n");
}

#[test]
fn a_function_that_fails() {
    let out = greet(r#"fail("on purpose")"#);
    out.is(134)
        .says("on purpose")
        .says("guest failed: greet trapped: ");
    assert_eq!(out.stdout, "");
}

#[test]
fn calls_that_do_not_fit() {
    let wrong = |name: &str, call: &str| {
        let out = greet(call);
        out.is(2);
        assert_eq!(out.stdout, "");
        shot!(name, out.stderr);
    };
    wrong("invoke_nearly", r#"gret("Ada")"#);
    wrong("invoke_nothing_like_it", "frobnicate()");
    wrong("invoke_too_few", "add(1)");
    wrong("invoke_too_many", "add(1, 2, 3)");
    wrong("invoke_wrong_type", r#"add("one", 2)"#);
    wrong("invoke_out_of_range", "add(-1, 2)");
    wrong(
        "invoke_no_such_field",
        "midpoint({x: 0, z: 2}, {x: 4, y: 4})",
    );
    wrong("invoke_no_such_case", "area(triangle)");
    wrong("invoke_no_call", "add 1 2");
    wrong("invoke_unfinished", "greet(\"Ada");
    wrong("invoke_empty", "");
}

#[test]
fn functions_of_a_core_module() {
    let scratch = Scratch::new();
    let math = scratch.write(
        "math.wat",
        r#"(module
             (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
             (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
             (func (export "big") (result i64) (i64.const -9223372036854775808))
             (func (export "nothing"))
             (func (export "two") (result i32 i32) (i32.const 1) (i32.const 2))
             (func (export "quotient") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))"#,
    );
    let call = |call: &str| run().args(["--invoke", call]).arg(&math).run();
    call("add(40, 2)").prints("42\n");
    call("add(-1, -2)").prints("-3\n");
    call("half(5)").prints("2.5\n");
    call("half(1e300)").prints(&format!("{}\n", 0.5e300));
    call("big()").prints("-9223372036854775808\n");
    call("nothing()").prints("");
    call("two()").prints("1\n2\n");
    call("quotient(1, 0)")
        .is(134)
        .says("integer divide by zero");
    for (name, text) in [
        ("module_nearly", "ad(1, 2)"),
        ("module_too_few", "add(1)"),
        ("module_no_number", "add(one, 2)"),
        ("module_out_of_range", "add(5000000000, 2)"),
        ("module_no_call", "add(1, 2"),
    ] {
        let out = call(text);
        out.is(2);
        shot!(name, out.stderr);
    }
}

#[test]
fn limits_and_receipts_hold_for_calls_too() {
    let out = run()
        .args([
            "--receipt",
            "--json",
            "--invoke",
            "add(1, 2)",
            "--cpu",
            "10 s",
        ])
        .arg(guest("greet"))
        .run();
    out.is(0);
    assert_eq!(out.stdout, "3\n");
    let receipt: serde_json::Value = serde_json::from_str(out.stderr.trim()).unwrap();
    assert_eq!(receipt["component"], "greet");
}
