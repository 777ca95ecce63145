//! What the README and the examples promise: their commands run, and print what stands there.
//!
//! A block of `console` has commands after `$ ` and what they print. `…` in a line is any text, alone
//! on a line any lines. In `console,server` the first command serves until the block ends.

use crate::app::*;
use crate::support::*;
use crate::up_data::{origin, server};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Commands and what each prints.
struct Block {
    server: bool,
    steps: Vec<(String, Vec<String>)>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let server = match line.trim_start().strip_prefix("```") {
            Some("console") => false,
            Some("console,server") => true,
            _ => continue,
        };
        let mut steps: Vec<(String, Vec<String>)> = Vec::new();
        for line in lines
            .by_ref()
            .take_while(|line| !line.trim_start().starts_with("```"))
        {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), Vec::new())),
                None => match steps.last_mut() {
                    Some((command, _)) if command.ends_with('\\') => {
                        command.pop();
                        command.push_str(line.trim_start());
                    }
                    Some((_, output)) => output.push(line.to_owned()),
                    None => panic!("output before the first command: {line}"),
                },
            }
        }
        blocks.push(Block { server, steps });
    }
    blocks
}

/// Whether a text is what was promised.
fn fits(promised: &[String], got: &[&str]) -> bool {
    match promised.split_first() {
        None => got.is_empty(),
        Some((dots, rest)) if dots.trim() == "…" => {
            (0..=got.len()).any(|skip| fits(rest, &got[skip..]))
        }
        Some((line, rest)) => got
            .split_first()
            .is_some_and(|(first, more)| line_fits(line, first) && fits(rest, more)),
    }
}

fn line_fits(promised: &str, got: &str) -> bool {
    match promised.split_once('…') {
        None => promised.trim_end() == got.trim_end(),
        Some((before, after)) => got.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(i, _)| i)
                .chain([rest.len()])
                .any(|i| line_fits(after, &rest[i..]))
        }),
    }
}

/// The repository as a stranger has it: what commands write stays out of ours.
fn clone() -> Scratch {
    let scratch = Scratch::new();
    for entry in std::fs::read_dir(repo()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name != "examples" && name != "target" && name != ".git" && name != ".holm" {
            symlink(entry.path(), scratch.join(&name)).unwrap();
        }
    }
    copy(&repo().join("examples"), &scratch.join("examples"));
    polyglot(&scratch.join("examples/polyglot"));
    built(
        &scratch.join("examples/from-python"),
        &[("markup", "markup"), ("images", "images")],
    );
    scratch
}

/// The components of `examples/polyglot`.
fn polyglot(folder: &Path) {
    built(
        folder,
        &[
            ("web", "polyglot-web"),
            ("payments", "polyglot-payments"),
            ("fraud", "polyglot-fraud"),
        ],
    );
}

/// Components of an example that are too large for the repository: each with the guest that it is.
fn built(folder: &Path, components: &[(&str, &str)]) {
    for (component, name) in components {
        let file = folder.join(format!("{component}.wasm"));
        // A developer may have built them there.
        let _ = std::fs::remove_file(&file);
        symlink(guest(name), file).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == ".holm" || name == "target" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(name)),
            false => _ = std::fs::copy(entry.path(), to.join(name)).unwrap(),
        }
    }
}

fn shell(line: &str, scratch: &Scratch) -> std::process::Command {
    let bin = scratch.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_holm"), bin.join("holm")).unwrap();
    }
    let mut line = line.to_owned();
    for cargo in [
        "cargo run --release -p holm --",
        "cargo run --release --bin holm --",
        "cargo run --release --",
    ] {
        line = line.replace(cargo, "holm");
    }
    let path = std::env::var("PATH").unwrap();
    let mut command = std::process::Command::new("bash");
    command
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOLM_CACHE_DIR", shared_cache())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// A server of a block, with all that it started.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // SAFETY: it takes two numbers; the group is of our child, which is not yet waited for.
        unsafe { libc::kill(-(self.0.id() as i32), libc::SIGTERM) };
        assert!(
            wait(&mut self.0, Duration::from_secs(40)).is_some(),
            "the server does not end"
        );
    }
}

fn serve(line: &str, promised: &[String], scratch: &Scratch) -> Serving {
    use std::io::BufRead as _;
    let mut child = shell(line, scratch).process_group(0).spawn().unwrap();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let serving = Serving(child);
    for promise in promised {
        let mut got = String::new();
        reader.read_line(&mut got).unwrap();
        assert!(
            line_fits(promise, &got),
            "$ {line}\nprints {got:?}, not {promise:?}"
        );
    }
    // Its log goes on; somebody has to read it.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    serving
}

