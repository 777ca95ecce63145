//! What every key-value provider must do: the same cases for each of them.

use holm_capabilities::keyvalue::memory::Memory;
use holm_capabilities::keyvalue::nats::Nats;
use holm_capabilities::keyvalue::provider::{Error, From, Page, Provider, Swap};
use holm_capabilities::keyvalue::redb::Redb;
use holm_capabilities::keyvalue::redis::Redis;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much each store holds.
const LIMIT: u64 = 64 << 20;

/// No limit on sums.
const ANY: RangeInclusive<i128> = i128::MIN..=i128::MAX;

/// A store of each kind, empty, for one case. Servers have limits of their own in place of ours.
macro_rules! contract {
    (all: $($case:ident)* ; without_limit: $($unlimited:ident)*) => {
        contract! { @embedded $($case)* $($unlimited)* }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::on_redis(None)).await;
            })*
        }
        mod nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::on_nats(None).await).await;
            })*
        }
    };
    (@embedded $($case:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(std::sync::Arc::new(super::Memory::new("test", super::LIMIT))).await;
            })*
        }
        mod redb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let store = super::Redb::open("test", &folder.path().join("a/test.redb"), super::LIMIT).await.unwrap();
                super::$case(std::sync::Arc::new(store)).await;
            })*
        }
    };
}

/// How long a call to a server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a real server is, as `scripts/servers start` says.
fn server(variable: &str) -> String {
    let said = "no server is running: eval \"$(scripts/servers start)\" sets";
    std::env::var(variable).unwrap_or_else(|_| panic!("{said} {variable}"))
}

/// A name that nobody else has: the servers outlive the tests.
fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let count = COUNT.fetch_add(1, Relaxed);
    format!(
        "t{}-{}-{count}",
        std::process::id(),
        since.unwrap().as_nanos()
    )
}

fn on_redis(ttl: Option<Duration>) -> Store {
    // With signs of the server's patterns, which must not mean anything.
    let prefix = format!("{}*[a]?:", fresh_name());
    let url = server("HOLM_TEST_REDIS");
    Arc::new(Redis::open("test", &url, &prefix, ttl, TIMEOUT).unwrap())
}

async fn on_nats(ttl: Option<Duration>) -> Store {
    let url = server("HOLM_TEST_NATS");
    let store = Nats::open("test", &url, &fresh_name(), ttl, TIMEOUT).await;
    Arc::new(store.unwrap())
}

contract! { all:
    nothing_is_there_at_first
    a_value_is_what_was_set_last
    values_may_be_empty_and_of_any_bytes
    keys_are_told_apart_by_their_bytes
    deleted_is_gone
    pages_cover_all_keys_once_and_in_order
    a_page_begins_where_it_is_asked_to
    a_cursor_that_nobody_gave_out_is_a_place_like_any
    many_come_back_in_the_order_asked
    many_have_a_limit_together
    of_equal_keys_in_a_batch_the_last_holds
    batches_delete_what_is_there
    increment_begins_at_zero
    increment_reads_and_writes_decimal_text
    increment_refuses_what_is_no_number_or_leaves_the_range
    swap_writes_only_over_what_was_expected
    no_increment_is_lost_among_many_at_once
    no_swap_is_lost_among_many_at_once
    writes_at_once_are_all_there
    ; without_limit:
    values_may_be_large
    a_full_store_refuses_what_makes_it_fuller
}

type Store = Arc<dyn Provider>;

async fn set(store: &Store, key: &str, value: impl AsRef<[u8]>) {
    store.set(key.into(), value.as_ref().into()).await.unwrap();
}

async fn get(store: &Store, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap()
}

async fn nothing_is_there_at_first(store: Store) {
    assert_eq!(get(&store, "a").await, None);
    assert!(!store.exists("a").await.unwrap());
    let page = store.list_keys(From::Start, 10).await.unwrap();
    assert_eq!(
        page,
        Page {
            keys: vec![],
            more: false
        }
    );
    assert_eq!(store.get_many(vec!["a".into()], 1).await.unwrap(), [None]);
    store.delete("a".into()).await.unwrap();
    store
        .delete_many(vec!["a".into(), "b".into()])
        .await
        .unwrap();
    store.set_many(vec![]).await.unwrap();
    store.ready().await.unwrap();
}

