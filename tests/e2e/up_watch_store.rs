//! The trigger `[[watch]]`: changes of a store, as its provider acknowledges them.

use crate::app::*;
use crate::support::*;
use crate::up_data::server;

fn app(store: &str) -> App {
    watched("watch-lab", "", store)
}

/// A guest that watches, lines of its trigger's table, and the table of the store.
fn watched(guest: &str, trigger: &str, store: &str) -> App {
    App::new(&format!(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n\
         [component.audit]\nsource = \"audit.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         [[watch]]\nstore = \"default\"\nkeys = \"user:*\"\ncomponent = \"audit\"\n{trigger}\n\n{store}"
    ))
    .guest("lab.wasm", "http-lab")
    .guest("audit.wasm", guest)
}

/// A server over the app that watches already.
fn up(app: &App) -> Served {
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let connected = "holm_trigger_connected{app=\"shop\",trigger=\"audit\"}";
    until("it watches", || {
        (server.metric(app.dir(), connected)? == 1.0).then_some(())
    });
    server
}

/// A store on a server, in a part of it that is this test's.
fn on_a_server(provider: &str, variable: &str, part: &str) -> String {
    format!(
        "[store.default]\ntype = \"keyvalue\"\nprovider = \"{provider}\"\nurl = \"{}\"\n\
         {part} = \"watch-{}\"\n",
        self::server(variable),
        std::process::id()
    )
}

#[test]
fn a_component_is_told_of_changes_of_a_store() {
    for store in [
        String::new(),
        "[store.default]\ntype = \"keyvalue\"\nprovider = \"memory\"\n".to_owned(),
        on_a_server("redis", "HOLM_TEST_REDIS", "prefix"),
        on_a_server("nats", "HOLM_TEST_NATS", "bucket"),
    ] {
        let app = app(&store);
        let server = up(&app);
        server.get("/kv/set?key=other&value=1");
        server.get("/kv/set?key=user:1&value=ada");
        server.prints("set user:1 ada, now ada");
        server.get("/kv/delete?key=user:1");
        server.prints("deleted user:1, there: false");
        // One that fails is told of, and the next one comes.
        server.get("/kv/set?key=user:2&value=fail");
        server.logged("job", |line| line["outcome"] == "error");
        server.get("/kv/set?key=user:3&value=bo");
        server.prints("set user:3 bo, now bo");
        assert_eq!(server.printed("set other 1, now 1"), 0);
        assert_eq!(server.terminate(), 0);
    }
}

/// The older draft of the interface; a change that fails is tried again as often as the table says.
#[test]
fn a_change_is_tried_again() {
    let retry = "retry = { times = 2, delay = \"10 ms\" }";
    let app = watched("watch-lab-draft", retry, "");
    let server = up(&app);
    server.get("/kv/set?key=user:1&value=fail+2");
    server.prints("set user:1 fail 2, now fail 2");
    assert_eq!(server.printed("begin user:1 fail 2"), 3);
    server.get("/kv/set?key=user:2&value=fail+9");
    server.get("/kv/set?key=user:3&value=bo");
    server.prints("set user:3 bo, now bo");
    assert_eq!(server.printed("begin user:2 fail 9"), 3);
    server.get("/kv/delete?key=user:3");
    server.prints("deleted user:3, there: false");
    for (outcome, number) in [("done", 3.0), ("dropped", 1.0), ("failed", 5.0)] {
        let sample =
            format!("holm_messages_total{{app=\"shop\",trigger=\"audit\",outcome=\"{outcome}\"}}");
        until("all are counted", || {
            (server.metric(app.dir(), &sample)? == number).then_some(())
        });
    }
}

#[test]
fn as_many_changes_at_once_as_the_table_says() {
    let app = watched("watch-lab-draft", "concurrency = 2", "");
    let server = up(&app);
    server.get("/kv/set?key=user:1&value=sleep+600000");
    server.prints("begin user:1 sleep 600000");
    server.get("/kv/set?key=user:2&value=bo");
    server.prints("set user:2 bo, now bo");
    server.kill();
    // One at a time where it says nothing: the second waits for the first, however long that takes.
    let app = watched("watch-lab-draft", "", "");
    let server = up(&app);
    server.get("/kv/set?key=user:1&value=sleep+300");
    server.get("/kv/set?key=user:2&value=bo");
    let done = server.logged("log", |line| {
        line["line"]
            .as_str()
            .is_some_and(|line| line.starts_with("set "))
    });
    assert_eq!(done["line"], "set user:1 sleep 300, now sleep 300");
    server.prints("set user:2 bo, now bo");
}

#[test]
fn by_hand() {
    let app = app("");
    let trigger = |payload: &str| {
        let command = holm().args(["trigger", "audit", "--payload", payload]);
        command.dir(app.dir().path()).run()
    };
    let set = trigger("{\"key\": \"user:1\", \"value\": \"ada\"}");
    set.is(0).says("set user:1 ada, now ");
    trigger("{\"key\": \"user:1\"}")
        .is(0)
        .says("deleted user:1");
    trigger("user:1")
        .is(2)
        .says("the payload is no change of a store");
}

#[test]
fn who_watches_must_be_able_to() {
    let app = app("");
    app.edit("component = \"audit\"", "component = \"lab\"");
    app.check().is(2).says("component `lab` watches no store");
}
