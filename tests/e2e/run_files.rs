//! Folders: what was granted and nothing else.

use crate::support::*;
use std::os::unix::fs::symlink;

const HELLOS: [&str; 2] = ["hello-p1", "hello-p2"];

/// `--dir HOST::GUEST`.
fn dir(scratch: &Scratch, host: &str, guest: &str) -> [String; 2] {
    [
        "--dir".into(),
        format!("{}::{guest}", scratch.join(host).display()),
    ]
}

#[test]
fn read_write_and_list() {
    for name in HELLOS {
        let scratch = Scratch::new();
        scratch.write("a.txt", "from outside\n");
        scratch.dir("sub");
        let hello = |args: &[&str]| {
            run()
                .args(dir(&scratch, "", "/data"))
                .arg(guest(name))
                .args(args)
                .run()
        };
        hello(&["read", "/data/a.txt"]).prints("from outside\n");
        hello(&["write", "/data/sub/b.txt", "from inside"]).prints("");
        assert_eq!(scratch.read("sub/b.txt"), "from inside");
        hello(&["ls", "/data"]).prints("a.txt\nsub/\n");
    }
}

#[test]
fn relative_to_the_current_folder() {
    for name in HELLOS {
        let scratch = Scratch::new();
        scratch.write("data/a.txt", "a");
        let here = |args: &[&str]| run().args(args).dir(scratch.path());
        here(&["--dir", "."])
            .arg(guest(name))
            .args(["read", "data/a.txt"])
            .run()
            .prints("a");
        here(&["--dir", "data"])
            .arg(guest(name))
            .args(["read", "data/a.txt"])
            .run()
            .prints("a");
        here(&["--dir", "data::."])
            .arg(guest(name))
            .args(["read", "a.txt"])
            .run()
            .prints("a");
        here(&["--dir", ".:ro"])
            .arg(guest(name))
            .args(["ls", "."])
            .run()
            .prints("data/\n");
    }
}

#[test]
fn nothing_is_visible_by_default() {
    for name in HELLOS {
        let scratch = Scratch::new();
        let file = scratch.write("a.txt", "a");
        for args in [
            vec!["read", file.to_str().unwrap()],
            vec!["ls", "."],
            vec!["ls", "/"],
            vec!["ls", "/etc"],
        ] {
            let out = run().arg(guest(name)).args(args).dir(scratch.path()).run();
            out.is(1).says("hello: ");
            assert_eq!(out.stdout, "");
        }
        // Granting one folder shows no other.
        scratch.write("other/b.txt", "b");
        scratch.dir("granted");
        let file = scratch.join("other/b.txt");
        let out = run()
            .args(dir(&scratch, "granted", "/g"))
            .arg(guest(name))
            .arg("read")
            .arg(file)
            .run();
        out.is(1);
        assert_eq!(out.stdout, "");
    }
}

#[test]
fn a_read_only_folder_is_not_written_to() {
    for name in HELLOS {
        let scratch = Scratch::new();
        scratch.write("a.txt", "as it was");
        let flag = format!("{}::/data:ro", scratch.path().display());
        let hello = |args: &[&str]| {
            run()
                .args(["--dir", &flag])
                .arg(guest(name))
                .args(args)
                .run()
        };
        hello(&["read", "/data/a.txt"]).prints("as it was");
        for path in ["/data/a.txt", "/data/new.txt"] {
            let out = hello(&["write", path, "changed"]);
            out.is(1);
            shot!(format!("read_only_{name}"), out.stderr);
        }
        assert_eq!(scratch.read("a.txt"), "as it was");
        assert!(!scratch.join("new.txt").exists());
    }
}

/// Ways out of a folder: up, by symbolic links of either kind, absolute paths.
#[test]
fn there_is_no_way_out() {
    for name in HELLOS {
        let scratch = Scratch::new();
        scratch.write("secret/key", "s3cret");
        scratch.write("granted/in.txt", "inside");
        let link = |to: &str, name: &str| symlink(to, scratch.join("granted").join(name)).unwrap();
        link("../secret", "up");
        link("../secret/key", "key");
        link(scratch.join("secret").to_str().unwrap(), "absolute");
        link("/etc/passwd", "passwd");
        link("in.txt", "fine");
        let hello = |args: &[&str]| {
            run()
                .args(dir(&scratch, "granted", "/g"))
                .arg(guest(name))
                .args(args)
                .run()
        };
        hello(&["read", "/g/fine"]).prints("inside");
        for path in [
            "/g/../secret/key",
            "/g/./../../secret/key",
            "/g/up/key",
            "/g/key",
            "/g/absolute/key",
            "/g/passwd",
            "/g/up/../../secret/key",
            "/etc/passwd",
        ] {
            let out = hello(&["read", path]);
            assert_eq!(
                (out.code, out.stdout.as_str()),
                (1, ""),
                "{path}: {}",
                out.stderr
            );
            let out = hello(&["write", path, "taken over"]);
            assert_eq!(out.code, 1, "{path}: {}", out.stderr);
        }
        assert_eq!(scratch.read("secret/key"), "s3cret");
    }
}