async fn a_value_is_what_was_set_last(store: Store) {
    for value in ["one", "two", ""] {
        set(&store, "key", value).await;
        assert_eq!(get(&store, "key").await.unwrap(), value.as_bytes());
        assert!(store.exists("key").await.unwrap());
    }
}

async fn values_may_be_empty_and_of_any_bytes(store: Store) {
    for value in [&[][..], &[0], &[0xff, 0, 0xfe]] {
        set(&store, "key", value).await;
        assert_eq!(get(&store, "key").await.unwrap(), value);
    }
}

async fn values_may_be_large(store: Store) {
    let large: Vec<u8> = (0..16 << 20).map(|i: u32| (i ^ (i >> 8)) as u8).collect();
    set(&store, "key", &large).await;
    assert!(get(&store, "key").await.unwrap() == large);
}

#[tokio::test]
async fn a_server_of_redis_takes_large_values() {
    values_may_be_large(on_redis(None)).await;
}

#[tokio::test]
async fn a_server_of_nats_says_what_is_too_large() {
    let store = on_nats(None).await;
    let error = store.set("key".into(), vec![0; 2 << 20]).await.unwrap_err();
    assert_eq!(error.told, "the server of store \"test\" refused it");
    assert_eq!(get(&store, "key").await, None);
}

