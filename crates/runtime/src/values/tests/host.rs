//! Values through a host function: a component made for a type, which passes on what it is given and
//! gives back what it gets.

use super::guest::{MODULE, Types, concurrent_engine, engine};
use super::random::Random;
use crate::values::abi::define::{Does, Shape, define};
use crate::values::abi::{Answer, Arguments};
use crate::values::*;
use futures::executor::block_on;
use proptest::prelude::*;
use std::sync::Arc;
use wasmtime::component::{Accessor, Component, Linker};
use wasmtime::{Result, Store, StoreContextMut};

/// The registers of a value, as the canonical ABI has them.
fn registers(ty: &Type) -> Vec<&'static str> {
    let case = |ty: Option<&Type>| ty.map(registers).unwrap_or_default();
    match ty {
        Type::S64 | Type::U64 => vec!["i64"],
        Type::F32 => vec!["f32"],
        Type::F64 => vec!["f64"],
        Type::String | Type::List(_) | Type::Map(..) => vec!["i32", "i32"],
        Type::FixedList(of, length) => registers(of).repeat(*length as usize),
        Type::Tuple(types) => types.iter().flat_map(registers).collect(),
        Type::Record(of) => of.fields.iter().flat_map(|f| registers(&f.ty)).collect(),
        Type::Variant(of) => joined(of.cases.iter().map(|c| case(c.ty.as_ref()))),
        Type::Option(of) => joined([Vec::new(), registers(of)].into_iter()),
        Type::Result(ok, err) => joined([case(ok.as_deref()), case(err.as_deref())].into_iter()),
        _ => vec!["i32"],
    }
}

