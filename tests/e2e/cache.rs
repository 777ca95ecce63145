//! `holm compile` and the cache: compiled once, never wrong, never somebody else's code.

use crate::support::*;
use serde_json::Value;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

fn with(cache: &Path) -> Command {
    holm().env("HOLM_CACHE_DIR", cache)
}

fn hello(cache: &Path) -> Output {
    with(cache).arg("run").arg(guest("hello-p2")).run()
}

fn shown(cache: &Path) -> Value {
    let out = with(cache).args(["cache", "--json"]).run();
    out.is(0);
    serde_json::from_str(&out.stdout).unwrap()
}

/// All files of a folder, deep, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn compiled_once() {
    let cache = Scratch::new();
    hello(cache.path()).prints("hello\n");
    let code = || {
        files(cache.path())
            .into_iter()
            .find(|p| p.extension().is_some_and(|e| e == "cwasm"))
            .unwrap()
    };
    let first = std::fs::metadata(code()).unwrap();
    let told = shown(cache.path());
    assert_eq!(told["entries"].as_array().unwrap().len(), 1, "{told}");
    let entry = &told["entries"][0];
    assert_eq!(
        (&entry["form"], &entry["engines"]),
        (&Value::from("component"), &Value::from(1))
    );
    assert!(entry["bytes"].as_u64().unwrap() > 100_000, "{told}");

    hello(cache.path()).prints("hello\n");
    let second = std::fs::metadata(code()).unwrap();
    assert_eq!(
        (first.ino(), first.mtime_nsec()),
        (second.ino(), second.mtime_nsec()),
        "compiled again"
    );
    assert_eq!(shown(cache.path()), told);

    // The same content under another name is the same program.
    let scratch = Scratch::new();
    std::fs::copy(guest("hello-p2"), scratch.join("other.wasm")).unwrap();
    with(cache.path())
        .arg("run")
        .arg(scratch.join("other.wasm"))
        .run()
        .prints("hello\n");
    assert_eq!(shown(cache.path()), told);
    // A guest that can be stopped is other code, of the same file.
    with(cache.path())
        .args(["run", "--cpu", "10 s"])
        .arg(guest("hello-p2"))
        .run()
        .prints("hello\n");
    assert_eq!(shown(cache.path())["entries"][0]["engines"], 2);
}

#[test]
fn a_second_start_is_fast() {
    // Ruby takes seconds to compile; mapped, it starts in well under one.
    let ruby = || run().arg(published("ruby")).arg("--version").run();
    ruby().is(0);
    let best = (0..3).map(|_| ruby().took).min().unwrap();
    assert!(best.as_secs_f64() < 3.0, "{best:?}");
}

