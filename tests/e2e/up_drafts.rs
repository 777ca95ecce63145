//! Interfaces in the drafts and versions that few guests import.

use crate::app::*;
use serde_json::json;

#[test]
fn configuration_in_each_of_its_drafts() {
    let server = App::of(
        "drafts-lab",
        "grants.config = { greeting = \"hi\", n = \"3\" }",
    )
    .up();
    for interface in ["2024", "draft", "runtime"] {
        let get = |query: &str| server.get(&format!("/config/{interface}{query}")).json();
        assert_eq!(get("?key=greeting"), json!({"ok": "hi"}), "{interface}");
        assert_eq!(get("?key=none"), json!({"ok": null}), "{interface}");
        let all = json!({"ok": [["greeting", "hi"], ["n", "3"]]});
        assert_eq!(get(""), all, "{interface}");
    }
}

#[test]
fn secrets_in_their_first_version() {
    let server = App::of("drafts-lab", "grants.secrets = { token = \"hunter2\" }").up();
    let get = |key: &str| server.get(&format!("/secret?key={key}")).json();
    assert_eq!(
        get("token"),
        json!({"ok": "SecretValue::String(\"hunter2\")"})
    );
    assert_eq!(get("other"), json!({"error": "SecretsError::NotFound"}));
    let line = server.entry("/secret");
    let calls = &line["receipt"]["calls"];
    assert_eq!(
        calls["wasmcloud:secrets/reveal"]["reveal"]["count"], 1,
        "{line}"
    );
    assert!(!line.to_string().contains("hunter2"), "{line}");
}
