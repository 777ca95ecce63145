//! `scripts/guest-toolchain` for a developer who has compilers already: they are used, and nothing is
//! installed in their place. The tools here are scripts that tell how they were called.

#![allow(missing_docs, reason = "test code")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A machine with a shell and what the tests put on it, in a folder whose name has a space.
struct Machine {
    _scratch: tempfile::TempDir,
    root: PathBuf,
}

impl Machine {
    fn new() -> Machine {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("the tools");
        let machine = Machine {
            _scratch: scratch,
            root,
        };
        // Only these of the real machine: it may have compilers of its own.
        let bin = machine.root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for tool in [
            "bash", "basename", "cat", "chmod", "cksum", "cut", "dirname", "du", "env", "flock",
            "ln", "mkdir", "mv", "rm", "sh", "tail", "touch",
        ] {
            let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
            let found = found.iter().find(|path| path.exists());
            let found = found.unwrap_or_else(|| panic!("no {tool} here"));
            symlink(found, bin.join(tool)).unwrap();
        }
        // Whatever the script takes from a registry, it takes by one of these.
        for tool in ["python3", "npm", "node", "apt-get", "cargo"] {
            machine.tool(tool, "exit 9");
        }
        machine
    }

    /// Puts a tool on the machine that does this.
    fn tool(&self, name: &str, script: &str) {
        let path = self.root.join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts `rustup`'s toolchain on it, with std for these targets.
    fn rust(&self, targets: &[&str]) {
        let sysroot = self.root.join("toolchain");
        for target in targets {
            let lib = sysroot.join("lib/rustlib").join(target).join("lib");
            fs::create_dir_all(&lib).unwrap();
            fs::write(lib.join("libstd-0123456789abcdef.rlib"), "").unwrap();
        }
        let sysroot = sysroot.display();
        self.tool(
            "rustc",
            &format!("echo '{sysroot}'; echo x86_64-unknown-linux-gnu"),
        );
        self.tool(
            "../toolchain/bin/rustc",
            "echo rustc of the toolchain: \"$@\"",
        );
        self.tool("cargo", "echo cargo: \"$@\"");
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", self.root.join("bin"))
            .env("HOME", &self.root)
            .env("HOLM_GUESTS", self.root.join("guests"))
            .output()
            .unwrap()
    }

    fn toolchain(&self, languages: &[&str]) -> (Option<i32>, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/guest-toolchain");
        let out = self.run(&script, languages);
        let text = [out.stdout, out.stderr].concat();
        (out.status.code(), String::from_utf8(text).unwrap())
    }

    /// What one of the made commands says.
    fn guest(&self, command: &str, args: &[&str]) -> String {
        let out = self.run(&self.root.join("guests/bin").join(command), args);
        assert!(out.status.success(), "{command}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    }

    fn in_bin(&self, name: &str) -> String {
        self.root.join("bin").join(name).display().to_string()
    }
}

const BOTH: &[&str] = &["wasm32-wasip1", "wasm32-wasip2"];
const GO: &str = "if [ \"$1\" = version ]; then echo go version go1.24.1 linux/amd64; \
                  else echo go: $GOOS/$GOARCH \"$@\"; fi";

#[test]
fn what_is_there_is_used_and_nothing_is_installed() {
    let machine = Machine::new();
    machine.rust(BOTH);
    machine.tool("zig", "echo zig: \"$@\"");
    machine.tool("go", GO);
    machine.tool("node", "echo v20.19.0");
    let (code, said) = machine.toolchain(&["rust", "c", "go"]);
    let root = machine.root.display();
    let expected = [
        format!("guest-toolchain: Rust for guests: yours, {root}/toolchain"),
        format!("guest-toolchain: zig: yours, {}", machine.in_bin("zig")),
        format!("guest-toolchain: go: yours, {}", machine.in_bin("go")),
        format!("guest-toolchain: node: yours, {}", machine.in_bin("node")),
    ];
    assert_eq!(
        (code, said.lines().collect::<Vec<_>>()),
        (Some(0), expected.iter().map(String::as_str).collect())
    );
    // Said once, and nothing left to do.
    assert_eq!(
        machine.toolchain(&["rust", "c", "go"]),
        (Some(0), String::new())
    );

    let build = ["build", "--target", "wasm32-wasip2"];
    assert_eq!(
        machine.guest("guest-cargo", &build),
        "cargo: build --target wasm32-wasip2\n"
    );
    assert_eq!(
        machine.guest("guest-rustc", &["-V"]),
        "rustc of the toolchain: -V\n"
    );
    assert_eq!(machine.guest("guest-zig", &["version"]), "zig: version\n");
    assert_eq!(
        machine.guest("guest-cc", &["a.c"]),
        "zig: cc -target wasm32-wasi a.c\n"
    );
    assert_eq!(
        machine.guest("guest-go", &["build"]),
        "go: wasip1/wasm build\n"
    );
}

/// What is too old, or there by half, is not taken: then the script wants its own, and says what for.
#[test]
fn what_does_not_do_is_not_used() {
    let machine = Machine::new();
    machine.rust(&["wasm32-wasip1"]);
    machine.tool("go", "echo go version go1.20.3 linux/amd64");
    machine.tool("node", "echo v18.20.4");
    for (language, step) in [
        ("go", "go 1."),
        ("c", "zig 0."),
        ("rust", "zig 0."),
        ("as", "node 22."),
    ] {
        let (code, said) = machine.toolchain(&[language]);
        assert_eq!(code, Some(1), "{said}");
        assert!(!said.contains("yours"), "{said}");
        assert!(said.contains(&format!("guest-toolchain: {step}")), "{said}");
        assert!(
            said.contains("apt-get install python3 python3-venv"),
            "{said}"
        );
    }
    machine.rust(BOTH);
    let (code, said) = machine.toolchain(&["rust"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Rust for guests: yours"), "{said}");
}

#[test]
fn what_is_missing_is_named() {
    let machine = Machine::new();
    let (code, said) = machine.toolchain(&["rust"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cargo and rustc are missing"), "{said}");
}
