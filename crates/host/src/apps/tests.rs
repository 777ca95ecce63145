//! Routes and names belong to one app; a version takes the place of another.

use super::*;
use crate::logs::GuestLog;
use crate::shelf::Shelf;
use holm_manifest::{Parser, Source};
use holm_runtime::artifact::{Cache, Loader};
use holm_runtime::engines::Engines;
use holm_runtime::lanes::Lanes;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Runtime, Watch};

fn apps() -> Apps {
    let cache = std::env::temp_dir().join("holm-apps-tests");
    let loader = Loader::new(Engines::new(PoolSize::of(8)), Cache::at(&cache));
    let setting = Setting {
        memory: crate::setting::memory_of_this_machine(),
        runtime: Runtime::new(loader).into(),
        log: GuestLog::off(),
        allow_precompiled: false,
        watch: Watch::default(),
        shelf: Shelf::of_this_machine(),
        lanes: Lanes::new(),
        many: true,
    };
    Apps::new(Arc::new(setting), AccessSink::off())
}

fn app(apps: &Apps, name: &str, routes: &[(&str, &str)]) -> App {
    let mut text = format!("name = \"{name}\"\n[component.web]\nsource = \"web.wasm\"\n");
    for (host, route) in routes {
        text += &format!("[[http]]\nroute = \"{route}\"\ncomponent = \"web\"\n");
        if !host.is_empty() {
            text += &format!("host = \"{host}\"\n");
        }
    }
    let source = Source::new(format!("/nowhere/{name}/holm.toml"), text.as_str());
    let manifest = Parser::new(crate::vocabulary()).parse(&source).unwrap();
    apps.resolve(manifest, None).unwrap()
}

#[test]
fn a_route_belongs_to_one_app() {
    let apps = apps();
    apps.put(app(&apps, "one", &[("a.example", "/users/:id")]))
        .unwrap();
    let second = app(
        &apps,
        "two",
        &[("", "/free"), ("A.example", "/users/:name")],
    );
    let error = apps.put(second).err().unwrap().to_string();
    assert_eq!(
        error,
        "the apps `one` and `two` both have the route `/users/:name` of host `A.example`"
    );
    assert!(apps.get("two").is_none());
    // Nothing of what was refused stays claimed.
    apps.put(app(&apps, "three", &[("", "/free")])).unwrap();
    apps.remove("one").unwrap();
    apps.put(app(&apps, "two", &[("a.example", "/users/:name")]))
        .unwrap();
}

#[test]
fn a_route_that_all_answer_alike_is_shared() {
    let apps = apps();
    let fixed = |name: &str, route: &str, body: &str| {
        let text = format!(
            "name = \"{name}\"\n[[http]]\nroute = \"{route}\"\nrespond = {{ body = \"{body}\" }}\n"
        );
        let source = Source::new(format!("/nowhere/{name}/holm.toml"), text.as_str());
        let manifest = Parser::new(crate::vocabulary()).parse(&source).unwrap();
        apps.resolve(manifest, None).unwrap()
    };
    apps.put(fixed("one", "/health", "OK")).unwrap();
    apps.put(fixed("two", "/health", "OK")).unwrap();
    let refused = |app| apps.put(app).err().unwrap().to_string();
    let three = "the apps `one` and `three` both have the route `/health`";
    assert_eq!(refused(fixed("three", "/health", "fine")), three);
    assert_eq!(refused(app(&apps, "three", &[("", "/health")])), three);
    // Nor may one of them go its own way.
    assert_eq!(
        refused(fixed("two", "/health", "fine")),
        "the apps `one` and `two` both have the route `/health`"
    );
    apps.remove("one").unwrap();
    assert!(refused(app(&apps, "three", &[("", "/health")])).contains("`two` and `three`"));
    apps.remove("two").unwrap();
    apps.put(app(&apps, "three", &[("", "/health")])).unwrap();
}

#[test]
fn a_new_version_is_the_same_tenant() {
    let apps = apps();
    let tenant = |name: &str| apps.get(name).unwrap().tenant.clone();
    for name in ["one", "two"] {
        apps.put(app(&apps, name, &[])).unwrap();
    }
    let (one, two) = (tenant("one"), tenant("two"));
    assert!(!Arc::ptr_eq(&one, &two));
    // Whatever of it has changed: who computes is charged to the same account.
    apps.put(app(&apps, "one", &[("", "/new")])).unwrap();
    assert!(Arc::ptr_eq(&tenant("one"), &one));
    let web = apps.get("one").unwrap().components[0].clone();
    assert!(Arc::ptr_eq(&web.share.tenant, &one));
    apps.remove("one").unwrap();
    apps.put(app(&apps, "one", &[])).unwrap();
    assert!(
        !Arc::ptr_eq(&tenant("one"), &one),
        "another app by that name"
    );
}

#[test]
fn a_new_version_gives_up_the_routes_it_no_longer_has() {
    let apps = apps();
    apps.put(app(&apps, "one", &[("", "/a"), ("", "/b")]))
        .unwrap();
    let old = apps
        .put(app(&apps, "one", &[("", "/b"), ("", "/c")]))
        .unwrap();
    assert_eq!(old.unwrap().routes.len(), 2);
    apps.put(app(&apps, "two", &[("", "/a")])).unwrap();
    assert!(apps.put(app(&apps, "three", &[("", "/b")])).is_err());
    assert!(apps.put(app(&apps, "three", &[("", "/c")])).is_err());
}

#[test]
fn two_folders_cannot_have_one_name() {
    let apps = apps();
    apps.put(app(&apps, "one", &[])).unwrap();
    let text = "name = \"one\"\n[component.web]\nsource = \"web.wasm\"\n";
    let manifest = Parser::new(crate::vocabulary())
        .parse(&Source::new("/elsewhere/holm.toml", text))
        .unwrap();
    let second = apps.resolve(manifest, None).unwrap();
    let error = apps.put(second).err().unwrap().to_string();
    assert!(
        error.contains("/nowhere/one/holm.toml and /elsewhere/holm.toml"),
        "{error}"
    );
}
