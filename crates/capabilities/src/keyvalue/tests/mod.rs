//! What a guest meets: grants, denials, limits; in `calls` cursors and compare-and-swap, in `stores` what
//! a manifest says of stores.

mod calls;
mod stores;

use super::cas::Cas;
use super::limits::{HANDLES_MAX, HELD_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::wit::atomics::{CasError, Host as _, HostCas};
use super::wit::batch::Host as _;
use super::wit::store::{Error, Host as _, HostBucket};
use super::wit::{Bucket, store};
use super::{Instance, KeyValue, View, draft, store_fragment};
use crate::testing::core;
use crate::{Capability, Place};
use holm_manifest::{Span, Value};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Denial};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

/// An instance whose component was granted `default` and `other`, both in memory.
pub(super) struct Guest {
    table: ResourceTable,
    part: Instance,
    pub(super) core: Core,
}

fn place(stores: &[(&str, Value)]) -> Place {
    let stores = stores.iter().map(|(name, value)| holm_manifest::Store {
        name: (*name).to_owned(),
        span: Span::default(),
        kind: value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        value: value.clone(),
    });
    Place {
        base: "/nowhere".into(),
        state: "/nowhere/.holm".into(),
        stores: stores.collect(),
        shared: Arc::default(),
    }
}

fn memory() -> Value {
    Value::table(
        vec![("type", "keyvalue"), ("provider", "memory")]
            .into_iter()
            .map(|(k, v)| (k, v.into()))
            .collect(),
    )
}

impl Guest {
    pub(super) fn new() -> Self {
        let grant = Value::from(vec!["default", "other"]);
        let granted = KeyValue::granted(
            Some(&grant),
            &place(&[("default", memory()), ("other", memory())]),
        )
        .unwrap();
        Guest::of(&granted)
    }

    fn of(granted: &KeyValue) -> Self {
        let core = core(&Uses::default());
        let part = granted.instance(&core, &mut WasiCtxBuilder::new()).unwrap();
        Guest {
            table: ResourceTable::new(),
            part,
            core,
        }
    }

    pub(super) fn view(&mut self) -> View<'_> {
        View {
            table: &mut self.table,
            part: &mut self.part,
        }
    }

    async fn open(&mut self, name: &str) -> Resource<Bucket> {
        self.view().open(name.into()).await.unwrap().unwrap()
    }
}

/// The handle once more: the engine hands one out for each call.
pub(super) fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

