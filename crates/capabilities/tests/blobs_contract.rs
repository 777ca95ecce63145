//! What every keeper of objects must do: the same cases for each of them.

use bytes::Bytes;
use futures::TryStreamExt as _;
use holm_capabilities::blobs::{Container, Error, Key, Limits, Server, Upload, on_server};
use holm_manifest::Redacted;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

type Store = Arc<Container>;

/// What each container may keep: more than any case needs.
const LIMITS: Limits = Limits {
    total: Some(256 << 20),
    object: 128 << 20,
};

/// How long a server may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A container of each kind, empty, for one case.
macro_rules! contract {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(std::sync::Arc::new(super::Container::memory("test", super::LIMITS))).await;
            })*
        }
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (_folder, container) = super::in_folder().await;
                super::$case(container).await;
            })*
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::on_s3()).await;
            })*
        }
    };
}

async fn in_folder() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down");
    let container = Container::folder("test", path, LIMITS).await.unwrap();
    (folder, Arc::new(container))
}

/// A part of the bucket that `scripts/servers` makes, which nobody else has.
fn on_s3() -> Store {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (count, now) = (COUNT.fetch_add(1, Relaxed), since.unwrap().as_nanos());
    let prefix = format!("t{}-{now}-{count}/", std::process::id());
    let url = std::env::var("HOLM_TEST_S3");
    let url =
        url.expect("no server is running: eval \"$(scripts/servers start)\" sets HOLM_TEST_S3");
    Arc::new(on_server("test", &server(&url, &prefix), limits_of_a_server()).unwrap())
}

fn limits_of_a_server() -> Limits {
    Limits {
        total: None,
        ..LIMITS
    }
}

fn server(url: &str, prefix: &str) -> Server {
    Server {
        url: Some(Redacted::new(url.to_owned())),
        bucket: Some("holm".into()),
        prefix: prefix.into(),
        region: "us-east-1".into(),
        key: Some(Key {
            id: Redacted::new("test".to_owned()),
            secret: Redacted::new("hunter2".to_owned()),
            token: None,
        }),
        timeout: TIMEOUT,
    }
}

contract! {
    nothing_is_there_at_first
    an_object_is_what_was_written_last
    objects_may_be_empty_and_of_any_bytes
    large_objects_come_back_whole
    parts_of_an_object
    what_is_read_stays_as_it_was
    what_is_not_finished_is_not_there
    an_object_too_large_is_not_there
    many_write_one_object
    names_are_told_apart
    names_that_cannot_be
    all_names_are_listed
    objects_are_deleted
    objects_are_copied_and_moved
    a_container_is_cleared
}

async fn put(store: &Store, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let mut upload = Upload::begin(store.clone(), name).await?;
    for piece in bytes.as_ref().chunks(64 << 10) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}

async fn part(store: &Store, name: &str, start: u64, end: u64) -> Result<Vec<u8>, Error> {
    let read = store.read(name, start, end).await?;
    let pieces: Vec<Bytes> = read.bytes.try_collect().await?;
    let bytes = pieces.concat();
    assert_eq!(bytes.len() as u64, read.size, "{name}");
    Ok(bytes)
}

async fn get(store: &Store, name: &str) -> Result<Vec<u8>, Error> {
    part(store, name, 0, u64::MAX).await
}

async fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store.list().try_collect().await.unwrap();
    names.sort();
    names
}