/// What was checked on this boot is not looked at again; as after the next boot, it is.
fn as_after_a_boot(cache: &Path) {
    for path in files(cache) {
        let checked = path.extension().is_some_and(|e| e == "checked");
        if checked || path.parent().is_some_and(|p| p.ends_with("known")) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Each file in the cache, broken in each way: the answer stays right, and the file is made anew.
#[test]
fn broken_files_are_mended() {
    let cache = Scratch::new();
    hello(cache.path()).prints("hello\n");
    let all = files(cache.path());
    assert_eq!(
        all.len(),
        5,
        "code, its sum, that it was checked, and what is known: {all:?}"
    );
    for path in all {
        let good = std::fs::read(&path).unwrap();
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            bytes
        };
        let ways = [
            Vec::new(),
            good[..good.len() / 2].to_vec(),
            good[..good.len() - 1].to_vec(),
            flipped(0),
            flipped(good.len() / 2),
            flipped(good.len() - 1),
            [&good[..], b"more"].concat(),
            vec![0; good.len()],
        ];
        for broken in ways {
            std::fs::write(&path, &broken).unwrap();
            if path.extension().is_some_and(|e| e == "sum") || path.ends_with("about.json") {
                as_after_a_boot(cache.path());
            }
            let out = hello(cache.path());
            out.is(0);
            assert_eq!(out.stdout, "hello\n", "{}", path.display());
            let now = std::fs::read(&path).unwrap();
            assert!(
                now == good || now != broken,
                "{} was not mended",
                path.display()
            );
            hello(cache.path()).prints("hello\n");
        }
        std::fs::remove_file(&path).unwrap();
        if path.extension().is_some_and(|e| e == "sum") || path.ends_with("about.json") {
            as_after_a_boot(cache.path());
        }
        let out = hello(cache.path());
        out.is(0);
        assert_eq!(out.stdout, "hello\n", "{}", path.display());
        assert!(path.exists(), "{} was not made again", path.display());
    }
}

/// Code that is valid but of another program, under this one's name: its sum tells.
#[test]
fn code_of_another_program_is_not_taken() {
    let cache = Scratch::new();
    hello(cache.path()).prints("hello\n");
    let code = files(cache.path())
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "cwasm"))
        .unwrap();
    with(cache.path())
        .arg("run")
        .arg(guest("crash-p2"))
        .run()
        .is(134);
    let other = files(cache.path())
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "cwasm") && *p != code);
    std::fs::copy(other.unwrap(), &code).unwrap();
    let out = hello(cache.path());
    out.is(0);
    assert_eq!(out.stdout, "hello\n");
}

#[test]
fn eight_at_once_on_an_empty_cache() {
    let cache = Scratch::new();
    let all: Vec<_> = (0..8)
        .map(|_| with(cache.path()).arg("run").arg(guest("hello-p2")).spawn())
        .collect();
    for child in all {
        let out = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(
            (code(out.status), &out.stdout[..], stderr.as_str()),
            (0, &b"hello\n"[..], "")
        );
    }
    assert_eq!(files(cache.path()).len(), 5, "nothing half-made is left");
    hello(cache.path()).prints("hello\n");
}

