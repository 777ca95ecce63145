//! Everything in the WIT packages under `wit/` is linked, with the types that are written there.

use holm_capabilities::blobs::Blobs;
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

/// A component that imports these interfaces of a package.
fn guest(package: &str, interfaces: &[&str]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../wit")
        .join(package);
    let mut resolve = Resolve::default();
    resolve.push_dir(&folder).unwrap();
    let imports: String = interfaces
        .iter()
        .map(|interface| format!("import {interface}; "))
        .collect();
    let world = format!("package holm:guest; world imports {{ {imports} }}");
    let id = resolve.push_str("guest.wit", &world).unwrap();
    let world = resolve.select_world(&[id], Some("imports")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

fn links<C: Capability>(package: &str, interfaces: &[&str]) {
    links_in::<C>(&[Era::P2, Era::P3], package, interfaces);
}

fn links_in<C: Capability>(eras: &[Era], package: &str, interfaces: &[&str]) {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, guest(package, interfaces)).unwrap();
    let ty = component.component_type();
    let mut imports: Vec<_> = ty
        .imports(&engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    imports.sort();
    assert_eq!(imports, interfaces);
    for &era in eras {
        let mut linker: Linker<State> = Linker::new(&engine);
        C::link_component(&mut linker, era).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
    // What is linked is what the capability says of itself; types alone are not linked.
    for import in imports.iter().filter(|name| !name.ends_with("-types")) {
        let (name, version) = import.split_once('@').unwrap_or((import, ""));
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

/// The types that it is about come with the engine's own `wasi:io`.
#[test]
fn blobstore_draft() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let interfaces = [
        "wasi:blobstore/blobstore@0.2.0-draft",
        "wasi:blobstore/container@0.2.0-draft",
        "wasi:blobstore/types@0.2.0-draft",
    ];
    let guest = guest("wasi-blobstore@0.2.0-draft", &interfaces);
    let component = Component::new(&engine, guest).unwrap();
    for era in [Era::P2, Era::P3] {
        let mut linker: Linker<State> = Linker::new(&engine);
        holm_capabilities::link_component(&mut linker, era).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
    let known: Vec<_> = Blobs::ABOUT.interfaces.iter().map(|one| one.name).collect();
    let named = interfaces.map(|name| name.split('@').next().unwrap());
    assert_eq!(known, named);
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
    let names = ["sqlite", "redis", "mqtt", "postgres", "mysql", "llm"];
    let interfaces = names.map(|name| format!("fermyon:spin/{name}@2.0.0"));
    let interfaces = interfaces.each_ref().map(String::as_str);
    let engine = Engine::default();
    let component = Component::new(&engine, guest("fermyon-spin@2.0.0", &interfaces)).unwrap();
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

/// What Spin's first SDKs import.
#[test]
fn the_data_of_spin_before_it_had_versions() {
    links::<Sqlite>("fermyon-spin", &["fermyon:spin/sqlite"]);
    let types = "fermyon:spin/redis-types";
    links::<Redis>("fermyon-spin", &["fermyon:spin/redis", types]);
    let types = "fermyon:spin/rdbms-types";
    links::<Postgres>("fermyon-spin", &["fermyon:spin/postgres", types]);
    links::<Mysql>("fermyon-spin", &["fermyon:spin/mysql", types]);
}

#[test]
fn keyvalue_of_spin() {
    links::<KeyValue>("fermyon-spin@2.0.0", &["fermyon:spin/key-value@2.0.0"]);
    links::<KeyValue>("fermyon-spin", &["fermyon:spin/key-value"]);
    links_in::<KeyValue>(
        &[Era::P3],
        "spin-key-value@3.0.0",
        &["spin:key-value/key-value@3.0.0"],
    );
}

#[test]
fn variables_of_spin() {
    links::<Config>("fermyon-spin@2.0.0", &["fermyon:spin/variables@2.0.0"]);
    links::<Config>("fermyon-spin", &["fermyon:spin/config"]);
    links_in::<Config>(
        &[Era::P3],
        "spin-variables@3.0.0",
        &["spin:variables/variables@3.0.0"],
    );
}
