//! The runner against fake children: shell scripts that stand in for `holm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::cases::{self, Case};
use super::endpoints::Endpoints;
use super::session::{run, run_within};
use super::spec::{Server, Spec};

/// A suite folder of one case, and a script in the place of `holm`
struct Fake {
    folder: TempDir,
    case: Case,
}

impl Fake {
    fn new(json: &str, script: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let suite = folder.path().join("suite/wasip3");
        fs::create_dir_all(suite.join("fs-tests.dir")).unwrap();
        fs::write(suite.join("fs-tests.dir/a.txt"), "text").unwrap();
        fs::write(suite.join("case.wasm"), "").unwrap();
        fs::write(suite.join("case.json"), json).unwrap();
        let text = folder.path().join("holm.sh");
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        // Not made executable in this process: a fork of another test could hold it open for
        // writing, and starting it would fail with "text file busy".
        let mut install = std::process::Command::new("install");
        install
            .args(["-m", "755"])
            .arg(&text)
            .arg(folder.path().join("holm"));
        assert!(install.status().unwrap().success());
        let mut cases = cases::find(&folder.path().join("suite")).unwrap();
        assert_eq!(cases[0].name, "wasip3/case");
        Self {
            case: cases.remove(0),
            folder,
        }
    }

    fn holm(&self) -> PathBuf {
        self.folder.path().join("holm")
    }

    async fn run(&self) -> Result<()> {
        run(&self.case, &self.holm()).await
    }

    async fn error(&self) -> String {
        format!("{:#}", self.run().await.expect_err("the case should fail"))
    }
}

#[tokio::test]
async fn exit_code_and_whole_output_are_compared() {
    let json = r#"{"stdout": "hello", "exit_code": 33}"#;
    Fake::new(json, "printf hello; exit 33")
        .run()
        .await
        .unwrap();

    let error = Fake::new(json, "printf hello; echo oops >&2; exit 1")
        .error()
        .await;
    assert!(
        error.contains("step 3, wait: expected exit code 33, got 1"),
        "{error}"
    );
    assert!(error.contains("stderr: oops"), "{error}");

    let error = Fake::new(json, "printf 'hello, more'; exit 33")
        .error()
        .await;
    assert!(
        error.contains(r#"expected "hello" from its stdout, got "hello, more""#),
        "{error}"
    );
}

#[tokio::test]
async fn the_program_sees_a_copy_of_its_root() {
    let script = r#"test "$1 $2 $4" = "run --dir $PWD/case.wasm" || exit 9
        root=${3%::/}; test "$(cat "$root/a.txt")" = text && echo new > "$root/a.txt""#;
    let fake = Fake::new(r#"{"root": "fs-tests.dir"}"#, script);
    fake.run().await.unwrap();
    let original = fake.case.wasm.with_file_name("fs-tests.dir/a.txt");
    assert_eq!(fs::read_to_string(original).unwrap(), "text");
}

#[tokio::test]
async fn input_is_written_and_both_outputs_are_read() {
    let json = r#"{"operations": [{"type": "run"},
        {"type": "write", "id": "stdin", "payload": "ping\n"},
        {"type": "read", "id": "stdout", "payload": "ping"},
        {"type": "read", "id": "stderr", "payload": "ping"}, {"type": "wait"}]}"#;
    Fake::new(json, "read line; echo $line; echo $line >&2; cat")
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn connections_carry_bytes_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4];
        socket.read_exact(&mut buffer).await.unwrap();
        socket.write_all(&buffer).await.unwrap();
    });
    let json = r#"{"proposals": ["sockets"], "operations": [{"type": "run"},
        {"type": "connect", "id": "echo", "protocol_type": "tcp"},
        {"type": "send", "id": "echo", "payload": "ping"},
        {"type": "recv", "id": "echo", "payload": "ping"}, {"type": "wait"}]}"#;
    let script = format!("test $2 = --allow-all-net && echo {address} && cat");
    Fake::new(json, &script).run().await.unwrap();
}

