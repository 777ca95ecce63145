//! Agents: functions of components as tools of the Model Context Protocol, for `holm mcp`.
//!
//! ```toml
//! [[mcp]]
//! component = "payments"
//! functions = ["example:payments/processor.*"]
//! ```

mod adding;
mod allowed;
mod answer;
pub mod config;
mod guard;
mod http;
mod lines;
mod manage;
mod names;
mod request_id;
mod schema;
mod server;
mod sessions;
mod toolbox;

pub use self::http::{McpHandler, PATH};
pub use allowed::Allowed;
pub use guard::Guard;
pub use manage::{Permissions, component_name, loose};
pub use server::{McpServer, serve_stdio};
pub use toolbox::{Offer, Toolbox};
