//! Components that come from a URL: fetched once, checked by their digest, kept beside the manifest.

use crate::app::*;
use crate::support::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server of one file.
struct Files {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Files {
    /// `/moved` leads to `/web.wasm`; the second half of `/slow.wasm` takes more than a second.
    fn of(file: Vec<u8>) -> Files {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                notes.lock().unwrap().push(path.clone());
                let stream = reader.get_mut();
                let (length, half) = (file.len(), file.len() / 2);
                // Who hangs up is no failure of this server's.
                let _ = match &*path {
                    "/moved" => write!(
                        stream,
                        "HTTP/1.1 302 Found\r\nlocation: /web.wasm\r\ncontent-length: 0\r\n\r\n"
                    ),
                    "/web.wasm" | "/slow.wasm" => {
                        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                        let first = stream.write_all(&[head.as_bytes(), &file[..half]].concat());
                        if path == "/slow.wasm" {
                            std::thread::sleep(Duration::from_millis(1500));
                        }
                        first.and_then(|()| stream.write_all(&file[half..]))
                    }
                    _ => write!(
                        stream,
                        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
                    ),
                };
            }
        });
        Files { addr, asked }
    }

    /// The paths that were asked for since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// The digest of a guest, as the manifest has it.
fn digest(name: &str) -> String {
    let out = holm().args(["inspect", "--json"]).arg(guest(name)).run();
    let about: serde_json::Value = serde_json::from_str(&out.is(0).stdout).unwrap();
    about["digest"].as_str().unwrap().to_owned()
}

fn spin(url: &str, digest: &str) -> App {
    App::spin(&format!(
        "spin_manifest_version = 2\n[application]\nname = \"far\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"web\"\n\
         [component.web]\nsource = {{ url = \"{url}\", digest = \"{digest}\" }}\n"
    ))
}

/// What lies in the folder of fetched files.
fn kept(app: &App) -> Vec<String> {
    let entries = std::fs::read_dir(app.dir().join(".holm/fetched"));
    let names = entries.into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_is_fetched_once_and_served_from_then_on() {
    let files = Files::of(std::fs::read(guest("http-hello")).unwrap());
    let digest = digest("http-hello");
    let app = spin(&files.url("/moved"), &digest);
    app.check().is(2).says("fetch it: holm build");
    let server = app.up();
    let answer = server.get("/").text();
    assert_eq!(files.asked(), ["/moved", "/web.wasm"]);
    assert_eq!(kept(&app), [format!("{}.wasm", &digest["sha256:".len()..])]);
    assert_eq!(server.terminate(), 0);
    // Nobody is asked again.
    app.check().is(0);
    let server = app.up();
    assert_eq!(server.get("/").text(), answer);
    assert_eq!(server.terminate(), 0);
    assert_eq!(files.asked(), [""; 0]);
    // What lies there under its name and is another is not served.
    std::fs::copy(
        guest("hello-p2"),
        app.dir().join(".holm/fetched").join(&kept(&app)[0]),
    )
    .unwrap();
    app.check().is(2).says("its digest is another");
}

#[test]
fn another_file_than_the_manifest_wants_is_not_kept() {
    let files = Files::of(std::fs::read(guest("hello-p2")).unwrap());
    let wanted = digest("http-hello");
    let app = spin(&files.url("/web.wasm"), &wanted);
    let refused = app.refused();
    refused.is(2).says("its digest is another");
    refused.says(&digest("hello-p2")).says(&wanted);
    assert_eq!(kept(&app), [""; 0]);
    let app = spin(&files.url("/none.wasm"), &wanted);
    app.refused().is(2).says("the answer is 404 Not Found");
    assert_eq!(kept(&app), [""; 0]);
}

#[test]
fn without_a_network_what_is_missing_is_told() {
    // Nobody listens there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/web.wasm", listener.local_addr().unwrap());
    drop(listener);
    let app = spin(&url, &digest("http-hello"));
    let refused = app.refused();
    refused
        .is(2)
        .says("the source of `web` cannot be fetched")
        .says(&url);
    refused.says("a file beside the manifest needs no network");
}

#[test]
fn an_imported_app_is_fetched_by_its_build() {
    let files = Files::of(std::fs::read(guest("http-hello")).unwrap());
    let app = spin(&files.url("/slow.wasm"), &digest("http-hello"));
    let import = ["import", "spin.toml", "-o", "holm.toml"];
    holm().args(import).dir(app.dir().path()).run().is(0);
    let manifest = app.dir().read("holm.toml");
    assert!(
        manifest.contains("[component.web.source]\nurl = "),
        "{manifest}"
    );
    let built = holm().arg("build").dir(app.dir().path()).run();
    built.is(0).says("fetching web: http://");
    let progress = built.stderr.lines().filter(|line| line.ends_with(" MiB"));
    assert!(progress.count() >= 1, "{}", built.stderr);
    let again = holm().arg("build").dir(app.dir().path()).run();
    again.is(0);
    assert!(!again.stderr.contains("fetching"), "{}", again.stderr);
    assert_eq!(files.asked(), ["/slow.wasm"]);
    let server = app.up();
    assert_eq!(server.get("/").status, 200);
}
