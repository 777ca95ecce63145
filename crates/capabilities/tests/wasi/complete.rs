//! Nothing of WASI is missing: a component that imports every function of a world can be linked.

use holm_capabilities::{ABOUT, Era, State, link_component};
use std::path::PathBuf;
use std::process::Command;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p1::WasiP1Ctx;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, WorldId, WorldItem};

/// The WIT in the sources of wasmtime's crates: what is linked must be what they implement.
fn wit(package: &str, folder: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        // Of other platforms not everything was downloaded.
        .args(["--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|p| p["name"] == package).unwrap();
    let manifest = PathBuf::from(found["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join(folder)
}

/// This platform, as cargo calls it.
fn host() -> String {
    let output = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
}

fn world(package: &str, folder: &str, world: &str) -> (Resolve, WorldId) {
    let mut resolve = Resolve {
        all_features: true,
        ..Resolve::default()
    };
    let (main, _) = resolve.push_path(wit(package, folder)).unwrap();
    let world = resolve.select_world(&[main], Some(world)).unwrap();
    // wasmtime-wasi has bindings for time zones but nothing behind them.
    let zones: Vec<_> = resolve.worlds[world]
        .imports
        .keys()
        .filter(|key| {
            resolve
                .name_world_key(key)
                .starts_with("wasi:clocks/timezone@")
        })
        .cloned()
        .collect();
    for zone in zones {
        resolve.worlds[world].imports.shift_remove(&zone);
    }
    resolve.worlds[world].exports.clear();
    (resolve, world)
}

/// A component that imports every function of the world, and how many there are.
fn all_of((resolve, world): &(Resolve, WorldId)) -> (Vec<u8>, usize) {
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = wit_component::dummy_module(resolve, *world, abi);
    wit_component::embed_component_metadata(&mut module, resolve, *world, StringEncoding::UTF8)
        .unwrap();
    let functions = resolve.worlds[*world]
        .imports
        .values()
        .map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.len(),
            _ => 1,
        });
    let component = ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    (component, functions.sum())
}

fn linked(era: Era) -> Linker<State> {
    let mut linker = Linker::new(&crate::engine(era == Era::P3));
    link_component(&mut linker, era).unwrap();
    linker
}

#[track_caller]
fn complete(era: Era, package: &str, folder: &str, name: &str, number: usize) {
    let world = world(package, folder, name);
    let (component, functions) = all_of(&world);
    assert_eq!(functions, number, "functions in {name}");
    let linker = linked(era);
    let component = Component::new(linker.engine(), &component).unwrap();
    linker
        .instantiate_pre(&component)
        .map(|_| ())
        .unwrap_or_else(|e| panic!("{name}: {e:?}"));
    described(&world);
}

/// What is linked is also what errors, `inspect` and the docs say.
#[track_caller]
fn described((resolve, world): &(Resolve, WorldId)) {
    for key in resolve.worlds[*world].imports.keys() {
        let full = resolve.name_world_key(key);
        let (name, version) = full.split_once('@').unwrap();
        let mut all = ABOUT.iter().flat_map(|about| about.interfaces);
        let found = all
            .find(|i| i.name == name)
            .unwrap_or_else(|| panic!("no {name} in ABOUT"));
        assert!(
            found.versions.contains(&version),
            "{name}: {:?}",
            found.versions
        );
    }
}

#[test]
fn all_of_wasi_0_2_for_commands() {
    complete(
        Era::P2,
        "wasmtime-wasi",
        "src/p2/wit",
        "wasi:cli/command",
        124,
    );
}

#[test]
fn all_of_wasi_0_2_for_http() {
    complete(Era::P2, "wasmtime-wasi-http", "wit", "wasi:http/proxy", 83);
}

#[test]
fn all_of_wasi_0_3_for_commands() {
    complete(
        Era::P3,
        "wasmtime-wasi",
        "src/p3/wit",
        "wasi:cli/command",
        89,
    );
}

#[test]
fn all_of_wasi_0_3_for_http() {
    complete(
        Era::P3,
        "wasmtime-wasi-http",
        "src/p3/wit",
        "wasi:http/service",
        50,
    );
}

#[test]
fn the_linker_for_0_3_has_all_of_0_2_too() {
    complete(
        Era::P3,
        "wasmtime-wasi",
        "src/p2/wit",
        "wasi:cli/command",
        124,
    );
}

#[test]
fn the_linker_for_0_2_has_nothing_of_0_3() {
    let linker = linked(Era::P2);
    let text = r#"(component (import "wasi:random/random@0.3.0" (instance
        (export "get-random-u64" (func (result u64))))))"#;
    let component = Component::new(linker.engine(), wat::parse_str(text).unwrap()).unwrap();
    assert!(linker.instantiate_pre(&component).is_err());
}

#[test]
fn older_and_newer_patch_versions_are_served() {
    let linker = linked(Era::P2);
    for version in ["0.2.0", "0.2.6", "0.2.99"] {
        let text = format!(
            r#"(component (import "wasi:random/random@{version}" (instance
                (export "get-random-u64" (func (result u64))))))"#
        );
        let component = Component::new(linker.engine(), wat::parse_str(text).unwrap()).unwrap();
        linker.instantiate_pre(&component).map(|_| ()).unwrap();
    }
}

/// Same names, same signatures as what wasmtime-wasi links by itself.
#[test]
fn all_of_wasi_0_1() {
    let engine = crate::engine(false);
    let mut ours = wasmtime::Linker::<State>::new(&engine);
    holm_capabilities::wasi_0_1::link_module(&mut ours).unwrap();
    let mut theirs = wasmtime::Linker::<WasiP1Ctx>::new(&engine);
    wasmtime_wasi::p0::add_to_linker_async(&mut theirs, |t| t).unwrap();
    wasmtime_wasi::p1::add_to_linker_async(&mut theirs, |t| t).unwrap();

    let grants = crate::grants(&std::env::temp_dir(), &[]);
    let state = State::module(&grants, crate::watched().0, crate::wasi()).unwrap();
    let mut our_store = wasmtime::Store::new(&engine, state);
    let mut their_store = wasmtime::Store::new(&engine, crate::wasi().build_p1());
    let ours = functions(&ours, &mut our_store);
    assert_eq!(ours, functions(&theirs, &mut their_store));
    assert_eq!(
        ours.iter()
            .filter(|f| f.starts_with("wasi_snapshot_preview1."))
            .count(),
        46
    );
}

fn functions<T>(linker: &wasmtime::Linker<T>, store: &mut wasmtime::Store<T>) -> Vec<String> {
    let all: Vec<_> = linker
        .iter(&mut *store)
        .map(|(m, n, f)| (m.to_owned(), n.to_owned(), f))
        .collect();
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(module, name, function)| {
            let ty = function.into_func().unwrap().ty(&*store);
            format!("{module}.{name}: {ty}")
        })
        .collect();
    all.sort();
    all
}
