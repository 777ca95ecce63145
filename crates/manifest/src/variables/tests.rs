//! What variables do to a manifest, and what is told of them.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::schema_for;

use crate::{Fragment, Given, Manifest, Parser, Problem, Problems, Source, Value, Vocabulary};

/// A grant whose own check quotes what it was given, as real ones do.
fn strict(value: &Value) -> Vec<Problem> {
    let urls: Vec<crate::Spanned<String>> = value.parse().unwrap_or_default();
    let wrong = urls.into_iter().filter(|url| !url.starts_with("https://"));
    wrong
        .map(|url| Problem::error(format!("{:?} is no address", url.value)).at(url.span))
        .collect()
}

fn vocabulary() -> Vocabulary {
    let fragment = |name, schema, check| Fragment {
        name,
        doc: "",
        example: "",
        schema,
        check,
    };
    let texts = schema_for!(BTreeMap<String, String>);
    let list = schema_for!(Vec<String>);
    let free = || schema_for!(serde_json::Value);
    Vocabulary {
        grants: vec![
            fragment("config", texts, |_| Vec::new()),
            fragment("http", list.clone(), strict),
            fragment("dirs", list, |_| Vec::new()),
        ],
        triggers: vec![fragment("redis", free(), |_| Vec::new())],
        stores: vec![fragment("keyvalue", free(), |_| Vec::new())],
        brokers: Vec::new(),
    }
}

