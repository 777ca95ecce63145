//! Two apps on one host: one whose components are brought to their limits, and a well-behaved
//! neighbour, which is asked meanwhile and must not fail once.

use crate::app::*;
use crate::attacks;
use crate::support::*;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The folder of both apps: `limits`, and `good` at `good.test`.
pub struct Tenants {
    scratch: Arc<Scratch>,
}

/// An app with a component `NAME` at host `NAME.test` for each: its name, its guest, which may be one
/// of [`attacks`], and lines of its table. Beside it the neighbour.
pub fn host_of(components: &[(&str, &str, &str)]) -> Tenants {
    let scratch = Scratch::new();
    scratch.write(
        "apps/good/holm.toml",
        "name = \"good\"\n\n[component.good]\nsource = \"good.wasm\"\n\n\
         [[http]]\nhost = \"good.test\"\nroute = \"/...\"\ncomponent = \"good\"\n",
    );
    symlink(guest("http-hello"), scratch.join("apps/good/good.wasm")).unwrap();
    let mut manifest = String::from("name = \"limits\"\n");
    for (name, of, lines) in components {
        let file = scratch.join(format!("apps/limits/{of}.wasm"));
        if !file.exists() {
            match attacks::guest(of) {
                Some(binary) => drop(scratch.write(file, binary)),
                None => {
                    scratch.dir("apps/limits");
                    symlink(guest(of), file).unwrap();
                }
            }
        }
        let _ = write!(
            manifest,
            "\n[component.{name}]\nsource = \"{of}.wasm\"\n{lines}\n\
             [component.{name}.grants]\nkeyvalue = [\"default\"]\n\
             dirs = {{ \"/data\" = {{ path = \"data\", access = \"write\" }} }}\n\
             http = [\"all\"]\nnet = [\"127.0.0.1:*\"]\n\n\
             [[http]]\nhost = \"{name}.test\"\nroute = \"/...\"\ncomponent = \"{name}\"\n"
        );
    }
    scratch.write("apps/limits/holm.toml", manifest);
    scratch.write("apps/limits/data/file", "content");
    Tenants {
        scratch: Arc::new(scratch),
    }
}

impl Tenants {
    /// The folder of the app whose limits are met.
    pub fn dir(&self) -> PathBuf {
        self.scratch.join("apps/limits")
    }

    /// Changes the text of its manifest.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let path = "apps/limits/holm.toml";
        let manifest = self.scratch.read(path);
        assert!(manifest.contains(from), "no {from:?} in {manifest}");
        self.scratch.write(path, manifest.replace(from, to));
    }

    /// The folder that the host runs in.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// `holm up --apps`.
    pub fn up(&self) -> Served {
        self.up_with(&[])
    }

    /// The same with flags.
    pub fn up_with(&self, flags: &[&str]) -> Served {
        // Engines of many kinds have a pool each.
        let args = [&["--apps", "apps", "--instances", "1000"][..], flags].concat();
        let server = Server::up(args, self.scratch.path());
        Served::of(server, self.scratch.clone())
    }
}

pub fn ask(server: &Server, component: &str, path: &str) -> Result<Reply, String> {
    let request = http::Request::get(path)
        .header("host", format!("{component}.test"))
        .header("accept", "application/json");
    server.try_request(request.body(Vec::new()).unwrap())
}

#[track_caller]
pub fn get(server: &Server, component: &str, path: &str) -> Reply {
    ask(server, component, path).unwrap()
}

/// Runs a test while the neighbour is asked without a pause; not one request of it may fail.
pub fn beside_a_neighbour<T>(server: &Server, test: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let mut served = 0;
            while !done.load(Relaxed) || served < 3 {
                assert_eq!(get(server, "good", "/").status, 200);
                served += 1;
                // A log that people can read when a test fails.
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let result = catch_unwind(AssertUnwindSafe(test));
        done.store(true, Relaxed);
        neighbour.join().expect("the neighbour was not served");
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}
