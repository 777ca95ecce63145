//! Random numbers: always there, nothing to grant.
//!
//! ```toml
//! [component.web]             # no grant: every component may draw random numbers
//! source = "web.wasm"
//! ```

pub mod wasi_0_2;
pub mod wasi_0_3;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// The most bytes that one call may ask for; more is a trap. The guest makes the host hold them,
/// and no limit on time can interrupt the host while it draws them.
const BYTES_PER_CALL_MAX: u64 = 8 << 20;

/// The system's random numbers; there is nothing to configure.
pub struct Random;

impl Capability for Random {
    const ABOUT: About = About {
        name: "random",
        doc: "Random numbers.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:random/random",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:random/insecure",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:random/insecure-seed",
                versions: &["0.2.12", "0.3.0"],
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
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<()> {
        wasi.max_random_size(BYTES_PER_CALL_MAX);
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
