//! The trigger `[[message]]` and the capability `messaging`, over each broker.

use crate::app::*;
use crate::brokers::*;
use crate::support::*;
use serde_json::{Value, json};

/// An app that sends, takes, and takes dead letters, through the broker `events`.
fn app(broker: &str, trigger: &str) -> App {
    App::new(&format!(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\
         grants.keyvalue = [\"default\"]\ngrants.messaging = [\"events\"]\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n{broker}\n\n\
         [[message]]\nname = \"work\"\nbroker = \"events\"\ntopic = \"work\"\ncomponent = \"lab\"\n\
         dead_letter = \"dead\"\nretry = {{ times = 2, delay = \"10 ms\" }}\n{trigger}\n\n\
         [[message]]\nname = \"undertaker\"\nbroker = \"events\"\ntopic = \"dead\"\ncomponent = \"lab\"\n",
    ))
    .guest("lab.wasm", "message-lab")
}

fn encoded(text: &str) -> String {
    text.replace(' ', "+")
}

fn ask(server: &Server, path: &str, topic: &str, data: &str, more: &str) -> Value {
    let data = encoded(data);
    let target = format!("/{path}?broker=events&topic={topic}&data={data}{more}");
    server.get(&target).json()
}

#[track_caller]
fn send(server: &Server, topic: &str, data: &str) {
    assert_eq!(ask(server, "send", topic, data, ""), json!({"ok": "sent"}));
}

/// A server over the app that already listens to both topics.
fn up(app: &App) -> Served {
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    listens(app, &server);
    server
}

fn listens(app: &App, server: &Served) {
    for trigger in ["work", "undertaker"] {
        let sample = format!("holm_trigger_connected{{app=\"shop\",trigger=\"{trigger}\"}}");
        until("it listens", || {
            (server.metric(app.dir(), &sample)? == 1.0).then_some(())
        });
    }
}

fn counted(app: &App, server: &Served, outcome: &str) -> f64 {
    let sample =
        format!("holm_messages_total{{app=\"shop\",trigger=\"work\",outcome=\"{outcome}\"}}");
    server.metric(app.dir(), &sample).unwrap()
}

fn memory() -> &'static str {
    "[broker.events]\ntype = \"memory\"\nmessage_size = \"1 KiB\""
}

fn jetstream(nats: &Daemon) -> String {
    format!(
        "[broker.events]\ntype = \"nats\"\nurl = \"{}\"\nstream = \"SHOP\"\nsubjects = [\"work\", \"dead\"]",
        nats.url()
    )
}

fn plain(kind: &str, daemon: &Daemon) -> String {
    format!(
        "[broker.events]\ntype = \"{kind}\"\nurl = \"{}\"",
        daemon.url()
    )
}

/// What each broker does: a message comes, one that fails twice succeeds, one that always fails is a
/// dead letter in the end.
fn works(broker: &str, carries_metadata: bool) {
    let app = app(broker, "");
    let server = up(&app);
    match carries_metadata {
        true => {
            let more = "&type=text/plain&meta=colour:red";
            let sent = ask(&server, "send", "work", "hello there", more);
            assert_eq!(sent, json!({"ok": "sent"}));
            server.prints("done work hello there text/plain colour=red");
        }
        false => {
            send(&server, "work", "hello there");
            server.prints("done work hello there");
        }
    }
    send(&server, "work", "fail 2 x");
    server.prints("done work fail 2 x");
    assert_eq!(server.printed("begin fail 2 x"), 3);
    send(&server, "work", "fail 99 y");
    let letter = server.logged("log", |line| {
        let line = line["line"].as_str();
        line.is_some_and(|line| line.starts_with("done dead fail 99 y"))
    });
    let letter = letter["line"].as_str().unwrap().to_owned();
    if carries_metadata {
        assert!(letter.contains(" holm-topic=work"), "{letter}");
        assert!(
            letter.contains(" holm-fault=lab returned an error"),
            "{letter}"
        );
    }
    until("it is counted", || {
        (counted(&app, &server, "dead") == 1.0).then_some(())
    });
    assert_eq!(counted(&app, &server, "done"), 2.0);
    assert_eq!(counted(&app, &server, "failed"), 5.0);
    assert_eq!(server.terminate(), 0);
}

