//! Whatever does not fit is told with its place in the value.

use super::shapes::{ORDER, order, shop};
use crate::values::json::{self, NoHandles};
use crate::values::*;
use std::sync::Arc;

/// What is wrong with an order in which one piece of the text is another.
fn wrong(from: &str, to: &str) -> String {
    assert!(ORDER.contains(from), "{from}");
    let text = ORDER.replacen(from, to, 1);
    let mismatch = json::from_str(&order(), &text, &mut NoHandles).unwrap_err();
    match mismatch.help.clone() {
        Some(help) => format!("{mismatch} ({help})"),
        None => mismatch.to_string(),
    }
}

#[test]
fn json_is_told_by_its_path() {
    let all = [
        wrong("\"price\":1", "\"price\":\"x\""),
        wrong("\"price\":250", "\"price\":-1"),
        wrong("\"price\":250", "\"price\":4294967296"),
        wrong("\"price\":250", "\"price\":2.5"),
        wrong("\"price\":250", "\"pirce\":250"),
        wrong(",\"price\":250", ""),
        wrong("\"price\":250", "\"price\":250,\"price\":251"),
        wrong("\"name\":\"pen\"", "\"name\":null"),
        wrong("{\"card\":\"1234\"}", "\"card\""),
        wrong("{\"card\":\"1234\"}", "\"coin\""),
        wrong("{\"card\":\"1234\"}", "{\"cash\":1}"),
        wrong("{\"card\":\"1234\"}", "{\"card\":\"1\",\"cash\":null}"),
        wrong("{\"ok\":{\"card\":\"1234\"}}", "{}"),
        wrong("\"sent\"", "\"snet\""),
        wrong("\"sent\"", "[\"sent\"]"),
        wrong("[\"fragile\"]", "[\"fragile\",\"gift\",\"fragile\"]"),
        wrong("[\"fragile\"]", "[\"fragle\"]"),
        wrong("[\"fragile\"]", "[3]"),
        wrong("0.1", "1e39"),
        wrong("\"nan\"", "\"huge\""),
        wrong("\"AQID\"", "\"AQI\""),
        wrong("\"AQID\"", "[1,256]"),
        wrong("[255,", "[256,"),
        wrong("[255,", "["),
        wrong("[255,", "[1,1,"),
        wrong("\"-9223372036854775808\"", "\"-9223372036854775809\""),
        wrong("\"-9223372036854775808\"", "\"+1\""),
        wrong("{\"some\":null}", "1"),
        wrong("{\"some\":null}", "{\"some\":{\"some\":1}}"),
        wrong("\"é\"", "\"éé\""),
        wrong("\"é\"}", "\"é\""),
        wrong("\"é\"}", "\"é\"} 1"),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn wave_is_told_by_its_path() {
    let good = json::from_str(&order(), ORDER, &mut NoHandles).unwrap();
    let good = wave::to_string(&order(), &good, &mut NoHandles).unwrap();
    let wrong = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        let text = good.replacen(from, to, 1);
        wave::from_str(&order(), &text, &mut NoHandles)
            .unwrap_err()
            .to_string()
    };
    let all = [
        wrong("price: 1", "price: \"x\""),
        wrong("price: 250", "price: -1"),
        wrong("price: 250", "pirce: 250"),
        wrong(", price: 250", ""),
        wrong("price: 250", "price: 250, price: 251"),
        wrong("card(\"1234\")", "card"),
        wrong("card(\"1234\")", "coin"),
        wrong("card(\"1234\")", "cash(1)"),
        wrong("sent", "snet"),
        wrong("{fragile}", "{fragle}"),
        wrong("0.1", "1e39"),
        wrong("(255,", "(256,"),
        wrong("(255,", "("),
        wrong("some(none)", "1"),
        wrong("'é'", "\"é\""),
        wrong("'é'}", "'é'"),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn arguments_are_told_by_their_names() {
    let signatures = shop();
    let place = signatures.find("place").unwrap();
    let wrong = |text: &str| {
        json::arguments_from_str(place, text, &mut NoHandles)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(wrong("[]"), "`place` takes 2 arguments, none were given");
    assert_eq!(
        wrong(&format!("[{ORDER}, null, 1]")),
        "`place` takes 2 arguments, more were given"
    );
    assert_eq!(
        wrong("{\"hurry\": true}"),
        "parameter `order` (order) of place is missing"
    );
    assert_eq!(
        wrong("{\"hury\": true}"),
        "there is no parameter `hury` in place"
    );
    assert_eq!(
        wrong(&format!("[{}]", ORDER.replacen("250", "\"x\"", 1))),
        "order.items[0].price: expected u32, got \"x\""
    );
    assert_eq!(
        wrong("7"),
        "invalid type: integer `7`, expected arguments: an array of \
                            them, or an object by their names at line 1 column 1"
    );
}

#[test]
fn nesting_ends_in_an_error_and_not_in_the_stack() {
    let mut ty = Type::U8;
    for _ in 0..90 {
        ty = Type::List(Arc::new(ty));
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(json::from_str(&ty, &deep(90), &mut NoHandles).is_ok());
    assert!(wave::from_str(&ty, &deep(90), &mut NoHandles).is_ok());
    let error = json::from_str(&ty, &deep(100_000), &mut NoHandles).unwrap_err();
    assert!(
        error.to_string().contains("expected u8, got an array"),
        "{error}"
    );
    let error = wave::from_str(&ty, &deep(100_000), &mut NoHandles).unwrap_err();
    assert!(error.to_string().contains("nesting too deep"), "{error}");
    // Nobody says that the rest of what is not wanted is shallow.
    let text = format!("[1, {}]", deep(100_000));
    let pair = Type::Tuple([Type::U8].into());
    assert!(json::from_str(&pair, &text, &mut NoHandles).is_err());
}

#[test]
fn long_lists_pass_or_are_refused() {
    let bytes = Type::List(Arc::new(Type::U8));
    let text = format!("[{}1]", "1,".repeat(10_000_000 - 1));
    let Ok(Value::Numbers(Numbers::U8(list))) = json::from_str(&bytes, &text, &mut NoHandles)
    else {
        panic!("a list of ten million bytes");
    };
    assert_eq!(list.len(), 10_000_000);
    // 28 MB of text that would be a value of many times that.
    let nested = Type::List(Arc::new(Type::Tuple(
        vec![Type::Option(Arc::new(Type::Bool)); 1].into(),
    )));
    let text = format!("[{}[true]]", "[true],".repeat(4_000_000));
    let error = json::from_str(&nested, &text, &mut NoHandles).unwrap_err();
    assert_eq!(error.problem, "the value takes more than 256 MiB of memory");
    let text = format!("[{}1]", "1,".repeat(wave::TEXT_BYTES_MAX / 2));
    let error = wave::from_str(&bytes, &text, &mut NoHandles).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("WAVE of more than 16 MiB is not read"),
        "{error}"
    );
}
