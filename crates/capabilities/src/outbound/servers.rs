//! One capability for each kind of server: what its grant means, what an instance holds and where calls
//! are noted is the same for all of them.

use super::{Address, Caller, Moved, Way};
use crate::network::{OriginPolicy, Service, Unreached};
use crate::{About, Capability, Era, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use holm_runtime::receipt::Flows;
use holm_runtime::trace::Tracer;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

/// A kind of server.
pub trait Kind: Sized + Send + Sync + 'static {
    /// Its capability.
    const ABOUT: About;
    /// What is spoken there.
    const SERVICE: Service;
    /// What its grant means, for the schema.
    const GRANT: &'static str;
    /// The grant in a manifest.
    const EXAMPLE: &'static str;

    /// What a component's instances share: its connections.
    type Client: Send + Sync + 'static;

    /// A component's client, with no connections yet.
    fn client(way: Arc<Way>) -> Self::Client;

    /// Where bytes are counted, those that came and those that went.
    fn flows(flows: &Flows) -> (&AtomicU64, &AtomicU64);

    /// Links its interfaces through the seam.
    fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()>;
}

/// Which servers of a kind a component may call, and its connections to them.
pub struct Servers<K: Kind> {
    way: Arc<Way>,
    client: Arc<K::Client>,
}

/// What an instance holds.
pub struct Instance<K: Kind> {
    /// Its side of the calls.
    pub(crate) caller: Caller,
    /// Its component's connections.
    pub(crate) client: Arc<K::Client>,
}

/// What the host functions work on.
pub struct View<'a, K: Kind> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) part: &'a mut Instance<K>,
}

impl<K: Kind> Instance<K> {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.caller.trace(tracer);
    }

    /// Notes the bytes that went over the network, whatever came of the call.
    pub(crate) fn count(&self, (read, written): Moved) {
        let (came, went) = K::flows(&self.caller.flows);
        Flows::add(came, read);
        Flows::add(went, written);
    }

    /// What a guest is told whose server cannot be reached; log and report are told too.
    pub(crate) fn unreached(&mut self, to: &Address, unreached: &Unreached) -> String {
        self.caller.dialled(to, Err(unreached));
        let told = format!("there is no connection: {unreached}");
        self.caller.log(to, &told);
        told
    }
}

impl<K: Kind> Capability for Servers<K> {
    const ABOUT: About = K::ABOUT;

    type Instance = Instance<K>;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: K::ABOUT.name,
            doc: K::GRANT,
            example: K::EXAMPLE,
            schema: OriginPolicy::schema(),
            check: |value| OriginPolicy::read(K::SERVICE, value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let way = Way::granted(K::SERVICE, value)?;
        let client = Arc::new(K::client(way.clone()));
        Ok(Servers { way, client })
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance<K>> {
        Ok(Instance {
            caller: Caller::new(self.way.clone(), core),
            client: self.client.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        K::link(linker, era)
    }
}