#[tokio::test]
async fn values_end_with_their_time() {
    let ttl = Some(Duration::from_secs(1));
    for store in [on_redis(ttl), on_nats(ttl).await] {
        set(&store, "set", "1").await;
        store.increment("n".into(), 1, ANY).await.unwrap();
        store.swap("swap".into(), None, vec![1]).await.unwrap();
        store
            .set_many(vec![("many".into(), vec![1])])
            .await
            .unwrap();
        for key in ["set", "n", "swap", "many"] {
            // However late: a value that outlasts its time is waited for no longer than the test.
            while store.exists(key).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(
            store.swap("swap".into(), None, vec![2]).await.unwrap(),
            Swap::Done
        );
        assert_eq!(store.increment("n".into(), 1, ANY).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    // A port that was free a moment ago, and one that accepts and says nothing.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = free.local_addr().unwrap();
    drop(free);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(300);
    for address in [gone, mute.local_addr().unwrap()] {
        let url = format!("redis://{address}");
        let redis = Redis::open("test", &url, "", None, timeout).unwrap();
        redis.get("key").await.unwrap_err();
        redis.set("key".into(), vec![]).await.unwrap_err();
        redis.increment("key".into(), 1, ANY).await.unwrap_err();
        redis.list_keys(From::Start, 1).await.unwrap_err();
        let url = format!("nats://{address}");
        Nats::open("test", &url, "b", None, timeout)
            .await
            .unwrap_err();
    }
}

async fn a_cursor_that_nobody_gave_out_is_a_place_like_any(store: Store) {
    for key in ["a", "b", "c"] {
        set(&store, key, "").await;
    }
    for (from, keys) in [
        (From::Skip(u64::MAX), &[][..]),
        (From::Skip(2), &["c"]),
        (From::After("a\u{10ffff}".into()), &["b", "c"]),
        (From::After("*".into()), &["a", "b", "c"]),
        (From::After(String::new()), &["a", "b", "c"]),
        (From::After("\0\r\n".into()), &["a", "b", "c"]),
        (From::After("z".repeat(100_000)), &[]),
    ] {
        let shown = format!("{from:.100?}");
        let page = store.list_keys(from, 10).await.unwrap();
        assert_eq!(page.keys, keys, "{shown}");
        assert!(!page.more, "{shown}");
    }
}

/// Answers whatever it is asked, and a listing without end: of so many keys of 2000 bytes at once.
async fn endless() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut asked, mut count) = (Vec::new(), 0);
        loop {
            asked.clear();
            if stream.read_buf(&mut asked).await.unwrap() == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&asked).into_owned();
            let mut answer = String::new();
            // A command is a list, whose first word says which.
            let commands = text.split('*').skip(1);
            for command in commands.filter(|c| c.starts_with(|c: char| c.is_ascii_digit())) {
                match command.contains("SCAN") {
                    true => {
                        answer += "*2\r\n$1\r\n7\r\n*1000\r\n";
                        for _ in 0..1000 {
                            count += 1;
                            answer += &format!("$2000\r\n{count:02000}\r\n");
                        }
                    }
                    false => answer += "+OK\r\n",
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("redis://{address}")
}

#[tokio::test]
async fn a_listing_without_end_has_one() {
    let store = Redis::open("test", &endless().await, "", None, TIMEOUT).unwrap();
    let listed = store.list_keys(From::Skip(u64::MAX), 10).await;
    let told = listed.unwrap_err().told;
    assert!(told.starts_with("a list of keys of "), "{told}");
}

async fn keys_are_told_apart_by_their_bytes(store: Store) {
    let long = "k".repeat(2048);
    let keys = [
        "a", "A", "a ", "a\0", "ä", "a\u{308}", "/", "../x", "\n", &long,
    ];
    for (index, key) in keys.iter().enumerate() {
        set(&store, key, [index as u8]).await;
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(get(&store, key).await.unwrap(), [index as u8]);
    }
}

async fn deleted_is_gone(store: Store) {
    set(&store, "a", "1").await;
    set(&store, "b", "2").await;
    store.delete("a".into()).await.unwrap();
    assert_eq!(get(&store, "a").await, None);
    assert!(!store.exists("a").await.unwrap());
    assert_eq!(store.list_keys(From::Start, 10).await.unwrap().keys, ["b"]);
    set(&store, "a", "3").await;
    assert_eq!(get(&store, "a").await.unwrap(), b"3");
}

async fn pages_cover_all_keys_once_and_in_order(store: Store) {
    let all: Vec<String> = (0..2500).map(|i| format!("{i:05}")).collect();
    for part in all.chunks(500) {
        let entries = part
            .iter()
            .rev()
            .map(|key| (key.clone(), vec![1]))
            .collect();
        store.set_many(entries).await.unwrap();
    }
    for limit in [1000, 2499, 2500, 2501] {
        let (mut from, mut seen) = (From::Start, Vec::new());
        loop {
            let page = store.list_keys(from, limit).await.unwrap();
            assert!(page.keys.len() <= limit);
            seen.extend(page.keys);
            assert_eq!(page.more, seen.len() < all.len());
            if !page.more {
                break;
            }
            from = From::After(seen.last().unwrap().clone());
        }
        assert_eq!(seen, all);
    }
}

async fn a_page_begins_where_it_is_asked_to(store: Store) {
    for key in ["a", "b", "c", "d"] {
        set(&store, key, "").await;
    }
    let list = async |from| store.list_keys(from, 2).await.unwrap();
    assert_eq!(list(From::After("a".into())).await.keys, ["b", "c"]);
    assert_eq!(list(From::After("aa".into())).await.keys, ["b", "c"]);
    assert_eq!(list(From::After(String::new())).await.keys, ["a", "b"]);
    assert_eq!(
        list(From::After("c".into())).await,
        Page {
            keys: vec!["d".into()],
            more: false
        }
    );
    assert_eq!(
        list(From::After("d".into())).await,
        Page {
            keys: vec![],
            more: false
        }
    );
    assert_eq!(
        list(From::Skip(1)).await,
        Page {
            keys: vec!["b".into(), "c".into()],
            more: true
        }
    );
    assert_eq!(
        list(From::Skip(2)).await,
        Page {
            keys: vec!["c".into(), "d".into()],
            more: false
        }
    );
    assert_eq!(
        list(From::Skip(u64::MAX)).await,
        Page {
            keys: vec![],
            more: false
        }
    );
}

async fn many_come_back_in_the_order_asked(store: Store) {
    let entries: Vec<_> = (0..200)
        .map(|i| (format!("{i}"), format!("v{i}").into_bytes()))
        .collect();
    store.set_many(entries).await.unwrap();
    for count in [3, 200] {
        let mut keys: Vec<_> = (0..count).rev().map(|i| i.to_string()).collect();
        keys.insert(1, "none".into());
        keys.push("0".into());
        let values = store.get_many(keys.clone(), 1 << 20).await.unwrap();
        for (key, value) in keys.iter().zip(values) {
            assert_eq!(
                value,
                (key != "none").then(|| format!("v{key}").into_bytes())
            );
        }
    }
}

async fn many_have_a_limit_together(store: Store) {
    set(&store, "a", [1; 60]).await;
    set(&store, "b", [2; 40]).await;
    let keys = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(store.get_many(keys.clone(), 100).await.unwrap().len(), 2);
    let error = store.get_many(keys, 99).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a batch of 100 bytes is over the limit of 99"
    );
}

async fn of_equal_keys_in_a_batch_the_last_holds(store: Store) {
    store
        .set_many(vec![("a".into(), vec![1]), ("a".into(), vec![2])])
        .await
        .unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), [2]);
}

