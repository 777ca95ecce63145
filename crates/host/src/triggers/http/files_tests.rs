//! Tests of static files: what is answered, and what never is.

use super::*;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Site {
    temp: TempDir,
    files: StaticFiles,
}

impl Site {
    fn new() -> Site {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("public");
        std::fs::create_dir_all(root.join("docs")).unwrap();
        std::fs::create_dir_all(root.join("empty")).unwrap();
        std::fs::create_dir_all(root.join(".well-known")).unwrap();
        for (name, text) in [
            ("index.html", "home"),
            ("docs/index.html", "docs"),
            ("a b.txt", "space"),
            ("data.json", "{}"),
            ("style.css", "0123456789"),
            ("nothing.bin", ""),
            (".env", "secret"),
            (".well-known/x", "known"),
        ] {
            std::fs::write(root.join(name), text).unwrap();
        }
        std::fs::write(temp.path().join("secret"), "secret").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        symlink("style.css", root.join("in")).unwrap();
        std::fs::write(root.join("big"), vec![7; 1_000_000]).unwrap();
        Site {
            files: StaticFiles::new(&root).unwrap(),
            temp,
        }
    }

    async fn ask(&self, request: Request<()>) -> Result<(Response<()>, Vec<u8>), Fault> {
        let rest = request.uri().path().to_owned();
        let (parts, body) = self.files.serve(&request, &rest).await?.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Ok((Response::from_parts(parts, ()), bytes.to_vec()))
    }

    async fn get(&self, path: &str) -> Result<(Response<()>, Vec<u8>), Fault> {
        self.ask(Request::get(path).body(()).unwrap()).await
    }

    async fn with(&self, name: http::HeaderName, value: &str) -> (Response<()>, Vec<u8>) {
        let request = Request::get("/style.css")
            .header(name, value)
            .body(())
            .unwrap();
        self.ask(request).await.unwrap()
    }
}

#[tokio::test]
async fn files_and_folders() {
    let site = Site::new();
    for (path, content_type, text) in [
        ("/", "text/html; charset=utf-8", "home"),
        ("/index.html", "text/html; charset=utf-8", "home"),
        ("/docs/", "text/html; charset=utf-8", "docs"),
        ("//docs//", "text/html; charset=utf-8", "docs"),
        ("/a%20b.txt", "text/plain; charset=utf-8", "space"),
        ("/data.json", "application/json", "{}"),
        ("/nothing.bin", "application/octet-stream", ""),
        ("/in", "application/octet-stream", "0123456789"),
        ("/.well-known/x", "application/octet-stream", "known"),
    ] {
        let (response, bytes) = site.get(path).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[CONTENT_TYPE], content_type, "{path}");
        assert_eq!(response.headers()[CONTENT_LENGTH], text.len().to_string());
        assert_eq!(bytes, text.as_bytes(), "{path}");
    }
    let (response, bytes) = site.get("/big").await.unwrap();
    assert_eq!(response.headers()[CONTENT_LENGTH], "1000000");
    assert!(bytes.len() == 1_000_000 && bytes.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_folder_without_its_slash_is_elsewhere() {
    let site = Site::new();
    let (response, _) = site.get("/docs?x=1").await.unwrap();
    assert_eq!(response.status(), 308);
    assert_eq!(response.headers()[LOCATION], "./docs/?x=1");
    let (response, _) = site.get("//docs").await.unwrap();
    assert_eq!(
        response.headers()[LOCATION],
        "./docs/",
        "never another host's"
    );
    assert_eq!(site.get("/empty").await.unwrap_err(), Fault::NoFile);
    let request = Request::get("/static").body(()).unwrap();
    let response = site.files.serve(&request, "").await.unwrap();
    assert_eq!(response.headers()[LOCATION], "./static/");
}

#[tokio::test]
async fn what_is_never_answered() {
    let site = Site::new();
    for path in [
        "/missing",
        "/out",
        "/etc/passwd",
        "/.env",
        "/docs%2findex.html",
        "/empty/",
        "/index.html/",
        "/index.html/x",
        "/.well-known/../.env.",
    ] {
        let expected = if path.contains("..") {
            Fault::BadRequest
        } else {
            Fault::NoFile
        };
        assert_eq!(site.get(path).await.unwrap_err(), expected, "{path}");
    }
    assert_eq!(
        site.get(&format!("/{}", "x".repeat(5000)))
            .await
            .unwrap_err(),
        Fault::NoFile
    );
    for path in [
        "/../secret",
        "/docs/%2e%2e/%2E./secret",
        "/a%00b",
        "/./index.html",
    ] {
        assert_eq!(
            site.get(path).await.unwrap_err(),
            Fault::BadRequest,
            "{path}"
        );
    }
    let post = Request::post("/").body(()).unwrap();
    assert_eq!(site.ask(post).await.unwrap_err(), Fault::Method);
    let pipe = site.temp.path().join("public/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert_eq!(site.get("/pipe").await.unwrap_err(), Fault::NoFile);
    assert!(StaticFiles::new(site.temp.path().join("nowhere")).is_err());
    assert!(StaticFiles::new(site.temp.path().join("secret")).is_err());
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let site = Site::new();
    let (response, _) = site.get("/style.css").await.unwrap();
    let (etag, date) = (
        &response.headers()[ETAG],
        &response.headers()[LAST_MODIFIED],
    );
    for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, date)] {
        let (again, bytes) = site.with(name, value.to_str().unwrap()).await;
        assert_eq!((again.status().as_u16(), bytes.len()), (304, 0));
        assert_eq!(again.headers()[ETAG], etag);
        assert!(!again.headers().contains_key(CONTENT_LENGTH));
    }
    std::fs::write(site.temp.path().join("public/style.css"), "other").unwrap();
    let (changed, bytes) = site.with(IF_NONE_MATCH, etag.to_str().unwrap()).await;
    assert_eq!((changed.status().as_u16(), &*bytes), (200, &b"other"[..]));
}