fn joined(cases: impl Iterator<Item = Vec<&'static str>>) -> Vec<&'static str> {
    let mut all = vec!["i32"];
    for case in cases {
        for (at, register) in case.into_iter().enumerate() {
            match all.get_mut(at + 1) {
                None => all.push(register),
                Some(other) if *other == register => {}
                Some(other) if matches!((*other, register), ("i32", "f32") | ("f32", "i32")) => {
                    *other = "i32";
                }
                Some(other) => *other = "i64",
            }
        }
    }
    all
}

/// A component that imports `echo` and exports it as `run`.
fn passing_on(ty: &Type, registers: &[&str]) -> Vec<u8> {
    let mut types = Types::default();
    let used = types.write(ty);
    // What does not fit registers is passed where it lies.
    let passed = if registers.len() > 16 {
        &["i32"]
    } else {
        registers
    };
    let params = passed.join(" ");
    let gets: String = (0..passed.len())
        .map(|n| format!("(local.get {n}) "))
        .collect();
    // What does not fit one register is given where the caller says.
    let (place, result, address) = match registers {
        [one] => ("", format!("(result {one})"), ""),
        _ => ("i32", String::new(), "(i32.const 16)"),
    };
    let given = match registers {
        [one] => one,
        _ => "i32",
    };
    let text = format!(
        "(component {MODULE} {}
  (import \"echo\" (func $echo (param \"v\" {used}) (result {used})))
  (core func $lowered (canon lower (func $echo) (memory $memory) (realloc (core func $realloc))))
  (core module $n
    (import \"\" \"echo\" (func $echo (param {params} {place}) {result}))
    (func (export \"run\") (param {params}) (result {given}) (call $echo {gets} {address}) {address}))
  (core instance $j (instantiate $n (with \"\" (instance (export \"echo\" (func $lowered))))))
  (func (export \"run\") (param \"v\" {used}) (result {used})
    (canon lift (core func $j \"run\") (memory $memory) (realloc (core func $realloc)))))",
        types.text
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The same for an async function that is lowered so, over types that fit at most four registers or none
/// at all: what lies in between would have to be written to memory by hand.
fn passing_on_async(ty: &Type, registers: &[&str]) -> Vec<u8> {
    let mut types = Types::default();
    let used = types.write(ty);
    let passed = if registers.len() > 16 {
        &["i32"]
    } else {
        registers
    };
    let params = passed.join(" ");
    let gets: String = (0..passed.len())
        .map(|n| format!("(local.get {n}) "))
        .collect();
    let text = format!(
        "(component {MODULE} {}
  (import \"echo\" (func $echo async (param \"v\" {used}) (result {used})))
  (core func $lowered
    (canon lower (func $echo) async (memory $memory) (realloc (core func $realloc))))
  (core module $n
    (import \"\" \"memory\" (memory 1))
    (import \"\" \"echo\" (func $echo (param {params} i32) (result i32)))
    (func (export \"run\") (param {params}) (result i32)
      ;; 2: it has returned, and nothing is left to wait for.
      (if (i32.ne (call $echo {gets} (i32.const 16)) (i32.const 2)) (then unreachable))
      (i32.const 16)))
  (core instance $j (instantiate $n (with \"\" (instance
    (export \"echo\" (func $lowered)) (export \"memory\" (memory $memory))))))
  (func (export \"run\") (param \"v\" {used}) (result {used})
    (canon lift (core func $j \"run\") (memory $memory) (realloc (core func $realloc)))))",
        types.text
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Gives back what it is given.
struct Echo;

impl Does<()> for Echo {
    async fn call(
        &self,
        _: StoreContextMut<'_, ()>,
        mut given: Vec<Value>,
    ) -> Result<Option<Value>> {
        Ok(given.pop())
    }

    async fn call_beside(&self, _: &Accessor<()>, mut given: Vec<Value>) -> Result<Option<Value>> {
        Ok(given.pop())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_guest_passes_to_the_host_comes_back(seed in any::<u64>()) {
        let mut random = Random(seed);
        let made = random.ty(3, true);
        let all = registers(&made);
        let binary = passing_on(&made, &all);
        let signatures = Signatures::of_binary(&binary, None).unwrap();
        let ty = signatures.find("run").unwrap().params[0].ty.clone();
        let engine = engine();
        let component = Component::new(&engine, &binary).unwrap();
        let mut linker = Linker::new(&engine);
        let shape = Shape::of([&ty].into_iter(), Some(&ty), false);
        prop_assert_eq!(shape.result, Some(all.len()));
        define(&mut linker.root(), "echo", shape, Arc::new(Echo)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        let typed = run.typed::<Arguments, Answer>(&store).unwrap();
        for _ in 0..4 {
            let value = random.value(&ty);
            let back = typed.call_async(&mut store, Arguments(vec![value.clone()]));
            let Answer(back) = block_on(back).unwrap();
            prop_assert_eq!(back.as_ref(), Some(&value), "{}", made);
        }
    }

    #[test]
    fn what_goes_to_an_async_function_of_the_host_comes_back(seed in any::<u64>()) {
        let mut random = Random(seed);
        let mut made = random.ty(3, true);
        let mut all = registers(&made);
        // In memory, and given by its place there.
        if all.len() == 1 || all.len() > 4 {
            made = Type::Tuple(std::iter::repeat_n(Type::U64, 17).chain([made]).collect());
            all = registers(&made);
        }
        let binary = passing_on_async(&made, &all);
        let signatures = Signatures::of_binary(&binary, None).unwrap();
        let ty = signatures.find("run").unwrap().params[0].ty.clone();
        let engine = concurrent_engine();
        let component = Component::new(&engine, &binary).unwrap();
        let mut linker = Linker::new(&engine);
        let shape = Shape::of([&ty].into_iter(), Some(&ty), true);
        define(&mut linker.root(), "echo", shape, Arc::new(Echo)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        let typed = run.typed::<Arguments, Answer>(&store).unwrap();
        for _ in 0..4 {
            let value = random.value(&ty);
            let back = typed.call_async(&mut store, Arguments(vec![value.clone()]));
            let Answer(back) = block_on(back).unwrap();
            prop_assert_eq!(back.as_ref(), Some(&value), "{}", made);
        }
    }
}
