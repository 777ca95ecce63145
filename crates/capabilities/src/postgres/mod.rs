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
mod builder;
mod legacy;
mod link;
mod numeric;
mod older;
mod param;
pub mod session;
#[cfg(test)]
mod tests;
mod v4_2;
mod value;
mod wit;

use crate::network::Service;
use crate::outbound::{self, Kind, Servers, Way};
use crate::{About, Era, Interface, State};
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::component::Linker;

pub use wit::postgres as types;

/// Which PostgreSQL servers a component may call, and its connections to them.
pub type Postgres = Servers<OfPostgres>;

/// What the host functions work on.
pub type View<'a> = outbound::View<'a, OfPostgres>;

/// The kind.
pub enum OfPostgres {}

impl Kind for OfPostgres {
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
                versions: &["", "2.0.0"],
            },
            Interface {
                name: "spin:postgres/postgres",
                versions: &["3.0.0", "4.0.0", "4.2.0"],
            },
        ],
    };

    const SERVICE: Service = Service::Postgres;
    const GRANT: &'static str = "The PostgreSQL servers that it may call; `private` lets their names lead to private addresses.";
    const EXAMPLE: &'static str =
        "[component.web.grants]\npostgres = [\"postgres://db.internal:5432\"]";

    type Client = session::Client;

    fn client(way: Arc<Way>) -> Self::Client {
        session::Client::new(way)
    }

    fn flows(flows: &Flows) -> (&AtomicU64, &AtomicU64) {
        (&flows.postgres_in, &flows.postgres_out)
    }

    fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        link::postgres_3(linker)?;
        link::postgres_4(linker, era)
    }
}
