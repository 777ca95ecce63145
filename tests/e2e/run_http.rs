//! Requests that a command sends, under `--http`.

use crate::origin::{origin, origin_at};
use crate::support::*;

fn get(flags: &[&str], url: &str) -> Output {
    run().args(flags).arg(guest("http-get")).arg(url).run()
}

/// The flags that a denial names.
fn hinted(denied: &Output) -> Vec<&str> {
    let hint = denied
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("or to the command line:"));
    hint.unwrap_or_else(|| panic!("no hint in\n{}", denied.stderr))
        .split_whitespace()
        .collect()
}

#[test]
fn a_granted_origin() {
    let origin = origin();
    let url = format!("http://{}", origin.addr);
    for flags in [
        vec!["--http", &url],
        vec!["--http", &format!("http://{}:*", origin.addr.ip())],
        vec!["--http", "https://example.com", "--http", &url],
        vec!["--allow-all-net"],
    ] {
        let out = get(&flags, &format!("{url}/page?n=1"));
        out.prints("200\nx-origin: yes\ncontent-length: 5\n\nlocal");
        let seen = origin.seen().pop().unwrap();
        assert!(seen.starts_with("GET /page?n=1 HTTP/1.1\r\n"), "{seen}");
    }
}

#[test]
fn other_origins() {
    let origin = origin();
    let url = format!("http://{}", origin.addr);
    let tls = format!("https://{}", origin.addr);
    let net = origin.addr.to_string();
    for (name, flags) in [
        ("http_nothing", vec![]),
        ("http_other_host", vec!["--http", "http://example.com"]),
        ("http_other_scheme", vec!["--http", &tls]),
        ("http_other_port", vec!["--http", "http://127.0.0.1:9"]),
        ("http_only_net", vec!["--net", &net]),
    ] {
        let out = get(&flags, &url);
        out.is(1)
            .says("http-get: ErrorCode::HttpRequestDenied\n")
            .says(&format!("--http {url}\n"));
        assert_eq!(out.stdout, "");
        shot!(name, out.stderr);
    }
    assert!(origin.seen().is_empty(), "a packet left");
}

/// Any origin is any public one: the addresses of this machine and its neighbours want more words.
#[test]
fn addresses_that_are_not_public() {
    let origin = origin();
    let any = ["--http", "*"];
    let addr = origin.addr;
    let mapped = format!("[::ffff:127.0.0.1]:{}", addr.port());
    for host in [addr.to_string(), mapped] {
        let out = get(&any, &format!("http://{host}/"));
        out.is(1)
            .says("http-get: ErrorCode::DestinationIpProhibited\n")
            .says(&format!("--http http://{addr}\n"));
        shot!("http_any_public", out.stderr);
    }
    for (name, host) in [
        ("http_private", "10.255.255.1"),
        ("http_link_local", "169.254.1.1"),
        ("http_metadata", "169.254.169.254"),
    ] {
        let out = get(&any, &format!("http://{host}/latest/meta-data/"));
        out.is(1)
            .says("http-get: ErrorCode::DestinationIpProhibited\n");
        shot!(name, out.stderr);
    }
    // The word `private` is for names, and opens no metadata.
    let out = get(
        &["--http", "*", "--http", "private"],
        "http://169.254.169.254/",
    );
    out.is(1).says("a cloud metadata address");
    assert!(origin.seen().is_empty(), "a packet left");
}

/// The flag that a denial names is the one that helps.
#[test]
fn the_hint_helps() {
    let origin = origin();
    let url = format!("http://{}/", origin.addr);
    for first in [vec![], vec!["--http", "*"]] {
        let denied = get(&first, &url);
        let flags: Vec<&str> = first.iter().copied().chain(hinted(&denied)).collect();
        get(&flags, &url).is(0);
    }
    assert_eq!(origin.seen().len(), 2);
}

/// `localhost` says itself that it is this machine; a name that only turns out to be does not.
#[test]
fn localhost() {
    let origin = origin();
    let url = format!("http://localhost:{}", origin.addr.port());
    get(&["--http", &url], &url).is(0);
    let out = get(&["--http", "*"], &url);
    out.is(1)
        .says("http-get: ErrorCode::DestinationIpProhibited\n")
        .says("--http private\n");
    shot!("http_localhost_by_any", out.stderr);
    assert_eq!(origin.seen().len(), 1, "a packet left");
}

#[test]
fn a_name_that_leads_to_this_machine() {
    let (name, ip) = name_of_this_machine();
    let origin = origin_at(ip);
    let url = format!("http://{name}:{}", origin.addr.port());
    for granted in [&url, "*"] {
        let denied = get(&["--http", granted], &url);
        denied
            .is(1)
            .says("http-get: ErrorCode::DestinationIpProhibited\n")
            .says(&format!("denied: send a request to {url} ({ip}, a "))
            .says("--http private\n");
    }
    assert!(origin.seen().is_empty(), "a packet left");
    get(&["--http", &url, "--http", "private"], &url).is(0);
    let by_address = format!("http://{}", origin.addr);
    get(&["--http", &url, "--http", &by_address], &url).is(0);
}

#[test]
fn nobody_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let out = get(&["--http", &url], &url);
    out.is(1);
    assert_eq!(out.stderr, "http-get: ErrorCode::ConnectionRefused\n");
}

#[test]
fn the_receipt_and_the_grants_that_were_used() {
    let origin = origin();
    let url = format!("http://{}", origin.addr);
    let out = get(
        &["--receipt", "--json", "--explain-grants", "--allow-all-net"],
        &url,
    );
    out.is(0).says(&format!("http = [\"{url}\"]\n"));
    let receipt = out.stderr.lines().next().unwrap();
    let receipt: serde_json::Value = serde_json::from_str(receipt).unwrap();
    assert_eq!(
        receipt["bytes"]["http"],
        serde_json::json!([5, 0]),
        "{receipt}"
    );
    assert!(
        receipt["calls"]["wasi:http/outgoing-handler"].is_object(),
        "{receipt}"
    );
}
