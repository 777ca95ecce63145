//! Databases, brokers and stores that speak TLS: who trusts their certificate reaches them, who doesn't
//! does not. Messages and key-value stores have the same beside their other tests.

use crate::app::*;
use crate::brokers::{Daemon, Kind};
use crate::support::*;
use crate::up_data::{ask, lab, origin, server};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What PostgreSQL and MariaDB of `scripts/servers` show.
fn certificate() -> PathBuf {
    server("HOLM_TEST_CERTIFICATE").into()
}

/// An address of `scripts/servers` by the name that its certificate has.
fn by_name(variable: &str) -> String {
    server(variable).replace("127.0.0.1", "localhost")
}

#[track_caller]
fn fails(answer: &Value, why: &str) {
    let error = answer["error"].as_str().unwrap_or("none");
    assert!(error.contains(why), "no {why:?} in {answer}");
}

#[track_caller]
fn succeeds(answer: &Value) {
    assert!(answer["error"].is_null(), "{answer}");
}

#[test]
fn mysql_with_an_ssl_mode() {
    let address = by_name("HOLM_TEST_MYSQL");
    let app = lab(&format!("grants.mysql = [{:?}]", origin(&address)));
    let query = |server: &Server, mode: &str, sql: &str| {
        let address = format!("{address}?ssl-mode={mode}");
        ask(server, "/mysql", &[("address", &address), ("sql", sql)])
    };
    let cipher = "SHOW SESSION STATUS LIKE 'Ssl_version'";
    let stranger = app.up();
    for mode in ["required", "verify_identity"] {
        fails(&query(&stranger, mode, "SELECT 1"), "ConnectionFailed");
    }
    stranger.wait_for("certificate");
    let server = app.up_trusting(&certificate(), &[]);
    for mode in ["required", "verify_ca", "verify_identity"] {
        let answer = query(&server, mode, cipher);
        assert!(answer.to_string().contains("TLSv1."), "{mode}: {answer}");
    }
    let plain = query(&server, "disabled", cipher);
    succeeds(&plain);
    assert!(!plain.to_string().contains("TLSv1."), "{plain}");
}

#[test]
fn postgres_with_an_sslmode() {
    let address = by_name("HOLM_TEST_POSTGRES");
    let app = lab(&format!("grants.postgres = [{:?}]", origin(&address)));
    let query = |server: &Server, mode: &str| {
        let address = format!("{address}?sslmode={mode}");
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let asked = [("address", &*address), ("sql", sql)];
        ask(server, "/postgres", &asked)
    };
    let over = |answer: Value| answer["ok"]["rows"][0][0].clone();
    let stranger = app.up();
    fails(&query(&stranger, "require"), "ConnectionFailed");
    // Whoever only prefers TLS takes what there is.
    assert_eq!(over(query(&stranger, "prefer")), "DbValue::Boolean(false)");
    let server = app.up_trusting(&certificate(), &[]);
    for (mode, tls) in [("require", true), ("prefer", true), ("disable", false)] {
        let told = format!("DbValue::Boolean({tls})");
        assert_eq!(over(query(&server, mode)), told, "{mode}");
    }
}

/// A guest that brings the certificate of its server along, as `spin:postgres@4.1.0` lets it.
#[test]
fn postgres_by_a_certificate_of_the_guests_own() {
    let address = by_name("HOLM_TEST_POSTGRES");
    let grant = format!("grants.postgres = [{:?}]", origin(&address));
    let server = App::of("drafts-lab", &grant).up();
    let address = format!("{address}?sslmode=require");
    let connect = |certificate: Option<&str>| {
        let mut asked = vec![("address", &*address)];
        asked.extend(certificate.map(|pem| ("certificate", pem)));
        ask(&server, "/postgres", &asked)
    };
    fails(&connect(None), "ConnectionFailed");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fails(&connect(Some(&other.cert.pem())), "ConnectionFailed");
    let told = "invalid root certificate";
    fails(&connect(Some("no certificate")), told);
    let own = std::fs::read_to_string(certificate()).unwrap();
    assert_eq!(connect(Some(&own))["ok"], "connected");
}

#[test]
fn redis_by_rediss() {
    let daemon = Daemon::start_tls(Kind::Redis);
    let app = lab(&format!("grants.redis = [{:?}]", daemon.url()));
    let set = |server: &Server| {
        let asked = [
            ("address", &*daemon.url()),
            ("op", "set"),
            ("a", "k"),
            ("a", "v"),
        ];
        ask(server, "/redis", &asked)
    };
    fails(&set(&app.up()), "Error::Other");
    let server = app.up_trusting(&daemon.certificate(), &[]);
    succeeds(&set(&server));
    let get = [("address", &*daemon.url()), ("op", "get"), ("a", "k")];
    assert_eq!(ask(&server, "/redis", &get)["ok"], "v");
}

#[test]
fn mqtt_by_mqtts() {
    let daemon = Daemon::start_tls(Kind::Mosquitto);
    let app = lab(&format!("grants.mqtt = [{:?}]", daemon.url()));
    let publish = |server: &Server| {
        let asked = [
            ("address", &*daemon.url()),
            ("topic", "t"),
            ("payload", "hello"),
            ("qos", "2"),
        ];
        ask(server, "/mqtt", &asked)
    };
    fails(&publish(&app.up()), "ConnectionFailed");
    succeeds(&publish(&app.up_trusting(&daemon.certificate(), &[])));
}

/// A server of S3's that speaks TLS alone.
struct S3 {
    port: u16,
    dir: Scratch,
    child: Child,
}

impl S3 {
    fn start() -> S3 {
        let dir = Scratch::new();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        dir.write("cert.pem", made.cert.pem());
        dir.write("key.pem", made.signing_key.serialize_pem());
        // Free again once it was found.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let program = Path::new(&server("HOLM_TEST_TOOLS")).join("bin/moto_server");
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .args(["-s", "-c", "cert.pem", "-k", "key.pem"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the server answers", || {
            assert!(child.try_wait().unwrap().is_none(), "moto_server has ended");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let s3 = S3 { port, dir, child };
        // A bucket is the operator's to make.
        let made = Command::new("curl")
            .args([
                "-sSf",
                "--retry",
                "20",
                "--retry-all-errors",
                "-X",
                "PUT",
                "--cacert",
            ])
            .arg(s3.certificate())
            .arg(format!("{}/holm", s3.url()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        s3
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn certificate(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn objects_over_https() {
    let s3 = S3::start();
    let app = App::of("blob-lab", "grants.blobs = [\"a\"]").and(&format!(
        "[store.a]\ntype = \"blobs\"\nprovider = \"s3\"\nurl = \"{}\"\nbucket = \"holm\"\n\
         access_key_id = \"test\"\nsecret_access_key = \"test\"\ntimeout = \"5 s\"\n",
        s3.url()
    ));
    let op = |server: &Server, operation: &str| server.get(&format!("/op/{operation}")).json();
    let write = "write?c=a&name=x&value=hello";
    fails(
        &op(&app.up(), write),
        "the server of container \"a\" cannot be reached",
    );
    let server = app.up_trusting(&s3.certificate(), &[]);
    succeeds(&op(&server, write));
    let list = op(&server, "list?c=a");
    assert_eq!(list["ok"]["names"], serde_json::json!(["x"]), "{list}");
}
