//! What crosses is what left.

use super::state;
use crate::bridge::values;
use crate::limits::{Allowance, Budget};
use crate::values::tests::random::Random;
use proptest::prelude::*;
use wasmtime::{AsContextMut as _, Store};

proptest! {
    #[test]
    fn data_arrives_as_it_left(seed in any::<u64>()) {
        let mut random = Random(seed);
        let ty = random.ty(4, true);
        let value = random.value(&ty);
        let budget = Budget::new(Allowance::UNLIMITED);
        let mut store = Store::new(&wasmtime::Engine::default(), state("web", budget));
        let mut store = store.as_context_mut();
        let mut carried = Vec::new();
        let packed = values::pack(value.clone(), &mut store, &mut carried, None, &mut |_, _| {
            wasmtime::bail!("there is no resource in it")
        });
        let packed = packed.unwrap();
        prop_assert!(carried.is_empty());
        let back = values::unpack(packed, &mut store, &mut [], &mut |_, _| {
            wasmtime::bail!("there is no resource in it")
        });
        prop_assert_eq!(back.unwrap(), value);
    }
}
