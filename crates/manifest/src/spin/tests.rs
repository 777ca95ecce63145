//! What becomes of a spin.toml: the tree, the text of it, and that nothing panics.

use super::*;
use crate::{Source, syntax, to_toml};

fn all(_: &str) -> bool {
    true
}

/// The text of the equal holm.toml, or what is wrong.
fn translated(text: &str) -> Result<String, Vec<String>> {
    let source = Source::new("spin.toml", text);
    let root = syntax::read(&source).expect("it is TOML");
    let words = Words {
        grant: &all,
        variables: true,
    };
    match translate(&root, &words) {
        (Some(value), problems) if problems.is_empty() => Ok(to_toml(&value)),
        (_, problems) => Err(problems.into_iter().map(|p| p.message).collect()),
    }
}

const HEAD: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n";

fn hosts(list: &str) -> Result<Vec<String>, Vec<String>> {
    let text =
        format!("{HEAD}[component.c]\nsource = \"c.wasm\"\nallowed_outbound_hosts = {list}\n");
    let written = translated(&text)?;
    let grants = written.split_once("[component.c.grants]\n");
    Ok(grants.map_or(Vec::new(), |(_, lines)| {
        lines.lines().map(str::to_owned).collect()
    }))
}

#[test]
fn hosts_go_by_their_scheme() {
    for (list, grants) in [
        ("[]", &[][..]),
        (
            "[\"https://a.b\"]",
            &["http = [\"https://a.b\", \"private\"]"],
        ),
        (
            "[\"http://10.0.0.1:8080/\"]",
            &["http = [\"http://10.0.0.1:8080\"]"],
        ),
        (
            "[\"http://localhost:*\"]",
            &["http = [\"http://localhost:*\"]"],
        ),
        (
            "[\"https://*\"]",
            &["http = [\"https://*:443\", \"private\"]"],
        ),
        ("[\"http://self\"]", &["http = [\"http://self\"]"]),
        ("[\"https://self.alt\"]", &["http = [\"http://self\"]"]),
        (
            "[\"http://pay.spin.internal\"]",
            &["http = [\"http://pay.spin.internal\"]"],
        ),
        (
            "[\"redis://127.0.0.1\"]",
            &["redis = [\"redis://127.0.0.1\"]"],
        ),
        (
            "[\"redis://*\"]",
            &["redis = [\"redis://*:6379\", \"private\"]"],
        ),
        (
            "[\"rediss://localhost:6380\"]",
            &["redis = [\"rediss://localhost:6380\"]"],
        ),
        (
            "[\"mqtt://localhost:1883\"]",
            &["mqtt = [\"mqtt://localhost\"]"],
        ),
        (
            "[\"postgresql://localhost\"]",
            &["postgres = [\"postgresql://localhost\"]"],
        ),
        ("[\"tcp://[::1]:7\"]", &["net = [\"[::1]:7\"]"]),
        ("[\"tcp://fd00::/8\"]", &[]),
        (
            "[\"redis://{{ h }}:{{ p }}\"]",
            &["redis = [\"redis://{{ h }}:{{ p }}\", \"private\"]"],
        ),
        // The end of a range is not in it.
        (
            "[\"http://localhost:79..82\"]",
            &["http = [\"http://localhost:79\", \"http://localhost\", \"http://localhost:81\"]"],
        ),
        (
            "[\"tcp://a.example:1..3\", \"redis://10.0.0.0/8:6379..6380\"]",
            &[
                "net = [\"a.example:1\", \"a.example:2\", \"private\"]",
                "redis = [\"redis://10.0.0.0/8\"]",
            ],
        ),
        (
            "[\"*://127.0.0.1:7\"]",
            &[
                "http = [\"http://127.0.0.1:7\", \"https://127.0.0.1:7\"]",
                "redis = [\"redis://127.0.0.1:7\", \"rediss://127.0.0.1:7\"]",
                "mqtt = [\"mqtt://127.0.0.1:7\", \"mqtts://127.0.0.1:7\"]",
                "postgres = [\"postgres://127.0.0.1:7\"]",
                "mysql = [\"mysql://127.0.0.1:7\"]",
                "net = [\"127.0.0.1:7\"]",
            ],
        ),
        (
            "[\"*://*:*\"]",
            &[
                "http = [\"*\", \"private\"]",
                "redis = [\"*\", \"private\"]",
                "mqtt = [\"*\", \"private\"]",
                "postgres = [\"*\", \"private\"]",
                "mysql = [\"*\", \"private\"]",
                "net = [\"*\", \"private\"]",
            ],
        ),
    ] {
        match hosts(list) {
            Ok(found) => assert_eq!(found, grants, "{list}"),
            Err(problems) => assert!(grants.is_empty(), "{list}: {problems:?}"),
        }
    }
}

#[test]
fn hosts_that_cannot_be_meant() {
    for (list, says) in [
        ("[\"example.com\"]", "without a scheme"),
        ("[\"*\"]", "without a scheme"),
        ("[\"{{ s }}://a\"]", "cannot be a template"),
        ("[\"h2:/://a\"]", "is no scheme"),
        ("[\"http://a/b\"]", "with a path"),
        ("[\"http://\"]", "no host"),
        ("[\"*://a\"]", "no port of its own"),
        ("[\"tcp://a\"]", "no port of its own"),
        ("[\"http://a:1..x\"]", "no range of ports"),
        ("[\"http://a:{{ p }}..9\"]", "no range of ports"),
        ("[\"http://a:3..3\"]", "no port in it"),
        ("[\"http://a:9..3\"]", "no port in it"),
        ("[\"http://a:1..66\"]", "a range of 65 ports"),
    ] {
        let problems = hosts(list).expect_err(list);
        assert!(problems[0].contains(says), "{list}: {problems:?}");
    }
}

