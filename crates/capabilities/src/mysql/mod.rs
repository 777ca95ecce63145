//! MySQL and MariaDB, as `fermyon:spin/mysql` and `spin:mysql`.
//!
//! ```toml
//! [component.web.grants]
//! mysql = ["mysql://db.internal:3306"]
//! ```

mod address;
mod call;
mod legacy;
mod link;
pub mod session;
#[cfg(test)]
mod tests;
mod v3;
mod value;
mod wire;
mod wit;

use crate::network::Service;
use crate::outbound::{self, Kind, Servers, Way};
use crate::{About, Era, Interface, State};
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::component::Linker;

pub use wit::rdbms_types as types;

/// Which MySQL servers a component may call, and its connections to them.
pub type Mysql = Servers<OfMysql>;

/// What the host functions work on.
pub type View<'a> = outbound::View<'a, OfMysql>;

/// The kind.
pub enum OfMysql {}

impl Kind for OfMysql {
    const ABOUT: About = About {
        name: "mysql",
        doc: "MySQL and MariaDB servers.",
        grant: Some("mysql"),
        example: Some("mysql = [\"mysql://localhost:3306\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "fermyon:spin/mysql",
                versions: &["", "2.0.0"],
            },
            Interface {
                name: "spin:mysql/mysql",
                versions: &["3.0.0"],
            },
        ],
    };

    const SERVICE: Service = Service::Mysql;
    const GRANT: &'static str =
        "The MySQL servers that it may call; `private` lets their names lead to private addresses.";
    const EXAMPLE: &'static str = "[component.web.grants]\nmysql = [\"mysql://db.internal:3306\"]";

    type Client = session::Client;

    fn client(way: Arc<Way>) -> Self::Client {
        session::Client::new(way)
    }

    fn flows(flows: &Flows) -> (&AtomicU64, &AtomicU64) {
        (&flows.mysql_in, &flows.mysql_out)
    }

    fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => link::spin_3(linker),
        }
    }
}
