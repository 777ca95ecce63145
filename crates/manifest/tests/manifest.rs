//! What a good manifest says, and what is not shown in a snapshot.

#![allow(missing_docs, reason = "test code")]

mod support;

use std::path::Path;

use holm_manifest::{ByteSize, ComponentSource, OrNone, Source, Time, Value, schema};
use support::{VALID, parse, vocabulary};

#[test]
fn everything_comes_through_in_order() {
    let manifest = match parse(VALID) {
        Ok(manifest) => manifest,
        Err(problems) => panic!("{problems}"),
    };
    assert!(manifest.warnings.is_empty());
    assert!(manifest.dir.is_absolute());
    assert_eq!(manifest.name, "guestbook");
    assert_eq!(manifest.version.as_deref(), Some("1.2.0"));
    assert_eq!(manifest.serve.listen.as_deref(), Some("127.0.0.1:3000"));
    assert_eq!(
        manifest.serve.tls.as_ref().unwrap().key,
        Path::new("key.pem")
    );
    assert!(manifest.serve.server_timing);
    assert_eq!(manifest.serve.header_timeout, Time::seconds(5));
    assert_eq!(manifest.serve.body_timeout, Time::seconds(60));

    let [web, sweeper] = manifest.components.as_slice() else {
        panic!("two components");
    };
    assert_eq!((&*web.name, &*sweeper.name), ("web", "sweeper"));
    assert_eq!(web.reuse, 4);
    assert_eq!(sweeper.reuse, 1);
    assert_eq!((web.snapshot, sweeper.snapshot), (false, true));
    assert_eq!(web.limits.memory, ByteSize::mib(64));
    assert_eq!(web.limits.cpu, OrNone::some(Time::millis(50)));
    assert_eq!(web.limits.table_elements, 100_000);
    assert_eq!(sweeper.limits.memory, ByteSize::mib(32));
    assert_eq!(sweeper.limits.timeout, Time::seconds(60));
    let ComponentSource::File(file) = &web.source.value else {
        panic!("{:?}", web.source)
    };
    assert_eq!(file, Path::new("guestbook.wasm"));
    let resolved = web.source.resolve(Path::new("/app"));
    assert_eq!(resolved, Path::new("/app/guestbook.wasm"));
    let build = web.build.as_ref().unwrap();
    assert!(build.command.starts_with("cargo"));
    assert_eq!(&VALID[build.command.span.start..][..6], "\"cargo");
    assert_eq!(build.watch, ["web/src"]);

    let names: Vec<&str> = web.grants.iter().map(|grant| &*grant.name).collect();
    assert_eq!(names, ["keyvalue", "http", "net", "dirs", "env", "config"]);
    let span = web.grants_span.unwrap();
    assert_eq!(&VALID[span.start..span.end], "[component.web.grants]");
    assert!(sweeper.grants_span.is_none());
    let dirs = web.grant("dirs").unwrap().value.to_json();
    assert_eq!(dirs["/data"]["access"], "read");

    let kinds: Vec<&str> = manifest.triggers.iter().map(|t| &*t.kind).collect();
    assert_eq!(kinds, ["http", "cron", "http"]);
    let span = manifest.triggers[1].span;
    assert_eq!(&VALID[span.start..span.end], "[[cron]]");
    assert_eq!(
        manifest.triggers[2].value.get("files").unwrap().as_str(),
        Some("public")
    );

    let store = manifest.store("default").unwrap();
    assert_eq!(store.kind, "keyvalue");
    assert_eq!(store.value.get("provider").unwrap().as_str(), Some("redis"));
    assert!(manifest.store("people").is_some());
    assert!(manifest.component("nobody").is_none());
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    for text in [VALID.replace('\n', "\r\n"), format!("\u{feff}{VALID}")] {
        let manifest = match parse(&text) {
            Ok(manifest) => manifest,
            Err(problems) => panic!("{problems}"),
        };
        assert_eq!(manifest.components.len(), 2);
    }
}

#[test]
fn paths_start_at_the_folder_of_the_manifest() {
    let source = Source::new("some/where/holm.toml", VALID);
    let manifest = holm_manifest::parse(&source, &vocabulary()).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(manifest.dir, here.join("some/where"));
}

/// Everything that a schema points to is there, and names clash nowhere.
#[test]
fn the_schema_is_whole() {
    fn references(value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(object) => {
                if let Some(path) = object.get("$ref").and_then(|path| path.as_str()) {
                    out.push(path.to_owned());
                }
                object.values().for_each(|value| references(value, out));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }
    let schema = schema(&vocabulary());
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(!found.is_empty());
    for path in found {
        let target = schema.pointer(path.trim_start_matches('#'));
        assert!(target.is_some(), "{path} leads nowhere");
    }
    assert!(!schema.to_string().contains("null"), "TOML has no null");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["http"]["description"], "A route.");
}

#[test]
fn values_made_in_code_are_read_and_point_nowhere() {
    let value = Value::table(vec![("path", Value::string("data")), ("depth", 3.into())]);
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Dir {
        #[allow(dead_code)]
        path: String,
    }
    let problem = value.parse::<Dir>().err().unwrap();
    assert_eq!(problem.message, "unknown key `depth`");
    assert_eq!(problem.span, None);
    assert!(value.without("depth").parse::<Dir>().is_ok());
}

#[test]
fn garbage_is_told_in_short() {
    let garbage: String = (0..1_000_000u32)
        .map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 25) as u8))
        .collect();
    let lines = "= x y z \u{1b}[2J\n".repeat(70_000);
    let bombs = [
        "[", "[[", "a=[", "a={b=", "a.", "[a.", "{", "\"", "'''", "\n", "\0",
    ];
    let bombs = bombs.iter().map(|bomb| bomb.repeat(1_000_000 / bomb.len()));
    for text in [garbage, lines].into_iter().chain(bombs) {
        let start = std::time::Instant::now();
        let problems = parse(&text).unwrap_err();
        let shown = problems.render(false, 80);
        let _ = (problems.to_json(), problems.to_string());
        assert!(shown.len() < 20_000, "{} bytes shown", shown.len());
        assert!(!shown.contains('\u{1b}'), "escapes reach the terminal");
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}

/// Nesting that the TOML parser itself allows must not overflow our stack or its own.
#[test]
fn deep_nesting_is_an_error() {
    let path = vec!["a"; 79].join(".");
    let inline = format!("[{path}]\n{}", format!("{path} = {{ ").repeat(78));
    let headers = format!("[{path}]\n{path} = 1\n");
    let arrays = format!("{path} = {}{}", "[".repeat(75), "]".repeat(75));
    for text in [format!("{inline}{}", "}".repeat(78)), headers, arrays] {
        let problems = parse(&text).unwrap_err();
        assert!(problems.list[0].message.contains("nested"), "{problems}");
    }
}
