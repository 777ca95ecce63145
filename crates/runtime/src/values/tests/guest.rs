//! Values through a real guest: a component made for a type, that gives back what it is given.

use super::convert::{from_val, to_val};
use super::random::Random;
use crate::values::abi::{Answer, Arguments};
use crate::values::*;
use proptest::prelude::*;
use std::fmt::Write as _;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

/// A module whose `echo` gives its argument back where it lies: so it fits any type that is too
/// large for registers, which the component sees to by numbers behind the value.
pub(crate) const MODULE: &str = r#"
  (core module $m
    (memory (export "memory") 1)
    (global $at (mut i32) (i32.const 32768))
    (func (export "echo") (param i32) (result i32) (local.get 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $start i32)
      (local.set $start (i32.and
        (i32.add (global.get $at) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $at (i32.add (local.get $start) (local.get 3)))
      (loop $more
        (if (i32.gt_u (global.get $at) (i32.mul (memory.size) (i32.const 65536)))
          (then (drop (memory.grow (i32.const 1))) (br $more))))
      (local.get $start)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
"#;

/// An engine that knows every type.
pub(super) fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_map(true);
    config.wasm_component_model_fixed_length_lists(true);
    Engine::new(&config).unwrap()
}

/// The same for async functions.
pub(crate) fn concurrent_engine() -> Engine {
    let mut config = Config::new();
    config.concurrency_support(true);
    config.wasm_component_model_async(true);
    config.wasm_component_model_map(true);
    config.wasm_component_model_fixed_length_lists(true);
    Engine::new(&config).unwrap()
}

/// Writes types as text of a component.
#[derive(Default)]
pub(super) struct Types {
    pub(super) text: String,
    made: usize,
}

impl Types {
    /// A type as it is written where it is used; what has a name is defined and imported first, as toolchains do.
    pub(super) fn write(&mut self, ty: &Type) -> String {
        let optional = |types: &mut Types, word: &str, ty: &Option<std::sync::Arc<Type>>| match ty {
            Some(ty) => format!(
                "{word} {}{}",
                types.write(ty),
                if word.is_empty() { "" } else { ")" }
            ),
            None => String::new(),
        };
        match ty {
            Type::Record(of) => {
                let fields = of.fields.iter().fold(String::new(), |text, field| {
                    format!(
                        "{text} (field \"{}\" {})",
                        field.name,
                        self.write(&field.ty)
                    )
                });
                self.define(&format!("(record{fields})"))
            }
            Type::Variant(of) => {
                let cases = of.cases.iter().fold(String::new(), |text, case| {
                    let ty = case
                        .ty
                        .as_ref()
                        .map(|ty| self.write(ty))
                        .unwrap_or_default();
                    format!("{text} (case \"{}\" {ty})", case.name)
                });
                self.define(&format!("(variant{cases})"))
            }
            Type::Enum(of) => self.define(&format!("(enum{})", names(&of.cases))),
            Type::Flags(of) => self.define(&format!("(flags{})", names(&of.flags))),
            Type::List(of) => format!("(list {})", self.write(of)),
            Type::FixedList(of, length) => format!("(list {} {length})", self.write(of)),
            Type::Map(key, of) => format!("(map {} {})", self.write(key), self.write(of)),
            Type::Option(of) => format!("(option {})", self.write(of)),
            Type::Own(_) => "(own $thing)".into(),
            // They stand before: text cannot have them within a result.
            Type::Stream(Some(of)) => format!("$stream-{of}"),
            Type::Future(Some(of)) => format!("$future-{of}"),
            Type::Tuple(types) => {
                let types: Vec<String> = types.iter().map(|ty| self.write(ty)).collect();
                format!("(tuple {})", types.join(" "))
            }
            Type::Result(ok, err) => {
                let ok = optional(self, "", ok);
                let err = optional(self, "(error", err);
                format!("(result {ok} {err})")
            }
            plain => plain.to_string(),
        }
    }

    fn define(&mut self, ty: &str) -> String {
        self.made += 1;
        let n = self.made;
        let _ = writeln!(
            self.text,
            "  (type $t{n} {ty})\n  (import \"t-{n}\" (type $e{n} (eq $t{n})))"
        );
        format!("$e{n}")
    }
}

fn names(labels: &[Label]) -> String {
    labels.iter().fold(String::new(), |text, label| {
        format!("{text} \"{}\"", label.name)
    })
}

/// The component for a type, and the type that its `echo` takes and gives.
pub fn component(ty: &Type) -> (Vec<u8>, Type) {
    let mut fields = vec![Field {
        name: "value".into(),
        ty: ty.clone(),
        docs: None,
    }];
    fields.extend((0..17).map(|n| Field {
        name: format!("f{n}").into(),
        ty: Type::U64,
        docs: None,
    }));
    let name = TypeName {
        interface: None,
        name: "whole".into(),
    };
    let whole = Type::Record(std::sync::Arc::new(Record {
        name,
        docs: None,
        fields,
    }));
    let mut types = Types::default();
    let used = types.write(&whole);
    let text = format!(
        "(component {MODULE} {}
  (func (export \"echo\") (param \"v\" {used}) (result {used})
    (canon lift (core func $i \"echo\") (memory $memory) (realloc (core func $realloc)))))",
        types.text
    );
    let binary = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    (binary, whole)
}

/// A component whose `first` gives the first of its parameters, which are in registers.
fn first(ty: &Type) -> Vec<u8> {
    let mut types = Types::default();
    let used = types.write(ty);
    let flat = match ty {
        Type::S64 | Type::U64 => "i64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        _ => "i32",
    };
    let text = format!(
        "(component
  (core module $m (func (export \"first\") (param {flat} i64) (result {flat}) (local.get 0)))
  (core instance $i (instantiate $m))
  {}
  (func (export \"first\") (param \"v\" {used}) (param \"w\" u64) (result {used})
    (canon lift (core func $i \"first\"))))",
        types.text
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn what_fits_a_register_goes_there_and_back() {
    let mut random = Random(3);
    let mut tried = 0;
    for _ in 0..600 {
        let ty = random.ty(2, false);
        // What has one register and no memory.
        let flat = match &ty {
            Type::String | Type::List(_) => false,
            Type::Enum(_) | Type::Flags(_) => true,
            Type::Tuple(types) => types.len() == 1 && leaf(&types[0]),
            Type::Record(of) => of.fields.len() == 1 && matches!(of.fields[0].ty, Type::Enum(_)),
            Type::Result(None, None) => true,
            Type::Variant(of) => of.cases.iter().all(|case| case.ty.is_none()),
            other => leaf(other),
        };
        if !flat
            || matches!(&ty, Type::Tuple(types) if matches!(types[0], Type::S64 | Type::U64 | Type::F32 | Type::F64))
        {
            continue;
        }
        tried += 1;
        let binary = first(&ty);
        let ty = Signatures::of_binary(&binary, None).unwrap().exports[0].params[0]
            .ty
            .clone();
        let engine = Engine::default();
        let component = Component::new(&engine, &binary).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &component)
            .unwrap();
        let function = instance.get_func(&mut store, "first").unwrap();
        let typed = function.typed::<Arguments, Answer>(&store).unwrap();
        for _ in 0..4 {
            let value = random.value(&ty);
            let arguments = Arguments(vec![value.clone(), Value::U64(u64::MAX)]);
            let Answer(back) = typed.call(&mut store, arguments).unwrap();
            assert_eq!(back, Some(value), "{ty}");
        }
    }
    assert!(tried > 100, "{tried}");
}

fn leaf(ty: &Type) -> bool {
    ty.parts().is_empty() && !matches!(ty, Type::String)
}

/// Values that are none of the type are refused by the wall too, whoever passes them.
#[test]
fn the_wall_takes_no_value_of_another_type() {
    let mut random = Random(11);
    for _ in 0..40 {
        let (binary, _) = component(&random.ty(3, false));
        let engine = Engine::default();
        let component = Component::new(&engine, &binary).unwrap();
        let ty = Signatures::of_binary(&binary, None).unwrap().exports[0].params[0]
            .ty
            .clone();
        for _ in 0..8 {
            let other = random.ty(3, true);
            let value = random.value(&other);
            let mut store = Store::new(&engine, ());
            let instance = Linker::new(&engine)
                .instantiate(&mut store, &component)
                .unwrap();
            let echo = instance.get_func(&mut store, "echo").unwrap();
            let typed = echo.typed::<Arguments, Answer>(&store).unwrap();
            let called = typed.call(&mut store, Arguments(vec![value.clone()]));
            assert_eq!(
                called.is_ok(),
                check(&ty, &value).is_ok(),
                "{other} for {ty}"
            );
        }
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &component)
            .unwrap();
        let echo = instance.get_func(&mut store, "echo").unwrap();
        let typed = echo.typed::<Arguments, Answer>(&store).unwrap();
        assert!(typed.call(&mut store, Arguments(Vec::new())).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_in_comes_out(seed in any::<u64>()) {
        let mut random = Random(seed);
        let made = random.ty(4, true);
        let (binary, _) = component(&made);
        // What is reflected from the binary is used from here on, with its own names.
        let signatures = Signatures::of_binary(&binary, None).unwrap();
        let signature = signatures.find("echo").unwrap();
        let ty = signature.params[0].ty.clone();
        let engine = engine();
        let component = Component::new(&engine, &binary).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let echo = instance.get_func(&mut store, "echo").unwrap();
        for _ in 0..4 {
            let value = random.value(&ty);
            let val = to_val(&ty, value.clone()).unwrap();
            let mut results = [Val::Bool(false)];
            echo.call(&mut store, &[val], &mut results).unwrap();
            let [result] = results;
            let back = from_val(signature.result.as_ref().unwrap(), result).unwrap();
            prop_assert_eq!(&back, &value, "{}", made);
            // The short way gives the same.
            prop_assert_eq!(check(&ty, &value), Ok(()));
            let typed = echo.typed::<Arguments, Answer>(&store).unwrap();
            let Answer(back) = typed.call(&mut store, Arguments(vec![value.clone()])).unwrap();
            prop_assert_eq!(back.as_ref(), Some(&value), "{}", made);
        }
        // Machine code alone tells the same, but for names.
        let unnamed = Signatures::of_component(&component);
        let value = random.value(&unnamed.exports[0].params[0].ty);
        prop_assert!(to_val(&ty, value).is_ok());
    }
}
