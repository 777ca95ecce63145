//! Tests of watching, on real files.

use super::*;
use std::fs::{create_dir_all, remove_dir_all, rename, write};

struct Watching {
    temp: tempfile::TempDir,
    watcher: Watcher,
}

impl Watching {
    fn new(pattern: &str) -> Watching {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        create_dir_all(at("src/deep")).unwrap();
        create_dir_all(at("node_modules/x")).unwrap();
        write(at("holm.toml"), "").unwrap();
        write(at("src/main.rs"), "").unwrap();
        let watcher = Watcher::new(vec![
            Watched::file(Changed::Manifest, at("holm.toml")),
            Watched::file(
                Changed::Component("api".into()),
                at("target/release/api.wasm"),
            ),
            Watched::sources("api", temp.path(), pattern),
        ]);
        let watcher = watcher.unwrap();
        Watching { temp, watcher }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    async fn told(&mut self) -> Vec<Changed> {
        let changed = timeout(Duration::from_secs(10), self.watcher.changed()).await;
        changed.expect("a change").into_iter().collect()
    }

    async fn quiet(&mut self) {
        let changed = timeout(Duration::from_millis(300), self.watcher.changed()).await;
        assert_eq!(changed.ok(), None);
    }
}

fn sources() -> Changed {
    Changed::Sources("api".into())
}

#[tokio::test]
async fn what_changes_is_told_once() {
    let mut watching = Watching::new("src");
    for _ in 0..20 {
        write(watching.at("holm.toml"), "x").unwrap();
        write(watching.at("src/deep/a.rs"), "x").unwrap();
    }
    assert_eq!(watching.told().await, [Changed::Manifest, sources()]);
    watching.quiet().await;
    // As editors save: a new file takes the old one's place.
    write(watching.at(".holm.toml.tmp"), "y").unwrap();
    rename(watching.at(".holm.toml.tmp"), watching.at("holm.toml")).unwrap();
    assert_eq!(watching.told().await, [Changed::Manifest]);
    write(watching.at("holm.toml"), "z").unwrap();
    assert_eq!(
        watching.told().await,
        [Changed::Manifest],
        "still watched after the exchange"
    );
    watching.watcher.so_far();
    watching.quiet().await;
}

#[tokio::test]
async fn folders_that_are_not_there_yet() {
    let mut watching = Watching::new("src");
    create_dir_all(watching.at("target/release/deps")).unwrap();
    write(watching.at("target/release/api.wasm"), "x").unwrap();
    assert_eq!(watching.told().await, [Changed::Component("api".into())]);
    write(watching.at("target/release/api.wasm"), "y").unwrap();
    assert_eq!(watching.told().await, [Changed::Component("api".into())]);
    remove_dir_all(watching.at("target")).unwrap();
    assert_eq!(watching.told().await, [Changed::Component("api".into())]);
    create_dir_all(watching.at("target/release")).unwrap();
    write(watching.at("target/release/api.wasm"), "x").unwrap();
    assert_eq!(watching.told().await, [Changed::Component("api".into())]);
    create_dir_all(watching.at("src/new/er")).unwrap();
    write(watching.at("src/new/er/a.rs"), "x").unwrap();
    assert_eq!(watching.told().await, [sources()]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    watching.watcher.so_far();
    write(watching.at("src/new/er/a.rs"), "y").unwrap();
    assert_eq!(watching.told().await, [sources()]);
}

#[tokio::test]
async fn what_tools_make_is_not_a_change() {
    let mut watching = Watching::new(".");
    create_dir_all(watching.at("target/debug")).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    watching.watcher.so_far();
    write(watching.at("target/debug/x"), "x").unwrap();
    write(watching.at("node_modules/x/y"), "x").unwrap();
    write(watching.at("out.wasm"), "x").unwrap();
    write(watching.at("src/main.rs~"), "x").unwrap();
    let _ = std::fs::read(watching.at("src/main.rs"));
    watching.quiet().await;
    write(watching.at("src/main.rs"), "x").unwrap();
    assert_eq!(watching.told().await, [sources()]);
}

#[tokio::test]
async fn a_pattern_picks_files() {
    let mut watching = Watching::new("src/**/*.rs");
    write(watching.at("src/deep/notes.txt"), "x").unwrap();
    watching.quiet().await;
    write(watching.at("src/deep/a.rs"), "x").unwrap();
    assert_eq!(watching.told().await, [sources()]);
}