fn given(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Given {
    let owned = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = all.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    Given::new(owned(flags), owned(environment))
}

fn read_in(dir: &Path, given: Given, text: &str) -> Result<Manifest, Problems> {
    let text = format!("name = \"app\"\n{text}");
    let source = Source::new("holm.toml", text);
    Parser::new(vocabulary())
        .given(given)
        .parse_in(&source, dir)
}

fn read(given: Given, text: &str) -> Result<Manifest, Problems> {
    read_in(Path::new("/nowhere"), given, text)
}

/// The value of the grant `config` of the only component.
fn config(manifest: &Manifest, key: &str) -> String {
    let grant = manifest.components[0].grant("config").unwrap();
    grant
        .value
        .get(key)
        .and_then(Value::as_str)
        .unwrap()
        .to_owned()
}

const ONE: &str = "[variables]\nx = \"default\"\n
    [component.web]\nsource = \"a.wasm\"\ngrants.config = { k = '<{{ x }}>' }\n";

#[test]
fn templates_are_filled_where_they_count_and_nowhere_else() {
    let text = r#"
        [variables]
        host = "db.example.com"
        port = { default = "6379", description = "of the server" }
        [component.web]
        source = "{{ host }}.wasm"
        description = "{{ host }}"
        grants.config = { a = "{{host}}:{{ port }}", b = '{{ "{{ host }}" }}', "{{ host }}" = "c" }
        grants.http = ["https://{{ host }}"]
        grants.dirs = ["{{ host }}"]
        [[redis]]
        address = "redis://{{ host }}"
        channel = "{{ host }}"
        component = "web"
        [store.main]
        type = "keyvalue"
        nodes = [{ url = "redis://{{ host }}:{{ port }}" }]
    "#;
    let manifest = read(Given::default(), text).unwrap();
    assert_eq!(config(&manifest, "a"), "db.example.com:6379");
    assert_eq!(config(&manifest, "b"), "{{ host }}");
    assert_eq!(config(&manifest, "{{ host }}"), "c");
    let web = &manifest.components[0];
    assert_eq!(web.description.as_deref(), Some("{{ host }}"));
    let json = |name: &str| web.grant(name).unwrap().value.to_json().to_string();
    assert_eq!(json("http"), r#"["https://db.example.com"]"#);
    assert_eq!(json("dirs"), r#"["{{ host }}"]"#);
    let trigger = manifest.triggers[0].value.to_json();
    assert_eq!(trigger["address"], "redis://db.example.com");
    assert_eq!(trigger["channel"], "db.example.com");
    assert_eq!(trigger["component"], "web");
    let store = manifest.stores[0].value.to_json();
    assert_eq!(store["nodes"][0]["url"], "redis://db.example.com:6379");
    // Places are those of the file.
    let grant = &web.grant("http").unwrap().value.as_array().unwrap()[0];
    let written = &manifest.source.text[grant.span.start..grant.span.end];
    assert_eq!(written, r#""https://{{ host }}""#);
}

#[test]
fn without_the_table_braces_are_text() {
    let text = "[component.web]\nsource = \"a.wasm\"\ngrants.config = { k = '{{ x }} {{' }";
    assert_eq!(
        config(&read(Given::default(), text).unwrap(), "k"),
        "{{ x }} {{"
    );
}

#[test]
fn values_are_not_templates() {
    let manifest = read(given(&[("x", "{{ x }}")], &[]), ONE).unwrap();
    assert_eq!(config(&manifest, "k"), "<{{ x }}>");
}

#[test]
fn the_nearest_source_holds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("token"), "of the file\r\n").unwrap();
    let text = "[variables]\nx = { default = \"default\", file = \"token\" }\n
        [component.web]\nsource = \"a.wasm\"\ngrants.config = { k = '{{ x }}' }\n";
    let meant = |flags: &[_], environment: &[_], dotenv: &str| {
        std::fs::write(dir.join(".env"), dotenv).unwrap();
        let manifest = read_in(dir, given(flags, environment), text).unwrap();
        let mut files = manifest.variable_files.clone();
        files.sort();
        assert_eq!(files, [dir.join(".env"), dir.join("token")]);
        config(&manifest, "k")
    };
    let (flag, ours, theirs) = (
        ("x", "flag"),
        ("HOLM_VARIABLE_X", "ours"),
        ("SPIN_VARIABLE_X", "theirs"),
    );
    let dotenv = "# why\nHOLM_VARIABLE_X='a file'\nX=no\nHOLM_VARIABLE_x=no\n";
    assert_eq!(meant(&[flag], &[theirs, ours], dotenv), "flag");
    assert_eq!(meant(&[], &[theirs, ours], dotenv), "ours");
    assert_eq!(meant(&[], &[theirs], dotenv), "theirs");
    assert_eq!(meant(&[], &[("X", "no")], dotenv), "a file");
    assert_eq!(meant(&[], &[], "SPIN_VARIABLE_X=theirs"), "theirs");
    assert_eq!(meant(&[], &[], ""), "of the file");
    std::fs::remove_file(dir.join("token")).unwrap();
    assert_eq!(meant(&[], &[], ""), "default");
}

#[test]
fn a_flag_for_nothing_is_a_mistake() {
    let says = |text: &str| {
        let problems = read(given(&[("xx", "1")], &[]), text).unwrap_err();
        let problem = &problems.list[0];
        format!("{} | {}", problem.message, problem.help.clone().unwrap())
    };
    assert_eq!(says(ONE), "there is no variable `xx` | variables: x");
    let none = "[component.web]\nsource = \"a.wasm\"";
    assert_eq!(
        says(none),
        "there is no variable `xx` | the app has no table [variables]"
    );
}

#[test]
fn what_is_unknown_is_told_once() {
    // The grant's own check would complain of what is left of the address.
    let text = "[variables]\nhost = { required = true }\n
        [component.web]\nsource = \"a.wasm\"\ngrants.http = [\"{{ host }}\", \"{{ hots }}\"]\n";
    let problems = read(Given::default(), text).unwrap_err();
    let messages: Vec<_> = problems.list.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "variable `host` has no value",
            "there is no variable `hots`"
        ]
    );
    let caret = problems.list[1].span.unwrap();
    assert_eq!(&problems.source.text[caret.start..caret.end], "hots");
    let fixed = read(given(&[("host", "ftp://x")], &[]), text).unwrap_err();
    assert_eq!(fixed.list[0].message, "\"ftp://x\" is no address");
}

