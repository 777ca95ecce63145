//! The admin API and `holm apps`, call by call.

use crate::app::*;
use crate::apps::*;
use crate::support::*;
use serde_json::Value;
use std::net::SocketAddr;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A host with its admin API at a socket, and what calls it.
struct Administered {
    host: Host,
}

impl Administered {
    fn up(apps: &[(&str, String)]) -> Self {
        Administered {
            host: Host::with(apps, &["--admin", "unix:admin.sock"]),
        }
    }

    /// `holm apps …` in the folder beside `apps`.
    fn apps(&self, args: &[&str]) -> Output {
        holm()
            .arg("apps")
            .args(args)
            .env("HOLM_ADMIN", "unix:admin.sock")
            .dir(self.host.scratch().path())
            .run()
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.apps(&[args, &["--json"]].concat());
        serde_json::from_str(&said.is(0).stdout).unwrap()
    }

    /// An app in a folder outside of the host's.
    fn source(&self, folder: &str, manifest: &str) {
        app(&self.host.scratch().join(folder), manifest);
    }
}

#[test]
fn an_app_from_its_first_version_to_its_end() {
    let admin = Administered::up(&[]);
    assert_eq!(admin.apps(&["list"]).is(0).stdout, "no apps\n");
    admin.source("src", &manifest("shop", "/...", "1"));
    assert_eq!(admin.apps(&["add", "src"]).is(0).stdout, "added shop\n");
    assert_eq!(admin.host.version("shop").as_deref(), Some("1"));
    admin.host.ask("shop", "/kv/incr?key=a");
    admin
        .apps(&["add", "src"])
        .is(2)
        .says("there is an app `shop` already");

    admin.source("src", &manifest("shop", "/...", "2"));
    assert_eq!(
        admin.apps(&["replace", "src"]).is(0).stdout,
        "replaced shop\n"
    );
    assert_eq!(admin.host.version("shop").as_deref(), Some("2"));
    // Its stores are not of a version.
    let counted = admin.host.ask("shop", "/kv/incr?key=a").text();
    assert!(counted.contains('2'), "{counted}");

    shot!("list", admin.apps(&["list"]).is(0).stdout);
    let shown = admin.apps(&["show", "shop"]).is(0).stdout.clone();
    for part in [
        "shop 2\n",
        "serving, 0 requests",
        "route      shop.test/...  →  web",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let one = admin.json(&["show", "shop"]);
    assert_eq!(one["components"][0]["loaded"], true, "{one}");

    let removed = admin.apps(&["remove", "shop"]).is(0).stdout.clone();
    assert!(removed.starts_with("removed shop\n"), "{removed}");
    assert_eq!(admin.host.version("shop"), None);
    assert_eq!(admin.apps(&["list"]).is(0).stdout, "no apps\n");
    for call in ["show", "remove", "drain", "resume", "usage"] {
        admin
            .apps(&[call, "shop"])
            .is(2)
            .says("there is no app `shop`");
    }
    // Nothing of it is left but its data.
    until("the folders of old versions are gone", || {
        let left = std::fs::read_dir(admin.host.scratch().join("apps/.holm/apps")).unwrap();
        (left.count() == 0).then_some(())
    });
    admin.apps(&["add", "src"]).is(0);
    let counted = admin.host.ask("shop", "/kv/incr?key=a").text();
    assert!(counted.contains('3'), "{counted}");
}

#[test]
fn what_was_added_survives_a_restart_and_is_no_change_to_the_follower() {
    let admin = Administered::up(&[("by-hand", manifest("by-hand", "/...", "1"))]);
    admin.source("src", &manifest("shop", "/...", "1"));
    admin.apps(&["add", "src"]).is(0);
    admin.source("src", &manifest("shop", "/...", "2"));
    admin.apps(&["replace", "src"]).is(0);
    // A folder that was put there by hand is replaced too, and kept.
    admin.source("hand", &manifest("by-hand", "/...", "2"));
    let replaced = admin.apps(&["replace", "hand"]).is(0).stdout.clone();
    assert!(
        replaced.contains("is kept in apps/.holm/kept/by-hand-"),
        "{replaced}"
    );
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let noticed: Vec<String> = admin.host.stderr();
    let noticed = noticed.iter().filter(|line| {
        ["added ", "changed ", "removed "]
            .iter()
            .any(|word| line.starts_with(word))
    });
    assert_eq!(noticed.count(), 0, "{:?}", admin.host.stderr());
    let scratch = admin.host.end();
    assert!(
        !scratch.join("admin.sock").exists(),
        "the socket is removed"
    );
    let host = Host::over(scratch, &[]);
    assert_eq!(host.version("shop").as_deref(), Some("2"));
    assert_eq!(host.version("by-hand").as_deref(), Some("2"));
}

#[test]
fn a_version_that_cannot_be_served_leaves_the_old_one() {
    let good = manifest("shop", "/...", "1");
    let admin = Administered::up(&[("shop", good.clone())]);
    let other = manifest("other", "/...", "1");
    admin.source("other", &other);
    admin.apps(&["add", "other"]).is(0);
    let serves = |why: &str| {
        assert_eq!(admin.host.version("shop").as_deref(), Some("1"), "{why}");
    };
    // Wrong manifests are seen before they are sent; the server's own words are the same.
    admin.source("src", &good.replace("version =", "verison ="));
    let checked = holm()
        .args(["check", "src"])
        .dir(admin.host.scratch().path())
        .run();
    admin
        .apps(&["replace", "src"])
        .is(2)
        .says("unknown key `verison`");
    assert_eq!(checked.code, 2);
    serves("a manifest with a mistake");

    let missing = good.replace("keyvalue = [\"default\"]\n", "");
    admin.source("src", &missing);
    let refused = admin.apps(&["replace", "src"]);
    refused.is(2).says("was not granted it");
    let checked = holm()
        .args(["check", "src"])
        .dir(admin.host.scratch().path())
        .run();
    let said = |output: &Output| output.stderr.replace("src/holm.toml", "holm.toml");
    assert_eq!(said(&refused), said(&checked), "as `holm check` says it");
    serves("an import that is not granted");

    let bad = admin.host.scratch().dir("bad");
    std::fs::write(bad.join("holm.toml"), &good).unwrap();
    std::fs::write(bad.join("web.wasm"), "no component").unwrap();
    admin.apps(&["replace", "bad"]).is(2).says("holm.toml:5:");
    serves("a file that is no component");

    std::fs::copy(guest("hello-p2"), bad.join("web.wasm")).unwrap();
    std::fs::write(
        bad.join("holm.toml"),
        good.replace("keyvalue = [\"default\"]\n", ""),
    )
    .unwrap();
    admin
        .apps(&["replace", "bad"])
        .is(2)
        .says("does not handle HTTP");
    serves("a program");

    let health = "[serve]\nhealth = \"/status?code=500\"\n";
    admin.source("src", &(good.clone() + health));
    let refused = admin.apps(&["replace", "src"]);
    refused
        .is(2)
        .says("the new version of `shop` is not healthy");
    refused.says("it answered 500");
    serves("a failed health check");

    admin.source("src", &good.replace("shop.test", "other.test"));
    let refused = admin.apps(&["replace", "src"]);
    refused
        .is(2)
        .says("the apps `other` and `shop` both have the route");
    serves("another's route");
    let json = admin.apps(&["replace", "src", "--json"]);
    let json: Value = serde_json::from_str(&json.is(2).stdout).unwrap();
    assert!(
        json["error"].as_str().unwrap().contains("`other`"),
        "{json}"
    );
    // After all of that the next good one is taken.
    admin.source("src", &good.replace("\"1\"", "\"2\""));
    admin.apps(&["replace", "src"]).is(0);
    assert_eq!(admin.host.version("shop").as_deref(), Some("2"));
}

#[test]
fn a_drained_app_finishes_what_it_has() {
    let admin = Administered::up(&[("shop", manifest("shop", "/...", "1"))]);
    assert_eq!(admin.host.version("shop").as_deref(), Some("1"));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| admin.host.ask("shop", "/sleep?ms=2500"));
        until("it is in flight", || {
            (admin.json(&["show", "shop"])["in_flight"] == 1).then_some(())
        });
        let hasty = admin.apps(&["drain", "shop", "--timeout", "100ms"]);
        hasty.is(1);
        assert!(hasty.stdout.contains("1 in flight"), "{}", hasty.stdout);
        let refused = admin.host.ask("shop", "/hello");
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
        assert_eq!(
            admin.apps(&["drain", "shop"]).is(0).stdout,
            "drained shop\n"
        );
        let slow = slow.join().unwrap();
        assert_eq!((slow.status, slow.text().as_str()), (200, "awake\n"));
    });
    // A new version does not resume it.
    admin.source("src", &manifest("shop", "/...", "2"));
    admin.apps(&["replace", "src"]).is(0);
    assert_eq!(admin.host.ask("shop", "/hello").status, 503);
    assert_eq!(
        admin.apps(&["resume", "shop"]).is(0).stdout,
        "shop takes requests again\n"
    );
    assert_eq!(admin.host.version("shop").as_deref(), Some("2"));
    let usage = admin.json(&["usage", "shop"]);
    assert_eq!(usage["usage"]["failures"]["drained"], 2, "{usage}");
}

