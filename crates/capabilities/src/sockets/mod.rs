//! TCP, UDP and name look-ups, as `wasi:sockets`.
//!
//! ```toml
//! [component.web.grants]
//! net = ["db.internal:5432", "10.0.0.0/8:*"]
//! ```
//! or, for a component that listens itself, `net = { connect = […], listen = ["127.0.0.1:8080"] }`.
//! What a pattern covers is decided in [`crate::network`]; this folder asks it at each use of an
//! address ([`check`]), looks names up in the guest's place ([`lookup`]), gives each socket a seat
//! ([`count`], [`room`]) and counts bytes ([`bytes`], [`tcp_0_3`]).

mod bytes;
mod check;
mod count;
mod lookup;
mod room;
mod tcp_0_3;
#[cfg(test)]
mod tests;
mod wasi_0_2;
mod wasi_0_3;

pub use lookup::LOOK_UP;

use crate::network::{NetPolicy, Resolve, System};
use crate::{About, Capability, Era, Interface, Place, State};
use check::Checks;
use holm_manifest::{Fragment, Problem, Value};
use std::collections::HashMap;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// Which hosts a component may connect to, and which addresses it may listen on.
pub struct Sockets {
    policy: Arc<NetPolicy>,
    resolver: Arc<dyn Resolve>,
}

/// What an instance holds: its checks, and the seats of its sockets.
pub struct Instance {
    checks: Arc<Checks>,
    room: room::Room,
    /// Of sockets that are not of our types, by their number in the table.
    seats: HashMap<u32, room::Seat>,
}

impl Sockets {
    /// A grant of `policy`, with names looked up by `resolver`.
    pub fn new(policy: NetPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Sockets {
            policy: Arc::new(policy),
            resolver,
        }
    }
}

impl Capability for Sockets {
    const ABOUT: About = About {
        name: "sockets",
        doc: "TCP, UDP and name look-ups.",
        grant: Some("net"),
        example: Some("net = [\"db.internal:5432\"]"),
        // Every toolchain's standard library pulls them in.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:sockets/network",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/instance-network",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/ip-name-lookup",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:sockets/tcp",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/tcp-create-socket",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/udp",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/udp-create-socket",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:sockets/types",
                versions: &["0.3.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "net",
            doc: "The hosts and ports that it may connect to, and those that it may listen on.",
            example: "[component.web.grants]\nnet = [\"db.internal:5432\", \"*.example.com:443\"]",
            schema: NetPolicy::schema(),
            check: |value| NetPolicy::read(value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let (policy, problems) = value.map(NetPolicy::read).unwrap_or_default();
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(Sockets::new(policy, Arc::new(System::default()))),
        }
    }

    fn instance(
        &self,
        core: &holm_runtime::Core,
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<Instance> {
        let checks = Arc::new(Checks::new(
            self.policy.clone(),
            self.resolver.clone(),
            core,
        ));
        let asked = checks.clone();
        // Sockets can be made without a grant, so that what is denied is an address, with a name.
        wasi.allow_tcp(true)
            .allow_udp(true)
            .socket_addr_check(move |address, purpose| {
                Box::pin(std::future::ready(asked.check(address, purpose)))
            });
        Ok(Instance {
            checks,
            room: room::Room::new(core),
            seats: HashMap::new(),
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_0_2::link(linker)?;
        if era == Era::P3 {
            wasi_0_3::link(linker)?;
        }
        // The rows that are ours take the place of the generated ones.
        linker.allow_shadowing(true);
        lookup::link(linker, era)?;
        count::link(linker, era)?;
        linker.allow_shadowing(false);
        Ok(())
    }
}
