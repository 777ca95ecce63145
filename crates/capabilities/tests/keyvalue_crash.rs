//! `kill -9` at any moment loses nothing that a key-value store acknowledged, and tears nothing.
//!
//! A child process, this very program, writes and reports each acknowledgement; it is killed at a
//! random time, and the store is opened again and compared with the reports.

use holm_capabilities::keyvalue::provider::Provider;
use holm_capabilities::keyvalue::redb::Redb;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How much the stores hold.
const LIMIT: u64 = 1 << 30;

/// Tells the child where its store is.
const CHILD: &str = "HOLM_TEST_KEYVALUE_CRASH";
const ROUNDS: u64 = 40;
const WRITERS: u64 = 6;

#[test]
fn an_acknowledged_write_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    let mut total = 0;
    for round in 0..ROUNDS {
        // Every fourth round begins with no file, so that its making is hit too.
        let path = folder.path().join(format!("{}.redb", round / 4));
        if round % 4 == 0 {
            acknowledged.clear();
        }
        let pause = if round % 4 == 0 {
            mix(round) % 80
        } else {
            60 + mix(round) % 500
        };
        for (name, n) in killed_after(&path, Duration::from_millis(pause)) {
            acknowledged.insert(name, n);
            total += 1;
        }
        runtime().block_on(check(&path, &acknowledged, round));
    }
    eprintln!("{total} acknowledged writes in {ROUNDS} rounds");
    assert!(
        total > ROUNDS * 20,
        "only {total} writes were acknowledged: too few to mean anything"
    );
}

/// Lets a child write, kills it, and returns what it said was written.
fn killed_after(path: &Path, pause: Duration) -> Vec<(String, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        pipe.read_to_end(&mut said).unwrap();
        said
    });
    std::thread::sleep(pause);
    // SIGKILL: nothing in the child gets to run any more.
    child.kill().unwrap();
    child.wait().unwrap();
    let said = reader.join().unwrap();
    let whole = said
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let lines = std::str::from_utf8(&said[..whole]).unwrap().lines();
    lines
        // The first one shares its line with what the test harness says.
        .filter_map(|line| line.split_once("ack ")?.1.split_once(' '))
        .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
        .collect()
}

async fn check(path: &Path, acknowledged: &HashMap<String, u64>, round: u64) {
    let store = Redb::open("test", path, LIMIT).await.unwrap();
    let number = async |key: &str| -> u64 {
        let value = store.get(key).await.unwrap();
        value.map_or(0, |value| {
            std::str::from_utf8(&value).unwrap().parse().unwrap()
        })
    };
    for writer in 0..WRITERS {
        let at_least = |name: &str| {
            acknowledged
                .get(&format!("{name}{writer}"))
                .copied()
                .unwrap_or(0)
        };
        let found = store.get(&format!("set{writer}")).await.unwrap();
        let found = found.map_or(0, |value| open(&value).expect("a torn value"));
        let least = at_least("set");
        assert!(
            (least..=least + 1).contains(&found),
            "round {round}: set{writer}: {found}, not {least}"
        );

        // A batch is there as a whole or not at all.
        let pair = [
            number(&format!("left{writer}")).await,
            number(&format!("right{writer}")).await,
        ];
        let least = at_least("batch");
        assert!(pair[0] == pair[1], "round {round}: half a batch: {pair:?}");
        assert!(
            (least..=least + 1).contains(&pair[0]),
            "round {round}: batch{writer}: {pair:?}, not {least}"
        );

        let least = at_least("gone");
        if least > 0 {
            assert!(
                !store
                    .exists(&format!("gone{writer}/{least}"))
                    .await
                    .unwrap(),
                "round {round}: deleted is back"
            );
        }
    }
    let (sum, least) = (
        number("sum").await,
        acknowledged.get("sum").copied().unwrap_or(0),
    );
    assert!(
        (least..=least + WRITERS).contains(&sum),
        "round {round}: sum {sum}, not {least}"
    );
}

/// Not a test by itself: the child.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    runtime().block_on(async {
        let store = Redb::open("test", &path, LIMIT).await.unwrap();
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write(store: Redb, writer: u64) {
    // Goes on where the last child stopped.
    let key = format!("set{writer}");
    let mut n = store
        .get(&key)
        .await
        .unwrap()
        .map_or(0, |value| open(&value).unwrap());
    loop {
        n += 1;
        store.set(key.clone(), seal(n, writer)).await.unwrap();
        say(&key, n);

        let (left, right) = (format!("left{writer}"), format!("right{writer}"));
        let old = store
            .get(&left)
            .await
            .unwrap()
            .map_or(0, |v| String::from_utf8(v).unwrap().parse().unwrap());
        let next = old + 1_u64;
        let text = next.to_string().into_bytes();
        store
            .set_many(vec![(left, text.clone()), (right, text)])
            .await
            .unwrap();
        say(&format!("batch{writer}"), next);

        let gone = format!("gone{writer}/{n}");
        store.set(gone.clone(), vec![7; 100]).await.unwrap();
        store.delete(gone).await.unwrap();
        say(&format!("gone{writer}"), n);

        let sum = store
            .increment("sum".into(), 1, 0..=u64::MAX.into())
            .await
            .unwrap();
        // Reports of several writers may overtake each other; the parent needs the largest.
        SUM.fetch_max(sum as u64, std::sync::atomic::Ordering::SeqCst);
        say_sum();
    }
}

static SUM: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn say_sum() {
    let mut out = std::io::stdout().lock();
    let sum = SUM.load(std::sync::atomic::Ordering::SeqCst);
    out.write_all(format!("ack sum {sum}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

fn say(name: &str, n: u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ack {name} {n}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

/// A value that tells whether it is whole: a number, bytes that follow from it, a sum over all.
fn seal(n: u64, salt: u64) -> Vec<u8> {
    let length = (mix(n ^ (salt << 32)) % 20_000) as usize;
    let mut value = n.to_le_bytes().to_vec();
    value.extend((0..length as u64).map(|i| mix(n + i) as u8));
    let sum = sum(&value);
    value.extend(sum.to_le_bytes());
    value
}

fn open(value: &[u8]) -> Option<u64> {
    let (body, check) = value.split_at_checked(value.len().checked_sub(8)?)?;
    (check == sum(body).to_le_bytes()).then(|| u64::from_le_bytes(body[..8].try_into().unwrap()))
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Numbers that look random and are the same each time.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30))
        .wrapping_add(0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