#[test]
fn readiness_follows_the_drain() {
    let ready = "[[http]]\nroute = \"/readyz\"\nhost = \"shop.test\"\nrespond = { body = \"ready\\n\" }\n\n\
                 [serve]\nhealth = \"/hello\"\n";
    let shop = |version| manifest("shop", "/...", version) + ready;
    let admin = Administered::up(&[("shop", shop("1"))]);
    let readiness = || {
        let answer = admin.host.ask("shop", "/readyz");
        (
            answer.status,
            answer.status == 200 && answer.text() == "ready\n",
        )
    };
    assert_eq!(readiness(), (200, true));
    admin.apps(&["drain", "shop"]).is(0);
    assert_eq!(readiness(), (503, false));
    // The next version is asked for its health though the app takes nothing yet.
    admin.source("src", &shop("2"));
    admin.apps(&["replace", "src"]).is(0);
    assert_eq!(readiness(), (503, false));
    admin.apps(&["resume", "shop"]).is(0);
    assert_eq!(readiness(), (200, true));
    assert_eq!(admin.host.version("shop").as_deref(), Some("2"));
}

#[test]
fn usage_is_what_the_receipts_say() {
    let more = "limits = { cpu = \"100 ms\" }\n";
    let shop = manifest("shop", "/...", "1").replace("source = ", &format!("{more}source = "));
    let admin = Administered::up(&[("shop", shop), ("idle", manifest("idle", "/...", "1"))]);
    for path in [
        "/hello",
        "/big?bytes=100000",
        "/kv/incr?key=a",
        "/spin",
        "/trap",
        "/status?code=404",
    ] {
        admin.host.ask("shop", path);
    }
    let lines = until("the log", || {
        let lines = admin.host.log("request");
        (lines.len() == 6).then_some(lines)
    });
    let usage = admin.json(&["usage", "shop"]);
    let sum = |key: &str| -> u64 {
        lines
            .iter()
            .map(|line| line["receipt"][key].as_u64().unwrap())
            .sum()
    };
    let total = &usage["usage"];
    assert_eq!(usage["components"]["web"], *total);
    assert_eq!(total["requests"], 6, "{usage}");
    assert_eq!(
        total["responses"],
        serde_json::json!({"2xx": 3, "4xx": 1, "5xx": 2})
    );
    assert_eq!(total["failures"]["guest"], 2, "{usage}");
    assert_eq!(total["limits"], serde_json::json!({"cpu": 1}));
    // Rounded down once here, and for each request there.
    let cpu = total["cpu_us"].as_u64().unwrap();
    assert!(
        (sum("cpu_us")..=sum("cpu_us") + 6).contains(&cpu),
        "{usage}"
    );
    assert_eq!(
        total["bytes_out"].as_u64().unwrap(),
        sum("bytes_out"),
        "{usage}"
    );
    assert_eq!(
        total["bytes_in"].as_u64().unwrap(),
        sum("bytes_in"),
        "{usage}"
    );
    let peak = lines
        .iter()
        .map(|l| l["receipt"]["memory_peak"].as_u64().unwrap())
        .max();
    assert_eq!(total["memory_peak"].as_u64(), peak);
    let buckets = total["latency"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.iter().map(|b| b.as_u64().unwrap()).sum::<u64>(), 6);
    let all = admin.json(&["usage"]);
    assert_eq!(all["apps"].as_array().unwrap().len(), 2);
    assert_eq!(all["apps"][0]["usage"]["requests"], 0, "idle: {all}");
    let table = admin.apps(&["usage"]).is(0).stdout.clone();
    assert!(table.starts_with("APP "), "{table}");
    let table = admin.apps(&["usage", "shop"]).is(0).stdout.clone();
    assert!(table.contains("limit cpu: 1"), "{table}");
}

