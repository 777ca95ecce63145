//! Configuration values.

use crate::{About, Capability, Era, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use wasmtime_wasi::WasiCtxBuilder;

/// What a component was granted: see the module.
pub struct Config;

impl Capability for Config {
    const ABOUT: About = About { name: "config", doc: "Configuration values.", grant: Some("config"), example: None, refuse_ungranted: false, interfaces: &[] };
    type Instance = ();
    fn fragment() -> Option<Fragment> { None }
    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> { Ok(Self) }
    fn instance(&self, _core: &holm_runtime::Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<()> { Ok(()) }
    fn link_component(_linker: &mut wasmtime::component::Linker<State>, _era: Era) -> wasmtime::Result<()> { Ok(()) }
}