/// A host that is killed between taking a message and confirming it: the message comes again.
fn is_not_lost_with_the_host(broker: &str) {
    let app = app(broker, "redeliver_after = \"2 s\"");
    let server = up(&app);
    send(&server, "work", "sleep 60000 x");
    server.prints("begin sleep 60000 x");
    server.kill();
    app.edit("lab.wasm\"\n", "lab.wasm\"\nlimits.timeout = \"1 s\"\n");
    let server = up(&app);
    // It is begun again, does not come to an end in time, and is dead after that.
    server.prints("begin sleep 60000 x");
    server.logged("log", |line| {
        let line = line["line"].as_str();
        line.is_some_and(|line| line.starts_with("done dead sleep 60000 x"))
    });
    assert_eq!(server.printed("done work sleep 60000 x"), 0);
    // It was confirmed with its death, and does not come a third time.
    until("it is counted", || {
        (counted(&app, &server, "dead") == 1.0).then_some(())
    });
    server.kill();
    let server = up(&app);
    send(&server, "work", "the next");
    server.prints("done work the next");
    assert_eq!(server.printed("begin sleep 60000 x"), 0);
}

/// A broker that speaks TLS alone: who trusts its certificate sends and takes, who doesn't does neither.
fn is_spoken_over_tls(broker: &str, daemon: &Daemon) {
    let app = app(broker, "");
    let stranger = app.up_with(&["--admin", "unix:admin.sock"]);
    stranger.wait_for("broker \"events\" cannot be reached");
    let refused = ask(&stranger, "send", "work", "secret", "");
    assert!(refused["ok"].is_null(), "{refused}");
    stranger.kill();
    let server = app.up_trusting(&daemon.certificate(), &["--admin", "unix:admin.sock"]);
    listens(&app, &server);
    send(&server, "work", "in private");
    server.prints("done work in private");
    assert_eq!(server.printed("done work secret"), 0);
}

/// A broker that is killed under load: what it has acknowledged is handled.
fn is_not_lost_with_the_broker(daemon: &mut Daemon, broker: &str) {
    let app = app(broker, "redeliver_after = \"2 s\"");
    let server = up(&app);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    let mut send_some = |from: u32, to: u32| {
        for n in from..to {
            let data = format!("number {n}");
            let sent = ask(&server, "send", "work", &data, "");
            match sent["ok"].is_null() {
                false => acknowledged.push(data),
                true => refused += 1,
            }
        }
    };
    send_some(0, 20);
    // Mosquitto writes down what it has acknowledged a moment later.
    until("what it has acknowledged is safe", || {
        let done = server.printed("done work number 19") > 0;
        (done || daemon.has_written("number 19")).then_some(())
    });
    daemon.kill();
    send_some(20, 22);
    daemon.restart();
    until("it takes messages again", || {
        let sent = ask(&server, "send", "work", "again", "");
        (sent == json!({"ok": "sent"})).then_some(())
    });
    send_some(22, 40);
    assert!(
        refused >= 2 && acknowledged.len() >= 30,
        "{refused} {acknowledged:?}"
    );
    for data in acknowledged {
        server.prints(&format!("done work {data}"));
    }
    let made = "holm_trigger_connections_total{app=\"shop\",trigger=\"work\"}";
    assert!(server.metric(app.dir(), made).unwrap() >= 2.0);
}

/// A broker that answers nothing any more: who sends is told so, and what comes after is handled.
fn may_hang(daemon: &Daemon, broker: &str) {
    let app = app(broker, "redeliver_after = \"2 s\"");
    let server = up(&app);
    send(&server, "work", "before");
    server.prints("done work before");
    let failed = "holm_connection_failures_total{capability=\"messaging\"}";
    let failures = server.metric(app.dir(), failed).unwrap();
    daemon.hang();
    let sent = ask(&server, "send", "work", "lost or not", "");
    let error = sent["error"].as_str().unwrap();
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(server.metric(app.dir(), failed).unwrap() > failures);
    daemon.go_on();
    until("it takes messages again", || {
        let sent = ask(&server, "send", "work", "after", "");
        (sent == json!({"ok": "sent"})).then_some(())
    });
    server.prints("done work after");
}

#[test]
fn in_memory() {
    works(memory(), true);
}

