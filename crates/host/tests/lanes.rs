//! Two apps in one host, of which one computes without end: the other does not fail once.

mod support;

use bytes::Bytes;
use holm_host::apps::Apps;
use holm_host::logs::GuestLog;
use holm_host::server::Server;
use holm_host::setting::Setting;
use holm_host::shelf::Shelf;
use holm_host::shutdown::Shutdown;
use holm_host::triggers::http::AccessSink;
use holm_host::vocabulary;
use holm_manifest::{Parser, Source};
use holm_runtime::artifact::{Cache, Loader};
use holm_runtime::engines::Engines;
use holm_runtime::lanes::Lanes;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Runtime, Watch};
use http::Request;
use http_body_util::Full;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use support::*;
use tokio::task::JoinSet;

/// As many requests at once as the hostile app's concurrency allows.
const CONCURRENCY: usize = 64;

fn guests() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    match std::env::var_os("HOLM_GUESTS_OUT") {
        Some(out) => out.into(),
        None => cache.join("holm/guests"),
    }
}

/// The apps `loud` and `quiet`, each with one component, `http-lab`.
fn apps(lanes: &Arc<Lanes>, state: &Path) -> Apps {
    let engines = Engines::new(PoolSize::of(2 * CONCURRENCY as u32));
    let setting = Setting {
        memory: holm_host::setting::memory_of_this_machine(),
        runtime: Runtime::new(Loader::new(engines, Cache::of_user())).into(),
        log: GuestLog::off(),
        allow_precompiled: false,
        watch: Watch::default(),
        shelf: Shelf::of_this_machine(),
        lanes: lanes.clone(),
        many: true,
    };
    let apps = Apps::new(Arc::new(setting), AccessSink::off());
    let limits = format!("limits = {{ cpu = \"20 ms\", concurrency = {CONCURRENCY} }}");
    for (name, limits) in [("loud", limits.as_str()), ("quiet", "")] {
        let text = format!(
            "name = \"{name}\"\n[component.lab]\nsource = \"http-lab.wasm\"\n{limits}\n\
             [component.lab.grants]\nkeyvalue = [\"default\"]\n\
             [[http]]\nroute = \"/...\"\nhost = \"{name}.test\"\ncomponent = \"lab\"\n"
        );
        let source = Source::new(name, text.as_str());
        let mut manifest = Parser::new(vocabulary()).parse(&source).unwrap();
        manifest.dir = guests();
        let app = apps.load(manifest, Some(&state.join(name)));
        apps.put(app.unwrap_or_else(|problems| panic!("{problems:?}")))
            .unwrap();
    }
    apps
}

fn ask(app: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", format!("{app}.test"))
        .body(Full::default())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_computes_without_end_fails_nobody_else() {
    let (lanes, state) = (Lanes::new(), tempfile::tempdir().unwrap());
    let apps = apps(&lanes, state.path());
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let (addr, shutdown, handler) = (server.local_addr(), Shutdown::new(), apps.handler());
    let ended = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(handler, &shutdown).await }
    });

    let over = Arc::new(AtomicBool::new(false));
    let stopped = Arc::new(AtomicUsize::new(0));
    let mut attack = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (over, stopped) = (over.clone(), stopped.clone());
        attack.spawn(async move {
            while !over.load(Relaxed) {
                let answer = http1(addr)
                    .await
                    .send_request(ask("loud", "/spin"))
                    .await
                    .unwrap();
                assert!(answer.status().is_server_error(), "{}", answer.status());
                stopped.fetch_add(1, Relaxed);
            }
        });
    }
    let mut sender = http1(addr).await;
    let mut answered = 0;
    // Until the limit has stopped some, so that the attack is known to have been one.
    while answered < 200 || stopped.load(Relaxed) < CONCURRENCY {
        let answer = tokio::time::timeout(Duration::from_secs(60), async {
            sender.ready().await.unwrap();
            let answer = sender.send_request(ask("quiet", "/")).await.unwrap();
            assert_eq!(answer.status(), 200);
            text(answer).await
        });
        assert_eq!(answer.await.expect("it is answered at all"), "hello\n");
        answered += 1;
    }
    over.store(true, Relaxed);
    while let Some(attacker) = attack.join_next().await {
        attacker.unwrap();
    }
    shutdown.ask();
    assert_eq!(ended.await.unwrap(), 0);
    lanes.close();
}