fn run_block(block: &Block, scratch: &Scratch) {
    let mut steps = block.steps.as_slice();
    let mut _serving = None;
    if block.server {
        let ((line, promised), rest) = steps.split_first().unwrap();
        _serving = Some(serve(line, promised, scratch));
        steps = rest;
    }
    for (line, promised) in steps {
        let output = shell(line, scratch).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let got: Vec<&str> = text.lines().collect();
        assert!(
            fits(promised, &got),
            "$ {line}\n--- promised\n{}\n--- printed\n{text}",
            promised.join("\n")
        );
    }
}

#[test]
fn the_readme() {
    let _alone = alone();
    let scratch = clone();
    let text = std::fs::read_to_string(repo().join("README.md")).unwrap();
    let blocks = blocks(&text);
    assert!(
        blocks.len() >= 8 && blocks.iter().any(|block| block.server),
        "where are its blocks?"
    );
    for block in &blocks {
        run_block(block, &scratch);
    }
}

#[test]
fn the_page_of_holm_call() {
    let _alone = alone();
    let scratch = clone();
    std::fs::copy(guest("greet"), scratch.join("greet.wasm")).unwrap();
    std::fs::copy(guest("values-lab"), scratch.join("lab.wasm")).unwrap();
    let text = std::fs::read_to_string(repo().join("docs/holm-call.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.len() >= 6, "where are its blocks?");
    for block in &blocks {
        run_block(block, &scratch);
    }
}

#[test]
fn the_page_of_calls_over_http() {
    let _alone = alone();
    let scratch = clone();
    scratch.write(
        "shop/holm.toml",
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
         [[call]]\nroute = \"/api/...\"\ncomponent = \"lab\"\nfunctions = [\"*\"]\n",
    );
    symlink(guest("call-lab"), scratch.join("shop/lab.wasm")).unwrap();
    page("docs/triggers/call.md", &scratch);
}

#[test]
fn the_page_of_cron() {
    let scratch = clone();
    scratch.write(
        "shop/holm.toml",
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
         [[cron]]\nname = \"greeting\"\nschedule = \"@hourly\"\ncomponent = \"lab\"\n\
         function = \"greet\"\narguments = { name = \"world\" }\n",
    );
    symlink(guest("call-lab"), scratch.join("shop/lab.wasm")).unwrap();
    page("docs/triggers/cron.md", &scratch);
}

#[test]
fn the_pages_of_commands_and_of_start_and_stop() {
    for file in ["docs/triggers/command.md", "docs/triggers/lifecycle.md"] {
        let scratch = clone();
        let text = std::fs::read_to_string(repo().join(file)).unwrap();
        let (_, rest) = text.split_once("```toml\n").expect("its manifest");
        scratch.write("shop/holm.toml", rest.split("```").next().unwrap());
        symlink(guest("hello-p2"), scratch.join("shop/tool.wasm")).unwrap();
        symlink(guest("call-lab"), scratch.join("shop/registry.wasm")).unwrap();
        page(file, &scratch);
    }
}

#[test]
fn the_pages_of_messages() {
    for (path, file, lab) in [
        ("docs/triggers/message.md", "orders.wasm", "message-lab"),
        ("docs/triggers/redis.md", "orders.wasm", "spin-sdk-redis"),
        ("docs/triggers/mqtt.md", "readings.wasm", "mqtt-lab"),
        ("docs/triggers/watch.md", "audit.wasm", "watch-lab"),
    ] {
        let scratch = clone();
        let text = std::fs::read_to_string(repo().join(path)).unwrap();
        let (_, rest) = text.split_once("```toml\n").expect("its manifest");
        let manifest = rest.split("```").next().unwrap();
        let manifest = match lab {
            // The guest can more than the page asks for.
            "message-lab" => manifest.replace(
                "orders.wasm\"\n",
                "orders.wasm\"\ngrants.keyvalue = [\"default\"]\n",
            ),
            _ => manifest.to_owned(),
        };
        scratch.write("shop/holm.toml", format!("name = \"shop\"\n\n{manifest}"));
        symlink(guest(lab), scratch.join("shop").join(file)).unwrap();
        holm()
            .args(["check", "shop"])
            .dir(scratch.path())
            .run()
            .is(0);
        page(path, &scratch);
    }
}

/// Pages of what is tried by `holm run`, whose own page has the commands.
const OF_HOLM_RUN: [&str; 6] = [
    "clocks",
    "environment",
    "files",
    "random",
    "sockets",
    "stdio",
];

/// Each names the guest that it is tried with, has the app around it, and a server where one is needed.
#[test]
fn the_pages_of_capabilities() {
    let folder = repo().join("docs/capabilities");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if OF_HOLM_RUN.contains(&name) {
            continue;
        }
        let text = at_our_servers(std::fs::read_to_string(&path).unwrap());
        let scratch = clone();
        if let Some((_, manifest)) = text.split_once("```toml\nname = \"") {
            let app = manifest.split('"').next().unwrap();
            let manifest = manifest.split("```").next().unwrap();
            scratch.write(format!("{app}/holm.toml"), format!("name = \"{manifest}"));
        }
        for words in text.split("`guests/build -o ").skip(1) {
            let (file, rest) = words.split_once(' ').unwrap();
            symlink(guest(rest.split('`').next().unwrap()), scratch.join(file)).unwrap();
        }
        let blocks = blocks(&text);
        assert!(
            blocks
                .iter()
                .any(|block| block.server && block.steps.len() > 1),
            "{name}.md has nothing to try"
        );
        for block in &blocks {
            run_block(block, &scratch);
        }
    }
}

/// A page says the port that a server has where nobody says another; ours has its own.
fn at_our_servers(mut page: String) -> String {
    for (usual, variable) in [
        ("127.0.0.1:6379", "HOLM_TEST_REDIS"),
        ("127.0.0.1:5432", "HOLM_TEST_POSTGRES"),
        ("127.0.0.1:3306", "HOLM_TEST_MYSQL"),
        ("127.0.0.1:1883", "HOLM_TEST_MQTT"),
    ] {
        if page.contains(usual) {
            let ours = origin(&server(variable));
            page = page.replace(usual, ours.split_once("://").unwrap().1);
        }
    }
    page
}

#[test]
fn the_page_of_holm_run() {
    let scratch = clone();
    scratch.dir("notes");
    symlink(guest("hello-p1"), scratch.join("hello.wasm")).unwrap();
    page("docs/holm-run.md", &scratch);
}

#[test]
fn the_page_of_holm_mcp() {
    let scratch = clone();
    std::fs::copy(guest("greet"), scratch.join("greet.wasm")).unwrap();
    page("docs/holm-mcp.md", &scratch);
}

/// Runs what a page promises.
fn page(path: &str, scratch: &Scratch) {
    let text = std::fs::read_to_string(repo().join(path)).unwrap();
    let blocks = blocks(&text);
    assert!(!blocks.is_empty(), "where are its blocks?");
    for block in &blocks {
        run_block(block, scratch);
    }
}

#[test]
fn each_example_comes_up_and_answers() {
    let scratch = clone();
    let mut seen = 0;
    for entry in std::fs::read_dir(scratch.join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        seen += 1;
        holm().arg("check").arg(&folder).run().is(0);
        let server = Server::up([&folder], scratch.path());
        let reply = server.get("/");
        assert_eq!(reply.status, 200, "{}: {}", folder.display(), reply.text());
        assert!(!reply.body.is_empty());
        assert_eq!(server.terminate(), 0);
        let readme =
            std::fs::read_to_string(folder.join("README.md")).expect("an example has a README.md");
        for block in blocks(&readme) {
            let _alone = alone();
            run_block(&block, &scratch);
        }
    }
    assert!(seen >= 4, "{seen} examples");
}

#[test]
fn the_page_on_composition() {
    let text = std::fs::read_to_string(repo().join("docs/composition.md")).unwrap();
    let scratch = clone();
    polyglot(scratch.path());
    let found = blocks(&text);
    assert!(!found.is_empty(), "where are its blocks?");
    for block in &found {
        run_block(block, &scratch);
    }
    let of = |language: &str| {
        let start = format!("```{language}\n");
        let (_, rest) = text.split_once(&start).expect("its block");
        rest.split("```").next().unwrap().to_owned()
    };
    scratch.write("app.wac", of("wac"));
    let mut compose = holm().arg("compose").arg("app.wac").dir(scratch.path());
    for part in ["web", "payments", "fraud"] {
        compose = compose.args(["--dep", &format!("example:{part}={part}.wasm")]);
    }
    compose.args(["-o", "of-wac.wasm"]).run().is(0);
    let source = holm_manifest::Source::new("holm.toml", of("toml"));
    let manifest = holm_manifest::parse(&source, &holm_host::vocabulary()).unwrap();
    assert!(manifest.warnings.is_empty(), "{:?}", manifest.warnings);
}

#[test]
fn what_is_promised_is_compared() {
    let promised = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (text, got, fit) in [
        ("a\nb", "a\nb", true),
        ("a", "a\nb", false),
        ("a…", "abc", true),
        ("a…c", "abbc", true),
        ("a…c", "abb", false),
        ("…\nb", "x\ny\nb", true),
        ("…\nb", "b", true),
        ("a\n…", "a", true),
        ("a\n…\nz", "a\nb\nc", false),
        ("", "", true),
    ] {
        let got: Vec<&str> = got.lines().collect();
        assert_eq!(fits(&promised(text), &got), fit, "{text:?} {got:?}");
    }
    let text = "x\n```console\n$ echo a \\\n  b\na b\n$ true\n```\n```sh\n$ no\n```\n```console,server\n$ serve\nup\n```\n";
    let found = blocks(text);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0].steps,
        [
            ("echo a b".to_owned(), vec!["a b".to_owned()]),
            ("true".to_owned(), vec![])
        ]
    );
    assert!(found[1].server && !found[0].server);
}