#[test]
fn over_redis() {
    let redis = Daemon::start(Kind::Redis);
    works(&plain("redis", &redis), true);
    // What was confirmed is gone.
    assert_eq!(redis.redis(&["XLEN", "work"]), ":0");
}

#[test]
fn over_nats() {
    works(&plain("nats", &Daemon::start(Kind::Nats)), true);
}

#[test]
fn over_jetstream() {
    works(&jetstream(&Daemon::start(Kind::Nats)), true);
}

#[test]
fn over_mqtt() {
    works(&plain("mqtt", &Daemon::start(Kind::Mosquitto)), false);
}

#[test]
fn redis_gives_it_again_when_the_host_dies() {
    is_not_lost_with_the_host(&plain("redis", &Daemon::start(Kind::Redis)));
}

#[test]
fn jetstream_gives_it_again_when_the_host_dies() {
    is_not_lost_with_the_host(&jetstream(&Daemon::start(Kind::Nats)));
}

#[test]
fn mqtt_gives_it_again_when_the_host_dies() {
    is_not_lost_with_the_host(&plain("mqtt", &Daemon::start(Kind::Mosquitto)));
}

#[test]
fn redis_over_tls() {
    let daemon = Daemon::start_tls(Kind::Redis);
    is_spoken_over_tls(&plain("redis", &daemon), &daemon);
}

#[test]
fn nats_over_tls() {
    let daemon = Daemon::start_tls(Kind::Nats);
    is_spoken_over_tls(&jetstream(&daemon), &daemon);
}

#[test]
fn mqtt_over_tls() {
    let daemon = Daemon::start_tls(Kind::Mosquitto);
    is_spoken_over_tls(&plain("mqtt", &daemon), &daemon);
}

#[test]
fn redis_may_die() {
    let mut daemon = Daemon::start(Kind::Redis);
    let broker = plain("redis", &daemon);
    is_not_lost_with_the_broker(&mut daemon, &broker);
}

#[test]
fn jetstream_may_die() {
    let mut daemon = Daemon::start(Kind::Nats);
    let broker = jetstream(&daemon);
    is_not_lost_with_the_broker(&mut daemon, &broker);
}

#[test]
fn mosquitto_may_die() {
    let mut daemon = Daemon::start(Kind::Mosquitto);
    let broker = plain("mqtt", &daemon);
    is_not_lost_with_the_broker(&mut daemon, &broker);
}

#[test]
fn redis_may_hang() {
    let daemon = Daemon::start(Kind::Redis);
    may_hang(&daemon, &plain("redis", &daemon));
}

#[test]
fn jetstream_may_hang() {
    let daemon = Daemon::start(Kind::Nats);
    may_hang(&daemon, &jetstream(&daemon));
}

#[test]
fn mosquitto_may_hang() {
    let daemon = Daemon::start(Kind::Mosquitto);
    may_hang(&daemon, &plain("mqtt", &daemon));
}

#[test]
fn a_request_has_answers() {
    let (nats, redis) = (Daemon::start(Kind::Nats), Daemon::start(Kind::Redis));
    for broker in [
        memory().to_owned(),
        plain("nats", &nats),
        jetstream(&nats),
        plain("redis", &redis),
    ] {
        let app = app(&broker, "");
        let server = up(&app);
        let answer = ask(&server, "request", "work", "answer me", "");
        assert_eq!(answer, json!({"ok": ["answer me"]}), "{broker}");
        // One that is none comes to its end.
        let answer = ask(&server, "request", "work", "silence", "&ms=50");
        assert_eq!(answer["error"], "Error::Timeout", "{broker}");
        assert_eq!(server.terminate(), 0);
    }
    let mqtt = Daemon::start(Kind::Mosquitto);
    let app = app(&plain("mqtt", &mqtt), "");
    let answer = ask(&up(&app), "request", "work", "answer me", "");
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("knows no answers"),
        "{answer}"
    );
}

