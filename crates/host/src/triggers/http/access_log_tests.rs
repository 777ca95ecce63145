//! Tests of the request log: one line per request, when the last who held its record is done.

use super::*;
use crate::body;
use crate::log_writer::{Form, tests::Page};
use holm_runtime::error::Frame as GuestFrame;

fn peer() -> Peer {
    Peer {
        addr: "127.0.0.1:5555".parse().unwrap(),
        local: true,
        tls: false,
        tls_version: None,
        sni: None,
        account: Arc::default(),
    }
}

fn request(uri: &str) -> Request<()> {
    Request::builder()
        .uri(uri)
        .header("host", "example.com")
        .body(())
        .unwrap()
}

fn receipt() -> Receipt {
    Receipt {
        component: "api".into(),
        cpu_us: 800,
        wall_us: 1200,
        memory_peak: 65536,
        bytes_in: 5,
        bytes_out: 4100,
        bytes: [("http-server", [5, 4100])].into(),
        calls: Default::default(),
        fuel: None,
        limit: None,
        limit_value: None,
    }
}

/// What is written for a request to this address, with this done to its record.
fn written(form: Form, uri: &str, act: impl FnOnce(&AccessRecord)) -> String {
    let page = Page::default();
    let writer = LogWriter::start(page.clone(), form).unwrap();
    let record = AccessRecord::new(&AccessSink::new(writer.clone()), &request(uri), &peer());
    act(&record);
    writer.flush(Duration::from_secs(10));
    assert_eq!(page.text(), "", "not before the last clone is gone");
    drop(record);
    writer.flush(Duration::from_secs(10));
    page.text()
}

/// Hides what differs from run to run: the time of day, durations, ids.
fn filtered(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let bare = word.trim_end();
        let end = &word[bare.len()..];
        let number = bare.starts_with(|c: char| c.is_ascii_digit());
        out += match bare {
            bare if bare.starts_with("req_") => "ID",
            bare if number && bare.contains(':') => "TIME",
            bare => bare,
        };
        out += end;
    }
    out.replace("0 µs", "T").replace("1 µs", "T")
}

fn answered(record: &AccessRecord, status: u16, bytes: &'static str) {
    let response = Response::builder()
        .status(status)
        .body(body::full(bytes))
        .unwrap();
    let body = record.answer(response).into_body();
    futures::executor::block_on(body.collect()).unwrap();
}

const HUMAN: Form = Form::Human { color: false };

#[test]
fn a_request_for_people() {
    let text = written(HUMAN, "/api/entries?secret=1", |record| {
        record.component(&"api".into());
        record.route("/api/...");
        record.receipt(receipt());
        answered(record, 200, "hello");
    });
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words[1..4], ["GET", "/api/entries", "200"]);
    assert!(
        filtered(&text).ends_with(
            " 5 B api  cpu 800 µs  ID\n"
                .replace("800 µs", "80T")
                .as_str()
        ) || text.contains(" 5 B api  cpu 800 µs  req_"),
        "{text}"
    );
}

#[test]
fn a_failure_for_people() {
    let text = written(HUMAN, "/%1b[2J", |record| {
        let mut error = Error::guest("api trapped\x1b[31m\nforged")
            .caused_by("unreachable")
            .help("x");
        error.backtrace.push(GuestFrame {
            function: "handle".into(),
            module: None,
            place: Some("src/lib.rs:12:5".into()),
            offset: None,
        });
        record.error(&error);
        record.denials(&[Denial {
            asked: "connect to 10.0.0.1:5432".into(),
            grant: "net",
            line: "net = [\"10.0.0.1:5432\"]".into(),
            flag: String::new(),
        }]);
        answered(record, 500, "");
    });
    let (_, details) = text.split_once('\n').unwrap();
    assert_eq!(
        details,
        "    guest: api trapped\\x1b[31m\\nforged: unreachable\n\
         \x20     at handle (src/lib.rs:12:5)\n\
         \x20   help: x\n\
         \x20   denied: connect to 10.0.0.1:5432; grant it: net = [\"10.0.0.1:5432\"]\n"
    );
    let text = written(HUMAN, "/", |record| record.fault("ours", "no"));
    assert!(text.contains(" --- ") && text.contains("client left") && text.ends_with("ours: no\n"));
}

