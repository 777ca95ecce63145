//! What a component of Spin's imports: from a file, or from another component of its app.

use crate::app::*;
use crate::support::*;

/// `web` imports what `shop.wasm` exports; `dependency` says how, `more` are lines of `web`'s table.
fn app(dependency: &str, more: &str) -> App {
    let app = App::spin(&format!(
        r#"spin_manifest_version = 2

[application]
name = "linked"

[[trigger.http]]
route = "/..."
component = "web"

[component.web]
source = "web.wasm"
environment = {{ WHO = "web" }}
files = [{{ source = "of-web", destination = "/data" }}]
{more}

[component.web.dependencies]
{dependency}

[component.shop]
source = "shop.wasm"
environment = {{ WHO = "shop" }}
"#
    ))
    .guest("web.wasm", "link-caller")
    .guest("shop.wasm", "link-callee");
    app.dir().write("of-web/file", "the web's");
    app
}

#[track_caller]
fn says(server: &Server, path: &str, text: &str) {
    let reply = server.get(path);
    let text = format!("{text}\n");
    assert_eq!((reply.status, reply.text()), (200, text), "{path}");
}

const NEITHER: (&str, &str) = ("Some(\"web\") None", "Some(\"the web's\") None");
const BOTH: (&str, &str) = (
    "Some(\"web\") Some(\"web\")",
    "Some(\"the web's\") Some(\"the web's\")",
);

/// The component and what it imports have this variable, and this file.
#[track_caller]
fn works(server: &Server, (variable, file): (&str, &str)) {
    says(server, "/values", "ok");
    says(server, "/resources", "ok");
    says(server, "/variable", variable);
    says(server, "/file", file);
}

#[test]
fn a_file_is_linked_and_inherits_what_is_said() {
    let file = |more: &str| format!("\"holm:linked/api@0.1.0\" = {{ path = \"shop.wasm\"{more} }}");
    for (dependency, more, has) in [
        (file(""), "", NEITHER),
        (file(", inherit_configuration = false"), "", NEITHER),
        (file(", inherit_configuration = true"), "", BOTH),
        (
            file(", inherit_configuration = [\"environment\"]"),
            "",
            (BOTH.0, NEITHER.1),
        ),
        (
            file(", inherit_configuration = [\"files\"]"),
            "",
            (NEITHER.0, BOTH.1),
        ),
        (file(""), "dependencies_inherit_configuration = true", BOTH),
        // Its version may be left out.
        (
            "\"holm:linked/api\" = { path = \"shop.wasm\" }".to_owned(),
            "",
            NEITHER,
        ),
    ] {
        works(&app(&dependency, more).up(), has);
    }
}

#[test]
fn another_component_of_the_app_is_linked_and_has_what_is_its_own() {
    let has = ("Some(\"web\") Some(\"shop\")", NEITHER.1);
    let app = app("\"holm:linked/api@0.1.0\" = { component = \"shop\" }", "");
    works(&app.up(), has);
    // And as what it is imported to.
    let import = ["import", "spin.toml", "-o", "holm.toml"];
    holm().args(import).dir(app.dir().path()).run().is(0);
    let manifest = app.dir().read("holm.toml");
    assert!(manifest.contains("= \"shop\""), "{manifest}");
    std::fs::remove_file(app.dir().join("spin.toml")).unwrap();
    works(&app.up(), has);
}

#[test]
fn a_file_is_linked_in_what_it_is_imported_to() {
    let inherits = "inherit_configuration = [\"environment\"]";
    let app = app(
        &format!("\"holm:linked/api@0.1.0\" = {{ path = \"shop.wasm\", {inherits} }}"),
        "",
    );
    let import = ["import", "spin.toml", "-o", "holm.toml"];
    holm().args(import).dir(app.dir().path()).run().is(0);
    std::fs::remove_file(app.dir().join("spin.toml")).unwrap();
    works(&app.up(), (BOTH.0, NEITHER.1));
}

#[test]
fn what_nobody_provides_is_told_before_anything_is_served() {
    let app = app("\"holm:linked/api@0.2.0\" = { path = \"shop.wasm\" }", "");
    let refused = app.refused();
    refused.is(2).says("holm:linked/api");
}
