//! `holm dev`: builds, serves, and does both again at each change; also where it begins broken.

use crate::app::*;
use crate::support::*;

/// `src/version` names the guest that the build command takes; a word that names none breaks it.
fn app() -> App {
    let app = App::lab(
        "[component.lab.build]\ncommand = \"sh build.sh\"\n[component.lab.limits]\ntimeout = \"20 s\"\n",
    );
    std::fs::remove_file(app.dir().join("lab.wasm")).unwrap();
    app.dir().write(
        "build.sh",
        "read version < src/version\n\
         cp \"versions/$version.wasm\" new.wasm 2>/dev/null || \
         { echo \"error: $version does not compile\" >&2; echo $version > tried; exit 101; }\n\
         mv new.wasm lab.wasm\n",
    );
    app.dir().dir("versions");
    for name in ["http-lab", "http-hello"] {
        let to = app.dir().join(format!("versions/{name}.wasm"));
        std::os::unix::fs::symlink(guest(name), to).unwrap();
    }
    app
}

fn dev(app: &App) -> Command {
    holm()
        .args(["dev", "--listen", "127.0.0.1:0"])
        .dir(app.dir().path())
}

#[track_caller]
fn answers(server: &Server, hello: bool) {
    until("the other version", || {
        (server.get("/time").text() == "hello\n")
            .eq(&hello)
            .then_some(())
    });
}

#[test]
fn a_change_is_served_and_what_is_broken_is_not() {
    let app = app();
    app.dir().write("src/version", "http-hello\n");
    let server = Server::start(dev(&app));
    answers(&server, true);
    app.dir().write("src/version", "http-lab\n");
    answers(&server, false);
    // The tool's own words, and ours; the answer stays.
    app.dir().write("src/version", "nonsense\n");
    server.wait_for("error: nonsense does not compile");
    server.wait_for("the build of `lab` failed with exit code 101");
    server.wait_for("the old version goes on serving");
    answers(&server, false);
    // What a guest prints is in the log.
    server.get("/log?n=1&text=a+word+of+the+guest");
    server.wait_for("a word of the guest");
    app.dir().write("src/version", "http-hello\n");
    answers(&server, true);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn it_begins_broken_and_is_mended() {
    let app = app();
    app.dir().write("src/version", "nonsense\n");
    let starting = dev(&app);
    let server = std::thread::spawn(move || Server::start(starting));
    until("a first build", || {
        app.dir().join("tried").exists().then_some(())
    });
    app.dir().write("src/version", "http-hello\n");
    let server = server.join().unwrap();
    answers(&server, true);
    let said = server.stderr().join("\n");
    assert!(said.contains("nonsense does not compile"), "{said}");
}

#[test]
fn ctrl_c_before_it_serves() {
    let app = app();
    app.dir().write("src/version", "nonsense\n");
    let mut child = dev(&app).spawn();
    until("a first build", || {
        app.dir().join("tried").exists().then_some(())
    });
    signal(&child, libc::SIGINT);
    let status = wait(&mut child, PATIENCE).expect("the signal did not end it");
    assert_eq!(code(status), 1);
}
