//! Outbound HTTP, as `wasi:http/outgoing-handler` (0.2) and `wasi:http/client` (0.3).
//!
//! ```toml
//! [component.web.grants]
//! http = ["https://api.example.com"]
//! ```
//! The way of a request: [`hooks`] admits it (is its [`destination`] granted?), [`outbound`] sends
//! it over a pooled connection of this component, or over one that [`connect`] dials to an address
//! that it has checked. What a grant says of an origin beside its name ([`origins`]) decides who the
//! client is there, whom it trusts, how long it waits and how often it tries ([`retry`]). Nothing here
//! follows a redirect or heeds a proxy. What goes to a component of the same app leaves no connection
//! ([`chain`]).

mod body;
pub mod chain;
mod connect;
mod destination;
mod fault;
mod hooks;
mod origins;
mod outbound;
mod pool;
mod retry;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod wasi_0_2;
mod wasi_0_3;

use crate::network::{OriginPolicy, Resolve, System};
use crate::{About, Capability, Era, Interface, Place, State};
use connect::Connector;
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::trace::Tracer;
use origins::Granted;
use outbound::Outbound;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

pub use hooks::Hooks;
#[cfg(feature = "postgres")]
pub(crate) use tls::Identity;
pub use tls::prepare as prepare_tls;

/// Which origins a component may send requests to, and its connections to them.
pub struct Http(Arc<Outbound>);

/// What an instance holds.
pub struct Instance {
    context: WasiHttpCtx,
    hooks: Hooks,
}

impl Instance {
    /// Who its requests are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.hooks.trace(tracer);
    }

    /// The same, for who calls on.
    pub(crate) fn tracer(&self) -> Tracer {
        self.hooks.tracer()
    }

    /// Which components it reaches by name from now on.
    pub(crate) fn chain(&mut self, chain: Option<chain::Chain>) {
        self.hooks.chain(chain);
    }

    /// The same, for who calls on.
    pub(crate) fn chained(&self) -> Option<chain::Chain> {
        self.hooks.chained()
    }
}

impl Http {
    /// A grant of `policy`, with names looked up by `resolver`.
    pub fn new(policy: OriginPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Http(Arc::new(Outbound::new(Connector::new(
            Arc::new(policy),
            resolver,
        ))))
    }

    fn of(granted: Granted) -> Self {
        let system = Arc::new(System::default());
        let connector = Connector::new(Arc::new(granted.policy), system);
        Http(Arc::new(Outbound::new(connector.with(granted.settings))))
    }
}

impl Capability for Http {
    const ABOUT: About = About {
        name: "http",
        doc: "Outbound HTTP.",
        grant: Some("http"),
        example: Some("http = [\"https://api.example.com\"]"),
        // The toolchains of JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:http/types",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:http/outgoing-handler",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:http/client",
                versions: &["0.3.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "http",
            doc: "The origins that it may send requests to; `private` lets their names lead to private addresses.",
            example: "[component.web.grants]\nhttp = [\"https://api.example.com\", \"https://*.example.org\"]",
            schema: Granted::schema(),
            check: |value| Granted::read(value, None).1,
        })
    }

    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem> {
        let (granted, problems) = value
            .map(|value| Granted::read(value, Some(&place.base)))
            .unwrap_or_default();
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(Http::of(granted)),
        }
    }

    fn instance(
        &self,
        core: &holm_runtime::Core,
        _wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<Instance> {
        let mut context = WasiHttpCtx::new();
        if let Ok(most) = usize::try_from(core.budget.allowance().headers) {
            context.set_field_size_limit(most);
        }
        Ok(Instance {
            context,
            hooks: Hooks::new(self.0.clone(), core),
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_0_2::link(linker)?;
        if era == Era::P3 {
            wasi_0_3::link(linker)?;
        }
        // The row that is ours takes the place of the generated one.
        linker.allow_shadowing(true);
        chain::link(linker)?;
        linker.allow_shadowing(false);
        Ok(())
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (table, parts) = self.table_and_parts();
        let Instance { context, hooks } = &mut parts.http;
        WasiHttpCtxView {
            ctx: context,
            table,
            hooks,
        }
    }
}
