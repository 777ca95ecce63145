//! A store's file that is damaged, taken, on a full disk: each is an error that says so.

use holm_capabilities::keyvalue::provider::{Error, From, Provider};
use holm_capabilities::keyvalue::redb::Redb;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// How much the stores hold.
const LIMIT: u64 = 1 << 30;

/// Tells a child what to do, and where.
const CHILD: &str = "HOLM_TEST_KEYVALUE_FAULTS";
const PATH: &str = "HOLM_TEST_KEYVALUE_FAULTS_PATH";

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(future)
}

async fn set(store: &Redb, key: &str, value: &str) {
    store.set(key.into(), value.into()).await.unwrap();
}

async fn get(store: &Redb, key: &str) -> Option<String> {
    store
        .get(key)
        .await
        .unwrap()
        .map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn data_outlives_the_store_and_its_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down/test.redb");
    for n in 0..3 {
        let store = run(Redb::open("test", &path, LIMIT)).unwrap();
        // The store is used by several runtimes, one after the other.
        run(async {
            assert_eq!(get(&store, "n").await, (n > 0).then(|| (n - 1).to_string()));
            set(&store, "n", &n.to_string()).await;
        });
        run(set(&store, "m", "x"));
        assert!(path.with_extension("redb.pid").exists());
        drop(store);
        assert!(!path.with_extension("redb.pid").exists());
    }
}

#[test]
fn one_process_opens_a_file_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("there")).unwrap();
    run(async {
        let first = Redb::open("one", &folder.path().join("test.redb"), LIMIT)
            .await
            .unwrap();
        let second = Redb::open("two", &folder.path().join("there/../test.redb"), LIMIT)
            .await
            .unwrap();
        set(&first, "key", "value").await;
        assert_eq!(get(&second, "key").await.as_deref(), Some("value"));
        drop(first);
        set(&second, "key", "later").await;
        // Closing and opening may meet.
        let path = folder.path().join("test.redb");
        for _ in 0..50 {
            let open = |name: &'static str| {
                let path = path.clone();
                tokio::spawn(async move { drop(Redb::open(name, &path, LIMIT).await.unwrap()) })
            };
            let (a, b) = (open("a"), open("b"));
            a.await.unwrap();
            b.await.unwrap();
        }
    });
}

#[test]
fn another_process_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.redb");
    let (mut child, pipe) = child("hold", &path);
    let error = run(Redb::open("test", &path, LIMIT)).unwrap_err();
    let expected = format!("store \"test\" is in use by process {}", child.id());
    assert_eq!(error, Error::new(expected));
    drop(pipe);
    assert!(child.wait().unwrap().success());
    run(async {
        assert_eq!(
            get(&Redb::open("test", &path, LIMIT).await.unwrap(), "key")
                .await
                .as_deref(),
            Some("held")
        )
    });
}

#[test]
fn a_file_that_is_no_store_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.redb");
    for rubbish in [&b"rubbish"[..], &[0; 10_000], &[0xff; 4096]] {
        std::fs::write(&path, rubbish).unwrap();
        let error = run(Redb::open("test", &path, LIMIT)).unwrap_err();
        assert_eq!(error.told, "store \"test\" is damaged");
        let detail = error.detail.unwrap();
        assert!(detail.starts_with(path.to_str().unwrap()), "{detail}");
        assert!(detail.ends_with(
            "put back a copy of the file, or move it away to begin with an empty store"
        ));
        assert_eq!(
            std::fs::read(&path).unwrap(),
            rubbish,
            "a file that is not ours was changed"
        );
    }
}

