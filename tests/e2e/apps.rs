//! A folder of apps: each by its own route or host, and what changes in it while it is served.

use crate::app::*;
use crate::support::*;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A folder of apps and the server over it.
pub struct Host {
    server: Server,
    scratch: Scratch,
}

impl Deref for Host {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A manifest of an app that one guest answers; its environment says which version it is.
pub fn manifest(name: &str, route: &str, version: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"{version}\"\n\n[component.web]\nsource = \"web.wasm\"\n\n\
         [component.web.grants]\nkeyvalue = [\"default\"]\nenv = {{ VERSION = \"{version}\" }}\n\n\
         [[http]]\nroute = \"{route}\"\ncomponent = \"web\"\nhost = \"{name}.test\"\n"
    )
}

/// Writes an app whose component is `http-lab`.
pub fn app(dir: &Path, manifest: &str) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("holm.toml"), manifest).unwrap();
    if !dir.join("web.wasm").exists() {
        symlink(guest("http-lab"), dir.join("web.wasm")).unwrap();
    }
}

impl Host {
    /// `holm up --apps` over these apps, by name.
    pub fn up(apps: &[(&str, String)]) -> Host {
        Self::with(apps, &[])
    }

    /// The same with flags.
    pub fn with(apps: &[(&str, String)], flags: &[&str]) -> Host {
        let scratch = Scratch::new();
        scratch.dir("apps");
        for (folder, manifest) in apps {
            app(&scratch.join("apps").join(folder), manifest);
        }
        Self::over(scratch, flags)
    }

    /// Over a folder that is there.
    pub fn over(scratch: Scratch, flags: &[&str]) -> Host {
        let command = holm()
            .args(["up", "--listen", "127.0.0.1:0", "--apps", "apps"])
            .args(flags)
            .dir(scratch.path());
        let server = Server::start(command);
        Host { server, scratch }
    }

    /// The folder that `apps` is in.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Ends it, and leaves the folder.
    pub fn end(self) -> Scratch {
        assert_eq!(self.server.terminate(), 0);
        self.scratch
    }

    /// Asks an app by its host.
    pub fn ask(&self, app: &str, path: &str) -> Reply {
        let request = http::Request::get(path).header("host", format!("{app}.test"));
        self.request(request.body(Vec::new()).unwrap())
    }

    /// The version that answers; none where the app is not there.
    pub fn version(&self, app: &str) -> Option<String> {
        let reply = self.ask(app, "/env");
        match reply.status {
            200 => Some(reply.json()["VERSION"].as_str().unwrap().to_owned()),
            404 => None,
            status => panic!("{status}: {}", reply.text()),
        }
    }
}

#[test]
fn each_by_its_own_host() {
    let host = Host::up(&[
        ("one", manifest("one", "/...", "1")),
        ("two", manifest("two", "/...", "2")),
    ]);
    host.wait_for("2 apps");
    assert_eq!(host.version("one").as_deref(), Some("1"));
    assert_eq!(host.version("two").as_deref(), Some("2"));
    assert_eq!(host.version("three"), None);
    let line = host.logged("request", |line| line["host"] == "two.test");
    assert_eq!(
        (&line["app"], &line["component"]),
        (&"two".into(), &"web".into())
    );
}

#[test]
fn two_that_overlap_are_named_both() {
    let same =
        |name: &str| manifest(name, "/shop/...", "1").replace(&format!("{name}.test"), "a.test");
    let host = Host::up(&[("a", same("first")), ("b", same("second"))]);
    host.wait_for("the apps `first` and `second` both have the route `/shop/...` of host `a.test`");
    let request = http::Request::get("/shop/env").header("host", "a.test");
    assert_ne!(host.request(request.body(Vec::new()).unwrap()).status, 503);
    // A folder that is mended is served.
    app(
        &host.scratch().join("apps/b"),
        &manifest("second", "/...", "2"),
    );
    until("the second", || host.version("second"));
}

#[test]
fn what_is_added_changed_and_removed() {
    let host = Host::up(&[("one", manifest("one", "/...", "1"))]);
    assert_eq!(host.version("one").as_deref(), Some("1"));
    let apps = host.scratch().join("apps");
    app(&apps.join("two"), &manifest("two", "/...", "1"));
    until("added", || host.version("two"));
    host.wait_for("added two");
    app(&apps.join("one"), &manifest("one", "/...", "2"));
    until("changed", || (host.version("one")? == "2").then_some(()));
    // A broken version leaves the old one serving, and says why.
    app(&apps.join("one"), "name = \"one\"\nnmae = 1\n");
    host.wait_for("unknown key `nmae`");
    assert_eq!(host.version("one").as_deref(), Some("2"));
    std::fs::remove_dir_all(apps.join("two")).unwrap();
    until("removed", || host.version("two").is_none().then_some(()));
    host.wait_for("removed two");
    assert_eq!(host.version("one").as_deref(), Some("2"));
}

#[test]
fn a_version_that_is_not_healthy_does_not_take_over() {
    let healthy = |version: &str, path: &str| {
        let health = format!("[serve]\nhealth = \"{path}\"\n");
        manifest("one", "/...", version) + &health
    };
    // At the start there is nothing that could go on serving.
    let host = Host::up(&[("one", healthy("1", "/status?code=500"))]);
    assert_eq!(host.version("one").as_deref(), Some("1"));
    let one = host.scratch().join("apps/one");
    app(&one, &healthy("2", "/status?code=503"));
    host.wait_for("GET /status?code=503: it answered 503");
    assert_eq!(host.version("one").as_deref(), Some("1"));
    app(&one, &healthy("3", "/trap"));
    host.wait_for("GET /trap: it answered 500");
    assert_eq!(host.version("one").as_deref(), Some("1"));
    app(&one, &healthy("4", "/status?code=204"));
    until("the healthy one", || {
        (host.version("one")? == "4").then_some(())
    });
}

#[test]
fn stores_lie_beside_the_apps_and_survive() {
    let host = Host::up(&[("one", manifest("one", "/...", "1"))]);
    assert_eq!(host.ask("one", "/kv/incr?key=a").status, 200);
    let scratch = host.end();
    assert!(scratch.join("apps/.holm/state/one").is_dir());
    let host = Host::over(scratch, &[]);
    let again = host.ask("one", "/kv/incr?key=a").text();
    assert!(again.contains('2'), "{again}");
}
