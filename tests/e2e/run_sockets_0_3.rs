//! Sockets of WASI 0.3, and what sockets of both versions count: the same to the byte.

use crate::run_sockets::{Listening, echo_once, listening_by};
use crate::support::*;
use serde_json::{Value, json};
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// One program for each version of WASI.
const PROGRAMS: [&str; 2] = ["udp-tcp", "udp-tcp-p3"];

const RECEIPT: [&str; 2] = ["--receipt", "--json"];

/// Bytes in and out, of the receipt in what was written to standard error.
fn moved(stderr: &str) -> Value {
    let line = stderr.lines().find(|line| line.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("no receipt in {stderr}"));
    let receipt: Value = serde_json::from_str(line).unwrap();
    receipt["bytes"]["sockets"].clone()
}

/// Waits for the end of a server; its receipt.
fn ended(server: &mut Listening) -> Value {
    let mut stderr = String::new();
    let mut stream = server.child.stderr.take().unwrap();
    stream.read_to_string(&mut stderr).unwrap();
    assert_eq!(
        wait(&mut server.child, PATIENCE).map(code),
        Some(0),
        "{stderr}"
    );
    moved(&stderr)
}

#[test]
fn a_client() {
    for program in PROGRAMS {
        let (addr, served) = echo_once();
        let out = run()
            .args(RECEIPT)
            .args(["--net", "127.0.0.1:*"])
            .arg(guest(program))
            .args(["connect", &addr.to_string(), "hello"])
            .run();
        assert_eq!(served.join().unwrap(), "hello");
        assert_eq!(out.is(0).stdout, "HELLO\n");
        assert_eq!(moved(&out.stderr), json!([5, 5]), "{program}");
    }
}

/// More than any buffer on the way holds, both ways at once, on two connections.
#[test]
fn a_server() {
    let sent: Vec<u8> = (0..1_500_007u32).map(|n| n as u8).collect();
    for program in PROGRAMS {
        let flags = [&RECEIPT[..], &["--bind", "127.0.0.1:*"]].concat();
        let mut server = listening_by(program, &flags, &["listen", "127.0.0.1:0", "2"]);
        for _ in 0..2 {
            let mut stream = TcpStream::connect(server.addr).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let bytes = sent.clone();
            let writing = std::thread::spawn(move || {
                writer.write_all(&bytes).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            writing.join().unwrap();
            assert!(back == sent, "{program}: {} bytes came back", back.len());
        }
        let all = 2 * sent.len();
        assert_eq!(ended(&mut server), json!([all, all]), "{program}");
    }
}

#[test]
fn datagrams() {
    for program in PROGRAMS {
        let flags = [&RECEIPT[..], &["--bind", "127.0.0.1:*"]].concat();
        let mut server = listening_by(program, &flags, &["receive", "127.0.0.1:0", "2"]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 2000];
        for size in [1400, 0] {
            socket.send_to(&vec![b'x'; size], server.addr).unwrap();
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((length, from), (size, server.addr));
        }
        assert_eq!(ended(&mut server), json!([1400, 1400]), "{program}");

        let addr = socket.local_addr().unwrap().to_string();
        let answer = std::thread::spawn(move || {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"ping");
            socket.send_to(b"pong!", from).unwrap();
        });
        let out = run()
            .args(RECEIPT)
            .args(["--net", &addr])
            .arg(guest(program))
            .args(["send", &addr, "ping", "wait"])
            .run();
        answer.join().unwrap();
        assert_eq!(out.is(0).stdout, "pong!\n");
        assert_eq!(moved(&out.stderr), json!([5, 4]), "{program}");
    }
}

#[test]
fn what_was_not_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    for (words, flag) in [
        (["connect", &addr, "hello"], format!("--net {addr}\n")),
        (["send", &addr, "hello"], format!("--net {addr}\n")),
        (
            ["listen", "127.0.0.1:0", "1"],
            "--bind 127.0.0.1:*\n".into(),
        ),
    ] {
        let out = run()
            .args(RECEIPT)
            .arg(guest("udp-tcp-p3"))
            .args(words)
            .run();
        out.is(1).says("udp-tcp-p3: AccessDenied\n").says(&flag);
        assert_eq!(moved(&out.stderr), Value::Null, "nothing moved");
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn a_connection_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    drop(listener);
    let out = run()
        .args(["--net", &addr])
        .arg(guest("udp-tcp-p3"))
        .args(["connect", &addr, "hello"])
        .run();
    out.is(1);
    assert_eq!(out.stderr, "udp-tcp-p3: ConnectionRefused\n");
}

/// 256 sockets, of which the listener is one. The last connection waits in the system's queue.
#[test]
fn a_listener_accepts_as_many_as_there_is_room_for() {
    let args = ["hold", "127.0.0.1:0", "255"];
    let mut server = listening_by("udp-tcp-p3", &["--bind", "127.0.0.1:*"], &args);
    let connect = |_| {
        let patience = Duration::from_secs(30);
        TcpStream::connect_timeout(&server.addr, patience).unwrap()
    };
    let _clients: Vec<_> = (0..256).map(connect).collect();
    let mut said = Vec::new();
    for line in (&mut server.stdout).lines() {
        said.push(line.unwrap());
    }
    assert_eq!(
        said,
        [
            "holding 255",
            "made none: OutOfMemory",
            "accepted none",
            "then accepted 1"
        ]
    );
    let mut stderr = String::new();
    let mut stream = server.child.stderr.take().unwrap();
    stream.read_to_string(&mut stderr).unwrap();
    assert_eq!(
        wait(&mut server.child, PATIENCE).map(code),
        Some(0),
        "{stderr}"
    );
    let told = stderr.matches("as many sockets as it may").count();
    assert_eq!(told, 1, "{stderr}");
}