#[test]
fn what_is_not_granted_or_too_large_is_refused() {
    let app = app(memory(), "");
    let server = app.up();
    let other = server.get("/send?broker=other&topic=work&data=x").json();
    let said = other["error"].as_str().unwrap();
    assert!(said.starts_with("Error::PermissionDenied"), "{said}");
    let line = server.logged("request", |line| !line["denials"].is_null());
    assert_eq!(
        line["denials"],
        json!([{
            "asked": "use broker \"other\"",
            "grant": "messaging",
            "line": "messaging = [\"other\"]",
        }])
    );
    let large = ask(&server, "send", "work", &"x".repeat(2000), "");
    let said = large["error"].as_str().unwrap();
    assert!(said.contains("takes 1 KiB at most"), "{said}");
    // It cost what its receipt says.
    send(&server, "work", "four");
    let line = server.logged("request", |line| {
        !line["receipt"]["bytes"]["messaging"].is_null()
    });
    assert_eq!(line["receipt"]["bytes"]["messaging"], json!([0, 4]));
}

#[test]
fn dead_letters_go_where_nobody_gives_them_up_again() {
    let app = app(memory(), "");
    app.edit("dead_letter = \"dead\"", "dead_letter = \"work\"");
    let refused = app.check();
    refused.is(2).says("dead letters would come back");
    app.edit("dead_letter = \"work\"", "dead_letter = \"dead.*\"");
    app.check().is(2).says("not to a pattern");
}

/// Sent before anybody could have listened: it is there all the same.
#[test]
fn in_memory_the_first_request_may_send() {
    let app = app(memory(), "");
    let server = app.up();
    send(&server, "work", "at once");
    server.prints("done work at once");
}

#[test]
fn by_hand_in_the_server_that_serves_it() {
    let app = app(memory(), "");
    let server = up(&app);
    let trigger = |payload: &str| {
        let args = [
            "trigger",
            "work",
            "--admin",
            "unix:admin.sock",
            "--payload",
            payload,
        ];
        holm().args(args).dir(app.dir().path()).run()
    };
    trigger("by hand").is(0);
    server.prints("done work by hand");
    let failed = trigger("fail 99 x");
    failed.is(134).says("lab returned an error");
}

#[test]
fn the_end_waits_for_what_is_at_work() {
    let app = app(memory(), "");
    let mut server = up(&app);
    send(&server, "work", "sleep 1500 x");
    server.prints("begin sleep 1500 x");
    server.signal(libc::SIGTERM);
    assert_eq!(server.ends_within(std::time::Duration::from_secs(30)), 0);
    assert_eq!(server.printed("done work sleep 1500 x"), 1);
}

#[test]
fn as_many_at_once_as_the_table_says() {
    let app = app(memory(), "concurrency = 2");
    let server = up(&app);
    for name in ["a", "b", "c"] {
        send(&server, "work", &format!("sleep 3000 {name}"));
    }
    server.prints("begin sleep 3000 a");
    server.prints("begin sleep 3000 b");
    assert_eq!(server.printed("begin sleep 3000 c"), 0);
    server.prints("done work sleep 3000 c");
    let lines = server.log("log");
    let at = |text: &str| lines.iter().position(|line| line["line"] == text).unwrap();
    assert!(
        at("begin sleep 3000 c") > at("done work sleep 3000 a").min(at("done work sleep 3000 b"))
    );
}

#[test]
fn a_component_of_wasmclouds_published_crate() {
    let nats = Daemon::start(Kind::Nats);
    for broker in [memory().to_owned(), plain("nats", &nats)] {
        let app = app(&broker, "").and(
            "[component.cloud]\nsource = \"cloud.wasm\"\ngrants.messaging = [\"events\"]\n\n\
             [[message]]\nbroker = \"events\"\ntopic = \"cloud.*\"\ncomponent = \"cloud\"\n\n\
             [[message]]\nname = \"echo\"\nbroker = \"events\"\ntopic = \"out\"\ncomponent = \"lab\"\n\n\
             [[message]]\nname = \"other\"\nbroker = \"events\"\ntopic = \"echo\"\ncomponent = \"cloud\"\n",
        )
        .guest("cloud.wasm", "wasmcloud-messages");
        let server = up(&app);
        for trigger in ["cloud", "echo", "other"] {
            let sample = format!("holm_trigger_connected{{app=\"shop\",trigger=\"{trigger}\"}}");
            until("it listens", || {
                (server.metric(app.dir(), &sample)? == 1.0).then_some(())
            });
        }
        send(&server, "cloud.rain", "hello");
        server.prints("cloud.rain hello");
        server.prints("done out hello");
        // Its request is answered by the handler of the other topic.
        send(&server, "cloud.sun", "ask echo");
        server.prints("answered hello");
    }
}
