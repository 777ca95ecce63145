//! `holm call`: what can be called, arguments and results in each notation, every way to fail.

use crate::support::*;

/// `holm call` of a guest, to be continued.
fn call(name: &str) -> Command {
    holm().arg("call").arg(guest(name))
}

fn values(words: &[&str]) -> Output {
    call("values-lab").args(words).run()
}

#[test]
fn a_string_needs_no_quotes() {
    let greet = |words: &[&str]| call("greet").args(words).run();
    greet(&["greet", "Ada"]).prints("\"Hello, Ada!\"\n");
    greet(&["greet", "\"Ada\""]).prints("\"Hello, Ada!\"\n");
    greet(&["greet", "two words"]).prints("\"Hello, two words!\"\n");
    greet(&["greet", "Ada", "-o", "json"]).prints("\"Hello, Ada!\"\n");
    greet(&["greet", "--json", "[\"Ada\"]"]).prints("\"Hello, Ada!\"\n");
    greet(&["add", "1", "2"]).prints("3\n");
    greet(&["midpoint", "{x: 0, y: 2}", "{\"x\": 4, \"y\": 4}"]).prints("{x: 2, y: 3}\n");
    greet(&["area", "dot"]).prints("0\n");
    greet(&["area", "rectangle(({x: 0, y: 0}, {x: 2, y: 3}))"]).prints("6\n");
    greet(&["area", "{\"circle\": 0}"]).prints("0\n");
    greet(&["sum", "[1, 2.5, -3]"]).prints("0.5\n");
    greet(&["divide", "--", "-7", "2"]).prints("ok(-3)\n");
    greet(&["divide", "-7", "2"]).prints("ok(-3)\n");
}

#[test]
fn an_err_is_printed_and_is_a_failure() {
    let out = call("greet").args(["divide", "7", "0"]).run();
    out.is(1);
    assert_eq!(out.stdout, "err(\"7 cannot be divided by 0\")\n");
    assert_eq!(out.stderr, "");
    let out = call("greet")
        .args(["divide", "--json", "{\"a\": 7, \"b\": 0}"])
        .run();
    out.is(1);
    assert_eq!(out.stdout, "{\"err\":\"7 cannot be divided by 0\"}\n");
}

#[test]
fn each_type_there_and_back() {
    let same = |function: &str, wave: &str, json: &str| {
        let by_json = format!("[{json}]");
        values(&[function, wave]).prints(&format!("{wave}\n"));
        values(&[function, "--json", &by_json]).prints(&format!("{json}\n"));
        values(&[function, "--json", &by_json, "-o", "wave"]).prints(&format!("{wave}\n"));
        values(&[function, wave, "-o", "json"]).prints(&format!("{json}\n"));
    };
    same("truth", "true", "true");
    same("letter", "'\\u{0}'", "\"\\u0000\"");
    same("letter", "'😀'", "\"😀\"");
    same("bytes", "[0, 255]", "\"AP8=\"");
    same(
        "doubles",
        "[0.1, nan, -inf, -0]",
        "[0.1,\"nan\",\"-inf\",-0.0]",
    );
    same("texts", "[\"a\", \"\"]", "[\"a\",\"\"]");
    same("table", "[[1, 2], [], [3]]", "[[1,2],[],[3]]");
    same("perhaps", "none", "null");
    same("perhaps", "some(none)", "{\"some\":null}");
    same("perhaps", "some(some(7))", "{\"some\":7}");
    same("outcome", "ok(1)", "{\"ok\":1}");
    same("point-of", "{x: 1.5, y: -2}", "{\"x\":1.5,\"y\":-2.0}");
    same("color-of", "sky-blue", "\"sky-blue\"");
    same("may", "{}", "[]");
    same("may", "{read, run-as-root}", "[\"read\",\"run-as-root\"]");
    same("shape-of", "dot", "\"dot\"");
    same("shape-of", "circle(0.5)", "{\"circle\":0.5}");
    same(
        "order-of",
        "{id: 18446744073709551615, items: [{name: \"pen\", price: 1, tags: [\"a\"]}], paid: ok(3)}",
        "{\"id\":\"18446744073709551615\",\"items\":[{\"name\":\"pen\",\"price\":1,\"tags\":[\"a\"],\
         \"note\":null}],\"paid\":{\"ok\":3}}",
    );
    values(&[
        "numbers",
        "-128",
        "255",
        "-32768",
        "65535",
        "-2147483648",
        "4294967295",
    ])
    .prints("(-128, 255, -32768, 65535, -2147483648, 4294967295)\n");
    values(&[
        "longs",
        "--json",
        "[-9223372036854775808, \"18446744073709551615\"]",
    ])
    .prints("[\"-9223372036854775808\",\"18446744073709551615\"]\n");
    values(&["longs", "1", "2", "-o", "json", "--long-strings"]).prints("[\"1\",\"2\"]\n");
    values(&["floats", "0.1", "0.1", "-o", "json"]).prints("[0.1,0.1]\n");
    values(&["bytes", "--json", "[[1, 2, 3]]", "--bytes", "array"]).prints("[1,2,3]\n");
    values(&["maybe", "none"]).prints("none\n");
    values(&["maybe", "Ada"]).prints("some(\"Ada\")\n");
    values(&["maybe"]).prints("none\n");
    values(&["many", "a", "b", "c", "d", "e", "f", "g", "h", "ä"])
        .prints("[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"ä\"]\n");
    let quiet = values(&["quiet", "err"]);
    quiet.is(1);
    assert_eq!(quiet.stdout, "err\n");
}