fn other(error: Error) -> String {
    match error {
        Error::Other(text) => text,
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn what_is_not_granted_does_not_exist() {
    let mut guest = Guest::new();
    for _ in 0..2 {
        let opened = guest.view().open("sessions".into()).await.unwrap();
        assert!(matches!(opened, Err(Error::AccessDenied)));
    }
    let denial = Denial {
        asked: "open store \"sessions\"".into(),
        grant: "keyvalue",
        line: "keyvalue = [\"sessions\"]".into(),
        flag: "--keyvalue sessions".into(),
    };
    assert_eq!(guest.core.denials.list(), [denial]);
}

#[tokio::test]
async fn a_name_that_no_grant_can_have_is_not_offered_as_one() {
    let mut guest = Guest::new();
    for name in ["x; rm -rf ~", "../up", ".hidden", &"x".repeat(64)] {
        let opened = guest.view().open(name.into()).await.unwrap();
        assert!(other(opened.unwrap_err()).starts_with("a store's name is"));
    }
    assert_eq!(guest.core.denials.list(), []);
}

#[tokio::test]
async fn the_empty_name_means_default_and_stores_are_apart() {
    let mut guest = Guest::new();
    let (default, nameless, apart) = (
        guest.open("default").await,
        guest.open("").await,
        guest.open("other").await,
    );
    guest
        .view()
        .set(default, "key".into(), b"value".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        guest
            .view()
            .get(nameless, "key".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap(),
        b"value"
    );
    assert_eq!(
        guest
            .view()
            .get(apart, "key".into())
            .await
            .unwrap()
            .unwrap(),
        None
    );
    let uses: Vec<_> = guest
        .core
        .seam
        .uses()
        .unwrap()
        .list()
        .into_iter()
        .map(|u| u.scope)
        .collect();
    assert_eq!(uses, ["default", "other"]);
}

#[tokio::test]
async fn components_of_an_app_share_a_store() {
    let place = place(&[("default", memory())]);
    let grant = Value::from(vec!["default"]);
    let [mut a, mut b] =
        [(); 2].map(|()| Guest::of(&KeyValue::granted(Some(&grant), &place).unwrap()));
    let (in_a, in_b) = (a.open("default").await, b.open("default").await);
    a.view()
        .set(in_a, "key".into(), vec![1])
        .await
        .unwrap()
        .unwrap();
    assert!(b.view().exists(in_b, "key".into()).await.unwrap().unwrap());
}

#[tokio::test]
async fn limits_are_told_and_nothing_is_written() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    let error = guest
        .view()
        .get(b(), String::new())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(other(error), "a key cannot be empty");
    let error = guest
        .view()
        .exists(b(), long.clone())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "a key of 2049 bytes is over the limit of 2048"
    );
    let error = guest
        .view()
        .set(b(), "k".into(), vec![0; VALUE_BYTES_MAX + 1])
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "a value of 16777217 bytes: the value_size limit of 16 MiB was reached"
    );
    let many = (0..1001).map(|n| n.to_string()).collect();
    let error = guest
        .view()
        .delete_many(b(), many)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "a batch of 1001 keys is over the limit of 1000"
    );
    let large = (0..5).map(|n| (n.to_string(), vec![0; 15 << 20])).collect();
    let error = guest
        .view()
        .set_many(b(), large)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "a batch of 78643205 bytes is over the limit of 67108864"
    );
    let entries = vec![("ok".to_owned(), vec![]), (long, vec![])];
    guest
        .view()
        .set_many(b(), entries)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        guest
            .view()
            .list_keys(b(), None)
            .await
            .unwrap()
            .unwrap()
            .keys
            .is_empty()
    );
    assert_eq!(guest.core.flows.keyvalue_out.load(Relaxed), 0);
}

#[tokio::test]
async fn handles_are_limited_and_given_back() {
    let mut guest = Guest::new();
    let mut open = Vec::new();
    for _ in 0..HANDLES_MAX {
        open.push(guest.open("default").await);
    }
    let error = guest
        .view()
        .open("default".into())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "more than 1024 buckets and cas handles at once"
    );
    HostBucket::drop(&mut guest.view(), open.pop().unwrap())
        .await
        .unwrap();
    guest.open("default").await;
}

#[tokio::test]
async fn what_cas_handles_hold_is_limited() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    guest
        .view()
        .set(b(), "large".into(), vec![0; VALUE_BYTES_MAX])
        .await
        .unwrap()
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..HELD_BYTES_MAX / VALUE_BYTES_MAX {
        held.push(
            HostCas::new(&mut guest.view(), b(), "large".into())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let error = HostCas::new(&mut guest.view(), b(), "large".into())
        .await
        .unwrap()
        .unwrap_err();
    assert!(other(error).starts_with("the values of all open cas handles"));
    HostCas::drop(&mut guest.view(), held.pop().unwrap())
        .await
        .unwrap();
    HostCas::new(&mut guest.view(), b(), "large".into())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn bytes_of_values_are_counted() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    guest
        .view()
        .set(b(), "a".into(), vec![0; 100])
        .await
        .unwrap()
        .unwrap();
    guest
        .view()
        .set_many(
            b(),
            vec![("b".into(), vec![0; 20]), ("c".into(), vec![0; 3])],
        )
        .await
        .unwrap()
        .unwrap();
    guest.view().get(b(), "a".into()).await.unwrap().unwrap();
    guest
        .view()
        .get_many(b(), vec!["b".into(), "none".into(), "c".into()])
        .await
        .unwrap()
        .unwrap();
    let flows = &guest.core.flows;
    assert_eq!(
        [
            flows.keyvalue_in.load(Relaxed),
            flows.keyvalue_out.load(Relaxed)
        ],
        [123, 123]
    );
}
