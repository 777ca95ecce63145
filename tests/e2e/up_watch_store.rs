//! The trigger `[[watch]]`: changes of a store, as its provider acknowledges them.

use crate::app::*;
use crate::support::*;

fn app(store: &str) -> App {
    App::new(&format!(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n\
         [component.audit]\nsource = \"audit.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         [[watch]]\nstore = \"default\"\nkeys = \"user:*\"\ncomponent = \"audit\"\n\n{store}"
    ))
    .guest("lab.wasm", "http-lab")
    .guest("audit.wasm", "watch-lab")
}

#[test]
fn a_component_is_told_of_changes_of_a_store() {
    for store in [
        "",
        "[store.default]\ntype = \"keyvalue\"\nprovider = \"memory\"\n",
    ] {
        let app = app(store);
        let server = app.up_with(&["--admin", "unix:admin.sock"]);
        let connected = "holm_trigger_connected{app=\"shop\",trigger=\"audit\"}";
        until("it watches", || {
            (server.metric(app.dir(), connected)? == 1.0).then_some(())
        });
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
