//! The triggers `[[redis]]` and `[[mqtt]]`, as tables of ours and of Spin's, with servers that die.

use crate::app::*;
use crate::brokers::*;
use crate::support::*;

fn redis_app(redis: &Daemon, guest: &str) -> App {
    App::new(&format!(
        "name = \"shop\"\n\n[component.orders]\nsource = \"orders.wasm\"\n\n\
         [[redis]]\nurl = \"{}\"\nchannel = \"orders\"\ncomponent = \"orders\"\n",
        redis.url()
    ))
    .guest("orders.wasm", guest)
}

fn mqtt_app(mqtt: &Daemon) -> App {
    App::new(&format!(
        "name = \"home\"\n\n[component.readings]\nsource = \"readings.wasm\"\n\n\
         [[mqtt]]\nurl = \"{}\"\ntopic = \"rooms/+/heat\"\ncomponent = \"readings\"\n",
        mqtt.url()
    ))
    .guest("readings.wasm", "mqtt-lab")
}

/// The lab behind a trigger: it fails, sleeps and succeeds as a message says.
fn lab(trigger: &str) -> App {
    App::new(&format!(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         {trigger}\nname = \"work\"\ncomponent = \"lab\"\n"
    ))
    .guest("lab.wasm", "message-lab")
}

/// A server over it that hears its broker.
fn hears(app: &App) -> Served {
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let connected = "holm_trigger_connected{app=\"shop\",trigger=\"work\"}";
    until("it hears the broker", || {
        (server.metric(app.dir(), connected)? == 1.0).then_some(())
    });
    server
}

/// Lines of a trigger's table do what they say; `trigger` is the table without them.
fn retries_and_concurrency(trigger: &str, publish: impl Fn(&str)) {
    let app = lab(&format!(
        "{trigger}\nretry = {{ times = 2, delay = \"10 ms\" }}"
    ));
    let server = hears(&app);
    publish("fail 2 a");
    server.prints("done orders fail 2 a");
    assert_eq!(server.printed("begin fail 2 a"), 3);
    publish("fail 9 b");
    publish("after");
    server.prints("done orders after");
    assert_eq!(server.printed("begin fail 9 b"), 3);
    for (outcome, number) in [("done", 2.0), ("dropped", 1.0), ("failed", 5.0)] {
        let sample =
            format!("holm_messages_total{{app=\"shop\",trigger=\"work\",outcome=\"{outcome}\"}}");
        until("all are counted", || {
            (server.metric(app.dir(), &sample)? == number).then_some(())
        });
    }
    assert_eq!(server.terminate(), 0);
    // Two at once: the second does not wait for the first.
    let app = lab(&format!("{trigger}\nconcurrency = 2"));
    let server = hears(&app);
    publish("sleep 600000 c");
    server.prints("begin sleep 600000 c");
    publish("d");
    server.prints("done orders d");
    server.kill();
}

/// One at a time where the table says nothing: in the order in which they came, however long each takes.
fn one_after_the_other(trigger: &str, publish: impl Fn(&str)) {
    let server = hears(&lab(trigger));
    publish("sleep 300 a");
    publish("b");
    let done = server.logged("log", |line| {
        let line = line["line"].as_str();
        line.is_some_and(|line| line.starts_with("done"))
    });
    assert_eq!(done["line"], "done orders sleep 300 a");
    server.prints("done orders b");
}

#[test]
fn a_table_of_redis_says_how_often_and_how_many_at_once() {
    let redis = Daemon::start(Kind::Redis);
    let trigger = format!("[[redis]]\nurl = \"{}\"\nchannel = \"orders\"", redis.url());
    let publish = |data: &str| redis.publish_when_heard("orders", data);
    one_after_the_other(&trigger, publish);
    retries_and_concurrency(&trigger, publish);
}

#[test]
fn a_table_of_mqtt_says_how_often_and_how_many_at_once() {
    let mqtt = Daemon::start(Kind::Mosquitto);
    let trigger = format!("[[mqtt]]\nurl = \"{}\"\ntopic = \"orders\"", mqtt.url());
    let publish = |data: &str| mqtt.publish_mqtt("orders", data);
    one_after_the_other(&trigger, publish);
    retries_and_concurrency(&trigger, publish);
}