#[test]
fn arguments_from_standard_input() {
    let big = format!("[\"{}\"]", "x".repeat(10_000_000));
    let count = |text: &str| {
        call("values-lab")
            .args(["length", "--json", "-"])
            .stdin(text)
            .run()
    };
    count(&big).prints("10000000\n");
    count("{\"text\": \"€\"}").prints("3\n");
    let out = call("values-lab")
        .args(["length", "--json", "-"])
        .stdin([b'"', 0xff])
        .run();
    out.is(2)
        .says("stdin is not UTF-8: byte 1 is none of a character");
}

#[test]
fn what_can_be_called() {
    let list = call("greet").run();
    list.is(0);
    shot!("call_list_greet", list.stdout);
    let list = call("values-lab").run();
    list.is(0);
    shot!("call_list_values", list.stdout);
    let same = call("values-lab").arg("--help").run();
    assert_eq!(same.stdout, list.stdout);
    let one = call("values-lab").args(["order-of", "--help"]).run();
    one.is(0);
    shot!("call_help_order", one.stdout);
    let json = call("values-lab").args(["-o", "json"]).run();
    json.is(0);
    let all: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let order = all
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["function"] == "order-of")
        .unwrap();
    shot!("call_list_json", format!("{order:#}"));
}

#[test]
fn docs_from_wit_beside_the_component() {
    let wit = repo().join("guests/rust/values-lab/wit");
    let with = call("values-lab")
        .args(["order-of", "--help", "--wit"])
        .arg(&wit)
        .run();
    with.is(0);
    assert!(
        with.stdout.contains("  /// One line of an order."),
        "{}",
        with.stdout
    );
    let app = Scratch::new();
    std::fs::copy(guest("values-lab"), app.join("lab.wasm")).unwrap();
    app.write(
        "wit/world.wit",
        std::fs::read(wit.join("world.wit")).unwrap(),
    );
    app.write(
        "holm.toml",
        "name = \"shop\"\n[component.lab]\nsource = \"lab.wasm\"\nwit = \"wit\"\nlimits = { cpu = \"300 ms\" }\n",
    );
    let of_app = |words: &[&str]| {
        holm()
            .args(["call", "--app"])
            .arg(app.path())
            .args(words)
            .run()
    };
    let list = of_app(&["lab", "--help"]);
    list.is(0);
    assert!(
        list.stdout.contains("One line of an order."),
        "{}",
        list.stdout
    );
    of_app(&["lab", "truth", "true"]).prints("true\n");
    of_app(&["lab", "spin"])
        .is(152)
        .says("used up its CPU time (300 ms)");
    of_app(&["lib", "truth", "true"])
        .is(2)
        .says("help: did you mean `lab`?");
    let wrong = call("values-lab").args(["--wit", "/nowhere/wit"]).run();
    wrong.is(2);
    shot!("call_no_such_wit", wrong.stderr);
}

