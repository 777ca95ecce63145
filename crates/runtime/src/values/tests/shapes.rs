//! How each type is written: what the documentation promises.

use crate::values::json::{self, Bytes, Integers, NoHandles, Options};
use crate::values::*;
use std::sync::Arc;

/// A component with a type of each kind, as text.
pub const SHOP: &str = r#"
package holm:shop@1.0.0;

/// Orders, and what is in them.
interface orders {
  /// A line of an order.
  record item {
    name: string,
    /// In cents.
    price: u32,
    note: option<string>,
  }
  variant payment {
    /// On delivery.
    cash,
    card(string),
  }
  enum state { open, sent }
  flags options { gift, fragile }
  record order {
    id: u64,
    items: list<item>,
    paid: result<payment, string>,
    state: state,
    options: options,
    weights: list<f32>,
    photo: list<u8>,
    size: tuple<u8, s64>,
    twice: option<option<u8>>,
    initial: char,
  }
  /// Places an order.
  place: func(order: order, hurry: option<bool>) -> result<u64, string>;
  resource cart {
    constructor(owner: string);
    add: func(item: item) -> u32;
    merge: static func(a: cart, b: borrow<cart>) -> cart;
  }
}

/// A shop.
world shop {
  export orders;
  /// Is anybody there?
  export ping: func();
}
"#;

/// A component binary for some WIT: its functions trap, its types are real.
pub fn binary_of(wit: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mangling = wit_parser::ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);
    let mut module = wit_component::dummy_module(&resolve, world, mangling);
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    let mut encoder = wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap();
    encoder.encode().unwrap()
}

pub fn shop() -> Signatures {
    Signatures::of_binary(&binary_of(SHOP), None).unwrap()
}

pub fn order() -> Type {
    shop().find("place").unwrap().params[0].ty.clone()
}

pub const ORDER: &str = r#"{"id":7,"items":[{"name":"pen","price":250,"note":null},{"name":"ink","price":1,"note":"blue"}],"paid":{"ok":{"card":"1234"}},"state":"sent","options":["fragile"],"weights":[0.1,"nan","-inf"],"photo":"AQID","size":[255,"-9223372036854775808"],"twice":{"some":null},"initial":"é"}"#;

