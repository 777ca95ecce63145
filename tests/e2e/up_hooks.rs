//! Programs of an app that are run once: when somebody asks, before it is served, at its end. And what an
//! event does after its answer.

use crate::app::*;
use crate::support::*;
use serde_json::Value;
use std::time::Duration;

/// An app of `hello` with these tables; its component may write below `out`.
fn app(tables: &str) -> App {
    let app = App::new(&format!(
        "name = \"shop\"\n\n[component.tool]\nsource = \"tool.wasm\"\n\
         grants.dirs = {{ \"/out\" = {{ path = \"out\", access = \"write\" }} }}\n\n\
         [[http]]\nroute = \"/...\"\nrespond = {{ body = \"served\" }}\n\n{tables}\n"
    ))
    .guest("tool.wasm", "hello-p2");
    app.dir().dir("out");
    app
}

fn trigger(app: &App, args: &[&str]) -> Output {
    holm().arg("trigger").args(args).dir(app.dir().path()).run()
}

/// What the log says of jobs: their names and outcomes.
fn done(server: &Server) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let lines = server.log("job");
    lines
        .iter()
        .map(|line| (text(line, "trigger"), text(line, "outcome")))
        .collect()
}

const COMMANDS: &str = "[[command]]\nname = \"greet\"\ncomponent = \"tool\"\nargs = [\"a b\", \"c\"]\n\n\
                        [[command]]\nname = \"fail\"\ncomponent = \"tool\"\nargs = [\"exit\", \"1\"]";

