//! What crosses is what left.

use super::state;
use crate::bridge::values;
use crate::limits::{Allowance, Budget};
use proptest::prelude::*;
use wasmtime::component::Val;
use wasmtime::{AsContextMut as _, Store};

/// Values of every shape that is data.
fn data() -> impl Strategy<Value = Val> {
    let name = || "[a-z][a-z0-9-]{0,5}".prop_map(String::from);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Val::Bool),
        any::<u8>().prop_map(Val::U8),
        any::<i16>().prop_map(Val::S16),
        any::<u32>().prop_map(Val::U32),
        any::<i64>().prop_map(Val::S64),
        any::<f64>().prop_map(Val::Float64),
        any::<char>().prop_map(Val::Char),
        any::<String>().prop_map(Val::String),
        name().prop_map(Val::Enum),
        prop::collection::vec(name(), 0..3).prop_map(Val::Flags),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..4);
        let boxed = || prop::option::of(inner.clone().prop_map(Box::new));
        prop_oneof![
            many().prop_map(Val::List),
            many().prop_map(Val::Tuple),
            prop::collection::vec((name(), inner.clone()), 1..4).prop_map(Val::Record),
            prop::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(Val::Map),
            (name(), boxed()).prop_map(|(case, payload)| Val::Variant(case, payload)),
            boxed().prop_map(Val::Option),
            boxed().prop_map(|payload| Val::Result(Ok(payload))),
            boxed().prop_map(|payload| Val::Result(Err(payload))),
        ]
    })
}

proptest! {
    #[test]
    fn data_arrives_as_it_left(value in data()) {
        let budget = Budget::new(Allowance::UNLIMITED);
        let mut store = Store::new(&wasmtime::Engine::default(), state("web", budget));
        let mut store = store.as_context_mut();
        let mut carried = Vec::new();
        let packed = values::pack(&value, &mut store, &mut carried, None, &mut |_, _| {
            wasmtime::bail!("there is no resource in it")
        });
        let packed = packed.unwrap();
        prop_assert!(carried.is_empty());
        let back = values::unpack(&packed, &mut store, &mut [], &mut |_, _| {
            wasmtime::bail!("there is no resource in it")
        });
        prop_assert_eq!(back.unwrap(), value);
    }
}