#[test]
fn an_order_in_json_and_in_wave() {
    let ty = order();
    let value = json::from_str(&ty, ORDER, &mut NoHandles).unwrap();
    let text = json::to_string(&ty, &value, Options::default(), &mut NoHandles).unwrap();
    assert_eq!(text, ORDER);
    let wave = wave::to_string(&ty, &value, &mut NoHandles).unwrap();
    assert_eq!(
        wave,
        "{id: 7, items: [{name: \"pen\", price: 250}, {name: \"ink\", price: 1, note: some(\"blue\")}], \
         paid: ok(card(\"1234\")), state: sent, options: {fragile}, weights: [0.1, nan, -inf], \
         photo: [1, 2, 3], size: (255, -9223372036854775808), twice: some(none), initial: 'é'}"
    );
    assert_eq!(
        wave::from_str(&ty, &wave, &mut NoHandles),
        Ok(value.clone())
    );
    let options = Options {
        bytes: Bytes::Array,
        integers: Integers::Strings,
    };
    let text = json::to_string(&ty, &value, options, &mut NoHandles).unwrap();
    assert!(
        text.contains(r#""photo":[1,2,3]"#) && text.contains(r#""id":"7""#),
        "{text}"
    );
    assert_eq!(json::from_str(&ty, &text, &mut NoHandles), Ok(value));
}

#[test]
fn numbers_are_read_in_each_form_that_loses_nothing() {
    let read = |ty: &Type, text: &str| json::from_str(ty, text, &mut NoHandles);
    assert_eq!(
        read(&Type::U64, "18446744073709551615"),
        Ok(Value::U64(u64::MAX))
    );
    assert_eq!(
        read(&Type::U64, "\"18446744073709551615\""),
        Ok(Value::U64(u64::MAX))
    );
    assert_eq!(
        read(&Type::S64, "-9223372036854775808"),
        Ok(Value::S64(i64::MIN))
    );
    assert_eq!(read(&Type::U8, "3.0"), Ok(Value::U8(3)));
    assert_eq!(read(&Type::U16, "1e3"), Ok(Value::U16(1000)));
    assert_eq!(read(&Type::F64, "-0.0"), Ok(Value::F64(-0.0)));
    assert_eq!(read(&Type::F64, "7"), Ok(Value::F64(7.0)));
    assert_eq!(
        read(&Type::F64, "\"Infinity\""),
        Ok(Value::F64(f64::INFINITY))
    );
    let write = |ty: &Type, value: Value| {
        json::to_string(ty, &value, Options::default(), &mut NoHandles).unwrap()
    };
    assert_eq!(write(&Type::U64, Value::U64(1 << 53)), "9007199254740992");
    assert_eq!(
        write(&Type::U64, Value::U64((1 << 53) + 1)),
        "\"9007199254740993\""
    );
    assert_eq!(
        write(&Type::S64, Value::S64(-(1 << 53) - 1)),
        "\"-9007199254740993\""
    );
    assert_eq!(write(&Type::F32, Value::F32(0.1)), "0.1");
}

#[test]
fn maps_are_objects_where_keys_are_strings() {
    let map = |key: Type| Type::Map(Arc::new(key), Arc::new(Type::U8));
    let text = Value::Map(vec![(Value::String("a".into()), Value::U8(1))]);
    let number = Value::Map(vec![(Value::U32(7), Value::U8(1))]);
    let write = |ty: &Type, value: &Value| {
        json::to_string(ty, value, Options::default(), &mut NoHandles).unwrap()
    };
    assert_eq!(write(&map(Type::String), &text), r#"{"a":1}"#);
    assert_eq!(write(&map(Type::U32), &number), "[[7,1]]");
    assert_eq!(
        wave::to_string(&map(Type::U32), &number, &mut NoHandles).unwrap(),
        "[(7, 1)]"
    );
}

#[test]
fn arguments_come_in_order_or_by_name_and_options_may_be_missing() {
    let signatures = shop();
    let place = signatures.find("place").unwrap();
    let in_order = json::arguments_from_str(place, &format!("[{ORDER}]"), &mut NoHandles).unwrap();
    assert_eq!(in_order[1], Value::Option(None));
    let named = format!("{{\"hurry\": true, \"order\": {ORDER}}}");
    let named = json::arguments_from_str(place, &named, &mut NoHandles).unwrap();
    assert_eq!(named[0], in_order[0]);
    assert_eq!(named[1], Value::Option(Some(Box::new(Value::Bool(true)))));
    let ping = signatures.find("ping").unwrap();
    for nothing in ["[]", "{}", "null"] {
        assert_eq!(
            json::arguments_from_str(ping, nothing, &mut NoHandles),
            Ok(Vec::new())
        );
    }
}

#[test]
fn functions_are_found_by_what_a_user_types() {
    let signatures = shop();
    let found = |wanted: &str| signatures.find(wanted).unwrap().full_name();
    for wanted in [
        "place",
        "orders.place",
        "holm:shop/orders.place",
        "holm:shop/orders@1.0.0.place",
    ] {
        assert_eq!(found(wanted), "holm:shop/orders@1.0.0.place");
    }
    for wanted in ["cart.add", "add", "[method]cart.add", "orders.cart.add"] {
        assert_eq!(found(wanted), "holm:shop/orders@1.0.0.cart.add");
    }
    assert_eq!(found("cart"), "holm:shop/orders@1.0.0.cart");
    assert_eq!(found("ping"), "ping");
    let error = signatures.find("palce").unwrap_err();
    assert_eq!(error.help[0], "did you mean `place`?");
    let text = signatures.find("cart.merge").unwrap().to_string();
    assert_eq!(
        text,
        "cart.merge: static func(a: cart, b: borrow<cart>) -> cart"
    );
}

#[test]
fn names_and_docs_are_those_of_the_wit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.wit"), SHOP).unwrap();
    // Without the docs that a binary may have, as most toolchains leave it.
    let mut bare = wit_parser::Resolve::default();
    let stripped: String = SHOP
        .lines()
        .filter(|l| !l.trim().starts_with("///"))
        .map(|l| format!("{l}\n"))
        .collect();
    let package = bare.push_str("bare.wit", &stripped).unwrap();
    assert!(bare.packages[package].docs.is_empty());
    let binary = binary_of(&stripped);
    let without = Signatures::of_binary(&binary, None).unwrap();
    assert_eq!(without.find("place").unwrap().docs, None);
    let with = Signatures::of_binary(&binary, Some(folder.path())).unwrap();
    let place = with.find("place").unwrap();
    assert_eq!(place.docs.as_deref(), Some("Places an order."));
    assert_eq!(
        with.find("ping").unwrap().docs.as_deref(),
        Some("Is anybody there?")
    );
    assert_eq!(
        with.interfaces[0].docs.as_deref(),
        Some("Orders, and what is in them.")
    );
    let Type::Record(order) = &place.params[0].ty else {
        panic!()
    };
    assert_eq!(order.name.to_string(), "holm:shop/orders@1.0.0.order");
    let Type::List(item) = &order.fields[1].ty else {
        panic!()
    };
    assert_eq!(item.docs(), Some("A line of an order."));
    let Type::Record(item) = &**item else {
        panic!()
    };
    assert_eq!(item.fields[1].docs.as_deref(), Some("In cents."));
    let wrong = Signatures::of_binary(&binary, Some(&folder.path().join("nothing"))).unwrap_err();
    assert!(wrong.message.ends_with("does not exist"));
}

#[test]
fn schemas_say_what_json_does() {
    let signatures = shop();
    let schema = schema::of_arguments(signatures.find("place").unwrap(), Options::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
    let mut shared = schema::Definitions::new("#/components/schemas/", Options::default());
    let one = shared.of_type(&order());
    assert_eq!(
        one,
        serde_json::json!({ "$ref": "#/components/schemas/order" })
    );
    let names: Vec<String> = shared.finish().keys().cloned().collect();
    assert_eq!(names, ["order", "item", "payment", "state", "options"]);
}

#[test]
fn what_a_surface_cannot_hold_is_told() {
    let signatures = shop();
    let why = |name: &str, surface| callable::check(signatures.find(name).unwrap(), surface);
    assert_eq!(why("place", Surface::ONE_CALL), Ok(()));
    assert_eq!(why("cart.add", Surface::SESSION), Ok(()));
    assert_eq!(
        why("cart.add", Surface::ONE_CALL).unwrap_err(),
        "its parameter `self` holds a resource (`cart`), which lives no longer than one call here"
    );
    let streams = binary_of(
        "package a:b; world w {
           export good: async func(a: stream<u8>) -> future<string>;
           export bad: async func() -> stream<list<u8>>;
           export empty: async func() -> stream;
         }",
    );
    let signatures = Signatures::of_binary(&streams, None).unwrap();
    let why = |name: &str| callable::check(signatures.find(name).unwrap(), Surface::ONE_CALL);
    assert_eq!(why("good"), Ok(()));
    assert_eq!(
        why("bad").unwrap_err(),
        "its result holds a stream of `list<u8>`, which the engine cannot open: only numbers, bool, \
         char and string can move through one"
    );
    assert!(why("empty").is_err());
}
