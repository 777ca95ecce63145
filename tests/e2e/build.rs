//! `holm build`: an app's components are built, and their docs written into them.

use crate::support::*;

/// An app whose component `lab` is built by copying, from the sources in `lab-src`.
fn app(build: &str) -> Scratch {
    let scratch = Scratch::new();
    let manifest = format!(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\nwit = \"wit\"\n\n\
         [component.lab.build]\ncommand = \"{build}\"\n\n\
         [component.plain]\nsource = \"plain.wasm\"\n"
    );
    scratch.write("holm.toml", manifest);
    scratch.dir("wit");
    let wit = repo().join("guests/rust/call-lab/wit/lab.wit");
    std::fs::copy(wit, scratch.join("wit/lab.wit")).unwrap();
    std::fs::copy(guest("call-lab"), scratch.join("built.wasm")).unwrap();
    scratch
}

fn build(scratch: &Scratch, args: &[&str]) -> Output {
    holm().arg("build").args(args).dir(scratch.path()).run()
}

#[test]
fn docs_go_with_the_file() {
    let scratch = app("cp built.wasm lab.wasm");
    let first = build(&scratch, &[]);
    first.is(0);
    assert_eq!(first.stdout, "");
    shot!("build", first.stderr);
    // Wherever the file goes, and without its WIT.
    std::fs::remove_dir_all(scratch.join("wit")).unwrap();
    let call = |args: &[&str]| {
        let call = holm().arg("call").args(args).dir(scratch.path()).run();
        call.is(0);
        call.stdout
    };
    assert!(!call(&["built.wasm"]).contains("Says hello."));
    assert!(call(&["lab.wasm"]).contains("Says hello."));
    assert_eq!(
        call(&["lab.wasm", "greet", "Ada"]),
        call(&["built.wasm", "greet", "Ada"])
    );
    let shown = holm().arg("inspect").arg(scratch.join("lab.wasm")).run();
    assert!(shown.is(0).stdout.contains("/// Says hello."));
}

#[test]
fn what_is_there_already_is_left() {
    let scratch = app("test -e lab.wasm || cp built.wasm lab.wasm");
    build(&scratch, &["."]).is(0);
    let before = std::fs::metadata(scratch.join("lab.wasm")).unwrap();
    let again = build(&scratch, &["--component", "lab"]);
    assert!(
        again
            .is(0)
            .stderr
            .contains("lab: its docs are there already")
    );
    let after = std::fs::metadata(scratch.join("lab.wasm")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn what_cannot_be_built() {
    let said = |command: &str, args: &[&str]| {
        let scratch = app(command);
        let refused = build(&scratch, args);
        assert_eq!(refused.stdout, "");
        refused.is(2).stderr.clone()
    };
    shot!(
        "build_refused",
        [
            said("exit 3", &[]),
            said("true", &[]),
            said("echo '(module)' > lab.wasm", &[]),
            said("true", &["--component", "web"]),
            said("true", &["nowhere"]),
        ]
        .join("\n")
    );
    let scratch = app("true");
    let nothing = build(&scratch, &["--component", "plain"]);
    assert!(nothing.is(0).stderr.starts_with("nothing to build"));
}
