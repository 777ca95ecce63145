//! Sockets: to and from this machine, under `--net` and `--bind`.

use crate::support::*;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Child;
use std::time::Duration;

/// Sends back what comes, once.
pub fn echo_once() -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        text
    });
    (addr, served)
}

fn connect(flags: &[&str], addr: SocketAddr) -> Output {
    run()
        .args(flags)
        .arg(guest("udp-tcp"))
        .args(["connect", &addr.to_string(), "hello"])
        .run()
}

#[test]
fn a_client_that_was_granted_its_server() {
    for pattern in ["127.0.0.1:PORT", "127.0.0.1:*", "127.0.0.0/8:PORT"] {
        let (addr, served) = echo_once();
        let pattern = pattern.replace("PORT", &addr.port().to_string());
        connect(&["--net", &pattern], addr).prints("HELLO\n");
        assert_eq!(served.join().unwrap(), "hello");
    }
    let (addr, served) = echo_once();
    connect(&["--allow-all-net"], addr).prints("HELLO\n");
    served.join().unwrap();
}

#[test]
fn a_client_that_was_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let other = if addr.port() == 9 { 10 } else { 9 };
    for (name, flags) in [
        ("net_nothing", vec![]),
        (
            "net_other_port",
            vec!["--net".to_owned(), format!("127.0.0.1:{other}")],
        ),
        ("net_any_public", vec!["--net".to_owned(), "*".to_owned()]),
        (
            "net_only_http",
            vec!["--http".to_owned(), format!("http://{addr}")],
        ),
        ("net_only_bind", vec!["--bind".to_owned(), addr.to_string()]),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let out = connect(&flags, addr);
        out.is(1)
            .says("udp-tcp: access-denied\n")
            .says(&format!("--net {addr}\n"));
        assert_eq!(out.stdout, "");
        shot!(
            name,
            out.stderr.replace(&format!(":{}", addr.port()), ":[PORT]")
        );
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

/// The flag that a denial names is the one that helps.
#[test]
fn the_hint_helps() {
    let (addr, served) = echo_once();
    let denied = connect(&[], addr);
    let flag = denied
        .stderr
        .lines()
        .find_map(|l| l.trim().strip_prefix("or to the command line:"))
        .unwrap();
    connect(&flag.split_whitespace().collect::<Vec<_>>(), addr).prints("HELLO\n");
    served.join().unwrap();
}

pub struct Listening {
    pub child: Child,
    pub addr: SocketAddr,
    pub stdout: BufReader<std::process::ChildStdout>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(flags: &[&str], args: &[&str]) -> Listening {
    listening_by("udp-tcp", flags, args)
}

pub fn listening_by(program: &str, flags: &[&str], args: &[&str]) -> Listening {
    let mut child = run().args(flags).arg(guest(program)).args(args).spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let addr = line
        .trim()
        .strip_prefix("listening on ")
        .map(|addr| addr.parse().unwrap());
    let Some(addr) = addr else {
        let out = child.wait_with_output().unwrap();
        panic!(
            "it does not listen: {line}{}",
            String::from_utf8_lossy(&out.stderr)
        );
    };
    Listening {
        child,
        addr,
        stdout,
    }
}

#[test]
fn a_server_that_was_granted_its_address() {
    let mut server = listening(&["--bind", "127.0.0.1:*"], &["listen", "127.0.0.1:0", "2"]);
    for text in ["one", "two"] {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, text);
    }
    assert_eq!(wait(&mut server.child, PATIENCE).map(code), Some(0));
}

#[test]
fn a_server_that_was_not() {
    for (name, flags) in [
        ("bind_nothing", vec![]),
        ("bind_only_net", vec!["--net", "127.0.0.1:*"]),
        ("bind_other_port", vec!["--bind", "127.0.0.1:1"]),
    ] {
        let out = run()
            .args(&flags)
            .arg(guest("udp-tcp"))
            .args(["listen", "127.0.0.1:0", "1"])
            .run();
        out.is(1)
            .says("udp-tcp: access-denied\n")
            .says("--bind 127.0.0.1:*\n");
        shot!(name, out.stderr);
    }
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let out = run()
        .args(["--bind", &addr])
        .arg(guest("udp-tcp"))
        .args(["listen", &addr, "1"])
        .run();
    out.is(1);
    assert_eq!(out.stderr, "udp-tcp: address-in-use\n");
}

#[test]
fn datagrams() {
    let mut server = listening(&["--bind", "127.0.0.1:*"], &["receive", "127.0.0.1:0", "1"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    socket.send_to(b"ping", server.addr).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"ping"[..], server.addr));
    let mut seen = String::new();
    server.stdout.read_line(&mut seen).unwrap();
    assert_eq!(seen, format!("{}: ping\n", socket.local_addr().unwrap()));

    let addr = socket.local_addr().unwrap().to_string();
    let answer = std::thread::spawn(move || {
        let mut buffer = [0; 16];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..length], from).unwrap();
    });
    run()
        .args(["--net", &addr])
        .arg(guest("udp-tcp"))
        .args(["send", &addr, "pong", "wait"])
        .run()
        .prints("pong\n");
    answer.join().unwrap();
    let denied = run()
        .arg(guest("udp-tcp"))
        .args(["send", &addr, "pong"])
        .run();
    denied
        .is(1)
        .says("access-denied")
        .says(&format!("--net {addr}\n"));
}