/// Bytes that no part of them repeats.
fn large(bytes: usize) -> Vec<u8> {
    (0..bytes as u64)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

async fn nothing_is_there_at_first(store: Store) {
    assert!(!store.has("x").await.unwrap());
    assert!(names(&store).await.is_empty());
    for error in [
        get(&store, "x").await.unwrap_err(),
        part(&store, "x", 1, 2).await.unwrap_err(),
        store.info("x").await.unwrap_err(),
        store.copy("x", "y", false).await.unwrap_err(),
        store.copy("x", "y", true).await.unwrap_err(),
    ] {
        assert_eq!(error.told, "there is no object \"x\"");
        assert!(error.missing);
    }
    store.delete(&["x".into()]).await.unwrap();
    store.clear().await.unwrap();
}

async fn an_object_is_what_was_written_last(store: Store) {
    let long = large(100_000);
    for bytes in [&b"one"[..], b"two", &long, b""] {
        put(&store, "x", bytes).await.unwrap();
        assert_eq!(get(&store, "x").await.unwrap(), bytes);
        let info = store.info("x").await.unwrap();
        assert_eq!(info.size, bytes.len() as u64);
        assert!(info.written > 1_700_000_000, "{info:?}");
    }
    assert!(store.has("x").await.unwrap());
    assert_eq!(names(&store).await, ["x"]);
}

async fn objects_may_be_empty_and_of_any_bytes(store: Store) {
    for bytes in [&[][..], &[0], &[0xff, 0, 0xfe, b'\r', b'\n']] {
        put(&store, "x", bytes).await.unwrap();
        assert_eq!(get(&store, "x").await.unwrap(), bytes);
    }
}

/// More than two parts, and not a number of whole ones.
async fn large_objects_come_back_whole(store: Store) {
    let bytes = large((20 << 20) + 12345);
    put(&store, "a/large one", &bytes).await.unwrap();
    assert!(get(&store, "a/large one").await.unwrap() == bytes);
    let (start, end) = (8 << 20, (17 << 20) + 1);
    let middle = part(&store, "a/large one", start, end).await.unwrap();
    assert!(middle == bytes[start as usize..=end as usize]);
    // Exactly one part, and exactly two.
    for bytes in [large(8 << 20), large(16 << 20)] {
        put(&store, "a/large one", &bytes).await.unwrap();
        assert!(get(&store, "a/large one").await.unwrap() == bytes);
    }
}

async fn parts_of_an_object(store: Store) {
    put(&store, "x", "0123456789").await.unwrap();
    for (start, end, expected) in [
        (0, 0, "0"),
        (0, 9, "0123456789"),
        (0, 100, "0123456789"),
        (0, u64::MAX, "0123456789"),
        (3, 5, "345"),
        (9, 9, "9"),
        (9, u64::MAX, "9"),
        (10, 10, ""),
        (10, u64::MAX, ""),
        (u64::MAX, u64::MAX, ""),
    ] {
        let got = part(&store, "x", start, end).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), expected, "{start}..={end}");
    }
    let error = part(&store, "x", 5, 4).await.unwrap_err();
    assert_eq!(error.told, "the end of the bytes is before their start");
    put(&store, "empty", "").await.unwrap();
    for (start, end) in [(0, 0), (0, u64::MAX), (5, 9)] {
        assert_eq!(part(&store, "empty", start, end).await.unwrap(), b"");
    }
}

async fn what_is_read_stays_as_it_was(store: Store) {
    let old = large(3 << 20);
    put(&store, "x", &old).await.unwrap();
    let reading = [
        store.read("x", 0, u64::MAX).await.unwrap(),
        store.read("x", 0, u64::MAX).await.unwrap(),
    ];
    put(&store, "x", "new").await.unwrap();
    store.delete(&["x".into()]).await.unwrap();
    for read in reading {
        let pieces: Vec<Bytes> = read.bytes.try_collect().await.unwrap();
        assert!(pieces.concat() == old);
    }
    assert!(!store.has("x").await.unwrap());
}

/// Neither while it is written nor after it was given up, with and without parts.
async fn what_is_not_finished_is_not_there(store: Store) {
    put(&store, "old", "old").await.unwrap();
    for bytes in [1000, 20 << 20] {
        for name in ["old", "new"] {
            let mut given_up = Upload::begin(store.clone(), name).await.unwrap();
            let mut dropped = Upload::begin(store.clone(), name).await.unwrap();
            given_up.write(large(bytes).into()).await.unwrap();
            dropped.write(large(bytes).into()).await.unwrap();
            assert_eq!(names(&store).await, ["old"]);
            given_up.abandon().await;
            drop(dropped);
        }
    }
    assert_eq!(names(&store).await, ["old"]);
    assert_eq!(get(&store, "old").await.unwrap(), b"old");
    assert!(!store.has("new").await.unwrap());
}