#[test]
fn what_does_not_fit() {
    let wrong = |name: &str, words: &[&str]| {
        let out = values(words);
        out.is(2);
        assert_eq!(out.stdout, "", "{words:?}");
        shot!(format!("call_{name}"), out.stderr);
    };
    wrong("nearly", &["trtuh", "true"]);
    wrong("nothing_like_it", &["frobnicate"]);
    wrong("too_few", &["longs", "1"]);
    wrong("too_many", &["longs", "1", "2", "3"]);
    wrong("out_of_range", &["numbers", "1", "256", "1", "1", "1", "1"]);
    wrong(
        "path",
        &[
            "order-of",
            "{id: 1, items: [{name: \"a\", price: \"x\", tags: []}], paid: ok(1)}",
        ],
    );
    wrong(
        "path_json",
        &[
            "order-of",
            "{\"id\": 1, \"items\": [{\"name\": \"a\", \"price\": \"x\"}]}",
        ],
    );
    wrong("syntax", &["order-of", "{id: 1"]);
    wrong("json_syntax", &["order-of", "--json", "[{\"id\": 1"]);
    wrong(
        "json_twice",
        &["length", "--json", "{\"text\": \"a\", \"text\": \"b\"}"],
    );
    wrong("json_unknown", &["length", "--json", "{\"txet\": \"a\"}"]);
    wrong("needs_session", &["cart", "Ada"]);
    wrong("no_case", &["color-of", "blue"]);
    let wat = holm().arg("call").arg(wat("simd")).run();
    wat.is(2);
    shot!("call_core_module", wat.stderr);
    let nothing = holm().arg("call").run();
    nothing.is(2);
    shot!("call_nothing", nothing.stderr);
    let unopened = call("streams-lab").arg("pairs").run();
    unopened.is(2);
    shot!("call_unopened", unopened.stderr);
}

#[test]
fn guests_that_fail() {
    let out = values(&["fail", "on purpose"]);
    out.is(134)
        .says("on purpose")
        .says("guest failed: values-lab trapped: ");
    assert_eq!(out.stdout, "");
    values(&["spin", "--cpu", "50 ms"])
        .is(152)
        .says("used up its CPU time (50 ms)");
    values(&["spin", "--timeout", "50 ms"]).is(124);
    values(&["leave", "7"])
        .is(134)
        .says("the function ended the program with exit code");
    // More than may cross in one call.
    values(&["zeros", "1000000000"]).is(134);
}

#[test]
fn a_batch_writes_a_line_for_each_call() {
    let batch = |words: &[&str], lines: &str| {
        call("values-lab")
            .arg("--batch")
            .args(words)
            .stdin(lines)
            .run()
    };
    let out = batch(
        &[],
        "truth(true)\n\nlongs(1, 2)\n{\"function\": \"letter\", \"arguments\": [\"x\"]}\n",
    );
    out.prints("true\n(1, 2)\n'x'\n");
    let out = batch(
        &["-o", "json"],
        "truth(true)\ntrtuh(1)\nlongs(1)\nfail(\"a\\nb\")\ncalls()\ncalls()\n",
    );
    out.is(1);
    shot!("call_batch_json", out.stdout);
    let out = batch(&[], "truth(1)\nnonsense\noutcome(err(\"no\"))\n");
    out.is(1);
    shot!("call_batch_wave", out.stdout);
    let out = batch(&["longs"], "[1, 2]\n{\"a\": 3, \"b\": 4}\n(5, 6)");
    out.prints("(1, 2)\n(3, 4)\n(5, 6)\n");
    batch(&[], "").prints("");
}