async fn batches_delete_what_is_there(store: Store) {
    store
        .set_many(vec![("a".into(), vec![]), ("b".into(), vec![])])
        .await
        .unwrap();
    store
        .delete_many(vec!["a".into(), "c".into(), "a".into()])
        .await
        .unwrap();
    assert_eq!(store.list_keys(From::Start, 9).await.unwrap().keys, ["b"]);
}

async fn a_full_store_refuses_what_makes_it_fuller(store: Store) {
    let value = |bytes: usize| vec![0; bytes];
    // Up to the last byte, keys included, after writes of each kind.
    store.increment("n".into(), 9, ANY).await.unwrap();
    store.increment("n".into(), 1, ANY).await.unwrap();
    store.swap("s".into(), None, value(10)).await.unwrap();
    store
        .swap("s".into(), Some(value(10)), value(4))
        .await
        .unwrap();
    set(&store, "gone", value(100)).await;
    store.delete("gone".into()).await.unwrap();
    store
        .set_many(vec![("m".into(), value(7)), ("m".into(), value(3))])
        .await
        .unwrap();
    let used = 3 + 5 + 4;
    for n in 0..4 {
        set(
            &store,
            &n.to_string(),
            value((16 << 20) - 1 - used * usize::from(n == 0)),
        )
        .await;
    }
    let full = Error::with_detail(
        "store \"test\" is full: its limit is 64 MiB",
        "raise it with `limit` under [store.test]",
    );
    assert_eq!(store.set("x".into(), vec![]).await.unwrap_err(), full);
    assert_eq!(store.set("m".into(), value(4)).await.unwrap_err(), full);
    assert_eq!(
        store.increment("n".into(), 90, ANY).await.unwrap_err(),
        full
    );
    assert_eq!(
        store
            .swap("s".into(), Some(value(4)), value(5))
            .await
            .unwrap_err(),
        full
    );
    let batch = vec![("m".to_owned(), vec![]), ("y".into(), value(9))];
    assert_eq!(store.set_many(batch).await.unwrap_err(), full);
    assert_eq!(get(&store, "m").await.unwrap(), [0; 3]);
    // The same size and less is welcome, and makes room.
    set(&store, "m", value(3)).await;
    store.increment("n".into(), 89, ANY).await.unwrap();
    set(&store, "m", value(2)).await;
    set(&store, "x", []).await;
    assert_eq!(store.set("y".into(), vec![]).await.unwrap_err(), full);
    store.delete("3".into()).await.unwrap();
    set(&store, "y", value(1000)).await;
}

async fn increment_begins_at_zero(store: Store) {
    assert_eq!(store.increment("a".into(), 5, ANY).await.unwrap(), 5);
    assert_eq!(store.increment("a".into(), -7, ANY).await.unwrap(), -2);
    assert_eq!(store.increment("b".into(), 0, ANY).await.unwrap(), 0);
    assert!(store.exists("b").await.unwrap());
}

async fn increment_reads_and_writes_decimal_text(store: Store) {
    set(&store, "a", "41").await;
    assert_eq!(store.increment("a".into(), 1, ANY).await.unwrap(), 42);
    assert_eq!(get(&store, "a").await.unwrap(), b"42");
    let most = i128::from(u64::MAX);
    store.increment("b".into(), most, 0..=most).await.unwrap();
    assert_eq!(get(&store, "b").await.unwrap(), b"18446744073709551615");
}

