//! PostgreSQL, as `spin:postgres` and `fermyon:spin/postgres`.
//!
//! ```toml
//! [component.web.grants]
//! postgres = ["postgres://db.internal:5432"]
//! ```
//! A guest's connection is a session of its own; [`session`] says how it is kept for the component's
//! next event. Values keep their types: [`param`] hands them to the server, [`value`] reads them.

mod address;
mod after;
mod link;
mod numeric;
mod older;
mod param;
pub mod session;
#[cfg(test)]
mod tests;
mod value;
mod wit;

use crate::network::{OriginPolicy, Service};
use crate::outbound::{Caller, Way};
use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use holm_runtime::trace::Tracer;
use session::Client;
use std::sync::Arc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

pub use wit::postgres as types;

/// Which servers a component may call, and its connections to them.
pub struct Postgres(Arc<Client>);

/// What an instance holds.
pub struct Instance {
    caller: Caller,
    client: Arc<Client>,
}

/// What the host functions work on.
pub struct View<'a> {
    table: &'a mut ResourceTable,
    part: &'a mut Instance,
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.caller.trace(tracer);
    }
}

impl Capability for Postgres {
    const ABOUT: About = About {
        name: "postgres",
        doc: "PostgreSQL servers.",
        grant: Some("postgres"),
        example: Some("postgres = [\"postgres://localhost:5432\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "fermyon:spin/postgres",
                versions: &["2.0.0"],
            },
            Interface {
                name: "spin:postgres/postgres",
                versions: &["3.0.0", "4.0.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "postgres",
            doc: "The PostgreSQL servers that it may call; `private` lets their names lead to private addresses.",
            example: "[component.web.grants]\npostgres = [\"postgres://db.internal:5432\"]",
            schema: OriginPolicy::schema(),
            check: |value| OriginPolicy::read(Service::Postgres, value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let way = Way::granted(Service::Postgres, value)?;
        Ok(Postgres(Arc::new(Client::new(way))))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            caller: Caller::new(self.0.way().clone(), core),
            client: self.0.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        link::postgres_3(linker)?;
        link::postgres_4(linker)
    }
}
