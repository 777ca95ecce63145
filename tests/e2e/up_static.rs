//! Static files: what browsers expect, and no way out of the folder.

use crate::app::*;
use crate::client::raw;
use std::os::unix::fs::symlink;

fn app() -> App {
    let app = App::new("name = \"site\"\n\n[[http]]\nroute = \"/...\"\nfiles = \"public\"\n");
    app.dir().write("public/index.html", "<h1>home</h1>\n");
    app.dir().write("public/style.css", "body {}\n");
    app.dir().write("public/app.js", "1\n");
    app.dir().write("public/data.json", "{}\n");
    app.dir().write("public/image.svg", "<svg/>\n");
    app.dir().write("public/blob", [0, 1, 2, 255]);
    app.dir().write("public/a b ä.txt", "spaces\n");
    app.dir().write("public/digits.txt", "0123456789");
    app.dir().write("public/sub/index.html", "<h1>sub</h1>\n");
    app.dir().write("public/bare/file.txt", "no index here\n");
    app.dir().write("public/.secret", "hidden\n");
    app.dir()
        .write("public/.well-known/security.txt", "known\n");
    app.dir().write("secret.txt", "outside\n");
    app.dir().write("public-twin/secret.txt", "outside\n");
    symlink("../secret.txt", app.dir().join("public/out.txt")).unwrap();
    symlink("..", app.dir().join("public/up")).unwrap();
    symlink("/etc/passwd", app.dir().join("public/passwd")).unwrap();
    symlink("style.css", app.dir().join("public/inside.css")).unwrap();
    symlink("loop", app.dir().join("public/loop")).unwrap();
    app
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> http::Request<Vec<u8>> {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Vec::new()).unwrap()
}

#[test]
fn types_and_indexes() {
    let server = app().up();
    for (path, content_type, body) in [
        ("/", "text/html; charset=utf-8", "<h1>home</h1>\n"),
        ("/index.html", "text/html; charset=utf-8", "<h1>home</h1>\n"),
        ("/sub/", "text/html; charset=utf-8", "<h1>sub</h1>\n"),
        ("/style.css", "text/css; charset=utf-8", "body {}\n"),
        ("/app.js", "text/javascript; charset=utf-8", "1\n"),
        ("/data.json", "application/json", "{}\n"),
        ("/image.svg", "image/svg+xml", "<svg/>\n"),
        (
            "/a%20b%20%C3%A4.txt",
            "text/plain; charset=utf-8",
            "spaces\n",
        ),
        ("/inside.css", "text/css; charset=utf-8", "body {}\n"),
        (
            "/.well-known/security.txt",
            "text/plain; charset=utf-8",
            "known\n",
        ),
        ("/style.css?v=2", "text/css; charset=utf-8", "body {}\n"),
    ] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{path}");
        assert_eq!(reply.header("content-type"), content_type, "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-length"), body.len().to_string());
    }
    assert_eq!(
        server.get("/blob").header("content-type"),
        "application/octet-stream"
    );
    let moved = server.get("/sub");
    // Relative: an absolute one could be read as another host's.
    assert_eq!((moved.status, moved.header("location")), (308, "./sub/"));
    assert_eq!(server.get("/bare/").status, 404);
    assert_eq!(
        server.entry("/style.css")["receipt"],
        serde_json::Value::Null
    );
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let app = app();
    let server = app.up();
    let first = server.get("/style.css");
    let (tag, time) = (
        first.header("etag").to_owned(),
        first.header("last-modified").to_owned(),
    );
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && time.ends_with("GMT"),
        "{tag} {time}"
    );
    assert_eq!(first.header("cache-control"), "no-cache");
    let ask =
        |name: &str, value: &str| server.request(request("GET", "/style.css", &[(name, value)]));
    for (name, value) in [
        ("if-none-match", tag.as_str()),
        ("if-none-match", &format!("\"x\", W/{tag}")),
        ("if-none-match", "*"),
        ("if-modified-since", &time),
    ] {
        let again = ask(name, value);
        assert_eq!(
            (again.status, again.text().as_str(), again.header("etag")),
            (304, "", tag.as_str()),
            "{name}: {value}"
        );
    }
    assert_eq!(ask("if-none-match", "\"other\"").status, 200);
    assert_eq!(
        ask("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT").status,
        200
    );
    assert_eq!(ask("if-modified-since", "nonsense").status, 200);
    app.dir().write("public/style.css", "body { color: red }\n");
    let changed = ask("if-none-match", &tag);
    assert_eq!(
        (changed.status, changed.text().as_str()),
        (200, "body { color: red }\n")
    );
    assert_ne!(changed.header("etag"), tag);
}