async fn increment_refuses_what_is_no_number_or_leaves_the_range(store: Store) {
    for value in ["", "x", "1.5", " 1", "\u{663}"] {
        set(&store, "a", value).await;
        let error = store.increment("a".into(), 1, ANY).await.unwrap_err();
        assert_eq!(
            error,
            Error::new("the value to increment is not a decimal number")
        );
        assert_eq!(get(&store, "a").await.unwrap(), value.as_bytes());
    }
    set(&store, "a", "9223372036854775807").await;
    let signed = i64::MIN.into()..=i64::MAX.into();
    let error = store.increment("a".into(), 1, signed).await.unwrap_err();
    assert!(
        error
            .told
            .starts_with("9223372036854775807 + 1 is not between -92"),
        "{error}"
    );
    assert_eq!(get(&store, "a").await.unwrap(), b"9223372036854775807");
    set(&store, "a", i128::MAX.to_string()).await;
    store.increment("a".into(), 1, ANY).await.unwrap_err();
}

async fn swap_writes_only_over_what_was_expected(store: Store) {
    let swap = async |expected: Option<&str>, value: &str| {
        let expected = expected.map(|text| text.as_bytes().to_vec());
        store
            .swap("a".into(), expected, value.into())
            .await
            .unwrap()
    };
    assert_eq!(swap(Some("0"), "1").await, Swap::Changed(None));
    assert_eq!(swap(None, "1").await, Swap::Done);
    assert_eq!(swap(None, "2").await, Swap::Changed(Some(b"1".into())));
    assert_eq!(swap(Some("1"), "2").await, Swap::Done);
    assert_eq!(swap(Some("1"), "3").await, Swap::Changed(Some(b"2".into())));
    assert_eq!(get(&store, "a").await.unwrap(), b"2");
    store.delete("a".into()).await.unwrap();
    assert_eq!(swap(Some("2"), "3").await, Swap::Changed(None));
    assert_eq!(swap(None, "").await, Swap::Done);
    assert_eq!(swap(None, "4").await, Swap::Changed(Some(vec![])));
}

async fn no_increment_is_lost_among_many_at_once(store: Store) {
    let tasks = (0..100).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                store.increment("n".into(), 1, ANY).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(get(&store, "n").await.unwrap(), b"10000");
}