#[test]
fn a_command_is_run_and_its_exit_code_kept() {
    let app = app(COMMANDS);
    let out = trigger(&app, &["greet"]);
    out.is(0).says("arg: a b").says("arg: c");
    assert_eq!(out.stdout, "");
    let out = trigger(&app, &["greet", "--payload", "[\"other\"]"]);
    out.is(0).says("arg: other");
    assert!(!out.stderr.contains("arg: c"), "{}", out.stderr);
    trigger(&app, &["fail"]).is(1).says("exited with code 1");
    let out = trigger(&app, &["greet", "--payload", "{\"a\": 1}"]);
    out.is(2)
        .says("the arguments of a program are an array of strings");
    // Nobody runs it while the app is served.
    let server = app.up();
    assert_eq!(server.get("/").text(), "served");
    assert_eq!(done(&server), []);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_running_server_does_it_when_it_is_asked() {
    let app = app(&format!(
        "{COMMANDS}\n[component.lab]\nsource = \"lab.wasm\"\n\
         [[cron]]\nname = \"greeting\"\nschedule = \"@yearly\"\ncomponent = \"lab\"\nfunction = \"greet\"\n\
         arguments = [\"Ada\"]"
    ))
    .guest("lab.wasm", "call-lab");
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let asked = |args: &[&str]| trigger(&app, &[args, &["--admin", "unix:admin.sock"]].concat());
    asked(&["greet"]).is(0);
    assert_eq!(
        asked(&["greeting", "shop"]).is(0).stdout,
        "\"Hello, Ada!\"\n"
    );
    let named = asked(&["greeting", "--payload", "{\"name\": \"Bob\"}"]);
    assert_eq!(named.is(0).stdout, "\"Hello, Bob!\"\n");
    asked(&["fail"]).is(1).says("exited with code 1");
    asked(&["none"]).is(2).says("it has greet, fail, greeting");
    asked(&["greet", "none"])
        .is(2)
        .says("there is no app `none`");
    // It is the server's log that has it.
    server.logged("job", |line| {
        line["trigger"] == "fail" && line["outcome"] == "error"
    });
    server.logged("log", |line| line["line"] == "arg: a b");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_module_of_wasi_0_1_is_a_program_too() {
    let app = app(
        "[[command]]\nname = \"nine\"\ncomponent = \"old\"\nargs = [\"exit\", \"9\"]\n\n\
         [[command]]\nname = \"code\"\ncomponent = \"code\"\n\n\
         [[start]]\ncomponent = \"old\"\nargs = [\"write\", \"/out/began\", \"yes\"]\n\n\
         [[stop]]\ncomponent = \"old\"\nargs = [\"write\", \"/out/ended\", \"yes\"]\n\n\
         [[cron]]\nname = \"tick\"\nschedule = \"* * * * * *\"\ncomponent = \"old\"\n\
         arguments = [\"by the clock\"]\n\n\
         [component.old]\nsource = \"old.wasm\"\n\
         grants.dirs = { \"/out\" = { path = \"out\", access = \"write\" } }\n\n\
         [component.code]\nsource = \"code.wat\"",
    )
    .guest("old.wasm", "hello-p1");
    std::fs::copy(wat("exit-code"), app.dir().join("code.wat")).unwrap();
    app.check().is(0);
    trigger(&app, &["nine"]).is(9).says("exited with code 9");
    trigger(&app, &["code"]).is(9).says("exited with code 9");
    let given = trigger(&app, &["nine", "--payload", "[\"a b\"]"]);
    given.is(0).says("arg: a b");
    assert!(!app.dir().join("out/began").exists());

    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    assert_eq!(app.dir().read("out/began"), "yes");
    server.logged("log", |line| line["line"] == "arg: by the clock");
    let job = server.logged("job", |line| line["trigger"] == "tick");
    assert_eq!(job["outcome"], "ok");
    assert!(job["receipt"]["cpu_us"].as_u64() > Some(0), "{job}");
    let admin = ["--admin", "unix:admin.sock"];
    for name in ["nine", "code"] {
        let out = trigger(&app, &[&[name], &admin[..]].concat());
        out.is(9).says("exited with code 9");
    }
    let runs = |trigger: &str, outcome: &str| {
        let labels = format!("app=\"shop\",trigger=\"{trigger}\",outcome=\"{outcome}\"");
        let sample = format!("holm_job_runs_total{{{labels}}}");
        server.metric(app.dir(), &sample).unwrap()
    };
    assert_eq!(runs("start-old", "ok"), 1.0);
    assert_eq!([runs("nine", "ok"), runs("nine", "error")], [0.0, 1.0]);
    assert_eq!(server.terminate(), 0);
    assert_eq!(app.dir().read("out/ended"), "yes");
}

#[test]
fn a_program_with_threads_is_no_job() {
    let app = app("[[command]]\ncomponent = \"threads\"\n\n\
                   [component.threads]\nsource = \"threads.wat\"");
    std::fs::copy(wat("threads"), app.dir().join("threads.wat")).unwrap();
    app.check()
        .is(2)
        .says("`threads` is a program with threads");
}

#[test]
fn the_beginning_and_the_end() {
    let app = app(
        "[[start]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/began\", \"yes\"]\n\n\
         [[stop]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/ended\", \"yes\"]",
    );
    let server = app.up();
    // Before the first request could have come.
    assert_eq!(app.dir().read("out/began"), "yes");
    server.logged("job", |line| line["outcome"] == "ok");
    assert_eq!(done(&server), [("start-tool".to_owned(), "ok".to_owned())]);
    assert!(!app.dir().join("out/ended").exists());
    assert_eq!(server.terminate(), 0);
    assert_eq!(app.dir().read("out/ended"), "yes");
}

#[test]
fn an_app_whose_start_fails_is_not_served() {
    let app = app(
        "[[start]]\nname = \"migrate\"\ncomponent = \"tool\"\nargs = [\"exit\", \"1\"]\n\
                   retry = { times = 2, delay = \"1 ms\" }",
    );
    let out = app.refused();
    out.is(2);
    assert_eq!(out.stdout, "");
    let tries = out
        .stderr
        .lines()
        .filter(|line| line.contains("\"type\":\"job\""));
    assert_eq!(tries.count(), 3, "{}", out.stderr);
    let said: Vec<&str> = out
        .stderr
        .lines()
        .filter(|line| !line.starts_with('{'))
        .collect();
    shot!(said.join("\n"));
}

#[test]
fn a_version_whose_start_fails_does_not_take_over() {
    let app = app("[[start]]\ncomponent = \"tool\"\nargs = [\"read\", \"/out/ready\"]");
    app.dir().write("out/ready", "");
    let server = app.up_with(&["--watch"]);
    assert_eq!(server.get("/").text(), "served");
    std::fs::remove_file(app.dir().join("out/ready")).unwrap();
    app.edit("served", "the next");
    server.wait_for("the start of `shop` failed");
    assert_eq!(server.get("/").text(), "served");
    app.dir().write("out/ready", "");
    app.edit("the next", "the last");
    until("the version after", || {
        (server.get("/").text() == "the last").then_some(())
    });
}

#[test]
fn apps_of_a_folder_begin_and_end_too() {
    let scratch = Scratch::new();
    let source = app(
        "[[start]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/began\", \"yes\"]\n\n\
         [[stop]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/ended\", \"yes\"]",
    );
    let broken = app("[[start]]\ncomponent = \"tool\"\nargs = [\"exit\", \"1\"]");
    broken.edit("name = \"shop\"", "name = \"broken\"");
    broken.edit("route = \"/...\"", "route = \"/broken\"");
    let refused =
        app("[[start]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/began\", \"yes\"]");
    refused.edit("name = \"shop\"", "name = \"too-late\"");
    // What two apps always answer alike they may both have.
    refused.edit("body = \"served\"", "body = \"late\"");
    let second = app(
        "[[stop]]\ncomponent = \"tool\"\nargs = [\"write\", \"/out/ended\", \"yes\"]\n\n\
         [[start]]\ncomponent = \"tool\"",
    );
    second.edit("name = \"shop\"", "name = \"second\"");
    second.edit("route = \"/...\"", "route = \"/second\"");
    scratch.dir("apps");
    let link = |name: &str| scratch.join("apps").join(name);
    for (name, app) in [
        ("shop", &source),
        ("broken", &broken),
        ("too-late", &refused),
        ("second", &second),
    ] {
        std::os::unix::fs::symlink(app.dir().path(), link(name)).unwrap();
    }
    // To check is not to serve.
    let checked = holm().args(["check", "--apps", "apps"]).dir(scratch.path());
    checked.run().is(2).says("both have the route `/...`");
    assert!(!source.dir().join("out/began").exists());
    let server = Server::up(["--apps", "apps"], scratch.path());
    assert_eq!(source.dir().read("out/began"), "yes");
    server.wait_for("both have the route `/...`");
    assert!(!refused.dir().join("out/began").exists(), "begun in vain");
    // One that is removed ends at once.
    std::fs::remove_file(link("second")).unwrap();
    server.wait_for("removed second");
    until("the end of the app", || {
        second.dir().join("out/ended").exists().then_some(())
    });
    assert_eq!(server.get("/").text(), "served");
    server.wait_for("the start of `broken` failed");
    assert_eq!(
        server.get("/broken").text(),
        "served",
        "by the other's route for all"
    );
    assert_eq!(server.terminate(), 0);
    assert_eq!(source.dir().read("out/ended"), "yes");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let app = app(
        "[[start]]\ncomponent = \"tool\"\nfunction = \"a.*\"\nargs = [\"up\"]\n\n\
         [[stop]]\ncomponent = \"none\"\n\n\
         [[command]]\ncomponent = \"tool\"\narguments = [\"up\"]",
    );
    let out = app.check();
    out.is(2);
    shot!(out.stderr);
}

fn worked_on(name: &str) {
    let app = App::of(name, "");
    let mut server = app.up();
    assert_eq!(server.get("/after?ms=0").text(), "answered\n");
    server.logged("log", |line| line["line"] == "worked on after the answer");
    // The end waits for it, though nobody is connected any more.
    assert_eq!(server.get("/after?ms=700").text(), "answered\n");
    server.signal(libc::SIGTERM);
    assert_eq!(server.ends_within(Duration::from_secs(30)), 0);
    assert_eq!(server.log("log").len(), 2, "{:?}", server.stderr());
    // It is the event's time, and ends with it.
    let app = App::of(name, "limits.timeout = \"500 ms\"");
    let server = app.up();
    assert_eq!(server.get("/after?ms=3600000").text(), "answered\n");
    let line = server.entry("/after");
    assert_eq!(line["fault"]["limit"], "timeout", "{line}");
    assert_eq!(server.log("log"), Vec::<Value>::new());
}

#[test]
fn after_the_answer_in_wasi_0_2() {
    worked_on("edge-lab");
}

#[test]
fn after_the_answer_in_wasi_0_3() {
    worked_on("edge-lab-p3");
}
