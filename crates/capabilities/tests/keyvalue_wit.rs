//! Everything in the WIT packages under `wit/` is linked, with the types that are written there.

use holm_capabilities::config::Config;
use holm_capabilities::keyvalue::KeyValue;
use holm_capabilities::llm::Llm;
use holm_capabilities::mqtt::Mqtt;
use holm_capabilities::mysql::Mysql;
use holm_capabilities::postgres::Postgres;
use holm_capabilities::redis::Redis;
use holm_capabilities::sqlite::Sqlite;
use holm_capabilities::{Capability, Era, State};
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A component that imports the whole of a package's world `imports`.
fn guest(package: &str, world: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../wit")
        .join(package);
    let mut resolve = Resolve::default();
    let (id, _) = resolve.push_dir(&folder).unwrap();
    let world = resolve.select_world(&[id], Some(world)).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

fn links<C: Capability>(package: &str, interfaces: &[&str]) {
    let engine = Engine::default();
    let component = Component::new(&engine, guest(package, "imports")).unwrap();
    let ty = component.component_type();
    let mut imports: Vec<_> = ty
        .imports(&engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    imports.sort();
    assert_eq!(imports, interfaces);
    for era in [Era::P2, Era::P3] {
        let mut linker: Linker<State> = Linker::new(&engine);
        C::link_component(&mut linker, era).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
    // What is linked is what the capability says of itself.
    for import in imports {
        let (name, version) = import.split_once('@').unwrap();
        let interface = C::ABOUT.interfaces.iter().find(|i| i.name == name).unwrap();
        assert!(
            interface.versions.contains(&version),
            "{import} is not in ABOUT"
        );
    }
}

#[test]
fn keyvalue_draft() {
    links::<KeyValue>(
        "wasi-keyvalue@0.2.0-draft",
        &[
            "wasi:keyvalue/atomics@0.2.0-draft",
            "wasi:keyvalue/batch@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0-draft",
        ],
    );
}

#[test]
fn keyvalue_draft2() {
    links::<KeyValue>(
        "wasi-keyvalue@0.2.0-draft2",
        &[
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:keyvalue/batch@0.2.0-draft2",
            "wasi:keyvalue/store@0.2.0-draft2",
        ],
    );
}

#[test]
fn config_rc_1() {
    links::<Config>("wasi-config@0.2.0-rc.1", &["wasi:config/store@0.2.0-rc.1"]);
}

#[test]
fn config_of_spin() {
    let package = "wasi-config@0.2.0-draft-2024-09-27";
    links::<Config>(package, &["wasi:config/store@0.2.0-draft-2024-09-27"]);
}

#[test]
fn config_draft() {
    let interfaces = [
        "wasi:config/runtime@0.2.0-draft",
        "wasi:config/store@0.2.0-draft",
    ];
    links::<Config>("wasi-config@0.2.0-draft", &interfaces);
}

#[test]
fn sqlite() {
    links::<Sqlite>("spin-sqlite@3.0.0", &["spin:sqlite/sqlite@3.0.0"]);
}

#[test]
fn postgres() {
    links::<Postgres>("spin-postgres@3.0.0", &["spin:postgres/postgres@3.0.0"]);
    links::<Postgres>("spin-postgres@4.0.0", &["spin:postgres/postgres@4.0.0"]);
}

/// What Spin's toolchains import into every component links as a whole.
#[test]
fn the_data_of_spin_2() {
    let engine = Engine::default();
    let component = Component::new(&engine, guest("fermyon-spin@2.0.0", "data")).unwrap();
    for era in [Era::P2, Era::P3] {
        let mut linker: Linker<State> = Linker::new(&engine);
        Sqlite::link_component(&mut linker, era).unwrap();
        Redis::link_component(&mut linker, era).unwrap();
        Mqtt::link_component(&mut linker, era).unwrap();
        Postgres::link_component(&mut linker, era).unwrap();
        Mysql::link_component(&mut linker, era).unwrap();
        Llm::link_component(&mut linker, era).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
}