#[test]
fn names() {
    let resolve = |flags: &[&str]| {
        run()
            .args(flags)
            .arg(guest("udp-tcp"))
            .args(["resolve", "localhost"])
            .run()
    };
    let granted = resolve(&["--net", "localhost:*"]);
    granted.is(0);
    assert!(granted.stdout.contains("127.0.0.1\n"), "{}", granted.stdout);
    let denied = resolve(&[]);
    denied.is(1).says("access-denied").says("--net localhost:");
    shot!(denied.stderr);
}

#[test]
fn a_name_that_leads_to_this_machine() {
    let (name, ip) = name_of_this_machine();
    let resolve = |flags: &[&str]| {
        run()
            .args(flags)
            .arg(guest("udp-tcp"))
            .args(["resolve", &name])
            .run()
    };
    let by_name = format!("{name}:*");
    for granted in [&by_name, "*"] {
        let denied = resolve(&["--net", granted]);
        denied
            .is(1)
            .says("access-denied")
            .says(&format!("{ip}, a "))
            .says("--net private\n");
        assert_eq!(denied.stdout, "");
    }
    resolve(&["--net", &by_name, "--net", "private"]).prints(&format!("{ip}\n"));
}

#[test]
fn a_connection_to_nobody() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let out = connect(&["--net", &addr.to_string()], addr);
    out.is(1);
    assert_eq!(out.stderr, "udp-tcp: connection-refused\n");
}

#[test]
fn flags_that_name_no_address() {
    let wrong = |flag: &str, value: &str| {
        let out = run().args([flag, value]).arg(guest("hello-p1")).run();
        out.is(2);
        out.stderr
    };
    shot!("net_without_port", wrong("--net", "example.com"));
    shot!("net_with_scheme", wrong("--net", "https://example.com:443"));
    shot!("net_port_too_big", wrong("--net", "example.com:70000"));
    shot!("bind_to_a_name", wrong("--bind", "example.com:80"));
    shot!("http_without_scheme", wrong("--http", "example.com"));
    shot!("http_with_path", wrong("--http", "https://example.com/api"));
}

#[test]
fn the_receipt_counts_bytes_on_the_wire() {
    let (addr, served) = echo_once();
    let out = connect(
        &[
            "--receipt",
            "--json",
            "--explain-grants",
            "--net",
            "127.0.0.1:*",
        ],
        addr,
    );
    served.join().unwrap();
    out.is(0);
    let receipt: serde_json::Value =
        serde_json::from_str(out.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(
        receipt["bytes"]["sockets"],
        serde_json::json!([5, 5]),
        "{receipt}"
    );
    assert!(
        receipt["calls"]["wasi:sockets/tcp"].is_object(),
        "{receipt}"
    );
    out.says(&format!("net = [\"{addr}\"]\n"))
        .says(&format!("--net {addr}\n"));
}