async fn an_object_too_large_is_not_there(store: Store) {
    let mut upload = Upload::begin(store.clone(), "x").await.unwrap();
    let piece = Bytes::from(vec![0; 8 << 20]);
    for _ in 0..16 {
        upload.write(piece.clone()).await.unwrap();
    }
    let error = upload.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(
        error.told,
        "the object is larger than container \"test\" takes: 128 MiB"
    );
    upload.abandon().await;
    assert!(!store.has("x").await.unwrap());
}

/// One of them is there in the end, and whole.
async fn many_write_one_object(store: Store) {
    let writers = (0..8_u8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { put(&store, "x", vec![n; 9 << 20]).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let bytes = get(&store, "x").await.unwrap();
    assert_eq!(bytes.len(), 9 << 20);
    assert!(bytes.iter().all(|byte| byte == &bytes[0]));
    assert_eq!(names(&store).await, ["x"]);
}

async fn names_are_told_apart(store: Store) {
    let long = "k".repeat(200);
    let mut all = [
        "a",
        "A",
        "a ",
        "ä",
        "a\u{308}",
        "x/y",
        "x/z",
        "x y/ü",
        "%2F",
        "a%2Fb",
        "a+b",
        "a&b=c?d#e",
        "..a",
        "a..",
        "~",
        "'\"<>|*",
        "\\",
        "[]{}^`",
        ".hidden",
        "#",
        "x#y",
        &long,
    ];
    for name in all {
        put(&store, name, name).await.unwrap();
    }
    for name in all {
        assert_eq!(get(&store, name).await.unwrap(), name.as_bytes());
        assert_eq!(store.info(name).await.unwrap().size, name.len() as u64);
    }
    all.sort_unstable();
    assert_eq!(names(&store).await, all);
    let some: Vec<String> = all.iter().map(|name| (*name).to_owned()).collect();
    store.delete(&some).await.unwrap();
    assert!(names(&store).await.is_empty());
}

async fn names_that_cannot_be(store: Store) {
    let long = "k".repeat(1025);
    for name in [
        "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "\n", "a\0", &long,
    ] {
        for error in [
            put(&store, name, "x").await.unwrap_err(),
            get(&store, name).await.unwrap_err(),
            store.has(name).await.unwrap_err(),
            store.delete(&[name.to_owned()]).await.unwrap_err(),
        ] {
            assert!(
                error.told.starts_with("the name of an object "),
                "{error:?}"
            );
        }
    }
    assert!(names(&store).await.is_empty());
}

async fn all_names_are_listed(store: Store) {
    let mut all: Vec<String> = (0..30).map(|n| format!("{}/{n}", n % 3)).collect();
    for name in &all {
        put(&store, name, "x").await.unwrap();
    }
    all.sort();
    assert_eq!(names(&store).await, all);
}

async fn objects_are_deleted(store: Store) {
    for name in ["a", "b/c", "b/d", "e"] {
        put(&store, name, name).await.unwrap();
    }
    let some = ["a", "b/c", "none", "b/none"].map(str::to_owned);
    store.delete(&some).await.unwrap();
    assert_eq!(names(&store).await, ["b/d", "e"]);
    store.delete(&some).await.unwrap();
    store.delete(&[]).await.unwrap();
}

async fn objects_are_copied_and_moved(store: Store) {
    let bytes = large(100_000);
    put(&store, "a", &bytes).await.unwrap();
    put(&store, "c/d", "other").await.unwrap();
    store.copy("a", "b", false).await.unwrap();
    store.copy("a", "c/d", false).await.unwrap();
    store.copy("a", "a", false).await.unwrap();
    store.copy("a", "a", true).await.unwrap();
    for name in ["a", "b", "c/d"] {
        assert!(get(&store, name).await.unwrap() == bytes, "{name}");
    }
    // Two objects, not one with two names.
    put(&store, "a", "new").await.unwrap();
    assert!(get(&store, "b").await.unwrap() == bytes);
    store.copy("a", "b", true).await.unwrap();
    assert_eq!(get(&store, "b").await.unwrap(), b"new");
    assert_eq!(names(&store).await, ["b", "c/d"]);
}

async fn a_container_is_cleared(store: Store) {
    for n in 0..20 {
        put(&store, &format!("a/{n}"), "x").await.unwrap();
    }
    store.clear().await.unwrap();
    assert!(names(&store).await.is_empty());
    put(&store, "a", "a name that was a folder's")
        .await
        .unwrap();
    assert_eq!(names(&store).await, ["a"]);
}

#[tokio::test]
async fn a_folder_holds_the_objects_as_files() {
    let (folder, store) = in_folder().await;
    let root = folder.path().join("deep/down");
    put(&store, "pages/about us.html", "hello").await.unwrap();
    let file = std::fs::read(root.join("pages/about us.html"));
    assert_eq!(file.unwrap(), b"hello");
    // And the other way around.
    std::fs::write(root.join("by hand"), "x").unwrap();
    assert_eq!(names(&store).await, ["by hand", "pages/about us.html"]);
    // What a file cannot be named, and a file where a folder is.
    for name in ["x#1", "pages", "by hand/x"] {
        let error = put(&store, name, "x").await.unwrap_err();
        let told = format!("container \"test\" cannot do this with {name:?}");
        assert_eq!(error.told, told);
        assert!(!error.told.contains("deep"), "{error:?}");
    }
    // Nothing is left of what was not finished.
    store.clear().await.unwrap();
    let mut upload = Upload::begin(store.clone(), "x").await.unwrap();
    upload.write(large(9 << 20).into()).await.unwrap();
    let left = || std::fs::read_dir(&root).unwrap().count();
    assert_eq!(left(), 1);
    upload.abandon().await;
    assert_eq!(left(), 0);
}

#[tokio::test]
async fn what_a_folder_holds_already_counts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), vec![0; 900]).unwrap();
    let limits = Limits {
        total: Some(1000),
        object: 10_000,
    };
    let store = Container::folder("test", folder.path().to_owned(), limits).await;
    let store = Arc::new(store.unwrap());
    put(&store, "a", [0; 100]).await.unwrap();
    let full = put(&store, "b", [0; 1]).await.unwrap_err();
    assert_eq!(full.told, "container \"test\" is full: its limit is 1 KB");
    store.delete(&["old".into()]).await.unwrap();
    put(&store, "b", [0; 900]).await.unwrap();
    // While it is written the old one is there too.
    put(&store, "b", [1; 100]).await.unwrap_err();
    store.delete(&["b".into()]).await.unwrap();
    put(&store, "b", [1; 100]).await.unwrap();
    put(&store, "c", [1; 800]).await.unwrap();
}

