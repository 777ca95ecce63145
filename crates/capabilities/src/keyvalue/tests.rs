//! What a guest meets: grants, denials, limits, cursors, compare-and-swap.

use super::cas::Cas;
use super::limits::{HANDLES_MAX, HELD_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::wit::atomics::{CasError, Host as _, HostCas};
use super::wit::batch::Host as _;
use super::wit::store::{Error, Host as _, HostBucket};
use super::wit::{Bucket, store};
use super::{Instance, KeyValue, Stores, View, draft, store_fragment};
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
        shared: Arc::new(Stores::default()),
        brokers: Default::default(),
        messages: Default::default(),
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

#[tokio::test]
async fn a_failed_swap_gives_a_handle_on_what_is_there_now() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    let cas = HostCas::new(&mut guest.view(), b(), "key".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        guest.view().current(again(&cas)).await.unwrap().unwrap(),
        None
    );
    guest
        .view()
        .set(b(), "key".into(), b"theirs".into())
        .await
        .unwrap()
        .unwrap();
    let fresh: Resource<Cas> = match guest.view().swap(cas, b"mine".into()).await.unwrap() {
        Err(CasError::CasFailed(cas)) => cas,
        swapped => panic!("{swapped:?}"),
    };
    assert_eq!(
        guest
            .view()
            .current(again(&fresh))
            .await
            .unwrap()
            .unwrap()
            .unwrap(),
        b"theirs"
    );
    guest
        .view()
        .swap(fresh, b"mine".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        guest
            .view()
            .get(b(), "key".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap(),
        b"mine"
    );
    assert_eq!((guest.part.handles, guest.part.held), (1, 0));
}

#[tokio::test]
async fn signed_and_unsigned_increments_stay_in_their_ranges() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    assert_eq!(
        guest
            .view()
            .increment(b(), "n".into(), -3)
            .await
            .unwrap()
            .unwrap(),
        -3
    );
    let error = draft::increment(&mut guest.view(), b(), "n".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "-3 + 1 is not between 0 and 18446744073709551615"
    );
    assert_eq!(
        draft::increment(&mut guest.view(), b(), "u".into(), u64::MAX)
            .await
            .unwrap()
            .unwrap(),
        u64::MAX
    );
    draft::increment(&mut guest.view(), b(), "u".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
    guest
        .view()
        .increment(b(), "u".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
}

async fn fill(guest: &mut Guest, bucket: &Resource<Bucket>, count: usize) {
    let keys: Vec<_> = (0..count).map(|n| (format!("{n:05}"), vec![])).collect();
    for part in keys.chunks(1000) {
        guest
            .view()
            .set_many(again(bucket), part.to_vec())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn pages_follow_a_text_cursor() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    fill(&mut guest, &bucket, 2000).await;
    let first = guest
        .view()
        .list_keys(again(&bucket), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (first.keys.len(), first.cursor.as_deref()),
        (1000, Some("00999"))
    );
    let second = guest
        .view()
        .list_keys(again(&bucket), first.cursor)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (second.keys[0].as_str(), second.keys.len(), second.cursor),
        ("01000", 1000, None)
    );
}

#[tokio::test]
async fn pages_follow_a_number_even_while_keys_are_deleted() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    fill(&mut guest, &bucket, 2500).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = draft::list_keys(&mut guest.view(), again(&bucket), cursor)
            .await
            .unwrap()
            .unwrap();
        guest
            .view()
            .delete_many(again(&bucket), page.keys.clone())
            .await
            .unwrap()
            .unwrap();
        seen.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 2500);
    // A cursor from elsewhere: another instance, or made up.
    fill(&mut guest, &bucket, 1500).await;
    let fresh = guest.open("default").await;
    let page = draft::list_keys(&mut guest.view(), again(&fresh), Some(1000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (page.keys[0].as_str(), page.keys.len(), page.cursor),
        ("01000", 500, None)
    );
    let page = draft::list_keys(&mut guest.view(), fresh, Some(u64::MAX))
        .await
        .unwrap()
        .unwrap();
    assert!(page.keys.is_empty() && page.cursor.is_none());
}

#[tokio::test]
async fn a_missing_value_is_none_in_the_shape_of_each_draft() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    guest
        .view()
        .set(again(&bucket), "a".into(), vec![1])
        .await
        .unwrap()
        .unwrap();
    let keys = vec!["a".to_owned(), "b".to_owned()];
    let new = guest
        .view()
        .get_many(again(&bucket), keys.clone())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        new,
        [("a".to_owned(), Some(vec![1])), ("b".to_owned(), None)]
    );
    let old = draft::get_many(&mut guest.view(), bucket, keys)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old, [Some(("a".to_owned(), vec![1])), None]);
}

