//! Folders and files.

use crate::{About, Capability, Era, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use wasmtime_wasi::WasiCtxBuilder;

/// What a component was granted: see the module.
pub struct Files;

impl Capability for Files {
    const ABOUT: About = About { name: "files", doc: "Folders and files.", grant: Some("dirs"), example: None, refuse_ungranted: false, interfaces: &[] };
    type Instance = ();
    fn fragment() -> Option<Fragment> { None }
    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> { Ok(Self) }
    fn instance(&self, _core: &holm_runtime::Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<()> { Ok(()) }
    fn link_component(_linker: &mut wasmtime::component::Linker<State>, _era: Era) -> wasmtime::Result<()> { Ok(()) }
}
