//! Versions change under load: no request fails, and no answer is of two versions. Each version has
//! other code, other grants and other files.

use crate::app::*;
use crate::apps::*;
use crate::client::*;
use crate::support::*;
use http::Request;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};

const VERSIONS: usize = 100;

/// How often a version's number stands in its file: more than fits in one piece.
const TIMES: usize = 20_000;

/// How often it stands in the answer of a component that has it in its code.
const IN_CODE: usize = 8000;

/// A component whose code says that it is version `n`: in a header, and again and again in its body.
fn coded(n: usize) -> Vec<u8> {
    let like = std::fs::read(guest("http-lab")).unwrap();
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&like).unwrap() else {
        panic!("http-lab is no component");
    };
    let of = &resolve.worlds[world];
    let named = |wanted: &str| {
        let mut all = of.imports.keys().chain(of.exports.keys());
        all.find_map(|key| {
            let name = resolve.name_world_key(key);
            (name.split('@').next() == Some(wanted)).then_some(name)
        })
        .unwrap()
    };
    let digits: [u8; 4] = format!("{n:04}").into_bytes().try_into().unwrap();
    let text = include_str!("fixtures/version.wat")
        .replace("{types}", &named("wasi:http/types"))
        .replace("{streams}", &named("wasi:io/streams"))
        .replace("{handler}", &named("wasi:http/incoming-handler"))
        .replace("{word}", &u32::from_le_bytes(digits).to_string());
    let mut module = wat::parse_str(&text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().validate(true);
    encoder.module(&module).unwrap().encode().unwrap()
}

/// Writes version `n` of an app that tells its version in five ways: by the code of a component; by
/// the environment of another, twice in one answer; by a folder that it was granted; by a file that
/// the host serves.
fn version(dir: &std::path::Path, n: usize) {
    let text = manifest("shop", "/...", &n.to_string()).replace(
        &format!("env = {{ VERSION = \"{n}\""),
        &format!("dirs = {{ \"/data\" = \"data\" }}\nenv = {{ AGAIN = \"{n}\", VERSION = \"{n}\""),
    ) + "\n[[http]]\nroute = \"/static/...\"\nfiles = \"public\"\nhost = \"shop.test\"\n\n\
           [component.code]\nsource = \"code.wasm\"\n\n\
           [[http]]\nroute = \"/code\"\ncomponent = \"code\"\nhost = \"shop.test\"\n\n\
           [serve]\nhealth = \"/hello\"\n";
    app(dir, &text);
    std::fs::write(dir.join("code.wasm"), coded(n)).unwrap();
    for folder in ["data", "public"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    std::fs::write(dir.join("data/version"), n.to_string()).unwrap();
    let page = format!("{n} ").repeat(TIMES);
    std::fs::write(dir.join("public/page"), page).unwrap();
}

/// The one version that an answer is of; anything else is a failure of the test.
fn version_of(path: &str, reply: &Reply) -> usize {
    let text = reply.text();
    assert_eq!(reply.status, 200, "{path}: {text}");
    match path {
        "/env" => {
            let env = reply.json();
            assert_eq!(env["VERSION"], env["AGAIN"], "two versions in one answer");
            env["VERSION"].as_str().unwrap().parse().unwrap()
        }
        "/code" => {
            let said = reply.header("x-version");
            assert_eq!(text, said.repeat(IN_CODE), "another version in the head");
            said.parse().unwrap()
        }
        "/static/page" => {
            let all: BTreeSet<&str> = text.split_whitespace().collect();
            assert_eq!(all.len(), 1, "two versions in one file");
            let n = all.first().unwrap();
            assert_eq!(text.len(), (n.len() + 1) * TIMES, "a part of a file");
            n.parse().unwrap()
        }
        _ => text.parse().unwrap(),
    }
}

/// Asks without end, on one connection or on one for each request. Versions never go back: once one
/// has answered, no older one does.
async fn load(addr: SocketAddr, keep: bool, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    let mut connection = Connection::http1(addr).await;
    let paths = ["/code", "/env", "/static/page", "/file?path=/data/version"];
    let mut newest = 0;
    // One more round after the stop: it begins when the last version is served.
    let mut last = false;
    while !last {
        last = stop.load(SeqCst);
        for path in paths {
            if !keep {
                connection = Connection::http1(addr).await;
            }
            let request = Request::get(path).header("host", "shop.test");
            let request = request.body(full("")).unwrap();
            let response = connection.send(request).await.expect("a request was lost");
            let reply = whole(response).await.expect("an answer was cut");
            let version = version_of(path, &reply);
            assert!(version >= newest, "{path}: {version} after {newest}");
            newest = version;
            asked.fetch_add(1, SeqCst);
        }
    }
    assert_eq!(newest, VERSIONS, "the last version was not seen");
}

#[test]
fn a_hundred_versions_under_load() {
    let _alone = alone();
    let host = Host::with(&[], &["--admin", "unix:admin.sock", "--quiet"]);
    let source = host.scratch().join("src");
    let apps = |call: &str| {
        holm()
            .args(["apps", call, "src", "--admin", "unix:admin.sock"])
            .dir(host.scratch().path())
            .run()
            .is(0);
    };
    version(&source, 0);
    apps("add");
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let addr = host.addr();
    // Two that keep their connections, and two that do not.
    let clients: Vec<_> = [true, true, false, false]
        .into_iter()
        .map(|keep| {
            let (stop, asked) = (stop.clone(), asked.clone());
            std::thread::spawn(move || block(load(addr, keep, stop, asked)))
        })
        .collect();
    for n in 1..=VERSIONS {
        version(&source, n);
        let before = asked.load(SeqCst);
        apps("replace");
        // Each version is asked for something before the next one comes.
        until("requests", || {
            (asked.load(SeqCst) > before + 16).then_some(())
        });
        assert!(
            clients.iter().all(|client| !client.is_finished()),
            "a client has failed"
        );
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.join().expect("a request failed, or was mixed");
    }
    assert!(asked.load(SeqCst) > 16 * VERSIONS);
    // Old versions leave nothing behind.
    until("one version is left", || {
        let left = std::fs::read_dir(host.scratch().join("apps/.holm/apps")).unwrap();
        (left.count() == 1).then_some(())
    });
}