#[test]
fn the_older_list_of_hosts_is_for_http() {
    let old = |list: &str| {
        let text =
            format!("{HEAD}[component.c]\nsource = \"c.wasm\"\nallowed_http_hosts = {list}\n");
        let written = translated(&text).unwrap_or_else(|p| panic!("{p:?}"));
        written.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(
        old("[\"localhost:80\"]"),
        "http = [\"http://localhost\", \"https://localhost:80\"]"
    );
    assert_eq!(
        old("[\"https://10.1.1.1\"]"),
        "http = [\"http://10.1.1.1\", \"https://10.1.1.1\"]"
    );
    assert_eq!(old("[\"self\"]"), "http = [\"http://self\"]");
    assert_eq!(
        old("[\"insecure:allow-all\"]"),
        "http = [\"http://*:*\", \"https://*:*\", \"private\"]"
    );
}

#[test]
fn names_become_ours() {
    for (theirs, ours) in [
        ("my-app", "my-app"),
        ("My App!", "my-app"),
        ("request_shape", "request-shape"),
        ("7 up", "app-7-up"),
        ("héllo", "h-llo"),
        ("…", "app"),
    ] {
        assert_eq!(slug(theirs), ours);
    }
}

#[test]
fn version_one_becomes_the_same_as_version_two() {
    let one = "spin_version = \"1\"\nname = \"a\"\ntrigger = { type = \"http\", base = \"/\" }\n\
               [variables]\nv = { default = \"x\" }\n\
               [[component]]\nid = \"My_c\"\nsource = \"c.wasm\"\n\
               allowed_http_hosts = [\"https://1.1.1.1\"]\nallowed_outbound_hosts = []\n\
               [component.trigger]\nroute = \"/...\"\n\
               [component.config]\nk = \"{{ v }}\"\n";
    let two = format!(
        "{HEAD}[variables]\nv = {{ default = \"x\" }}\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"my-c\"\n\
         [component.my-c]\nsource = \"c.wasm\"\nallowed_http_hosts = [\"https://1.1.1.1\"]\n\
         variables = {{ k = \"{{{{ v }}}}\" }}\n"
    );
    assert_eq!(translated(one), translated(&two));
    let databases = one.replace("allowed_outbound_hosts = []\n", "");
    let databases = translated(&databases).unwrap_or_else(|p| panic!("{p:?}"));
    assert!(
        databases.contains("mysql = [\"mysql://*:*\", \"private\"]"),
        "{databases}"
    );
}

#[test]
fn a_file_at_a_url_is_known_by_its_digest() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let file = format!("{{ url = \"https://a.example/x.wasm\", digest = \"{digest}\" }}");
    let written = translated(&format!(
        "{HEAD}[component.c]\nsource = {file}\n\
         [component.c.dependencies]\n\"a:b/c\" = {file}\n"
    ));
    let written = written.unwrap();
    let table = format!("source]\nurl = \"https://a.example/x.wasm\"\ndigest = \"{digest}\"\n");
    assert_eq!(written.matches(&table).count(), 2, "{written}");
    let problems = translated(&format!(
        "{HEAD}[component.c]\nsource = {{ url = \"https://a.example/x.wasm\" }}\n"
    ));
    assert!(problems.unwrap_err()[0].contains("a URL without a digest"));
}

#[test]
fn dependencies_are_linked_components() {
    let written = translated(&format!(
        "{HEAD}[component.c]\nsource = \"c.wasm\"\nenvironment = {{ A = \"b\" }}\n\
         key_value_stores = [\"default\"]\n\
         [component.d]\nsource = \"d.wasm\"\n\
         [component.c.dependencies]\n\
         \"a:b/c@1.0.0\" = {{ path = \"x.wasm\", inherit_configuration = [\"environment\"] }}\n\
         \"a:b/d\" = {{ component = \"d\" }}\n"
    ));
    let expected = "name = \"a\"\n\n\
        [component.c]\nsource = \"c.wasm\"\n\n\
        [component.c.grants]\nkeyvalue = [\"default\"]\nenv = { A = \"b\" }\n\n\
        [component.c.imports]\n\"a:b/c@1.0.0\" = \"c-dependency1\"\n\"a:b/d\" = \"d\"\n\n\
        [component.c-dependency1]\nsource = \"x.wasm\"\n\n\
        [component.c-dependency1.grants]\nenv = { A = \"b\" }\n\n\
        [component.d]\nsource = \"d.wasm\"\n";
    assert_eq!(written, Ok(expected.to_owned()));
}

#[test]
fn whatever_is_translated_can_be_written() {
    let words = [
        "[component.a]\n",
        "[[trigger.http]]\n",
        "[[trigger.redis]]\n",
        "[[trigger.mqtt]]\n",
        "[application.trigger.mqtt]\n",
        "address = \"redis://a\"\n",
        "qos = \"1\"\n",
        "route = ",
        "source = ",
        "allowed_outbound_hosts = [\"",
        "://",
        "*",
        "{{ x }}",
        ":",
        "files = [",
        "{ private = true }",
        "static_response = { body = \"x\" }",
        "\"",
    ];
    crate::fuzz::text("spin", &words, |text| {
        let Ok(root) = syntax::read(&Source::new("spin.toml", text)) else {
            return;
        };
        let words = Words {
            grant: &all,
            variables: true,
        };
        if let (Some(value), problems) = translate(&root, &words)
            && problems.is_empty()
        {
            let text = to_toml(&value);
            let again =
                syntax::read(&Source::new("holm.toml", &*text)).expect("what is written is TOML");
            assert_eq!(again.to_json(), value.to_json(), "{text}");
        }
    });
}