#[tokio::test]
async fn a_drive_is_no_name_in_a_folder() {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    let limits = Limits {
        total: Some(1000),
        object: 10_000,
    };
    let store = Container::folder("test", folder.clone(), limits).await;
    let store = Arc::new(store.unwrap());
    for name in ["C:", "c|", "C:/x", "x/C:"] {
        // Told, or kept under its name; never anywhere else.
        match put(&store, name, name).await {
            Ok(()) => assert_eq!(get(&store, name).await.unwrap(), name.as_bytes()),
            Err(error) => assert!(error.told.contains(name), "{error:?}"),
        }
    }
    assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_prefix_is_a_container_of_its_own() {
    let url = std::env::var("HOLM_TEST_S3").unwrap();
    let prefix = format!("p{}", std::process::id());
    let on = |prefix: &str| {
        Arc::new(on_server("test", &server(&url, prefix), limits_of_a_server()).unwrap())
    };
    let (outer, inner, other) = (
        on(&format!("{prefix}/")),
        on(&format!("{prefix}/in/")),
        on(&format!("{prefix}x/")),
    );
    put(&inner, "x", "1").await.unwrap();
    put(&other, "y", "2").await.unwrap();
    assert_eq!(names(&inner).await, ["x"]);
    assert_eq!(names(&outer).await, ["in/x"]);
    outer.clear().await.unwrap();
    assert!(names(&inner).await.is_empty());
    assert_eq!(names(&other).await, ["y"]);
}

#[tokio::test]
async fn what_a_server_refuses_is_told_without_its_secrets() {
    let url = std::env::var("HOLM_TEST_S3").unwrap();
    let mut nowhere = server(&url, "");
    nowhere.bucket = Some("there-is-no-such-bucket".into());
    let store = Arc::new(on_server("test", &nowhere, limits_of_a_server()).unwrap());
    let error = put(&store, "x", "1").await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    // A port that was free a moment ago, and one that accepts and says nothing.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = free.local_addr().unwrap();
    drop(free);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, told) in [
        (gone, "the server of container \"test\" cannot be reached"),
        (
            mute.local_addr().unwrap(),
            "the server of container \"test\" did not answer within 300 ms",
        ),
    ] {
        let mut there = server(&format!("http://{address}"), "");
        there.timeout = Duration::from_millis(300);
        let store = Arc::new(on_server("test", &there, limits_of_a_server()).unwrap());
        for error in [
            put(&store, "x", "1").await.unwrap_err(),
            put(&store, "x", large(9 << 20)).await.unwrap_err(),
            get(&store, "x").await.unwrap_err(),
            store.has("x").await.unwrap_err(),
            store.delete(&["x".into()]).await.unwrap_err(),
            store.list().try_collect::<Vec<_>>().await.unwrap_err(),
        ] {
            assert!(
                error.told == told || error.told.ends_with("within 300 ms"),
                "{error:?}"
            );
            assert!(!error.told.contains("127.0.0.1"), "{error:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(String, Vec<u8>),
    Get(String, u64, u64),
    Delete(String),
    Copy(String, String, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || "[ab](/[ab #%ä])?".prop_map(|name: String| name);
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (name(), bytes).prop_map(|(name, bytes)| Step::Put(name, bytes)),
        (name(), 0..50_u64, 0..50_u64).prop_map(|(name, a, b)| Step::Get(name, a.min(b), a.max(b))),
        name().prop_map(Step::Delete),
        (name(), name(), any::<bool>()).prop_map(|(from, to, moves)| Step::Copy(from, to, moves)),
    ]
}

type Model = BTreeMap<String, Vec<u8>>;

/// Whether a folder can have both: a name that is a folder's is no file's.
fn clash(model: &Model, name: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    model
        .keys()
        .any(|other| within(other, name) || within(name, other))
}

async fn agree(store: &Store, model: &mut Model, step: Step) {
    match step {
        Step::Put(name, bytes) => {
            if !clash(model, &name) {
                put(store, &name, &bytes).await.unwrap();
                model.insert(name, bytes);
            }
        }
        Step::Get(name, start, end) => {
            let got = part(store, &name, start, end).await;
            match model.get(&name) {
                None => assert!(got.unwrap_err().missing),
                Some(bytes) => {
                    let end = bytes.len().min(end as usize + 1);
                    let start = end.min(start as usize);
                    assert_eq!(got.unwrap(), bytes[start..end]);
                }
            }
        }
        Step::Delete(name) => {
            if !clash(model, &name) {
                store.delete(std::slice::from_ref(&name)).await.unwrap();
            }
            model.remove(&name);
        }
        Step::Copy(from, to, moves) => {
            let Some(bytes) = model.get(&from).cloned() else {
                return;
            };
            if clash(model, &to) {
                return;
            }
            store.copy(&from, &to, moves).await.unwrap();
            if moves {
                model.remove(&from);
            }
            model.insert(to, bytes);
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

async fn all_agree(store: Store, steps: Vec<Step>) {
    let mut model = Model::new();
    for step in steps {
        agree(&store, &mut model, step).await;
    }
    let keys: Vec<&String> = model.keys().collect();
    assert_eq!(names(&store).await.iter().collect::<Vec<_>>(), keys);
    for (name, bytes) in &model {
        assert_eq!(get(&store, name).await.unwrap(), *bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_container_is_a_map(steps in proptest::collection::vec(step(), 0..30)) {
        runtime().block_on(async {
            let (_folder, in_folder) = in_folder().await;
            let memory = Arc::new(Container::memory("test", LIMITS));
            for store in [memory, in_folder, on_s3()] {
                all_agree(store, steps.clone()).await;
            }
        });
    }
}
