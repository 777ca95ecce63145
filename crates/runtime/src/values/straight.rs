//! The short way of a call: values straight into the guest's memory and out of it, so that lists of
//! numbers cross as a whole.

use super::abi::{self, Answer, Arguments, FLAT_PARAMS_MAX, Taken, by_registers, registers};
use super::signature::Signature;
use super::value::Value;
use wasmtime::component::{Accessor, Func, TypedFunc};
use wasmtime::{AsContext, Result, Store, bail};

/// How a function is called the short way.
#[derive(Clone, Copy)]
pub(crate) enum Straight {
    /// On an engine without concurrency.
    Alone(TypedFunc<Arguments, Answer>),
    /// On one with it.
    Concurrent(TypedFunc<Arguments, Answer>),
    /// An async function, whose guest gives the result in so many registers while it goes on.
    Async(Func, usize),
}

impl Straight {
    /// How a function can be called so; not where the engine knows no way for a type.
    pub fn of<S>(
        store: &Store<S>,
        function: Func,
        signature: &Signature,
        concurrency: bool,
    ) -> Result<Option<Self>> {
        if !signature.types().all(abi::fits) {
            return Ok(None);
        }
        let registers = signature.result.as_ref().map_or(0, registers);
        Ok(Some(match concurrency {
            false => Straight::Alone(function.typed(store)?),
            true => Self::within(store, function, signature.is_async, registers)?,
        }))
    }

    /// How a function is called while other things go on, if its result has so many registers.
    pub fn within(
        store: impl AsContext,
        function: Func,
        is_async: bool,
        registers: usize,
    ) -> Result<Self> {
        Ok(match is_async {
            true if registers <= FLAT_PARAMS_MAX => Straight::Async(function, registers),
            // What needs more registers lies in memory, as results of ordinary functions do.
            _ => Straight::Concurrent(function.typed(store)?),
        })
    }

    /// Calls, with arguments that were checked.
    pub async fn call<S: Send>(
        self,
        store: &mut Store<S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        match self {
            Straight::Alone(function) => {
                let called = function.call_async(store, Arguments(arguments));
                Ok(called.await?.0)
            }
            // Boxed, so that calls of the others do not carry the room for it.
            Straight::Concurrent(_) | Straight::Async(..) => {
                let call =
                    store.run_concurrent(async |store| self.call_within(store, arguments).await);
                Box::pin(call).await?
            }
        }
    }