/// Cleared under their feet, again and again: programs go on all the same.
#[test]
fn cleared_while_in_use() {
    let cache = Scratch::new();
    let running: Vec<_> = (0..6)
        .map(|_| with(cache.path()).arg("run").arg(guest("hello-p1")).spawn())
        .collect();
    for _ in 0..5 {
        let out = with(cache.path()).args(["cache", "clear"]).run();
        assert!([0, 2].contains(&out.code), "{}", out.stderr);
    }
    for child in running {
        let out = child.wait_with_output().unwrap();
        assert_eq!(
            (code(out.status), &out.stdout[..]),
            (0, &b"hello\n"[..]),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn a_folder_that_others_may_write_to() {
    let cache = Scratch::new();
    hello(cache.path()).prints("hello\n");
    let code = cache.join("code");
    std::fs::set_permissions(&code, std::fs::Permissions::from_mode(0o777)).unwrap();
    let before = files(cache.path());
    with(cache.path())
        .arg("run")
        .arg(guest("hello-p1"))
        .run()
        .is(0);
    assert_eq!(files(cache.path()), before, "it was written to");
    // Nor is what lies in it trusted.
    for path in before {
        std::fs::write(path, "what a stranger wrote").unwrap();
    }
    let out = hello(cache.path());
    out.is(0);
    assert_eq!(out.stdout, "hello\n");
    let out = with(cache.path()).arg("cache").run();
    out.is(2);
    shot!(out.stderr);
}

#[test]
fn without_any_folder() {
    let nothing = |command: Command| command.env_remove("HOLM_CACHE_DIR").env_remove("HOME");
    let out = nothing(run()).arg(guest("hello-p1")).run();
    out.is(0);
    assert_eq!(out.stdout, "hello\n");
    let out = with(Path::new("/proc/nowhere"))
        .arg("run")
        .arg(guest("hello-p1"))
        .run();
    out.is(0);
    assert_eq!(out.stdout, "hello\n");
}

#[test]
fn shown_and_cleared() {
    let cache = Scratch::new();
    let empty = with(cache.path()).arg("cache").run();
    empty.is(0);
    shot!("cache_empty", empty.stdout);
    hello(cache.path()).prints("hello\n");
    with(cache.path()).arg("run").arg(guest("wc-c")).run().is(0);
    let full = with(cache.path()).arg("cache").run();
    full.is(0);
    let rows: Vec<&str> = full.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{}", full.stdout);
    assert!(
        rows[0].starts_with("sha256:") && rows[0].ends_with("1 engine"),
        "{}",
        full.stdout
    );
    assert!(rows[2].starts_with("2 files, "), "{}", full.stdout);
    let cleared = with(cache.path()).args(["cache", "clear"]).run();
    cleared.is(0);
    assert!(
        cleared.stdout.starts_with("removed 2 files, "),
        "{}",
        cleared.stdout
    );
    assert_eq!(shown(cache.path())["entries"], serde_json::json!([]));
    hello(cache.path()).prints("hello\n");
}

#[test]
fn compiled_ahead() {
    let cache = Scratch::new();
    let compile = || {
        with(cache.path())
            .arg("compile")
            .args([guest("hello-p1"), guest("hello-p2")])
            .run()
    };
    let first = compile();
    first.is(0);
    assert_eq!(
        first.stdout.matches(" cached as sha256:").count(),
        2,
        "{}",
        first.stdout
    );
    let second = compile();
    second.is(0);
    assert_eq!(
        second
            .stdout
            .matches(" was in the cache as sha256:")
            .count(),
        2,
        "{}",
        second.stdout
    );
    let told = shown(cache.path());
    hello(cache.path()).prints("hello\n");
    assert_eq!(shown(cache.path()), told, "`holm run` compiled it again");
}

struct Compiled {
    own: Scratch,
    foreign: Scratch,
    files: Scratch,
}

/// `hello.cwasm`, made with one cache; another one knows nothing of it.
fn compiled(name: &str) -> Compiled {
    let it = Compiled {
        own: Scratch::new(),
        foreign: Scratch::new(),
        files: Scratch::new(),
    };
    let out = with(it.own.path())
        .arg("compile")
        .arg(guest(name))
        .arg("-o")
        .arg(it.files.join("hello.cwasm"))
        .run();
    out.is(0);
    assert!(out.stdout.contains("hello.cwasm ("), "{}", out.stdout);
    it
}

#[test]
fn a_compiled_file_runs_as_it_is() {
    for name in ["hello-p1", "hello-p2"] {
        let it = compiled(name);
        let file = it.files.join("hello.cwasm");
        with(it.own.path())
            .arg("run")
            .arg(&file)
            .arg("x")
            .run()
            .prints("hello\narg: x\n");
        with(it.own.path())
            .args(["run", "--timeout", "10 s"])
            .arg(&file)
            .run()
            .prints("hello\n");
        // Under any name, anywhere.
        std::fs::rename(&file, it.files.join("moved")).unwrap();
        with(it.own.path())
            .arg("run")
            .arg(it.files.join("moved"))
            .run()
            .prints("hello\n");
        let again = with(it.own.path())
            .arg("compile")
            .arg(it.files.join("moved"))
            .arg("-o")
            .arg(&file)
            .run();
        again.is(2).says("is compiled already");
    }
}

#[test]
fn a_compiled_file_of_a_stranger() {
    for name in ["hello-p1", "hello-p2"] {
        let it = compiled(name);
        let file = it.files.join("hello.cwasm");
        let refused = with(it.foreign.path()).arg("run").arg(&file).run();
        refused.is(126);
        assert_eq!(refused.stdout, "");
        shot!("stranger", refused.stderr);
        with(it.foreign.path())
            .arg("inspect")
            .arg(&file)
            .run()
            .is(126);
        with(it.foreign.path())
            .args(["run", "--allow-precompiled"])
            .arg(&file)
            .run()
            .prints("hello\n");
        // Trusting it once is not trusting it for ever.
        with(it.foreign.path()).arg("run").arg(&file).run().is(126);
        // What `holm cache clear` forgets is a stranger's too.
        with(it.own.path()).args(["cache", "clear"]).run().is(0);
        with(it.own.path()).arg("run").arg(&file).run().is(126);
    }
}

#[test]
fn a_compiled_file_that_was_altered() {
    let it = compiled("hello-p2");
    let file = it.files.join("hello.cwasm");
    let good = std::fs::read(&file).unwrap();
    for at in [good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let out = with(it.own.path()).arg("run").arg(&file).run();
        out.is(126);
        assert_eq!(out.stdout, "");
    }
    // Cut off it is no machine code of anybody's.
    for length in [good.len() - 1, good.len() / 2, 64, 5] {
        std::fs::write(&file, &good[..length]).unwrap();
        let out = with(it.own.path()).arg("run").arg(&file).run();
        assert_eq!(out.code, 2, "{length}: {}", out.stderr);
        if length >= 64 {
            assert!(
                out.stderr
                    .contains("is machine code that is cut off or damaged"),
                "{length}: {}",
                out.stderr
            );
        }
    }
    std::fs::write(&file, good).unwrap();
    with(it.own.path())
        .arg("run")
        .arg(&file)
        .run()
        .prints("hello\n");
}

/// Where `.wasmtime.engine` lies in an ELF file: its sections' headers, then their names, tell.
fn engine_section(elf: &[u8]) -> std::ops::Range<usize> {
    let number = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&elf[at..at + size]);
        u64::from_le_bytes(bytes) as usize
    };
    let (headers, size) = (number(0x28, 8), number(0x3a, 2));
    let header = |index: usize| headers + index * size;
    let names = number(header(number(0x3e, 2)) + 0x18, 8);
    let found = (0..number(0x3c, 2)).map(header).find(|&header| {
        let name = &elf[names + number(header, 4)..];
        name.starts_with(b".wasmtime.engine\0")
    });
    let begin = number(found.unwrap() + 0x18, 8);
    begin..begin + number(found.unwrap() + 0x20, 8)
}

/// Code of another engine version is not run, whoever vouches for it.
#[test]
fn a_compiled_file_of_another_engine_version() {
    for name in ["hello-p1", "hello-p2"] {
        let it = compiled(name);
        let file = it.files.join("hello.cwasm");
        let mut bytes = std::fs::read(&file).unwrap();
        let place = engine_section(&bytes);
        let section = &mut bytes[place];
        // A format, a length, and the version as text: 48 or 48.0.8.
        let length = usize::from(section[1]);
        let version = &mut section[2..2 + length];
        assert!(
            version.is_ascii() && version[0].is_ascii_digit(),
            "{version:?}"
        );
        version[0] = if version[0] == b'9' {
            b'8'
        } else {
            version[0] + 1
        };
        std::fs::write(&file, bytes).unwrap();
        let out = with(it.own.path())
            .args(["run", "--allow-precompiled"])
            .arg(&file)
            .run();
        out.is(2)
            .says("was compiled by another version of Holm, or for another machine")
            .says("help: compile it again from its .wasm");
        assert_eq!(out.stdout, "");
    }
}

#[test]
fn where_it_cannot_be_written() {
    let scratch = Scratch::new();
    let out = holm()
        .arg("compile")
        .arg(guest("hello-p1"))
        .args(["-o", "no/such/folder/x.cwasm"])
        .dir(scratch.path())
        .run();
    out.is(2);
    shot!(out.stderr);
    let out = holm()
        .arg("compile")
        .arg(guest("hello-p1"))
        .args(["-o", "."])
        .dir(scratch.path())
        .run();
    out.is(2);
    shot!("where_a_folder_is", out.stderr);
}