#[test]
fn a_bad_dotenv_is_told_without_its_text() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "A=1\nhunter2 hunter2\n").unwrap();
    let problems = read_in(dir.path(), Given::default(), ONE).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "holm.toml: `.env` beside the manifest cannot be read: line 2 is not NAME=VALUE"
    );
}

#[test]
fn secrets_are_in_nothing_that_is_printed() {
    let secret = "hunter2 \"quoted\"";
    let text = r#"
        [variables]
        token = { required = true, secret = true }
        [component.web]
        source = "a.wasm"
        grants.config = { token = "x{{ token }}" }
        grants.http = ["{{ token }}"]
        [store.main]
        type = "keyvalue"
        url = "redis://:{{ token }}@host"
        [[redis]]
        address = "redis://{{ token }}"
        component = "web"
    "#;
    let with = || given(&[("token", secret)], &[("HOLM_VARIABLE_TOKEN", secret)]);
    let fine = text.replace("grants.http = [\"{{ token }}\"]", "");
    let manifest = read(with(), &fine).unwrap();
    assert_eq!(config(&manifest, "token"), format!("x{secret}"));

    let problems = read(with(), text).unwrap_err();
    let elsewhere = Problem::error(format!("cannot use {secret:?}"))
        .label(secret)
        .help(secret)
        .note(secret);
    let mut all = problems.list.clone();
    all.push(elsewhere);
    let problems = Problems::new(problems.source, all);
    let shown = [
        format!("{manifest:?}"),
        format!("{:?}", with()),
        problems.to_string(),
        problems.to_json().to_string(),
        problems.render(false, 120),
    ];
    for text in &shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(shown[0].contains("[redacted]"), "{}", shown[0]);
    assert!(
        shown[2].contains("cannot use \"[redacted]\""),
        "{}",
        shown[2]
    );
    assert!(shown[4].contains("secret variable"), "{}", shown[4]);
}

#[test]
fn a_dollar_in_dotenv_is_a_dollar() {
    let dir = tempfile::tempdir().unwrap();
    // `PATH` is in every environment; of what comes before in the file nothing is put in either.
    let text = "HOLM_VARIABLE_A=x$PATH\nHOLM_VARIABLE_B=\"y${PATH}z\"\nHOLM_VARIABLE_C='$HOLM_VARIABLE_A'\n\
                HOLM_VARIABLE_D=\"\\$1\"\nHOLM_VARIABLE_E='a\\$b'\n";
    std::fs::write(dir.path().join(".env"), text).unwrap();
    let manifest = r#"
        [variables]
        a = ""
        b = ""
        c = ""
        d = ""
        e = ""
        [component.web]
        source = "a.wasm"
        grants.config = { all = "{{ a }}|{{ b }}|{{ c }}|{{ d }}|{{ e }}" }
    "#;
    let manifest = read_in(dir.path(), Given::default(), manifest).unwrap();
    assert_eq!(
        config(&manifest, "all"),
        "x$PATH|y${PATH}z|$HOLM_VARIABLE_A|$1|a\\$b"
    );
}

#[test]
fn a_secret_that_the_manifest_writes_is_not_shown_beside_a_mistake() {
    let one = "[variables]\ntoken = { default = \"hunter2 käse\", secret = true }\nother = { need = 1 }\n";
    let two = "[variables]\ntoken = { default = \"hunter2 käse\", secret = true, need = 1 }\n";
    let elsewhere = || given(&[("token", "else")], &[]);
    for (given, text) in [
        (Given::default(), one),
        (elsewhere(), one),
        (elsewhere(), two),
    ] {
        let problems = read(given, text).unwrap_err();
        let shown = problems.render(false, 120);
        assert!(shown.contains("token = "), "{shown}");
        assert!(shown.contains("need"), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("käse"),
            "{shown}"
        );
    }
}