/// Whatever is in the file: an answer or an error, and never a panic.
#[test]
fn a_damaged_file_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.redb");
    run(async {
        let store = Redb::open("test", &path, LIMIT).await.unwrap();
        for part in 0..5 {
            let entries = (0..200).map(|n| (format!("{part}/{n}"), vec![n as u8; n * 7]));
            store.set_many(entries.collect()).await.unwrap();
        }
    });
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let (mut refused, mut served) = (0, 0);
    for round in 0..300 {
        let mut bytes = whole.clone();
        match round % 3 {
            0 => bytes.truncate(next(whole.len())),
            // The header, where everything hangs on each bit.
            1 => (0..1 + next(3)).for_each(|_| bytes[next(320)] ^= 1 << next(8)),
            _ => (0..1 + next(200)).for_each(|_| bytes[next(used)] = next(256) as u8),
        }
        let path = folder.path().join(format!("{round}.redb"));
        std::fs::write(&path, &bytes).unwrap();
        let done = std::panic::catch_unwind(|| run(use_all(&path)));
        match done.expect("a panic came through") {
            Ok(()) => served += 1,
            Err(_) => refused += 1,
        }
        std::fs::remove_file(path).unwrap();
    }
    eprintln!("{refused} refused, {served} served");
    assert!(refused > 50);
}

async fn use_all(path: &Path) -> Result<(), Error> {
    let store = Redb::open("test", path, LIMIT).await?;
    let mut from = From::Start;
    for _ in 0..100 {
        let page = store.list_keys(from, 100).await?;
        store.get_many(page.keys.clone(), 64 << 20).await?;
        let Some(last) = page.keys.last().filter(|_| page.more) else {
            break;
        };
        from = From::After(last.clone());
    }
    store.set("0/5".into(), vec![1; 10_000]).await?;
    store.delete("3/7".into()).await?;
    store.increment("n".into(), 1, 0..=10).await?;
    Ok(())
}

#[test]
fn a_full_disk_is_an_error_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pipe) = child("fill", &folder.path().join("test.redb"));
    drop(pipe);
    assert!(child.wait().unwrap().success());
}

/// Not a test by itself: what children do.
#[test]
fn child_process() {
    let Ok(what) = std::env::var(CHILD) else {
        return;
    };
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    match what.as_str() {
        "hold" => run(async {
            let store = Redb::open("test", &path, LIMIT).await.unwrap();
            set(&store, "key", "held").await;
            ready();
            std::io::stdin().lines().count();
        }),
        "fill" => {
            ready();
            run(fill(&path));
        }
        _ => panic!("{what}?"),
    }
}

/// A limit on the size of files stands in for a full disk: to the store both are failed writes.
async fn fill(path: &Path) {
    let store = Redb::open("test", path, LIMIT).await.unwrap();
    set(&store, "before", "x").await;
    file_size_limit(4 << 20);
    let mut written = 0;
    let error = loop {
        match store.set(format!("{written}"), vec![1; 100_000]).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert!(error.told.starts_with("store \"test\" "), "{error}");
    assert!(written > 5);
    // Still full: still an error, and what is there can be read after the store is opened again.
    store
        .set("more".into(), vec![1; 4_000_000])
        .await
        .unwrap_err();
    file_size_limit(1 << 40);
    store.ready().await.unwrap();
    for n in 0..written {
        assert!(
            store.exists(&n.to_string()).await.unwrap(),
            "{n} was acknowledged"
        );
    }
    assert!(!store.exists("more").await.unwrap());
    set(&store, "after", "y").await;
    assert_eq!(get(&store, "before").await.as_deref(), Some("x"));
    // And a write recovers without being asked to.
    file_size_limit(4 << 20);
    store
        .set("more".into(), vec![1; 8_000_000])
        .await
        .unwrap_err();
    file_size_limit(1 << 40);
    set(&store, "after", "z").await;
    assert_eq!(get(&store, "after").await.as_deref(), Some("z"));
}

fn file_size_limit(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: plain system calls on this process, which is a child of its own for this test.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

fn ready() {
    println!("ready");
    std::io::stdout().flush().unwrap();
}

/// Starts this program again, and waits until it says that it is ready.
fn child(what: &str, path: &Path) -> (Child, ChildStdin) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture"])
        .env(CHILD, what)
        .env(PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));
    // Goes on reading, so that the child can go on writing.
    std::thread::spawn(move || lines.count());
    let pipe = child.stdin.take().unwrap();
    (child, pipe)
}