#[tokio::test]
async fn ranges() {
    let site = Site::new();
    for (range, status, content_range, text) in [
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=-1", 206, Some("bytes 9-9/10"), "9"),
        ("bytes=20-", 416, Some("bytes */10"), ""),
        ("bytes=0-1,3-4", 200, None, "0123456789"),
    ] {
        let (response, bytes) = site.with(RANGE, range).await;
        assert_eq!(response.status(), status, "{range}");
        let header = response
            .headers()
            .get(CONTENT_RANGE)
            .map(|value| value.to_str().unwrap());
        assert_eq!(
            (header, &*bytes),
            (content_range, text.as_bytes()),
            "{range}"
        );
        assert_eq!(response.headers()[CONTENT_LENGTH], text.len().to_string());
    }
    let request = Request::get("/big")
        .header(RANGE, "bytes=100000-899999")
        .body(())
        .unwrap();
    assert_eq!(site.ask(request).await.unwrap().1.len(), 800_000);
    let head = Request::head("/style.css")
        .header(RANGE, "bytes=2-4")
        .body(())
        .unwrap();
    let (response, bytes) = site.ask(head).await.unwrap();
    assert_eq!((response.status().as_u16(), bytes.len()), (200, 0));
    assert_eq!(response.headers()[CONTENT_LENGTH], "10");
}

#[tokio::test]
async fn a_file_that_shrinks_ends_the_body_badly() {
    let site = Site::new();
    let request = Request::get("/big").body(()).unwrap();
    let response = site.files.serve(&request, "/big").await.unwrap();
    std::fs::write(site.temp.path().join("public/big"), "short").unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_folder_that_was_built_anew_is_found() {
    let site = Site::new();
    let root = site.temp.path().join("public");
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(site.get("/").await.unwrap_err(), Fault::NoFile);
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("index.html"), "new").unwrap();
    assert_eq!(site.get("/").await.unwrap().1, b"new");
}
