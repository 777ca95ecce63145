//! `[[cron]]`: what an app does by itself, at certain times.

use crate::app::*;
use crate::support::*;
use serde_json::Value;
use std::time::Duration;

/// An app of `call-lab` with this job each second.
fn each_second(job: &str) -> App {
    App::new(&format!(
        "name = \"jobs\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
         [[cron]]\nschedule = \"* * * * * *\"\ncomponent = \"lab\"\n{job}\n"
    ))
    .guest("lab.wasm", "call-lab")
}

fn job(outcome: &str) -> impl Fn(&Value) -> bool {
    move |line| line["outcome"] == outcome
}

/// How many runs of a job had this outcome.
fn runs_of(server: &Served, app: &App, job: &str, outcome: &str) -> f64 {
    let labels = format!("app=\"jobs\",trigger=\"{job}\",outcome=\"{outcome}\"");
    let sample = format!("holm_job_runs_total{{{labels}}}");
    server.metric(app.dir(), &sample).unwrap()
}

/// Ends a server; its exit code, and what it logged of jobs.
fn ended(mut server: Served) -> (i32, Vec<Value>) {
    server.signal(libc::SIGTERM);
    let code = server.ends_within(Duration::from_secs(30));
    (code, server.log("job"))
}

#[test]
fn a_function_is_called_each_second() {
    let app =
        each_second("name = \"greeting\"\nfunction = \"greet\"\narguments = { name = \"Ada\" }");
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let line = server.logged("job", job("ok"));
    assert_eq!(line["trigger"], "greeting");
    until("it is counted", || {
        (runs_of(&server, &app, "greeting", "ok") >= 1.0).then_some(())
    });
    assert!(line["receipt"]["cpu_us"].as_u64().is_some(), "{line}");
    until("the next second", || {
        (server.log("job").len() > 1).then_some(())
    });
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_program_runs_and_what_it_prints_is_in_the_log() {
    let app = App::new(
        "name = \"jobs\"\n\n[component.hello]\nsource = \"hello.wasm\"\n\n\
         [[cron]]\nschedule = \"* * * * * *\"\ncomponent = \"hello\"\n",
    )
    .guest("hello.wasm", "hello-p2");
    let server = app.up();
    let line = server.logged("log", |line| line["component"] == "hello");
    assert_eq!(line["stream"], "stdout", "{line}");
    assert_eq!(server.logged("job", job("ok"))["trigger"], "hello");
}

#[test]
fn what_fails_is_tried_again_and_then_told() {
    let app = each_second(
        "function = \"example:lab/tools.crash\"\narguments = [\"no luck\"]\n\
         retry = { times = 2, delay = \"10 ms\" }",
    );
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let given_up = || {
        let lines = server.stderr();
        let told = "failed, and is not tried again";
        lines.iter().any(|line| line.contains(told)).then_some(())
    };
    until("three tries", given_up);
    let lines = server.log("job");
    assert!(lines.len() >= 3, "{lines:?}");
    // One run, however many tries.
    let (runs, tries) = (
        runs_of(&server, &app, "lab", "error"),
        server.log("job").len(),
    );
    assert!(
        runs >= 1.0 && runs * 3.0 <= tries as f64,
        "{runs} of {tries}"
    );
    assert_eq!(runs_of(&server, &app, "lab", "ok"), 0.0);
    let fault = lines[0]["fault"].as_str().unwrap();
    assert!(fault.contains("lab"), "{fault}");
    // An `err` is a failure too.
    let order = "{ items = [], note = \"\" }";
    let app = each_second(&format!(
        "function = \"example:lab/tools.check\"\narguments = {{ order = {order} }}"
    ));
    let server = app.up();
    let line = server.logged("job", job("error"));
    let fault = line["fault"].as_str().unwrap();
    assert_eq!(fault, "lab returned an error: \"empty\"");
}

#[test]
fn it_does_not_overlap_unless_it_may() {
    let wait = "function = \"example:lab/tools.wait\"\narguments = [2500]";
    let app = each_second(wait);
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    until("a time at which it is still at work", || {
        let lines = server.stderr();
        lines
            .iter()
            .any(|line| line.contains("still at work"))
            .then_some(())
    });
    assert_eq!(server.log("job").len(), 0, "the first is at work");
    assert!(runs_of(&server, &app, "lab", "skipped") >= 1.0);
    assert_eq!(runs_of(&server, &app, "lab", "missed"), 0.0);

    let server = each_second(&format!("{wait}\noverlap = true")).up();
    server.logged("job", job("ok"));
    assert!(
        !server
            .stderr()
            .iter()
            .any(|line| line.contains("still at work"))
    );
    // It is due each second and takes longer: some are at work at any time. The end waits for them.
    let (code, lines) = ended(server);
    assert_eq!(code, 0);
    assert!(lines.len() >= 2 && lines.iter().all(job("ok")), "{lines:?}");
}

#[test]
fn missed_times_are_made_up_for_once() {
    let app = each_second("name = \"yearly\"\nfunction = \"greet\"\narguments = [\"Ada\"]");
    app.edit("* * * * * *", "0 0 1 1 *");
    app.edit("name = \"yearly\"", "name = \"yearly\"\nmissed = \"run\"");
    // Never done: there is nothing to make up for.
    assert_eq!(ended(app.up()), (0, vec![]));
    app.dir()
        .write(".holm/cron/yearly.last", "2020-06-01T00:00:00Z\n");
    let server = app.up();
    server.logged("job", job("ok"));
    assert_eq!(ended(server).1.len(), 1, "once for all the years");
    let last = app.dir().read(".holm/cron/yearly.last");
    assert!(!last.starts_with("2020"), "{last}");
    assert_eq!(ended(app.up()), (0, vec![]), "it was done this year");
}

#[test]
fn a_new_version_has_its_own_times_and_the_old_one_none() {
    let app = each_second("function = \"example:lab/tools.print\"\narguments = [\"one\"]");
    let server = app.up_with(&["--watch"]);
    let printed = |what: &str| {
        let lines = server.log("log");
        let own = lines.iter().filter(|line| line["line"] == what);
        own.count()
    };
    until("the old version's line", || {
        (printed("one") > 0).then_some(())
    });
    app.edit("[\"one\"]", "[\"two\"]");
    until("the new version's line", || {
        (printed("two") > 0).then_some(())
    });
    let (ones, twos) = (printed("one"), printed("two"));
    until("more of them", || (printed("two") > twos + 1).then_some(()));
    assert_eq!(printed("one"), ones);
}

#[test]
fn by_hand() {
    let app = each_second("name = \"greeting\"\nfunction = \"greet\"\narguments = [\"Ada\"]");
    let trigger = |args: &[&str]| holm().arg("trigger").args(args).dir(app.dir().path()).run();
    assert_eq!(trigger(&["greeting"]).is(0).stdout, "\"Hello, Ada!\"\n");
    let given = trigger(&["greeting", ".", "--payload", "{\"name\": \"Bo\"}"]);
    assert_eq!(given.is(0).stdout, "\"Hello, Bo!\"\n");
    let said: Vec<String> = [
        &["nobody"][..],
        &["greeting", "--payload", "{"],
        &["greeting", "--payload", "[1]"],
    ]
    .map(|args| trigger(args).is(2).stderr.clone())
    .into();
    shot!("cron_by_hand", said.join("\n"));
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let app = each_second("function = \"example:lab/tools.nothing\"").and(
        "[[cron]]\nschedule = \"0 25 * * *\"\ntimezone = \"Europe/Berlon\"\ncomponent = \"lab\"\n\
         name = \"other\"\nfunction = \"example:lab/tools.*\"\n\n\
         [[cron]]\nschedule = \"@daily\"\ncomponent = \"lab\"\nmissed = \"never\"\n",
    );
    shot!("cron_wrong", app.check().is(2).stderr);
    let app = each_second("");
    shot!("cron_no_program", app.check().is(2).stderr);
    let app = each_second("function = \"greet\"")
        .and("[[cron]]\nschedule = \"@daily\"\ncomponent = \"lab\"\nfunction = \"greet\"\n");
    shot!("cron_twice", app.check().is(2).stderr);
}