#[test]
fn cpu_of_a_busy_guest_is_the_kernels() {
    let _alone = alone();
    let more = "limits = { cpu = \"200 ms\" }\n";
    let shop = manifest("shop", "/...", "1").replace("source = ", &format!("{more}source = "));
    let admin = Administered::up(&[("shop", shop)]);
    admin.host.ask("shop", "/hello");
    // By its scheduler, which counts in nanoseconds; of all threads.
    let kernel_us = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", admin.host.pid())).unwrap();
        let of = |thread: std::fs::DirEntry| {
            let counted = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            counted.split_whitespace().next()?.parse::<u64>().ok()
        };
        let each = threads.filter_map(|thread| of(thread.unwrap()));
        each.sum::<u64>() / 1000
    };
    let billed_us = || {
        let usage = admin.json(&["usage", "shop"]);
        usage["usage"]["cpu_us"].as_u64().unwrap()
    };
    let (kernel, billed) = (kernel_us(), billed_us());
    for _ in 0..10 {
        admin.host.ask("shop", "/spin");
    }
    let (kernel, billed) = (kernel_us() - kernel, billed_us() - billed);
    let ratio = billed as f64 / kernel as f64;
    eprintln!("billed {billed} µs, the kernel counts {kernel} µs: {ratio:.3}");
    // What it is short of is the host's own work.
    assert!((0.95..=1.05).contains(&ratio), "{billed} of {kernel}");
}