#[tokio::test]
async fn a_service_is_asked_and_stopped() {
    // What a shell starts in the background ignores Ctrl-C, and no shell below it may trap it then.
    // SAFETY: the default is set, and no handler of ours runs.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let servers: Vec<Server> = serde_json::from_str(
        r#"[{"name": "main", "endpoints": [{"path": "/x?y=1", "response": {"status": 201,
            "body": "made"}}]}]"#,
    )
    .unwrap();
    let server = Endpoints::start(&servers).await.unwrap();
    let script = format!(
        "test $1 = up || exit 9; trap 'exit 0' INT; echo noise; echo Serving http://{}
         while :; do sleep 0.01; done",
        server.variables[0].1
    );
    let json = |status: u16| {
        format!(
            r#"{{"proposals": ["http"], "world": "wasi:http/service", "operations": [
            {{"type": "run"}}, {{"type": "request", "method": "GET", "path": "/x?y=1",
            "response": {{"status": {status}, "body": "made"}}}},
            {{"type": "kill", "signal": "SIGINT"}}, {{"type": "wait"}}]}}"#
        )
    };
    Fake::new(&json(201), &script).run().await.unwrap();
    let error = Fake::new(&json(200), &script).error().await;
    assert!(
        error.contains("request GET /x?y=1: expected status 200, got 201"),
        "{error}"
    );
}

#[tokio::test]
async fn endpoints_answer_in_chunks_with_trailers_and_echo() {
    let servers: Vec<Server> = serde_json::from_str(
        r#"[{"name": "main", "endpoints": [
            {"path": "/chunks", "response": {"chunks": ["one", "two"], "trailers": {"x-n": "2"}}},
            {"method": "POST", "path": "/echo", "mode": "echo-body"},
            {"path": "/head?a=1", "mode": "echo-headers"}]},
            {"name": "gone", "kind": "closed"}]"#,
    )
    .unwrap();
    let server = Endpoints::start(&servers).await.unwrap();
    assert_eq!(server.variables[0].0, "HTTP_SERVER_MAIN");
    let address = &server.variables[0].1;

    let chunks = raw(address, "GET /chunks HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(
        chunks.contains("3\r\none\r\n3\r\ntwo\r\n0\r\nx-n: 2\r\n\r\n"),
        "{chunks}"
    );
    let echo = raw(
        address,
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    )
    .await;
    assert!(
        echo.contains("content-length: 2\r\n") && echo.ends_with("\r\n\r\nhi"),
        "{echo}"
    );
    let head = raw(
        address,
        "GET /head?a=1 HTTP/1.1\r\nhost: a\r\nx-a: b\r\n\r\n",
    )
    .await;
    assert!(head.contains("x-request-path: /head?a=1\r\n"), "{head}");
    assert!(head.contains("x-echo-x-a: b\r\n"), "{head}");
    let missing = raw(address, "GET /head HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(
        tokio::net::TcpStream::connect(&server.variables[1].1)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let fake = Fake::new(r#"{}"#, "echo $$; exec sleep 600");
    let outcome = run_within(&fake.case, &fake.holm(), Duration::from_millis(300)).await;
    let error = format!("{:#}", outcome.unwrap_err());
    assert!(error.starts_with("timed out after 300ms"), "{error}");
    let pid = error
        .split("stdout: ")
        .nth(1)
        .expect("the child told its id")
        .trim();
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "the child must be gone"
    );
}

#[test]
fn what_the_runner_does_not_understand_is_an_error() {
    for json in [
        r#"{"exit_code": 0, "stdin": "x"}"#,
        r#"{"operations": [{"type": "dance"}]}"#,
        r#"{"operations": [{"type": "wait", "within": 3}]}"#,
        r#"{"operations": [{"type": "connect", "protocol_type": "udp"}]}"#,
        r#"{"proposals": ["threads"]}"#,
    ] {
        assert!(Spec::parse(json).is_err(), "{json}");
    }
}

#[test]
fn surprises_of_both_kinds_fail() {
    let failed = || Err(anyhow::anyhow!("wrong"));
    assert!(super::judge(Ok(()), None, "list").is_ok());
    assert!(super::judge(failed(), None, "list").is_err());
    assert!(super::judge(failed(), Some("known"), "list").is_ok());
    assert!(super::judge(Ok(()), Some("known"), "list").is_err());
}

async fn raw(address: &str, request: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response
}
