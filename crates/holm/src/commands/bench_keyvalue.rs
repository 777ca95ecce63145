//! `holm bench-keyvalue FILE`: for `cargo xtask bench`; what a key-value store costs, a line for each
//! figure: its name, a tab, and nanoseconds.

use crate::{exit, report};
use holm_capabilities::keyvalue::provider::{self, From, Provider as _};
use holm_capabilities::keyvalue::redb::Redb;
use holm_runtime::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How much the store may hold.
const LIMIT: u64 = 1 << 30;

/// Operations behind one figure of what takes less than a clock can tell.
const BATCH: u32 = 1000;

/// Make a key-value store, and print what its operations take in nanoseconds
#[derive(clap::Args)]
pub struct Args {
    /// Its file
    file: PathBuf,
    /// How often each operation is measured
    count: u32,
    /// Only write so many entries of 200 bytes, say so, and wait to be killed
    #[arg(long, value_name = "ENTRIES")]
    fill: Option<u64>,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::ours("no threads can be started").caused_by(e.to_string()))
        .and_then(|threads| {
            let work = async {
                match args.fill {
                    Some(entries) => fill(&args, entries).await,
                    None => measure(&args).await,
                }
            };
            threads
                .block_on(work)
                .map_err(|e| Error::ours("the store failed").caused_by(e.to_string()))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

fn print(what: &str, took: Duration) {
    println!("{what}\t{}", took.as_nanos());
}

async fn measure(args: &Args) -> Result<(), provider::Error> {
    let began = Instant::now();
    let store = Redb::open("bench", &args.file, LIMIT).await?;
    print("open", began.elapsed());
    for n in 0..args.count {
        let began = Instant::now();
        store.set(format!("key{n:05}"), vec![1; 100]).await?;
        print("set, 100 bytes, one writer", began.elapsed());
    }
    for (writers, what) in [
        (64_u32, "set, 100 bytes, 64 writers, each"),
        (512, "set, 100 bytes, 512 writers, each"),
    ] {
        for n in 0..args.count {
            let began = Instant::now();
            let mut sets = JoinSet::new();
            for writer in 0..writers {
                let store = store.clone();
                let key = format!("{writer}/{n}");
                sets.spawn(async move { store.set(key, vec![1; 100]).await });
            }
            for set in sets.join_all().await {
                set?;
            }
            print(what, began.elapsed() / writers);
        }
    }
    for _ in 0..args.count {
        let began = Instant::now();
        store.increment("sum".into(), 1, 0..=i128::MAX).await?;
        print("increment, one writer", began.elapsed());
    }
    for (size, what) in [(100, "get, 100 bytes"), (65536, "get, 64 KiB")] {
        store.set("read".into(), vec![1; size]).await?;
        for _ in 0..args.count {
            let began = Instant::now();
            for _ in 0..BATCH {
                store.get("read").await?;
            }
            print(what, began.elapsed() / BATCH);
        }
    }
    for _ in 0..args.count {
        let began = Instant::now();
        store.list_keys(From::Start, 1000).await?;
        print("list-keys, a page of 1000", began.elapsed());
    }
    Ok(())
}

async fn fill(args: &Args, entries: u64) -> Result<(), provider::Error> {
    let store = Redb::open("bench", &args.file, LIMIT).await?;
    for part in 0..entries.div_ceil(1000) {
        // Spread over the whole tree, as keys of users are.
        let key = |n: u64| {
            format!(
                "{:016x}",
                (part * 1000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            )
        };
        store
            .set_many((0..1000).map(|n| (key(n), vec![1; 200])).collect())
            .await?;
    }
    println!("full");
    std::future::pending().await
}
