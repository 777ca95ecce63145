//! `holm compose`: components made into one file, by flags, by a document, by a manifest.

use crate::support::*;

/// The two components of `guests/wit/linked`, in a scratch folder.
fn folder() -> Scratch {
    let scratch = Scratch::new();
    for (file, name) in [("web.wasm", "link-caller"), ("shop.wasm", "link-callee")] {
        std::os::unix::fs::symlink(guest(name), scratch.join(file)).unwrap();
    }
    scratch
}

fn compose(scratch: &Scratch, args: &[&str]) -> Output {
    holm().arg("compose").args(args).dir(scratch.path()).run()
}

/// Serves a file, and looks at what its calls give.
fn works(scratch: &Scratch, file: &str) {
    let server = Server::up([file], scratch.path());
    for path in ["/values", "/resources", "/bytes?100000"] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.text()), (200, "ok\n".into()), "{path}");
    }
}

#[test]
fn a_plug() {
    let scratch = folder();
    let out = compose(
        &scratch,
        &["web.wasm", "--plug", "shop.wasm", "-o", "out.wasm"],
    );
    out.is(0);
    assert_eq!(out.stderr, "");
    let bytes = std::fs::metadata(scratch.join("out.wasm")).unwrap().len();
    shot!(out.stdout.replace(&bytes.to_string(), "SIZE"));
    works(&scratch, "out.wasm");
    let first = std::fs::read(scratch.join("out.wasm")).unwrap();
    compose(
        &scratch,
        &["web.wasm", "--plug", "shop.wasm", "-o", "again.wasm"],
    )
    .is(0);
    assert!(first == std::fs::read(scratch.join("again.wasm")).unwrap());
    // What a person may read, others may too.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(scratch.join("out.wasm"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o444, 0o444, "{mode:o}");
}

#[test]
fn a_document() {
    let scratch = folder();
    scratch.write(
        "app.wac",
        "package test:app;\n\nlet shop = new test:shop { ... };\n\
         let web = new test:web { ...shop, ... };\nexport web...;\n",
    );
    std::fs::create_dir_all(scratch.join("deps/test")).unwrap();
    std::os::unix::fs::symlink(guest("link-callee"), scratch.join("deps/test/shop.wasm")).unwrap();
    let args = ["app.wac", "--dep", "test:web=web.wasm", "-o", "out.wasm"];
    let out = compose(&scratch, &args);
    out.is(0);
    works(&scratch, "out.wasm");
    let out = compose(&scratch, &["app.wac", "-o", "out.wasm"]);
    out.is(2);
    shot!(out.stderr);
}

#[test]
fn an_app_fused() {
    let scratch = folder();
    scratch.write(
        "holm.toml",
        "name = \"x\"\n[component.web]\nsource = \"web.wasm\"\n\
         imports = { \"holm:linked/api\" = \"shop\" }\n[component.shop]\nsource = \"shop.wasm\"\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n",
    );
    let out = compose(&scratch, &["--fuse", "web", "-o", "out.wasm"]);
    out.is(0);
    assert!(
        out.stdout
            .contains("holm:linked/api@0.1.0 of web is provided by shop\n"),
        "{}",
        out.stdout
    );
    works(&scratch, "out.wasm");
    let mut said = String::new();
    for args in [
        ["--fuse", "wob", "-o", "x.wasm"],
        ["--fuse", "shop", "-o", "x.wasm"],
    ] {
        let out = compose(&scratch, &args);
        out.is(2);
        said += &format!("{}\n", out.stderr);
    }
    shot!(said);
    assert!(!scratch.join("x.wasm").exists());
}

#[test]
fn what_cannot_be_composed() {
    let scratch = folder();
    std::os::unix::fs::symlink(guest("hello-p1"), scratch.join("module.wasm")).unwrap();
    let mut said = String::new();
    for args in [
        vec!["web.wasm", "-o", "x.wasm"],
        vec!["shop.wasm", "--plug", "web.wasm", "-o", "x.wasm"],
        vec!["web.wasm", "--plug", "none.wasm", "-o", "x.wasm"],
        vec!["web.wasm", "--plug", "module.wasm", "-o", "x.wasm"],
        vec![
            "web.wasm",
            "--plug",
            "shop.wasm",
            "-o",
            "no/such/folder/x.wasm",
        ],
        vec!["none.wac", "-o", "x.wasm"],
    ] {
        let out = compose(&scratch, &args);
        out.is(2);
        assert_eq!(out.stdout, "");
        said += &format!("{args:?}\n{}\n", out.stderr);
    }
    shot!(said);
    assert!(!scratch.join("x.wasm").exists());
}
