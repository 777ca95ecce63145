//! A store on a server that dies and comes back.

use crate::app::*;
use crate::brokers::*;
use crate::support::*;
use std::time::{Duration, Instant};

fn kv(server: &Server, operation: &str) -> serde_json::Value {
    server.get(&format!("/kv/{operation}")).json()
}

#[test]
fn a_redis_that_dies_is_an_error_in_time_and_comes_back() {
    dies_and_comes_back("redis", Daemon::start(Kind::Redis));
}

#[test]
fn a_nats_that_dies_is_an_error_in_time_and_comes_back() {
    dies_and_comes_back("nats", Daemon::start(Kind::Nats));
}

fn dies_and_comes_back(provider: &str, mut own: Daemon) {
    let app = App::lab("").and(&format!(
        "[variables]\nport = \"{}\"\n[store.default]\ntype = \"keyvalue\"\nprovider = \"{provider}\"\n\
         url = \"{provider}://127.0.0.1:{{{{ port }}}}\"\ntimeout = \"2 s\"\n",
        own.port
    ));
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let failed = || {
        let sample = "holm_connection_failures_total{capability=\"keyvalue\"}";
        server.metric(app.dir(), sample).unwrap()
    };
    let mut acknowledged = 0;
    let set = |n: u32| kv(&server, &format!("set?key=last&value={n}"));
    for round in 0..3 {
        // In the middle of many: the calls on their way meet it.
        let killer = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut good = Vec::new();
                for n in 0..2000 {
                    let value = round * 10_000 + n;
                    let began = Instant::now();
                    let answer = set(value);
                    // Twice the store's timeout, for a machine that has other work.
                    assert!(began.elapsed() < Duration::from_secs(4), "{answer}");
                    if answer["error"].is_null() {
                        good.push(value);
                    } else {
                        assert_eq!(answer["error"], "other", "{answer}");
                        break;
                    }
                }
                good
            });
            until("some are written", || {
                let last = kv(&server, "get?key=last")["ok"]
                    .as_str()?
                    .parse::<u32>()
                    .ok()?;
                (last >= round * 10_000 + 20).then_some(())
            });
            own.kill();
            writer.join().unwrap()
        });
        acknowledged = acknowledged.max(killer.last().copied().unwrap_or_default());
        let before = failed();
        let answer = kv(&server, "get?key=last");
        assert_eq!(answer["error"], "other", "{answer}");
        assert_eq!(failed(), before + 1.0, "round {round}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("the server of store \"default\""),
            "{answer}"
        );
        own.restart();
        let value = until("it is there again", || {
            let answer = kv(&server, "get?key=last");
            answer["ok"]
                .as_str()
                .map(|text| text.parse::<u32>().unwrap())
        });
        // What was acknowledged is there, or what was written after it.
        assert!(value >= acknowledged, "{value} after {acknowledged}");
        // The connection may be found broken once more by a write.
        until("writes go on", || {
            set(round * 10_000 + 9_000)["error"].is_null().then_some(())
        });
    }
}

#[test]
fn a_redis_over_tls_is_trusted_by_its_certificate() {
    is_spoken_over_tls("redis", &Daemon::start_tls(Kind::Redis));
}

#[test]
fn a_nats_over_tls_is_trusted_by_its_certificate() {
    is_spoken_over_tls("nats", &Daemon::start_tls(Kind::Nats));
}

fn is_spoken_over_tls(provider: &str, daemon: &Daemon) {
    let app = App::lab("").and(&format!(
        "[store.default]\ntype = \"keyvalue\"\nprovider = \"{provider}\"\nurl = \"{}\"\n\
         timeout = \"5 s\"\n",
        daemon.url()
    ));
    let stranger = app.up();
    let answer = kv(&stranger, "set?key=a&value=1");
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("cannot be reached"), "{answer}");
    drop(stranger);
    let server = app.up_trusting(&daemon.certificate(), &[]);
    assert!(kv(&server, "set?key=a&value=1")["error"].is_null());
    assert_eq!(kv(&server, "get?key=a")["ok"], "1");
}