/// A call at a port: status and body.
fn call(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let answer = crate::client::raw(addr, head + "\r\n");
    let status = answer[9..12].parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn at_a_port_the_token_and_nothing_else_opens() {
    let scratch = Scratch::new();
    app(&scratch.join("apps/shop"), &manifest("shop", "/...", "1"));
    scratch.write("token", format!("{TOKEN}\n"));
    let flags = ["--admin", "127.0.0.1:0", "--admin-token-file", "token"];
    let host = Host::over(scratch, &flags);
    let lines = host.stdout();
    let addr = lines.iter().find_map(|line| line.strip_prefix("Admin "));
    let addr: SocketAddr = addr.unwrap().parse().unwrap();
    let here = addr.to_string();
    let bearer = format!("Bearer {TOKEN}");
    let good = [("host", here.as_str()), ("authorization", bearer.as_str())];
    let (status, said) = call(addr, "GET", "/v1/apps", &good);
    assert_eq!((status, &said["apps"][0]["name"]), (200, &"shop".into()));
    for (method, path) in [
        ("GET", "/v1/apps"),
        ("POST", "/v1/apps"),
        ("GET", "/v1/apps/shop"),
        ("PUT", "/v1/apps/shop"),
        ("DELETE", "/v1/apps/shop"),
        ("POST", "/v1/apps/shop/drain"),
        ("POST", "/v1/apps/shop/resume"),
        ("GET", "/v1/apps/shop/usage"),
        ("GET", "/v1/usage"),
        ("GET", "/metrics"),
        ("GET", "/"),
    ] {
        let none = [("host", here.as_str())];
        assert_eq!(call(addr, method, path, &none).0, 401, "{method} {path}");
        let wrong = [
            none[0],
            ("authorization", "Bearer 0123456789abcdef0123456789abcdeF"),
        ];
        assert_eq!(call(addr, method, path, &wrong).0, 401, "{method} {path}");
        // A name that a page of the outside made to lead here.
        let other = [("host", "evil.example"), good[1]];
        assert_eq!(call(addr, method, path, &other).0, 421, "{method} {path}");
        let page = [good[0], good[1], ("origin", "http://evil.example")];
        assert_eq!(call(addr, method, path, &page).0, 403, "{method} {path}");
    }
    assert_eq!(host.version("shop").as_deref(), Some("1"));
    assert_eq!(call(addr, "GET", "/v2", &good).0, 404);
    assert_eq!(call(addr, "PATCH", "/v1/apps", &good).0, 405);
    assert_eq!(call(addr, "GET", "/v1/apps/none", &good).0, 404);
    assert_eq!(
        call(addr, "POST", "/v1/apps/shop/drain?timeout=nan", &good).0,
        400
    );
    let text = [good[0], good[1], ("content-type", "text/plain")];
    assert_eq!(call(addr, "POST", "/v1/apps", &text).0, 415);
    // Nothing at all is no app.
    assert_eq!(call(addr, "POST", "/v1/apps", &good).0, 400);

    let apps = |token: Option<&str>| {
        let command = holm().args(["apps", "list", "--admin", &here]);
        match token {
            Some(token) => command.env("HOLM_ADMIN_TOKEN", token).run(),
            None => command.run(),
        }
    };
    assert!(apps(Some(TOKEN)).is(0).stdout.contains("shop"));
    apps(None).is(2).says("the admin API wants a token");
    apps(Some("0123456789abcdef"))
        .is(2)
        .says("the admin token is a wrong one");
}

#[test]
fn what_does_not_start() {
    let scratch = Scratch::new();
    scratch.dir("apps");
    scratch.write("short", "secret");
    scratch.write("file", "precious");
    let up = |flags: &[&str]| {
        holm()
            .args(["up", "--listen", "127.0.0.1:0", "--apps", "apps"])
            .args(flags)
            .dir(scratch.path())
            .run()
    };
    up(&["--admin", "127.0.0.1:0"]).is(2).says("wants a token");
    up(&["--admin", "0.0.0.0:0"])
        .is(2)
        .says("is not a loopback address");
    up(&["--admin", "127.0.0.1:0", "--admin-token-file", "short"])
        .is(2)
        .says("must have 16 or more characters");
    up(&["--admin", "127.0.0.1:0", "--admin-token-file", "none"])
        .is(2)
        .says("cannot read the token");
    up(&["--admin", "unix:file"])
        .is(2)
        .says("there is a file of that name");
    assert_eq!(scratch.read("file"), "precious");
    let nowhere = || holm().args(["apps", "list"]);
    nowhere().run().is(2).says("HOLM_ADMIN");
    nowhere()
        .args(["--admin", "unix:/nowhere/holm.sock"])
        .run()
        .is(2)
        .says("no server has its admin API at unix:/nowhere/holm.sock");
    nowhere()
        .args(["--admin", "127.0.0.1:1"])
        .run()
        .is(2)
        .says("no server");
    nowhere()
        .args(["--admin", "here"])
        .run()
        .is(2)
        .says("unix:PATH or 127.0.0.1:PORT");
}

#[test]
fn a_server_of_one_app_is_watched_and_not_added_to() {
    let lab = App::lab("");
    let server = lab.up_with(&["--admin", "unix:admin.sock"]);
    server.get("/hello");
    let apps = |args: &[&str]| {
        let command = holm()
            .arg("apps")
            .args(args)
            .args(["--admin", "unix:admin.sock"]);
        command.dir(lab.dir().path()).run()
    };
    assert!(apps(&["list"]).is(0).stdout.contains("lab"));
    assert!(apps(&["usage", "lab"]).is(0).stdout.contains("lab "));
    apps(&["drain", "lab"]).is(0);
    assert_eq!(server.get("/hello").status, 503);
    apps(&["resume", "lab"]).is(0);
    assert_eq!(server.get("/hello").status, 200);
    for call in [["replace", "."], ["remove", "lab"]] {
        apps(&call).is(2).says("holm up --apps DIR");
    }
}

#[test]
fn metrics_can_be_read() {
    let admin = Administered::up(&[
        ("shop", manifest("shop", "/...", "1")),
        ("idle", manifest("idle", "/...", "1")),
    ]);
    for path in ["/hello", "/trap", "/big?bytes=1000"] {
        admin.host.ask("shop", path);
    }
    let (head, text) = metrics(&admin.host.scratch().join("admin.sock"));
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    let samples = parse_open_metrics(&text);
    let is = |sample: &str, value: f64| {
        assert_eq!(samples.get(sample), Some(&value), "{sample}\n{text}")
    };
    let labels = "{app=\"shop\",component=\"web\"";
    is("holm_apps", 2.0);
    is(
        &format!("http_server_request_duration_seconds_count{labels}}}"),
        3.0,
    );
    is(
        &format!("http_server_request_duration_seconds_bucket{labels},le=\"+Inf\"}}"),
        3.0,
    );
    is(
        &format!("holm_responses_total{labels},class=\"2xx\"}}"),
        2.0,
    );
    is(
        &format!("holm_failures_total{labels},cause=\"guest\"}}"),
        1.0,
    );
    is(
        &format!("holm_traffic_bytes_total{labels},kind=\"http-server\",direction=\"out\"}}"),
        1006.0,
    );
    assert!(samples[&format!("holm_cpu_seconds_total{labels}}}")] > 0.0);
    assert!(samples["process_cpu_seconds_total"] > 0.0);
    // What nobody calls costs nobody a series.
    assert!(!text.contains("idle"), "{text}");
}

/// `GET /metrics` at a socket: the answer's head and its text.
pub fn metrics(socket: &std::path::Path) -> (String, String) {
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), text.to_owned())
}

/// Reads OpenMetrics as strictly as the rules that it needs: families are declared before their
/// samples and never twice, names fit their type, values are numbers, and there is an end.
fn parse_open_metrics(text: &str) -> std::collections::BTreeMap<String, f64> {
    let mut samples = std::collections::BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let (mut family, mut kind) = ("", "");
    let body = text.strip_suffix("# EOF\n").expect("it has an end");
    for line in body.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            (family, kind) = declared.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert!(seen.insert(family), "{line} twice");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(
                name == family && name.ends_with(&format!("_{unit}")),
                "{line}"
            );
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert_eq!(rest.split_once(' ').unwrap().0, family, "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            let suffix = bare
                .strip_prefix(family)
                .unwrap_or_else(|| panic!("{line}"));
            let fits: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            assert!(fits.contains(&suffix), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(
                samples.insert(name.to_owned(), value).is_none(),
                "{line} twice"
            );
        }
    }
    samples
}
