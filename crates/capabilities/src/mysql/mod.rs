//! MySQL and MariaDB, as `fermyon:spin/mysql`.
//!
//! ```toml
//! [component.web.grants]
//! mysql = ["mysql://db.internal:3306"]
//! ```

mod link;
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

pub use wit::rdbms_types as types;

/// Which servers a component may call, and its connections to them.
pub struct Mysql(Arc<Client>);

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

impl Capability for Mysql {
    const ABOUT: About = About {
        name: "mysql",
        doc: "MySQL and MariaDB servers.",
        grant: Some("mysql"),
        example: Some("mysql = [\"mysql://localhost:3306\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[Interface {
            name: "fermyon:spin/mysql",
            versions: &["2.0.0"],
        }],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "mysql",
            doc: "The MySQL servers that it may call; `private` lets their names lead to private addresses.",
            example: "[component.web.grants]\nmysql = [\"mysql://db.internal:3306\"]",
            schema: OriginPolicy::schema(),
            check: |value| OriginPolicy::read(Service::Mysql, value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let way = Way::granted(Service::Mysql, value)?;
        Ok(Mysql(Arc::new(Client::new(way))))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            caller: Caller::new(self.0.way().clone(), core),
            client: self.0.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)
    }
}