async fn no_swap_is_lost_among_many_at_once(store: Store) {
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut current = store.get("n").await.unwrap();
            for _ in 0..50 {
                loop {
                    let old = current
                        .as_deref()
                        .map_or(0, |v| std::str::from_utf8(v).unwrap().parse().unwrap());
                    let next = (old + 1_u32).to_string().into_bytes();
                    match store.swap("n".into(), current, next.clone()).await.unwrap() {
                        Swap::Done => break current = Some(next),
                        Swap::Changed(now) => current = now,
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(get(&store, "n").await.unwrap(), b"400");
}

async fn writes_at_once_are_all_there(store: Store) {
    let tasks = (0..50).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..20 {
                let key = format!("{task}/{n}");
                store
                    .set(key.clone(), key.clone().into_bytes())
                    .await
                    .unwrap();
                // What was acknowledged is read from now on.
                assert_eq!(store.get(&key).await.unwrap().unwrap(), key.as_bytes());
                if n % 2 == 1 {
                    store.delete(key).await.unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let page = store.list_keys(From::Start, 1000).await.unwrap();
    assert_eq!(page.keys.len(), 500);
}

/// One step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Set(String, Vec<u8>),
    Delete(String),
    SetMany(Vec<(String, Vec<u8>)>),
    DeleteMany(Vec<String>),
    Increment(String, i64),
    Swap(String, Option<Vec<u8>>, Vec<u8>),
    List(From, usize),
}

fn step() -> impl Strategy<Value = Step> {
    // Few keys and values, so that the steps meet.
    let key = || "[abc]{1,2}";
    let value = || {
        prop_oneof![
            "[0-9]{1,3}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..4)
        ]
    };
    let from = prop_oneof![
        Just(From::Start),
        key().prop_map(From::After),
        (0_u64..10).prop_map(From::Skip),
    ];
    prop_oneof![
        3 => (key(), value()).prop_map(|(k, v)| Step::Set(k, v)),
        2 => key().prop_map(Step::Delete),
        1 => proptest::collection::vec((key(), value()), 0..5).prop_map(Step::SetMany),
        1 => proptest::collection::vec(key(), 0..5).prop_map(Step::DeleteMany),
        2 => (key(), any::<i64>()).prop_map(|(k, d)| Step::Increment(k, d)),
        2 => (key(), proptest::option::of(value()), value()).prop_map(|(k, e, v)| Step::Swap(k, e, v)),
        2 => (from, 1_usize..6).prop_map(|(from, limit)| Step::List(from, limit)),
    ]
}

type Model = BTreeMap<String, Vec<u8>>;

async fn agree(store: &Store, model: &mut Model, step: Step) {
    match step {
        Step::Set(key, value) => {
            model.insert(key.clone(), value.clone());
            store.set(key, value).await.unwrap();
        }
        Step::Delete(key) => {
            model.remove(&key);
            store.delete(key).await.unwrap();
        }
        Step::SetMany(entries) => {
            model.extend(entries.clone());
            store.set_many(entries).await.unwrap();
        }
        Step::DeleteMany(keys) => {
            model.retain(|key, _| !keys.contains(key));
            store.delete_many(keys).await.unwrap();
        }
        Step::Increment(key, delta) => {
            let old = match model.get(&key) {
                None => Some(0),
                Some(value) => std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok()),
            };
            let sum = old.map(|old: i128| old + i128::from(delta));
            assert_eq!(
                store.increment(key.clone(), delta.into(), ANY).await.ok(),
                sum
            );
            if let Some(sum) = sum {
                model.insert(key, sum.to_string().into_bytes());
            }
        }
        Step::Swap(key, expected, value) => {
            let current = model.get(&key).cloned();
            let swap = store
                .swap(key.clone(), expected.clone(), value.clone())
                .await
                .unwrap();
            if current == expected {
                assert_eq!(swap, Swap::Done);
                model.insert(key, value);
            } else {
                assert_eq!(swap, Swap::Changed(current));
            }
        }
        Step::List(from, limit) => {
            let keys: Vec<String> = match &from {
                From::Start => model.keys().cloned().collect(),
                From::After(after) => model.keys().filter(|key| *key > after).cloned().collect(),
                From::Skip(n) => model.keys().skip(*n as usize).cloned().collect(),
            };
            let page = store.list_keys(from, limit).await.unwrap();
            assert_eq!(page.more, keys.len() > limit);
            assert_eq!(page.keys, keys[..keys.len().min(limit)]);
        }
    }
}

async fn all_there(store: &Store, model: &Model) {
    let page = store.list_keys(From::Start, 1000).await.unwrap();
    assert!(page.keys.iter().eq(model.keys()));
    let values = store.get_many(page.keys, 1 << 20).await.unwrap();
    assert!(values.iter().flatten().eq(model.values()));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_a_map(steps in proptest::collection::vec(step(), 0..60)) {
        runtime().block_on(async {
            let (store, mut model): (Store, _) = (Arc::new(Memory::new("test", LIMIT)), Model::new());
            for step in steps {
                agree(&store, &mut model, step).await;
            }
            all_there(&store, &model).await;
        });
    }

    #[test]
    fn a_server_is_a_map(steps in proptest::collection::vec(step(), 0..40)) {
        runtime().block_on(async {
            for store in [on_redis(None), on_nats(None).await] {
                let mut model = Model::new();
                for step in steps.clone() {
                    agree(&store, &mut model, step).await;
                }
                all_there(&store, &model).await;
            }
        });
    }

    #[test]
    fn redb_is_a_map_even_when_opened_anew(
        before in proptest::collection::vec(step(), 0..20),
        after in proptest::collection::vec(step(), 0..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.redb");
        let mut model = Model::new();
        for steps in [before, after] {
            // A runtime of its own each time: a store must not depend on the one that opened it.
            runtime().block_on(async {
                let store: Store = Arc::new(Redb::open("test", &path, LIMIT).await.unwrap());
                for step in steps {
                    agree(&store, &mut model, step).await;
                }
                all_there(&store, &model).await;
            });
        }
    }
}
