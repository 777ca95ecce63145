//! `[variables]`: what a guest gets of them, what nobody else does, and what a change does.

use crate::app::*;
use crate::support::*;
use serde_json::json;

const SECRET: &str = "hunter2-of-the-test";

fn app() -> App {
    App::lab(
        "grants.config = { region = \"<{{ region }}>\", token = \"{{ token }}\" }\n\
         grants.env = { TOKEN = \"{{ token }}\" }\n",
    )
    .and(
        "[variables]\nregion = \"eu\"\n\
         token = { required = true, secret = true }\n",
    )
}

fn config(server: &Server) -> serde_json::Value {
    server.get("/config").json()["ok"].clone()
}

#[test]
fn a_required_one_without_a_value_is_told_with_the_ways_to_set_it() {
    let app = app();
    let out = app.refused();
    out.is(2);
    shot!(out.stderr);
    app.check().is(2).says("variable `token` has no value");
}

#[test]
fn values_come_from_flags_the_environment_and_a_file() {
    let app = app();
    app.dir()
        .write(".env", format!("SPIN_VARIABLE_TOKEN='{SECRET}'\n"));
    let server = app.up_with(&["--variable", "region=us"]);
    assert_eq!(config(&server), json!({"region": "<us>", "token": SECRET}));
    let env = server.get("/env").json();
    assert_eq!(env["TOKEN"], SECRET, "{env}");

    let check = || holm().arg("check").dir(app.dir().path());
    check().run().is(0);
    check()
        .args(["--variable", "regoin=us"])
        .run()
        .is(2)
        .says("did you mean `region`?");
    holm()
        .args(["call", "--app", ".", "lab", "--variable", "region=us"])
        .dir(app.dir().path())
        .run()
        .is(0);
}

#[test]
fn a_secret_is_in_no_output() {
    let app = app();
    // Its value is no origin, which is an error at its place.
    app.edit("grants.env", "grants.http = [\"{{ token }}\"]\ngrants.env");
    let given = |command: Command| command.env("HOLM_VARIABLE_TOKEN", SECRET);
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["up", "--listen", "127.0.0.1:0"],
    ] {
        let out = given(holm().args(args)).dir(app.dir().path()).run();
        out.is(2);
        let all = format!("{}{}", out.stdout, out.stderr);
        assert!(!all.contains(SECRET), "{all}");
        assert!(all.contains("secret"), "{all}");
    }
    app.edit("grants.http = [\"{{ token }}\"]\n", "");
    let command = given(holm().args(["up", "--listen", "127.0.0.1:0"])).env("HOLM_LOG", "trace");
    let server = Server::start(command.dir(app.dir().path()));
    assert_eq!(config(&server)["token"], SECRET);
    server.entry("/config");
    let log = server.stderr().join("\n");
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_change_of_the_file_is_a_new_version() {
    let app = app();
    let write = |token: &str| {
        // As editors and mounts do: another file in its place.
        app.dir()
            .write(".new", format!("HOLM_VARIABLE_TOKEN={token}\n"));
        std::fs::rename(app.dir().join(".new"), app.dir().join(".env")).unwrap();
    };
    write("one");
    let server = app.up_with(&["--watch"]);
    let is = |token: &str| (config(&server)["token"] == token).then_some(());
    until("one", || is("one"));
    write("two");
    until("two", || is("two"));
    // What is wrong leaves the old version serving.
    app.dir().write(".env", "");
    server.wait_for("the old version goes on serving");
    assert_eq!(config(&server)["token"], "two");
    write("three");
    until("three", || is("three"));
}

#[test]
fn a_folder_of_apps_follows_the_files_of_variables() {
    let scratch = Scratch::new();
    let of_app = "name = \"lab\"\n[variables]\ntoken = { file = \"../token\", default = \"none\" }\n\
         [component.lab]\nsource = \"lab.wasm\"\n\
         grants = { keyvalue = [\"default\"], config = { token = \"{{ token }}\" } }\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n";
    scratch.dir("apps/lab");
    scratch.write("apps/lab/holm.toml", of_app);
    std::os::unix::fs::symlink(guest("http-lab"), scratch.join("apps/lab/lab.wasm")).unwrap();
    let server = Server::up(["--apps", "apps"], scratch.path());
    assert_eq!(config(&server)["token"], "none");
    scratch.write("apps/token", "one\n");
    until("one", || (config(&server)["token"] == "one").then_some(()));
    scratch.write("apps/token", "two\n");
    until("two", || (config(&server)["token"] == "two").then_some(()));
}
