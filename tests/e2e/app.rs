//! An app in a scratch folder, and what its log says of each request.

use crate::support::*;
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A folder with a `holm.toml` and the components that it names.
pub struct App {
    scratch: Arc<Scratch>,
}

/// An app that is served; its folder stays for as long.
pub struct Served {
    server: Server,
    _scratch: Arc<Scratch>,
}

impl Deref for Served {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Served {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Served {
    /// A server whose folder is to stay.
    pub fn of(server: Server, scratch: Arc<Scratch>) -> Served {
        Served {
            server,
            _scratch: scratch,
        }
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(self) -> i32 {
        self.server.terminate()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.server.kill();
    }
}

impl App {
    /// An app with this manifest.
    pub fn new(manifest: &str) -> App {
        let scratch = Scratch::new();
        scratch.write("holm.toml", manifest);
        App {
            scratch: Arc::new(scratch),
        }
    }

    /// One with a manifest of Spin's.
    pub fn spin(manifest: &str) -> App {
        let scratch = Scratch::new();
        scratch.write("spin.toml", manifest);
        App {
            scratch: Arc::new(scratch),
        }
    }

    /// The component `lab`, made of a guest, answers everything; `more` are lines of its table.
    pub fn of(name: &str, more: &str) -> App {
        let manifest = format!(
            "name = \"lab\"\n\n[component.lab]\nsource = \"lab.wasm\"\n{more}\n\n\
             [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n"
        );
        App::new(&manifest).guest("lab.wasm", name)
    }

    /// `http-lab` with the store that it imports.
    pub fn lab(more: &str) -> App {
        App::of(
            "http-lab",
            &format!("grants.keyvalue = [\"default\"]\n{more}"),
        )
    }

    /// Adds tables to the manifest's end.
    pub fn and(self, tables: &str) -> App {
        let manifest = self.scratch.read("holm.toml");
        self.scratch
            .write("holm.toml", format!("{manifest}\n{tables}\n"));
        self
    }

    /// Puts a guest beside the manifest under this name.
    pub fn guest(self, file: &str, name: &str) -> App {
        symlink(guest(name), self.scratch.join(file)).unwrap();
        self
    }

    /// Changes the manifest's text.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let manifest = self.scratch.read("holm.toml");
        assert!(manifest.contains(from), "no {from:?} in {manifest}");
        self.scratch.write("holm.toml", manifest.replace(from, to));
    }

    /// The folder.
    pub fn dir(&self) -> &Scratch {
        &self.scratch
    }

    /// `holm up` in the folder.
    pub fn up(&self) -> Served {
        self.up_with(&[])
    }

    /// The same with flags.
    pub fn up_with(&self, args: &[&str]) -> Served {
        let server = Server::up(args, self.scratch.path());
        Served::of(server, self.scratch.clone())
    }

    /// The same, by a host that trusts these certificates and no others.
    pub fn up_trusting(&self, roots: &Path, args: &[&str]) -> Served {
        let command = holm()
            .env("SSL_CERT_FILE", roots)
            .args(["up", "--listen", "127.0.0.1:0"])
            .args(args)
            .dir(self.scratch.path());
        Served::of(Server::start(command), self.scratch.clone())
    }

    /// `holm up` where it cannot serve: how it ends.
    pub fn refused(&self) -> Output {
        holm()
            .args(["up", "--listen", "127.0.0.1:0"])
            .dir(self.scratch.path())
            .run()
    }

    /// `holm check`.
    pub fn check(&self) -> Output {
        holm().arg("check").dir(self.scratch.path()).run()
    }
}

/// Holds off other tests that need the machine for themselves: gigabytes, clocks, compilers.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks again until it holds, for half a minute.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Server {
    /// The log's lines of JSON of this type.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let lines = self.stderr();
        let parsed = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["type"] == kind).collect()
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub fn logged(&self, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            if let Some(line) = self.log(kind).into_iter().find(&is) {
                return line;
            }
            let seen = || self.stderr().join("\n");
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "no such line in\n{}",
                seen()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log's line of the first request for a path.
    #[track_caller]
    pub fn entry(&self, path: &str) -> Value {
        self.logged("request", |line| line["path"] == path)
    }

    /// A request that the component does not answer well: status, code, and the log's line, which
    /// the request's id finds.
    #[track_caller]
    pub fn fault(&self, path: &str) -> (u16, String, Value) {
        let request = http::Request::get(path)
            .header("accept", "application/json")
            .body(Vec::new())
            .unwrap();
        let reply = self.request(request);
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{path}: {}",
            reply.text()
        );
        let problem = reply.json();
        let id = problem["request_id"].as_str().unwrap();
        assert_eq!(reply.header("x-request-id"), id);
        assert_eq!(problem["status"], reply.status);
        let line = self.logged("request", |line| line["request_id"] == id);
        assert_eq!(line["status"], reply.status, "{line}");
        (
            reply.status,
            problem["code"].as_str().unwrap().to_owned(),
            line,
        )
    }

    /// The most memory that it has had so far, in MB.
    pub fn memory_peak_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024 / 1_000_000
    }
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}
