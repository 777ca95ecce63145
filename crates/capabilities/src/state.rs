//! The state of an instance: the runtime's part, WASI's, and one part per capability.

use crate::logging::Logging;
use crate::stdio::{Pipes, Stdio};
use crate::{Grants, Parts};
use holm_runtime::artifact::Form;
use holm_runtime::bridge::Links;
use holm_runtime::trace::Tracer;
use holm_runtime::{Core, InstanceState};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// The data of every store that Holm makes.
pub struct State {
    core: Core,
    links: Links<State>,
    wasi: Wasi,
    /// What the capabilities keep.
    pub parts: Parts,
}

/// WASI 0.1 keeps its own table of descriptors, so its context is another type.
enum Wasi {
    Component { ctx: WasiCtx, table: ResourceTable },
    Module(Box<WasiP1Ctx>),
}

impl Grants {
    /// Where what the component prints and logs goes. Whoever hosts it decides.
    pub fn print_to(&mut self, stdio: Stdio) {
        self.logging = Logging::from(&stdio);
        self.otel.logging = self.logging.clone();
        self.stdio = stdio;
    }
}

impl State {
    /// The state of a fresh instance of a component.
    pub fn component(
        grants: &Grants,
        core: Core,
        mut wasi: WasiCtxBuilder,
    ) -> wasmtime::Result<Self> {
        let parts = grants.parts(&core, &mut wasi)?;
        Self::of_component(grants, core, wasi, parts)
    }

    /// The state of a fresh instance of a program, of either form, that reads and prints the bytes of
    /// one event. What `wasi` has of arguments and variables comes before those that are granted.
    pub fn program(
        grants: &Grants,
        core: Core,
        mut wasi: WasiCtxBuilder,
        form: Form,
        pipes: Pipes,
    ) -> wasmtime::Result<Self> {
        let parts = grants.parts(&core, &mut wasi)?;
        pipes.wire(&core, &mut wasi);
        match form {
            Form::Component => Self::of_component(grants, core, wasi, parts),
            Form::Module => Self::of_module(grants, core, wasi, parts),
        }
    }

    fn of_component(
        grants: &Grants,
        core: Core,
        mut wasi: WasiCtxBuilder,
        parts: Parts,
    ) -> wasmtime::Result<Self> {
        let mut ctx = wasi.build();
        *ctx.filesystem() = grants.files.opened()?;
        let mut table = ResourceTable::new();
        // The engine's own default stays where there is no limit.
        let most = core.budget.allowance().handles;
        if most != usize::MAX {
            table.set_max_capacity(most);
        }
        Ok(State {
            core,
            links: Links::default(),
            wasi: Wasi::Component { ctx, table },
            parts,
        })
    }

    /// The state of a fresh instance of a 0.1 module.
    pub fn module(grants: &Grants, core: Core, mut wasi: WasiCtxBuilder) -> wasmtime::Result<Self> {
        let parts = grants.parts(&core, &mut wasi)?;
        Self::of_module(grants, core, wasi, parts)
    }

    fn of_module(
        grants: &Grants,
        core: Core,
        mut wasi: WasiCtxBuilder,
        parts: Parts,
    ) -> wasmtime::Result<Self> {
        let mut ctx = Box::new(wasi.build_p1());
        *ctx.ctx().ctx.filesystem() = grants.files.opened()?;
        Ok(State {
            core,
            links: Links::default(),
            wasi: Wasi::Module(ctx),
            parts,
        })
    }

    /// Calls that leave the host from now on, and those to stores, are told to this one.
    pub fn trace(&mut self, tracer: Tracer) {
        self.parts.otel.trace(tracer.clone());
        self.parts.keyvalue.trace(tracer.clone());
        self.parts.blobs.trace(tracer.clone());
        #[cfg(feature = "sqlite")]
        self.parts.sqlite.trace(tracer.clone());
        self.parts.redis.trace(tracer.clone());
        self.parts.messaging.trace(tracer.clone());
        #[cfg(feature = "mqtt")]
        self.parts.mqtt.trace(tracer.clone());
        #[cfg(feature = "postgres")]
        self.parts.postgres.trace(tracer.clone());
        #[cfg(feature = "mysql")]
        self.parts.mysql.trace(tracer.clone());
        self.parts.http.trace(tracer);
    }

    /// Who is told of its calls, for those that it calls.
    pub fn tracer(&self) -> Tracer {
        self.parts.http.tracer()
    }

    /// Which components of its app it reaches by name from now on, over HTTP.
    pub fn chain(&mut self, chain: Option<crate::http::chain::Chain>) {
        self.parts.http.chain(chain);
    }

    /// The same, for those that it calls.
    pub fn chained(&self) -> Option<crate::http::chain::Chain> {
        self.parts.http.chained()
    }

    /// The 0.1 context; only instances of 0.1 modules are linked to functions that ask for it.
    pub(crate) fn p1(&mut self) -> &mut WasiP1Ctx {
        match &mut self.wasi {
            Wasi::Module(ctx) => ctx,
            Wasi::Component { .. } => unreachable!("a component is never linked to 0.1 functions"),
        }
    }

    /// The table of resources beside the parts, for capabilities that need both.
    pub fn table_and_parts(&mut self) -> (&mut ResourceTable, &mut Parts) {
        let table = match &mut self.wasi {
            Wasi::Component { table, .. } => table,
            Wasi::Module(ctx) => ctx.ctx().table,
        };
        (table, &mut self.parts)
    }
}

impl InstanceState for State {
    fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn links(&mut self) -> &mut Links<State> {
        &mut self.links
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        match &mut self.wasi {
            Wasi::Component { ctx, table } => WasiCtxView { ctx, table },
            Wasi::Module(ctx) => ctx.ctx(),
        }
    }
}
