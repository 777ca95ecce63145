//! Redis, as `fermyon:spin/redis` and `spin:redis`.
//!
//! ```toml
//! [component.web.grants]
//! redis = ["redis://db.internal:6379", "rediss://*.example.com"]
//! ```
//! A connection is a session of its own, as a guest expects that sends `MULTI`; [`session`] says which
//! of them are kept for the component's next event.

mod answer;
mod command;
mod legacy;
mod link;
pub mod session;
#[cfg(test)]
mod tests;
mod v3;
mod weighed;
mod wit;

use crate::network::Service;
use crate::outbound::{self, Kind, Servers, Way};
use crate::{About, Era, Interface, State};
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::component::Linker;

pub use wit::redis::Error;

/// Which Redis servers a component may call, and its connections to them.
pub type Redis = Servers<OfRedis>;

/// What the host functions work on.
pub type View<'a> = outbound::View<'a, OfRedis>;

/// The kind.
pub enum OfRedis {}

impl Kind for OfRedis {
    const ABOUT: About = About {
        name: "redis",
        doc: "Redis servers.",
        grant: Some("redis"),
        example: Some("redis = [\"redis://localhost:6379\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "fermyon:spin/redis",
                versions: &["", "2.0.0"],
            },
            Interface {
                name: "spin:redis/redis",
                versions: &["3.0.0"],
            },
        ],
    };

    const SERVICE: Service = Service::Redis;
    const GRANT: &'static str =
        "The Redis servers that it may call; `private` lets their names lead to private addresses.";
    const EXAMPLE: &'static str = "[component.web.grants]\nredis = [\"redis://db.internal:6379\"]";

    type Client = session::Client;

    fn client(way: Arc<Way>) -> Self::Client {
        session::Client::new(way)
    }

    fn flows(flows: &Flows) -> (&AtomicU64, &AtomicU64) {
        (&flows.redis_in, &flows.redis_out)
    }

    fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => link::spin_3(linker),
        }
    }
}