/// A guest may go on after a refusal; the operator sees it all the same, once.
#[test]
fn a_limit_that_was_survived() {
    let reached = || Receipt {
        limit: Some("open_files"),
        limit_value: Some("256".into()),
        ..receipt()
    };
    let text = written(HUMAN, "/", |record| {
        record.receipt(reached());
        answered(record, 200, "");
    });
    assert!(
        text.ends_with("\n    limit: open_files (256) was reached\n"),
        "{text}"
    );
    let text = written(HUMAN, "/", |record| {
        record.receipt(reached());
        let mut error = Error::guest("it held more files open than its limit (256)");
        error.limit = Some(holm_runtime::limits::Limit::OpenFiles);
        record.error(&error);
        answered(record, 500, "");
    });
    assert!(!text.contains("was reached"), "{text}");
}

#[test]
fn a_request_for_programs() {
    let text = written(Form::Json, "/api/x?q", |record| {
        record.component(&"api".into());
        record.route("/api/...");
        record.receipt(receipt());
        record.error(&Error::guest("it \u{9b}trapped"));
        answered(record, 500, "hello");
    });
    assert_eq!(text.matches('\n').count(), 1);
    assert!(!text.contains('\u{9b}'));
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, value) in [
        ("type", serde_json::json!("request")),
        ("peer", "127.0.0.1:5555".into()),
        ("http", "1.1".into()),
        ("method", "GET".into()),
        ("host", "example.com".into()),
        ("path", "/api/x".into()),
        ("route", "/api/...".into()),
        ("component", "api".into()),
        ("status", 500.into()),
        ("bytes_in", 5.into()),
        ("bytes_out", 5.into()),
        ("aborted", false.into()),
        (
            "fault",
            serde_json::json!({"kind": "guest", "message": "it \u{9b}trapped"}),
        ),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!(line["receipt"]["cpu_us"], 800);
    assert!(line["duration_us"].is_u64() && line["head_us"].is_u64());
}

#[test]
fn a_client_that_leaves_is_told_from_one_that_stays() {
    let left = |method: &str, status: u16| {
        let page = Page::default();
        let writer = LogWriter::start(page.clone(), HUMAN).unwrap();
        let mut request = request("/");
        *request.method_mut() = method.parse().unwrap();
        let record = AccessRecord::new(&AccessSink::new(writer.clone()), &request, &peer());
        let response = Response::builder()
            .status(status)
            .body(body::full("never read"))
            .unwrap();
        drop(record.answer(response));
        drop(record);
        writer.flush(Duration::from_secs(10));
        page.text().contains("client left")
    };
    assert!(left("GET", 200));
    assert!(!left("HEAD", 200));
    assert!(!left("GET", 304));
}

#[test]
fn a_path_without_end_is_cut() {
    let text = written(HUMAN, &format!("/{}", "x".repeat(60_000)), |_| {});
    assert!(text.len() < 400 && text.contains('…'));
    let text = written(Form::Json, &format!("/{}", "x".repeat(60_000)), |_| {});
    assert!(text.len() < 3000);
}

#[test]
fn without_a_log_nothing_is_kept() {
    let record = AccessRecord::new(&AccessSink::off(), &request("/"), &peer());
    record.route("/");
    assert!(record.0.entry.lock().unwrap().is_none());
    assert!(record.id().to_string().starts_with("req_"));
}

/// No line of the log can be forged by what a guest fails with.
#[test]
fn what_a_guest_says_makes_no_lines() {
    let words = [
        "\n",
        "\r\n",
        "12:03:04 GET / 200",
        "{\"type\":\"request\"}",
        "\u{2028}",
        "\x1b[",
    ];
    crate::fuzz::text("log-line", &words, |said| {
        let act = |record: &AccessRecord| {
            record.fault("guest", said.to_owned());
            answered(record, 500, "x");
        };
        let human = written(Form::Human { color: false }, "/a", act);
        let mut lines = human.lines();
        assert!(
            lines
                .next()
                .is_some_and(|line| line.contains(" GET /a 500 ")),
            "{human}"
        );
        assert!(lines.all(|line| line.starts_with("    ")), "{human}");
        let json = written(Form::Json, "/a", act);
        assert_eq!(json.lines().count(), 1, "{json}");
        let line: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(line["fault"]["message"], said);
    });
}
