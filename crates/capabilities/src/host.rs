//! The list of capabilities as the runtime sees it: what is linked, and what is offered.

use crate::{ABOUT, Era, State, link_component, wasi_0_1};
use holm_runtime::{Host, Offer};

impl Host for State {
    fn link_component(
        linker: &mut wasmtime::component::Linker<Self>,
        concurrency: bool,
    ) -> wasmtime::Result<()> {
        link_component(linker, if concurrency { Era::P3 } else { Era::P2 })
    }

    fn link_module(linker: &mut wasmtime::Linker<Self>) -> wasmtime::Result<()> {
        wasi_0_1::link_module(linker)
    }

    fn offers() -> Vec<Offer> {
        ABOUT
            .iter()
            .flat_map(|about| {
                about.interfaces.iter().map(|interface| Offer {
                    interface: interface.name,
                    versions: interface.versions,
                    grant: about.grant.zip(about.example),
                    refuse_ungranted: about.refuse_ungranted,
                    of_sdk: interface.is_of_sdk(),
                })
            })
            .collect()
    }
}