#[test]
fn a_grant_names_stores() {
    let problem = KeyValue::granted(Some(&vec!["ok", "no/good"].into()), &place(&[])).unwrap_err();
    assert_eq!(problem.message, "\"no/good\" cannot be the name of a store");
    let problem = KeyValue::granted(Some(&"default".into()), &place(&[])).unwrap_err();
    assert!(problem.is_error());
    let stores = KeyValue::granted(None, &place(&[])).unwrap();
    assert!(stores.0.is_empty());
}

#[test]
fn a_declared_store_says_what_is_wrong_with_it() {
    let problem = |pairs: Vec<(&str, Value)>| {
        let mut table = vec![("type", Value::from("keyvalue"))];
        table.extend(pairs);
        let problems = (store_fragment().check)(&Value::table(table));
        problems
            .into_iter()
            .map(|p| {
                p.label
                    .map_or(p.message.clone(), |l| format!("{}: {l}", p.message))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(problem(vec![]), [""; 0]);
    assert_eq!(
        problem(vec![("provider", "redb".into()), ("path", "x.redb".into())]),
        [""; 0]
    );
    assert_eq!(
        problem(vec![
            ("provider", "memory".into()),
            ("limit", "1 MiB".into())
        ]),
        [""; 0]
    );
    assert_eq!(
        problem(vec![("provider", "redis".into())]),
        ["the provider needs the address of its server: `url` is missing"]
    );
    assert_eq!(
        problem(vec![("provider", "rebd".into())]),
        ["unknown provider `rebd`: known here: redb, memory, redis"]
    );
    assert_eq!(problem(vec![("limit", "1 MiB".into())]), [""; 0]);
    assert_eq!(
        problem(vec![("provider", "memory".into()), ("path", "x".into())]),
        ["`path` is for the provider `redb`"]
    );
    assert_eq!(
        problem(vec![("ttl", "1 h".into())]),
        ["`ttl` is for the provider `redis`"]
    );
    for (provider, scheme) in [("redis", "redis"), ("redis", "rediss")] {
        let table = |url: String| {
            vec![
                ("provider", Value::from(provider)),
                ("url", url.into()),
                ("ttl", "1 h".into()),
                ("timeout", "500 ms".into()),
            ]
        };
        assert_eq!(problem(table(format!("{scheme}://:pass@host"))), [""; 0]);
        // What is wrong may be the password: it is not quoted.
        let wrong = problem(table("http://hunter2".into()));
        assert!(wrong[0].starts_with("this is not the address of such a server: expected "));
        assert!(!wrong[0].contains("hunter2"), "{wrong:?}");
    }
    let nothing = problem(vec![
        ("provider", "redis".into()),
        ("url", "redis://host".into()),
        ("ttl", "0 s".into()),
    ]);
    assert_eq!(nothing, ["a time of nothing: longer than 0"]);
}

#[test]
fn a_store_of_another_type_is_no_key_value_store() {
    let sql = Value::table(vec![("type", Value::from("sql"))]);
    let problem = KeyValue::granted(Some(&vec!["db"].into()), &place(&[("db", sql)])).unwrap_err();
    assert!(
        problem
            .message
            .starts_with("store `db` is declared with `type = \"sql\"`"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_store_in_memory_is_full_at_its_limit() {
    let small = Value::table(vec![
        ("type", Value::from("keyvalue")),
        ("provider", "memory".into()),
        ("limit", "100".into()),
    ]);
    let granted =
        KeyValue::granted(Some(&vec!["default"].into()), &place(&[("default", small)])).unwrap();
    let mut guest = Guest::of(&granted);
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    guest
        .view()
        .set(b(), "a".into(), vec![0; 99])
        .await
        .unwrap()
        .unwrap();
    guest
        .view()
        .set(b(), "a".into(), vec![1; 99])
        .await
        .unwrap()
        .unwrap();
    let full = guest
        .view()
        .set(b(), "b".into(), vec![])
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(other(full), "store \"default\" is full: its limit is 100 B");
    guest.view().delete(b(), "a".into()).await.unwrap().unwrap();
    guest
        .view()
        .set(b(), "b".into(), vec![0; 99])
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_told_without_its_path() {
    let mut place = place(&[]);
    place.state = "/dev/null".into();
    let mut guest = Guest::of(&KeyValue::granted(Some(&vec!["default"].into()), &place).unwrap());
    let error: store::Error = guest
        .view()
        .open("default".into())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(other(error), "store \"default\" failed");
}

/// A store's name becomes a file's name: one that is taken for a name stays in its folder.
#[test]
fn names_of_stores_are_names_of_files() {
    crate::fuzz::text("store-name", &["..", "/", "\\", "\0", "default"], |text| {
        if super::is_name(text) {
            let mut parts = std::path::Path::new(text).components();
            assert!(
                matches!(parts.next(), Some(std::path::Component::Normal(part)) if part == text)
            );
            assert_eq!(parts.next(), None);
            assert!(
                text.len() + ".redb".len() <= 255 && text.chars().all(|c| c.is_ascii_graphic())
            );
        }
        let read = super::names(&Value::from(vec![text]));
        assert_eq!(read.is_ok(), super::is_name(text));
    });
}
