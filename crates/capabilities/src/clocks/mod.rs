//! Wall and monotonic clocks: always there, nothing to grant.
//!
//! ```toml
//! [component.web]             # no grant: every component may read the clocks
//! source = "web.wasm"
//! ```

pub mod wasi_0_2;
pub mod wasi_0_3;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// The clocks of the machine; there is nothing to configure.
pub struct Clocks;

impl Capability for Clocks {
    const ABOUT: About = About {
        name: "clocks",
        doc: "Wall and monotonic clocks.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:clocks/wall-clock",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:clocks/monotonic-clock",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:clocks/system-clock",
                versions: &["0.3.0"],
            },
            Interface {
                name: "wasi:clocks/types",
                versions: &["0.3.0"],
            },
        ],
    };
    type Instance = ();

    fn fragment() -> Option<Fragment> {
        None
    }

    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn instance(
        &self,
        _core: &holm_runtime::Core,
        _wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<()> {
        Ok(())
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_0_2::link(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => wasi_0_3::link(linker),
        }
    }
}
