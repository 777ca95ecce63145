//! A store on a server that dies and comes back.

use crate::app::*;
use crate::support::*;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of the test's own, which keeps what it acknowledges.
struct Own {
    dir: Scratch,
    port: u16,
    command: fn(&Scratch, u16) -> Command,
    child: Child,
}

/// Writes down each change before it answers.
fn redis(dir: &Scratch, port: u16) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--dir"])
        .arg(dir.path());
    command
}

fn nats(dir: &Scratch, port: u16) -> Command {
    let tools = std::env::var("HOLM_TEST_TOOLS");
    let tools = tools.expect("HOLM_TEST_TOOLS is not set: eval \"$(scripts/servers start)\"");
    let mut command = Command::new(std::path::Path::new(&tools).join("bin/nats-server"));
    command
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(dir.path());
    command
}

impl Own {
    fn start(command: fn(&Scratch, u16) -> Command) -> Own {
        // Free until it was found; another that takes it meanwhile is told apart below.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = Scratch::new();
        let child = Self::run(command(&dir, port), port);
        Own {
            dir,
            port,
            command,
            child,
        }
    }

    fn run(mut command: Command, port: u16) -> Child {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is among the servers that scripts/servers names");
        until("it answers", || {
            assert!(child.try_wait().unwrap().is_none(), "the server has ended");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        child
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::run((self.command)(&self.dir, self.port), self.port);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kv(server: &Server, operation: &str) -> serde_json::Value {
    server.get(&format!("/kv/{operation}")).json()
}

#[test]
fn a_redis_that_dies_is_an_error_in_time_and_comes_back() {
    dies_and_comes_back("redis", Own::start(redis));
}

#[test]
fn a_nats_that_dies_is_an_error_in_time_and_comes_back() {
    dies_and_comes_back("nats", Own::start(nats));
}

fn dies_and_comes_back(provider: &str, mut own: Own) {
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