#[test]
fn a_session_keeps_its_instance() {
    let session = |words: &[&str], lines: &str| {
        call("values-lab")
            .arg("--session")
            .args(words)
            .stdin(lines)
            .run()
    };
    session(&[], "calls()\ncalls()\ncalls()\n").prints("1\n2\n3\n");
    let out = session(
        &[],
        "cart(\"Ada\")\ncart(\"Bob\")\ncart.add(cart-1, \"pen\", 3)\ncart.add(cart-2, \"ink\", 5)\n\
         larger(cart-1, cart-2)\nalive()\ncheck-out(cart-2)\ncheck-out(cart-2)\ndrop cart-1\nalive()\n\
         cart.add(cart-1, \"x\", 1)\ncart.add(cart-9, \"x\", 1)\n",
    );
    out.is(1);
    shot!("call_session", out.stdout);
    let out = session(
        &["-o", "json"],
        "cart(\"Ada\")\n{\"function\": \"cart.add\", \"arguments\": {\"self\": \"cart-1\", \"thing\": \"pen\", \"count\": 2}}\n",
    );
    out.prints("{\"result\":\"cart-1\"}\n{\"result\":2}\n");
    let out = session(&[], "calls()\nfail(\"over\")\ncalls()\n");
    out.is(1);
    shot!("call_session_over", out.stdout);
}

#[test]
fn streams_and_async_functions() {
    let streams = |words: &[&str]| call("streams-lab").args(words).run();
    streams(&["add", "1", "2"]).prints("3\n");
    streams(&["count", "5"]).prints("[0, 1, 2, 3, 4]\n");
    streams(&["at-once", "3"]).prints("[0, 1, 2]\n");
    streams(&["total", "[1, 2, 3]"]).prints("3\n");
    streams(&["total", "--json", "[\"AQID\"]"]).prints("3\n");
    streams(&["double", "[1, 2, 3]"]).prints("[2, 4, 6]\n");
    streams(&["words", "[\"a\", \"b\"]"]).prints("[\"a\", \"b\"]\n");
    streams(&["later", "tomorrow"]).prints("\"tomorrow\"\n");
    streams(&["brought", "\"news\""]).prints("\"news\"\n");
    streams(&["both", "3"]).prints("ok(([0, 1, 2], [true, false, true]))\n");
    streams(&["both", "0"]).is(1);
    streams(&["bytes", "1000000", "-o", "json", "--timeout", "60 s"]).is(0);
    streams(&["breaks", "3"]).is(134).says("it breaks");
}

#[test]
fn times_say_what_is_in_them() {
    let out = call("greet")
        .args(["add", "1", "2", "--repeat", "20", "--time"])
        .run();
    out.is(0);
    assert_eq!(out.stdout, "3\n");
    let figures = regex_lite(&out.stderr);
    shot!("call_time", figures);
    call("greet")
        .args(["add", "1", "2", "--repeat", "3"])
        .run()
        .prints("3\n");
}

/// The text with every figure of microseconds the same.
fn regex_lite(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_suffix(" µs") {
        Some(row) => format!(
            "{} … µs\n",
            row.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')
        ),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn receipts_limits_and_grants_hold() {
    let out = call("greet")
        .args(["add", "1", "2", "--receipt", "--cpu", "10 s"])
        .run();
    out.is(0).says("receipt of greet");
    assert_eq!(out.stdout, "3\n");
    let out = call("greet")
        .args(["add", "1", "2", "--memory", "64 KiB"])
        .run();
    assert_ne!(out.code, 0);
    let out = call("guestbook").run();
    out.is(126);
}

#[test]
fn machine_code_has_types_without_names() {
    let scratch = Scratch::new();
    let code = scratch.join("greet.cwasm");
    holm()
        .arg("compile")
        .arg(guest("greet"))
        .arg("-o")
        .arg(&code)
        .run()
        .is(0);
    let call = |words: &[&str]| holm().arg("call").arg(&code).args(words).run();
    call(&["midpoint", "{x: 0, y: 2}", "{x: 4, y: 4}"]).prints("{x: 2, y: 3}\n");
    let list = call(&[]);
    list.is(0);
    shot!("call_list_machine_code", list.stdout);
}