    /// The same while other things go on in the store.
    pub async fn call_within<S: Send>(
        self,
        store: &Accessor<S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        match self {
            Straight::Alone(_) => bail!("an engine without concurrency has one call at a time"),
            Straight::Concurrent(function) => {
                let called = function.call_concurrent(store, Arguments(arguments));
                Ok(called.await?.0)
            }
            Straight::Async(function, registers) => by_registers!(
                registers,
                COUNT => {
                    let function = store.with(|store| {
                        function.typed::<Arguments, Taken<COUNT>>(store)
                    })?;
                    let called = function.call_concurrent(store, Arguments(arguments));
                    Ok(called.await?.0.pop())
                },
                more => bail!("a result of {registers} registers")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::guest::{component, concurrent_engine as engine};
    use super::super::tests::random::Random;
    use super::super::{Signatures, check};
    use super::*;
    use futures::executor::block_on;
    use proptest::prelude::*;
    use wasmtime::component::{Component, Linker};

    /// Async functions that give what they are given.
    const ECHOES: &str = r#"(component
      (core module $memory
        (memory (export "memory") 32)
        (global $at (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $start i32)
          (local.set $start (i32.and
            (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))
          (global.set $at (i32.add (local.get $start) (local.get 3)))
          (local.get $start)))
      (core instance $memory (instantiate $memory))
      (alias core export $memory "memory" (core memory $m))
      (alias core export $memory "realloc" (core func $realloc))
      (type $list (list f64))
      (type $either (result (list u8) (error string)))
      (core func $none (canon task.return))
      (core func $one (canon task.return (result u32)))
      (core func $two (canon task.return (result $list) (memory $m)))
      (core func $three (canon task.return (result $either) (memory $m) string-encoding=utf8))
      (core module $code
        (import "" "none" (func $none))
        (import "" "one" (func $one (param i32)))
        (import "" "two" (func $two (param i32 i32)))
        (import "" "three" (func $three (param i32 i32 i32)))
        (import "" "memory" (memory 1))
        (func (export "lifted") (param i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 0))
          (i32.store (i32.const 20) (local.get 1))
          (i32.const 16))
        (func (export "none") (result i32) (call $none) (i32.const 0))
        (func (export "one") (param i32) (result i32)
          (call $one (local.get 0)) (i32.const 0))
        (func (export "two") (param i32 i32) (result i32)
          (call $two (local.get 0) (local.get 1)) (i32.const 0))
        (func (export "three") (param i32 i32 i32) (result i32)
          (call $three (local.get 0) (local.get 1) (local.get 2)) (i32.const 0))
        (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
      (core instance $code (instantiate $code (with "" (instance
        (export "none" (func $none)) (export "one" (func $one))
        (export "two" (func $two)) (export "three" (func $three))
        (export "memory" (memory $m))))))
      (alias core export $code "callback" (core func $callback))
      (func (export "none") async
        (canon lift (core func $code "none") async (callback $callback)))
      (func (export "one") async (param "value" u32) (result u32)
        (canon lift (core func $code "one") async (callback $callback)))
      (func (export "two") async (param "value" $list) (result $list)
        (canon lift (core func $code "two") async (callback $callback)
          (memory $m) (realloc $realloc)))
      (func (export "three") async (param "value" $either) (result $either)
        (canon lift (core func $code "three") async (callback $callback)
          (memory $m) (realloc $realloc) string-encoding=utf8))
      (func (export "lifted") async (param "value" string) (result string)
        (canon lift (core func $code "lifted")
          (memory $m) (realloc $realloc) string-encoding=utf8))
    )"#;

    #[test]
    fn async_functions_give_theirs_in_registers() {
        let engine = engine();
        let binary = wat::parse_str(ECHOES).unwrap();
        let signatures = Signatures::of_binary(&binary, None).unwrap();
        let component = Component::new(&engine, &binary).unwrap();
        let mut random = Random(7);
        for (name, count) in [
            ("none", 0),
            ("one", 1),
            ("two", 2),
            ("three", 3),
            ("lifted", 2),
        ] {
            let signature = signatures.find(name).unwrap();
            let mut store = Store::new(&engine, ());
            let linker = Linker::new(&engine);
            let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
            let function = instance.get_func(&mut store, name).unwrap();
            let straight = Straight::of(&store, function, signature, true)
                .unwrap()
                .unwrap();
            assert!(
                matches!(straight, Straight::Async(_, n) if n == count),
                "{name}"
            );
            for _ in 0..20 {
                let params = signature.params.iter();
                let arguments: Vec<Value> = params.map(|p| random.value(&p.ty)).collect();
                let result = block_on(straight.call(&mut store, arguments.clone())).unwrap();
                assert_eq!(result.as_ref(), arguments.first(), "{name}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_goes_into_an_engine_with_concurrency_comes_out(seed in any::<u64>()) {
            let mut random = Random(seed);
            let (binary, _) = component(&random.ty(4, true));
            let signatures = Signatures::of_binary(&binary, None).unwrap();
            let signature = signatures.find("echo").unwrap();
            let engine = engine();
            let component = Component::new(&engine, &binary).unwrap();
            let mut store = Store::new(&engine, ());
            let linker = Linker::new(&engine);
            let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
            let echo = instance.get_func(&mut store, "echo").unwrap();
            let straight = Straight::of(&store, echo, signature, true).unwrap().unwrap();
            prop_assert!(matches!(straight, Straight::Concurrent(_)));
            let value = random.value(&signature.params[0].ty);
            prop_assert_eq!(check(&signature.params[0].ty, &value), Ok(()));
            let result = block_on(straight.call(&mut store, vec![value.clone()])).unwrap();
            prop_assert_eq!(result, Some(value));
        }
    }
}
