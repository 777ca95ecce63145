//! What composing promises: the same bytes each time, nothing left unsaid, errors that name both sides.

use super::*;
use holm_manifest::Source;
use std::collections::HashMap;
use std::path::PathBuf;

/// A component that exports `test:x/NAME`, a function `get` that gives a number.
fn exports(interface: &str, number: u32) -> String {
    format!(
        r#"(component
            (core module $m (func (export "get") (result i32) i32.const {number}))
            (core instance $i (instantiate $m))
            (func $get (result u32) (canon lift (core func $i "get")))
            (instance $api (export "get" (func $get)))
            (export "{interface}" (instance $api)))"#
    )
}

/// A component that exports one interface and gets its number from another, plus one.
fn passes_on(import: &str, export: &str) -> String {
    format!(
        r#"(component
            (import "{import}" (instance $other (export "get" (func (result u32)))))
            (core func $get (canon lower (func $other "get")))
            (core module $m
                (import "" "get" (func $get (result i32)))
                (func (export "get") (result i32) (i32.add (call $get) (i32.const 1))))
            (core instance $i (instantiate $m
                (with "" (instance (export "get" (func $get))))))
            (func $more (result u32) (canon lift (core func $i "get")))
            (instance $api (export "get" (func $more)))
            (export "{export}" (instance $api)))"#
    )
}

fn part(name: &str, text: &str) -> Part {
    Part::of(name.into(), wat::parse_str(text).unwrap()).unwrap()
}

/// Runs `get` of the exported interface.
fn get(composed: &Composed, interface: &str) -> u32 {
    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, &composed.binary).unwrap();
    let mut store = wasmtime::Store::new(&engine, ());
    let linker = wasmtime::component::Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let outer = instance
        .get_export_index(&mut store, None, interface)
        .unwrap();
    let index = instance
        .get_export_index(&mut store, Some(&outer), "get")
        .unwrap();
    let get = instance
        .get_typed_func::<(), (u32,)>(&mut store, index)
        .unwrap();
    get.call(&mut store, ()).unwrap().0
}

fn fails(result: Result<Composed>) -> String {
    let error = result.unwrap_err();
    format!("{error}\n{}", error.help.join("\n"))
}

#[test]
fn a_chain_of_plugs_is_one_component() {
    let web = || part("web", &passes_on("test:x/b@1.0.0", "test:x/a@1.0.0"));
    let middle = || part("middle", &passes_on("test:x/c", "test:x/b@1.2.0"));
    let last = || part("last", &exports("test:x/c", 40));
    let composed = plug(web(), vec![middle(), last()]).unwrap();
    assert_eq!(get(&composed, "test:x/a@1.0.0"), 42);
    assert_eq!(composed.open, [""; 0]);
    assert_eq!(composed.exports, ["test:x/a@1.0.0"]);
    let joints: Vec<String> = composed
        .joints
        .iter()
        .map(|j| format!("{} {} <- {} {}", j.from, j.import, j.to, j.export))
        .collect();
    assert_eq!(
        joints,
        [
            "web test:x/b@1.0.0 <- middle test:x/b@1.2.0",
            "middle test:x/c <- last test:x/c"
        ]
    );
    let again = plug(web(), vec![middle(), last()]).unwrap();
    assert!(
        composed.binary == again.binary,
        "it differs from run to run"
    );
}

#[test]
fn what_stays_open_is_said_and_can_be_plugged_later() {
    let web = part("web", &passes_on("test:x/b", "test:x/a"));
    let middle = part("middle", &passes_on("test:x/c", "test:x/b"));
    let open = plug(web, vec![middle]).unwrap();
    assert_eq!(open.open, ["test:x/c"]);
    let open = Part::of("open".into(), open.binary).unwrap();
    let whole = plug(open, vec![part("last", &exports("test:x/c", 1))]).unwrap();
    assert_eq!(get(&whole, "test:x/a"), 3);
}

