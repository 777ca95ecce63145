//! What a key-value store costs; figures for docs/capabilities/keyvalue.md. Run by hand:
//! `cargo test --release -p holm-capabilities --test keyvalue_speed -- --ignored --nocapture`

use holm_capabilities::keyvalue::provider::{From, Provider};
use holm_capabilities::keyvalue::redb::Redb;
use std::process::Command;
use std::time::{Duration, Instant};

/// How much the stores hold.
const LIMIT: u64 = 1 << 30;

const CHILD: &str = "HOLM_TEST_KEYVALUE_SPEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run by hand"]
async fn figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speed.redb");
    let opened = Instant::now();
    let store = Redb::open("speed", &path, LIMIT).await.unwrap();
    println!("open, new file: {:?}", opened.elapsed());

    fsync(folder.path());
    for size in [100, 4096, 65536] {
        let mut times = Vec::new();
        for n in 0..1000 {
            let began = Instant::now();
            store
                .set(format!("key{n}"), vec![n as u8; size])
                .await
                .unwrap();
            times.push(began.elapsed());
        }
        report(&format!("set, {size} bytes, one writer"), times);
    }
    for writers in [1, 8, 64, 512] {
        let began = Instant::now();
        let tasks = (0..writers).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in 0..(20_000 / writers).min(2000) {
                    let began = Instant::now();
                    store
                        .set(format!("{writer}/{n}"), vec![1; 100])
                        .await
                        .unwrap();
                    times.push(began.elapsed());
                }
                times
            })
        });
        let mut times = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            times.extend(task.await.unwrap());
        }
        let rate = times.len() as f64 / began.elapsed().as_secs_f64();
        report(&format!("set, {writers} writers ({rate:.0}/s)"), times);
    }
    let mut times = Vec::new();
    for _ in 0..1000 {
        let began = Instant::now();
        store
            .increment("sum".into(), 1, 0..=1_000_000)
            .await
            .unwrap();
        times.push(began.elapsed());
    }
    report("increment, one writer", times);
    for size in [100, 65536] {
        store.set("read".into(), vec![1; size]).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..100_000 {
            let began = Instant::now();
            store.get("read").await.unwrap();
            times.push(began.elapsed());
        }
        report(&format!("get, {size} bytes"), times);
    }
    let keys: Vec<_> = (0..100).map(|n| format!("key{n}")).collect();
    let mut times = Vec::new();
    for _ in 0..1000 {
        let began = Instant::now();
        store.list_keys(From::Start, 1000).await.unwrap();
        times.push(began.elapsed());
    }
    report("list 1000 keys", times);
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        store.get_many(keys[..32].to_vec(), 64 << 20).await.unwrap();
        times.push(began.elapsed());
    }
    report("get-many, 32 keys of 64 KiB", times);
    let began = Instant::now();
    drop(store);
    println!("close: {:?}", began.elapsed());
    let began = Instant::now();
    drop(Redb::open("speed", &path, LIMIT).await.unwrap());
    println!("open, closed before: {:?}", began.elapsed());
}

#[test]
#[ignore = "measures; run by hand"]
fn opening_after_kill_9() {
    for entries in [1000_u64, 100_000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speed.redb");
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "filler", "--nocapture", "--ignored"])
            .env(CHILD, &path)
            .env("ENTRIES", entries.to_string())
            .status()
            .unwrap();
        let size = path.metadata().unwrap().len();
        let began = Instant::now();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = runtime.block_on(Redb::open("speed", &path, LIMIT)).unwrap();
        println!(
            "open after kill -9, {entries} entries of 200 bytes, {} MB: {:?}",
            size >> 20,
            began.elapsed()
        );
        drop(store);
    }
}

#[test]
#[ignore = "the child of opening_after_kill_9"]
fn filler() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let entries: u64 = std::env::var("ENTRIES").unwrap().parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Redb::open("speed", path.as_ref(), LIMIT).await.unwrap();
        for part in 0..entries / 1000 {
            let entries = (0..1000).map(|n| {
                (
                    format!(
                        "{:016x}",
                        (part * 1000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    ),
                    vec![1; 200],
                )
            });
            store.set_many(entries.collect()).await.unwrap();
        }
        // No destructor runs: the same as kill -9.
        std::process::abort();
    });
}

/// What the disk itself takes: the floor under every write.
fn fsync(folder: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("fsync")).unwrap();
    let times = (0..500).map(|_| {
        let began = Instant::now();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        began.elapsed()
    });
    report("the disk: append 4 KiB and fdatasync", times.collect());
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: median {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