#[test]
fn ranges() {
    let server = app().up();
    let ask = |range: &str| {
        let reply = server.request(request("GET", "/digits.txt", &[("range", range)]));
        (
            reply.status,
            reply.text(),
            reply.header("content-range").to_owned(),
        )
    };
    let part = |text: &str, range: &str| (206, text.to_owned(), format!("bytes {range}/10"));
    assert_eq!(ask("bytes=0-0"), part("0", "0-0"));
    assert_eq!(ask("bytes=2-5"), part("2345", "2-5"));
    assert_eq!(ask("bytes=7-"), part("789", "7-9"));
    assert_eq!(ask("bytes=-3"), part("789", "7-9"));
    assert_eq!(ask("bytes=5-999"), part("56789", "5-9"));
    assert_eq!(ask("bytes=-999"), part("0123456789", "0-9"));
    assert_eq!(
        (ask("bytes=10-").0, ask("bytes=10-").2),
        (416, "bytes */10".to_owned())
    );
    assert_eq!(ask("bytes=-0").0, 416);
    for whole in [
        "bytes=5-2",
        "bytes=a-b",
        "lines=1-2",
        "bytes=0-1,3-4",
        "bytes=18446744073709551616-",
    ] {
        let (status, text, _) = ask(whole);
        assert!(matches!(status, 200 | 416), "{whole}: {status}");
        if status == 200 {
            assert_eq!(text, "0123456789", "{whole}");
        }
    }
    assert_eq!(server.get("/digits.txt").header("accept-ranges"), "bytes");
    let tag = server.get("/digits.txt").header("etag").to_owned();
    let with = |tag: &str| {
        server
            .request(request(
                "GET",
                "/digits.txt",
                &[("range", "bytes=0-1"), ("if-range", tag)],
            ))
            .status
    };
    assert_eq!((with(&tag), with("\"other\"")), (206, 200));
}

#[test]
fn head_is_get_without_a_body() {
    let server = app().up();
    for path in ["/", "/style.css", "/none"] {
        let (get, head) = (server.get(path), server.request(request("HEAD", path, &[])));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-length", "content-type", "etag", "location"] {
            // The body of an error has the request's id in it; its length is the same.
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = server.request(request(method, "/style.css", &[]));
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
    let line = server.logged("request", |line| {
        line["method"] == "HEAD" && line["path"] == "/style.css"
    });
    assert_eq!(
        (&line["bytes_out"], &line["aborted"]),
        (&0.into(), &false.into()),
        "{line}"
    );
}

#[test]
fn no_way_out_of_the_folder() {
    let server = app().up();
    let ask = |path: &str| {
        raw(
            server.addr(),
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        )
    };
    for path in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/./secret.txt",
        "/.%2e/secret.txt",
        "//../secret.txt",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/%252e%252e/secret.txt",
        "/../public-twin/secret.txt",
        "/out.txt",
        "/up/secret.txt",
        "/passwd",
        "/loop",
        "/.secret",
        "/style.css%00.html",
        "/style.css/",
        "/style.css/x",
        "/..;/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/\u{ff0e}\u{ff0e}/secret.txt",
        "/...",
        "/proc/self/environ",
    ] {
        let answer = ask(path);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {answer}");
        assert!(
            !answer.contains("outside") && !answer.contains("root:") && !answer.contains("hidden"),
            "{path}: {answer}"
        );
    }
    assert!(ask("/style.css").contains(" 200 "));
}

#[test]
fn a_large_file_in_constant_memory() {
    let app = app();
    let file = std::fs::File::create(app.dir().join("public/large.bin")).unwrap();
    file.set_len(400 << 20).unwrap();
    let server = app.up();
    let addr = server.addr();
    crate::client::block(async move {
        let mut connection = crate::client::Connection::http1(addr).await;
        let response = connection.get("/large.bin").await.unwrap();
        assert_eq!(
            response.headers()["content-length"],
            (400u64 << 20).to_string()
        );
        assert_eq!(crate::client::count(response).await.unwrap(), 400 << 20);
    });
    assert!(
        server.memory_peak_mb() < 150,
        "{} MB",
        server.memory_peak_mb()
    );
}
