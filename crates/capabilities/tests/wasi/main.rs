//! WASI as a guest meets it: all of it is linked, and the record says what was done.

mod complete;
mod component;
mod manifest;
mod module;

use holm_capabilities::{Grants, Place, State};
use holm_manifest::{Grant, Span, Value};
use holm_runtime::limits::{Allowance, Budget};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, InstanceState, Watch};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::{Config, Engine};
use wasmtime_wasi::WasiCtxBuilder;

fn engine(concurrency: bool) -> Engine {
    let mut config = Config::new();
    config.concurrency_support(concurrency);
    config.wasm_component_model_async(concurrency);
    Engine::new(&config).unwrap()
}

fn grants(base: &Path, grants: &[(&str, Value)]) -> Grants {
    let place = Place {
        base: base.to_owned(),
        state: base.join(".holm"),
        stores: [].into(),
        shared: Default::default(),
        brokers: Default::default(),
    };
    let grants: Vec<Grant> = grants
        .iter()
        .map(|(name, value)| Grant {
            name: (*name).to_owned(),
            name_span: Span::default(),
            value: value.clone(),
        })
        .collect();
    Grants::resolve(&grants, &place).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A core that notes which grants are used, and those notes.
fn watched() -> (Core, Uses) {
    let uses = Uses::default();
    let watch = Watch {
        uses: Some(uses.clone()),
        ..Watch::default()
    };
    (Core::new("test".into(), budget(), &watch), uses)
}

fn budget() -> Budget {
    Budget::new(Allowance {
        sockets: 256,
        ..Allowance::UNLIMITED
    })
}

/// The uses as text: `dirs /data write`.
fn used(uses: &Uses) -> Vec<String> {
    let text = |u: holm_runtime::seam::Use| format!("{} {} {}", u.grant, u.scope, u.access);
    uses.list()
        .into_iter()
        .map(|u| text(u).trim().to_owned())
        .collect()
}

/// Calls by name.
fn calls(state: &mut State) -> BTreeMap<String, u64> {
    let tallies = state.core().seam.tallies().iter();
    tallies
        .map(|t| {
            (
                format!("{}.{}", t.id.function().interface, t.id.function().name),
                t.calls,
            )
        })
        .collect()
}

/// Bytes in and out: of files, then of the standard streams.
fn flows(state: &mut State) -> [u64; 4] {
    let flows = &state.core().flows;
    [
        &flows.files_in,
        &flows.files_out,
        &flows.stdio_in,
        &flows.stdio_out,
    ]
    .map(|f| f.load(Relaxed))
}

fn wasi() -> WasiCtxBuilder {
    WasiCtxBuilder::new()
}

fn writable(path: &str) -> Value {
    Value::table(vec![
        ("path", Value::string(path)),
        ("access", Value::string("write")),
    ])
}
