//! Snapshot start: the same answers with an image and without, and who has none, and why.

use crate::app::*;
use crate::support::*;
use serde_json::Value;

/// `start` of `holm inspect --json`.
fn start(file: impl AsRef<std::path::Path>) -> Value {
    let out = holm().args(["inspect", "--json"]).arg(file.as_ref()).run();
    out.is(0);
    serde_json::from_str::<Value>(&out.stdout).unwrap()["start"].clone()
}

/// Whether a cache holds machine code of an image.
fn has_image(cache: &Scratch) -> bool {
    let mut folders = vec![cache.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry
                .file_name()
                .to_string_lossy()
                .ends_with("-begun.cwasm")
            {
                return true;
            }
        }
    }
    false
}

fn up(app: &App, cache: &Scratch) -> Server {
    Server::start(
        holm()
            .args(["up", "--listen", "127.0.0.1:0"])
            .env("HOLM_CACHE_DIR", cache.path())
            .dir(app.dir().path()),
    )
}

#[test]
fn answers_are_the_same_with_an_image_and_without() {
    let paths = [
        "/hello",
        "/count",
        "/count",
        "/big?bytes=3000",
        "/headers",
        "/env",
        "/log?n=3&text=x",
        "/config",
        "/kv/set?key=a&value=1",
        "/kv/get?key=a",
        "/status?code=418",
        "/trap",
        "/count",
    ];
    let grants = "grants.keyvalue = [\"default\"]\ngrants.env = { A = \"1\" }\n\
                  grants.config = { k = \"v\" }";
    let answers = |snapshot: bool| -> Vec<(u16, String)> {
        let cache = Scratch::new();
        let app = App::of("http-lab", &format!("{grants}\nsnapshot = {snapshot}"));
        let server = up(&app, &cache);
        assert_eq!(has_image(&cache), snapshot);
        let host = server.addr().to_string();
        paths
            .iter()
            .map(|path| {
                let answer = server.get(path);
                // The text of a failure is its id.
                let text = match answer.status {
                    500.. => String::new(),
                    _ => answer.text().replace(&host, "HOST"),
                };
                (answer.status, text)
            })
            .collect()
    };
    assert_eq!(answers(true), answers(false));
}

/// The second time, image and machine code come from the cache; once broken, they are made again.
#[test]
fn an_image_is_kept_and_mended() {
    let cache = Scratch::new();
    let app = App::of("http-lab", "grants.keyvalue = [\"default\"]");
    for _ in 0..2 {
        let server = up(&app, &cache);
        assert_eq!(server.get("/count").text().trim(), "1");
    }
    for name in ["start.json", "-begun.cwasm", "-begun.sum"] {
        let out = std::process::Command::new("find")
            .arg(cache.path())
            .args(["-name", &format!("*{name}")])
            .output()
            .unwrap();
        let found = String::from_utf8(out.stdout).unwrap();
        let file = found.lines().next().unwrap();
        std::fs::write(file, "broken").unwrap();
        // A sum that was checked on this boot is not read again; after the next one it is.
        if name.ends_with("sum") {
            std::fs::remove_file(file.replace(".sum", ".checked")).unwrap();
        }
        let server = up(&app, &cache);
        assert_eq!(server.get("/count").text().trim(), "1", "{name}");
        assert_ne!(std::fs::read(file).unwrap(), b"broken", "{name}");
    }
}

#[test]
fn memory_that_is_too_small_for_the_image_is_enough_for_the_component() {
    let cache = Scratch::new();
    let app = App::of("http-hello", "limits.memory = \"1200 KiB\"");
    let server = up(&app, &cache);
    assert_eq!(server.get("/").text(), "hello\n");
    assert!(!has_image(&cache));
}

#[test]
fn ordinary_components_have_an_image() {
    for name in ["http-hello", "http-hello-p3", "guestbook", "greet"] {
        let start = start(guest(name));
        assert_eq!(start["from"], "snapshot", "{name}: {start}");
        assert!(
            start["memory"].as_u64().unwrap() > 1 << 20,
            "{name}: {start}"
        );
    }
}

#[test]
fn who_has_none_is_told_why() {
    let scratch = Scratch::new();
    scratch.write(
        "clock.wat",
        r#"(component
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (export "now" (func (result u64)))))
            (core func $now (canon lower (func $clock "now")))
            (core module $m
                (import "clock" "now" (func $now (result i64)))
                (func $start (drop (call $now)))
                (start $start))
            (core instance $c (export "now" (func $now)))
            (core instance (instantiate $m (with "clock" (instance $c)))))"#,
    );
    scratch.write("idle.wat", "(component)");
    let because = |file: std::path::PathBuf| start(file)["because"].as_str().unwrap().to_owned();
    assert_eq!(
        because(scratch.join("clock.wat")),
        "it calls wasi:clocks/monotonic-clock@0.2.0.now while it starts"
    );
    assert_eq!(
        because(scratch.join("idle.wat")),
        "nothing in it runs before it is called"
    );
    assert_eq!(
        because(guest("hello-p1")),
        "the start of a core module is its run"
    );
    // Text as it is, on the second look too, when it comes from the cache.
    for _ in 0..2 {
        let out = holm().arg("inspect").arg(scratch.join("clock.wat")).run();
        let row = "start      ordinary, because it calls wasi:clocks/monotonic-clock@0.2.0.now while it starts\n";
        assert!(out.stdout.contains(row), "{}", out.stdout);
    }
}