#[test]
fn what_is_published_on_a_channel_comes_to_a_component_of_spins_sdk() {
    comes("spin-sdk-redis");
}

#[test]
fn what_is_published_on_a_channel_comes_to_an_async_one_of_spins_sdk() {
    comes("spin-sdk-redis-7");
}

#[test]
fn what_is_published_on_a_channel_comes_to_one_of_spins_sdk_for_python() {
    comes("spin-sdk-py-redis");
}

fn comes(guest: &str) {
    let mut redis = Daemon::start(Kind::Redis);
    let app = redis_app(&redis, guest);
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    redis.publish_when_heard("orders", "one");
    server.prints("took one");
    let line = server.logged("job", |line| line["outcome"] == "ok");
    assert_eq!(line["trigger"], "orders");
    assert!(line["receipt"]["cpu_us"].as_u64().is_some(), "{line}");
    // A handler that fails is told of, and the next message is handled all the same.
    redis.publish_when_heard("orders", "fail");
    let line = server.logged("job", |line| line["outcome"] == "error");
    assert!(
        line["fault"]
            .as_str()
            .unwrap()
            .starts_with("orders returned an error")
    );
    redis.publish_when_heard("orders", "two");
    server.prints("took two");
    // The server dies, and is heard again when it is back.
    redis.kill();
    let connected = "holm_trigger_connected{app=\"shop\",trigger=\"orders\"}";
    until("it is known to be gone", || {
        (server.metric(app.dir(), connected)? == 0.0).then_some(())
    });
    redis.restart();
    redis.publish_when_heard("orders", "three");
    server.prints("took three");
    let made = "holm_trigger_connections_total{app=\"shop\",trigger=\"orders\"}";
    assert_eq!(server.metric(app.dir(), made), Some(2.0));
    assert_eq!(server.metric(app.dir(), connected), Some(1.0));
    let done = "holm_messages_total{app=\"shop\",trigger=\"orders\",outcome=\"done\"}";
    until("all are counted", || {
        (server.metric(app.dir(), done) == Some(3.0)).then_some(())
    });
    let dropped = "holm_messages_total{app=\"shop\",trigger=\"orders\",outcome=\"dropped\"}";
    assert_eq!(server.metric(app.dir(), dropped), Some(1.0));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn messages_of_a_topic_come_to_a_component_for_spins_mqtt_trigger() {
    let mut mqtt = Daemon::start(Kind::Mosquitto);
    let app = mqtt_app(&mqtt);
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let connected = "holm_trigger_connected{app=\"home\",trigger=\"readings\"}";
    let listens = || {
        until("it listens", || {
            (server.metric(app.dir(), connected)? == 1.0).then_some(())
        })
    };
    listens();
    mqtt.publish_mqtt("rooms/kitchen/heat", "21");
    mqtt.publish_mqtt("rooms/kitchen/light", "on");
    mqtt.publish_mqtt("rooms/hall/heat", "19");
    server.prints("rooms/kitchen/heat 21");
    server.prints("rooms/hall/heat 19");
    assert_eq!(server.printed("rooms/kitchen/light on"), 0);
    mqtt.publish_mqtt("rooms/hall/heat", "fail");
    let line = server.logged("job", |line| line["outcome"] == "error");
    assert!(
        line["fault"].as_str().unwrap().contains("asked to"),
        "{line}"
    );
    mqtt.kill();
    until("it is known to be gone", || {
        (server.metric(app.dir(), connected)? == 0.0).then_some(())
    });
    mqtt.restart();
    listens();
    mqtt.publish_mqtt("rooms/hall/heat", "20");
    server.prints("rooms/hall/heat 20");
    assert_eq!(server.terminate(), 0);
    // What comes while nobody is there is given later: the broker keeps the session.
    mqtt.publish_mqtt("rooms/hall/heat", "18");
    let server = app.up();
    server.prints("rooms/hall/heat 18");
}

/// An app of Spin's with both, its addresses from a variable.
fn spin(redis: &Daemon, mqtt: &Daemon) -> App {
    App::spin(&format!(
        r#"spin_manifest_version = 2

[application]
name = "both"

[application.trigger.redis]
address = "redis://{{{{ host }}}}:{}"

[application.trigger.mqtt]
address = "mqtt://{{{{ host }}}}:{}"
username = ""
password = ""
keep_alive_interval = "30"

[variables]
host = {{ default = "127.0.0.1" }}

[[trigger.redis]]
channel = "orders"
component = "orders"

[[trigger.mqtt]]
id = "heat"
topic = "heat"
qos = "1"
component = "readings"

[component.orders]
source = "orders.wasm"

[component.readings]
source = "readings.wasm"
"#,
        redis.port, mqtt.port
    ))
    .guest("orders.wasm", "spin-sdk-redis")
    .guest("readings.wasm", "mqtt-lab")
}

#[test]
fn an_app_of_spins_with_both() {
    let (redis, mqtt) = (Daemon::start(Kind::Redis), Daemon::start(Kind::Mosquitto));
    let app = spin(&redis, &mqtt);
    let works = |server: &Served| {
        redis.publish_when_heard("orders", "one");
        server.prints("took one");
        until("it listens and takes", || {
            mqtt.publish_mqtt("heat", "21");
            (server.printed("heat 21") > 0).then_some(())
        });
    };
    let server = app.up();
    works(&server);
    assert_eq!(server.terminate(), 0);
    // Its equal of ours.
    let imported = holm()
        .args(["import", "spin.toml", "-o", "holm.toml"])
        .dir(app.dir().path())
        .run();
    imported.is(0);
    let manifest = app.dir().read("holm.toml");
    for line in [
        "[[redis]]",
        "channel = \"orders\"",
        "[[mqtt]]",
        "name = \"heat\"",
        "qos = 1",
        "keep_alive = \"30 s\"",
    ] {
        assert!(manifest.contains(line), "no {line} in\n{manifest}");
    }
    std::fs::remove_file(app.dir().join("spin.toml")).unwrap();
    works(&app.up());
}

#[test]
fn by_hand_without_a_server() {
    let app = App::new(
        "name = \"shop\"\n\n[component.orders]\nsource = \"orders.wasm\"\n\n\
         [[redis]]\nurl = \"redis://127.0.0.1:1\"\nchannel = \"orders\"\ncomponent = \"orders\"\n\n\
         [component.readings]\nsource = \"readings.wasm\"\n\n\
         [[mqtt]]\nname = \"heat\"\nurl = \"mqtt://127.0.0.1:1\"\ntopic = \"heat\"\ncomponent = \"readings\"\n",
    )
    .guest("orders.wasm", "spin-sdk-redis")
    .guest("readings.wasm", "mqtt-lab");
    let trigger = |args: &[&str]| {
        let command = holm().arg("trigger").args(args).dir(app.dir().path());
        command.stdin("from stdin").run()
    };
    let taken = trigger(&["orders", "--payload", "not JSON"]);
    assert_eq!(taken.is(0).says("took not JSON").stdout, "");
    trigger(&["orders", "--payload", "-"])
        .is(0)
        .says("took from stdin");
    trigger(&["heat", "--payload", "21"]).is(0).says("heat 21");
    trigger(&["orders", "--payload", "fail"])
        .is(134)
        .says("orders returned an error");
    trigger(&["heats"]).is(2).says("it has orders, heat");
}

#[test]
fn what_is_wrong_is_said_before_it_is_served() {
    let app = App::new(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
         [[redis]]\nurl = \"http://user:secret@127.0.0.1\"\nchannel = \"orders\"\ncomponent = \"lab\"\n",
    )
    .guest("lab.wasm", "call-lab");
    let refused = app.check();
    refused
        .is(2)
        .says("this is not the address of such a server");
    assert!(!refused.stderr.contains("secret\""), "{}", refused.stderr);
    app.edit("http://user:secret@127.0.0.1", "redis://127.0.0.1");
    app.check().is(2).says("component `lab` takes no messages");
}