#[test]
fn a_plug_that_fits_nowhere_is_an_error() {
    let web = || part("web", &passes_on("test:x/b", "test:x/a"));
    let other = part("other", &exports("test:y/z", 1));
    insta::assert_snapshot!(fails(plug(web(), vec![other])), @r"
    `other` exports nothing that is to be plugged
    `other` exports: test:y/z
    `web` imports: test:x/b
    ");
    // The right ones in the wrong order.
    let last = part("last", &exports("test:x/c", 1));
    let middle = part("middle", &passes_on("test:x/c", "test:x/b"));
    insta::assert_snapshot!(fails(plug(web(), vec![last, middle])), @r"
    `last` exports nothing that is to be plugged
    `last` exports: test:x/c
    `web` imports: test:x/b
    `middle` imports it: name `last` after it, for a plug serves what stands before it
    ");
    let newer = part("newer", &exports("test:x/b@2.0.0", 1));
    let web = part("web", &passes_on("test:x/b@1.0.0", "test:x/a"));
    assert!(fails(plug(web, vec![newer])).contains("exports nothing that is to be plugged"));
}

#[test]
fn other_types_under_the_same_name_are_an_error() {
    let web = part("web", &passes_on("test:x/b", "test:x/a"));
    let text = exports("test:x/b", 1).replace("(result u32)", "(result s32)");
    let said = fails(plug(web, vec![part("other", &text)]));
    assert!(
        said.starts_with("`other` exports `test:x/b` with other types than `web` imports it: "),
        "{said}"
    );
    assert!(said.contains("u32") && said.contains("s32"), "{said}");
}

#[test]
fn two_parts_of_one_name_and_one_part_twice() {
    let same = || part("same", &passes_on("test:x/b", "test:x/a"));
    let plugged = plug(same(), vec![part("same", &exports("test:x/b", 6))]).unwrap();
    assert_eq!(get(&plugged, "test:x/a"), 7);
    // One part serves two: they share its instance.
    let parts = vec![
        part("top", &passes_on("test:x/b", "test:x/a")),
        part("left", &passes_on("test:x/c", "test:x/b")),
        part("last", &exports("test:x/c", 1)),
        part("unused", &exports("test:x/d", 1)),
    ];
    let link = |from, import: &str, to| Link {
        from,
        import: import.into(),
        to,
    };
    let links = [link(0, "test:x/b", 1), link(1, "test:x/c", 2)];
    let fused = fuse(parts, &links).unwrap();
    assert_eq!((get(&fused, "test:x/a"), fused.joints.len()), (3, 2));
}

#[test]
fn links_that_cannot_be() {
    let parts = || {
        vec![
            part("a", &passes_on("test:x/b", "test:x/a")),
            part("b", &passes_on("test:x/a", "test:x/b")),
        ]
    };
    let link = |from, import: &str, to| Link {
        from,
        import: import.into(),
        to,
    };
    let said = fails(fuse(
        parts(),
        &[link(0, "test:x/b", 1), link(1, "test:x/a", 0)],
    ));
    assert!(
        said.starts_with("the links between the parts make a cycle"),
        "{said}"
    );
    let said = fails(fuse(parts(), &[link(0, "test:x/q", 1)]));
    assert!(
        said.starts_with("`b` does not export `test:x/q`, which `a` imports"),
        "{said}"
    );
}

/// A folder of packages, and the document that joins them.
fn composed(text: &str) -> Result<Result<Composed>, holm_manifest::Problems> {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path: PathBuf = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        path
    };
    write("deps/test/last.wasm", &exports("test:x/c", 40));
    let web = write("web.wasm", &passes_on("test:x/c", "test:x/a"));
    let packages = Packages {
        files: HashMap::from([("test:web".to_owned(), web)]),
        folder: dir.path().join("deps"),
    };
    document(&Source::new("app.wac", text), &packages)
}

const DOCUMENT: &str = "\
package test:app;

let last = new test:last {};
let web = new test:web { \"test:x/c\": last[\"test:x/c\"] };
export web[\"test:x/a\"];
";

#[test]
fn a_document_says_how_parts_are_joined() {
    let first = composed(DOCUMENT).unwrap().unwrap();
    assert_eq!(get(&first, "test:x/a"), 41);
    assert_eq!(first.exports, ["test:x/a"]);
    let again = composed(DOCUMENT).unwrap().unwrap();
    assert!(first.binary == again.binary, "it differs from run to run");
}

#[test]
fn what_is_wrong_with_a_document_is_shown_at_its_place() {
    let mut shown = String::new();
    for (from, to) in [
        ("let web =", "let web"),
        ("new test:web", "new test:wob"),
        ("new test:last {}", "new test:last { x: last }"),
        ("last[\"test:x/c\"]", "last[\"test:x/d\"]"),
        ("export web", "export wob"),
        ("\"test:x/c\": last", "\"test:x/q\": last"),
        ("{ \"test:x/c\": last[\"test:x/c\"] }", "{}"),
        ("let last", "let web"),
    ] {
        let text = DOCUMENT.replace(from, to);
        assert_ne!(text, DOCUMENT);
        let problems = composed(&text)
            .err()
            .unwrap_or_else(|| panic!("{text} is good"));
        shown += &problems.render(false, 100);
        shown.push('\n');
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"/[^\s]*/deps/", "[DIR]/deps/");
    settings.bind(|| insta::assert_snapshot!(shown));
}

#[test]
fn whatever_the_document_it_is_composed_or_explained() {
    let words = [
        "let ",
        "new ",
        "{",
        "}",
        "...",
        "export ",
        "import ",
        "test:web",
        "\"",
        "[",
        ";",
        "(",
        "interface",
        "as",
    ];
    crate::fuzz::text("wac", &words, |text| {
        let source = Source::new("app.wac", text);
        let nowhere = Packages::default();
        if let Err(problems) = document(&source, &nowhere) {
            assert!(!problems.to_string().is_empty());
        }
    });
}

#[test]
fn brackets_without_end_are_refused() {
    let text = format!("package a:b;\nlet x = {}", "(".repeat(100_000));
    let problems = document(&Source::new("app.wac", text), &Packages::default());
    assert!(
        problems
            .unwrap_err()
            .to_string()
            .contains("nested too deeply")
    );
}