/// A path that leads out is refused, and whoever runs the program is told which.
#[test]
fn a_way_out_is_told() {
    for name in HELLOS {
        let scratch = Scratch::new();
        scratch.write("secret/key", "s3cret");
        scratch.dir("granted");
        scratch.dir("other");
        symlink("../secret", scratch.join("granted/up")).unwrap();
        let hello = |flags: &[String], path: &str| {
            let out = run()
                .args(flags)
                .arg(guest(name))
                .args(["read", path])
                .run();
            out.is(1);
            out.stderr
        };
        let one = dir(&scratch, "granted", "/g");
        let two = [one.clone(), dir(&scratch, "other", "/o")].concat();
        let through_a_link = hello(&one, "/g/up/key");
        shot!(format!("way_out_{name}"), through_a_link);
        let upward = hello(&one, "/g/../secret/key");
        assert!(
            upward.contains("denied: leave the folder /g by ../secret/key\n"),
            "{upward}"
        );
        let of_two = hello(&two, "/g/up/key");
        assert!(
            of_two.contains("denied: leave a granted folder by up/key\n"),
            "{of_two}"
        );
        // What is not there is no way out.
        let missing = hello(&one, "/g/missing");
        assert!(!missing.contains("denied"), "{missing}");
    }
}

/// The commonest denial of all: no folder. A libc gives up by itself then, and says something else.
#[test]
fn a_program_that_was_granted_no_folder() {
    let help = "help: it was granted no folder; to let it use files: --dir HOST[::GUEST]\n";
    let scratch = Scratch::new();
    scratch.write("here.txt", "a");
    scratch.dir("folder");
    let tried = |name: &str, flags: &[&str], args: &[&str]| {
        let command = run().args(flags).arg(guest(name)).args(args);
        command.dir(scratch.path()).run()
    };
    for (name, args) in [
        ("hello-p1", ["read", "here.txt"].as_slice()),
        ("hello-p2", &["read", "/etc/passwd"]),
        ("wc-c", &["here.txt"]),
        ("todo-go", &["list"]),
    ] {
        let out = tried(name, &[], args);
        assert!(out.code != 0, "{name}");
        assert!(out.stderr.ends_with(help), "{name}: {}", out.stderr);
        // With a folder, the program's own words are enough.
        let out = tried(name, &["--dir", "folder::/elsewhere"], args);
        assert!(out.code != 0 && !out.stderr.contains(help), "{name}");
    }
    // Nor is it the reason for every failure.
    for (name, args) in [
        ("hello-p1", ["exit", "9"].as_slice()),
        ("hello-p2", &["exit", "9"]),
        ("http-get", &["http://127.0.0.1:9/"]),
    ] {
        let out = tried(name, &[], args);
        assert!(
            out.code != 0 && !out.stderr.contains(help),
            "{}",
            out.stderr
        );
    }
    tried("hello-p1", &[], &["x"]).prints("hello\narg: x\n");
}

#[test]
fn several_folders_in_c() {
    let scratch = Scratch::new();
    scratch.write("in/a.txt", "one two\n");
    scratch.dir("out");
    run()
        .args(["--dir", "in::/in:ro", "--dir", "out::/out"])
        .arg(guest("wc-c"))
        .args(["-lw", "-o", "/out/report", "/in/a.txt"])
        .dir(scratch.path())
        .run()
        .prints("");
    assert_eq!(scratch.read("out/report"), "      1       2 /in/a.txt\n");
    let refused = run()
        .args(["--dir", "in::/in:ro", "--dir", "out::/out:ro"])
        .arg(guest("wc-c"))
        .args(["-o", "/out/other", "/in/a.txt"])
        .dir(scratch.path())
        .run();
    refused.is(1).says("wc-c: /out/other: ");
    assert!(!scratch.join("out/other").exists());
}

#[test]
fn folders_that_cannot_be_granted() {
    let scratch = Scratch::new();
    scratch.write("file.txt", "");
    let with = |flag: &str| {
        let out = run()
            .args(["--dir", flag])
            .arg(guest("hello-p1"))
            .dir(scratch.path())
            .run();
        out.is(2);
        assert_eq!(out.stdout, "");
        out.stderr
    };
    shot!("dir_missing", with("nowhere"));
    shot!("dir_missing_with_guest", with("nowhere::/data:ro"));
    shot!("dir_is_a_file", with("file.txt"));
    shot!("dir_empty", with("::/data"));
}
