//! HTTP: each request goes by its host and path to a component, to a folder of files, or gets an answer
//! that is written down.
//!
//! ```toml
//! [[http]]
//! route = "/api/..."
//! component = "api"
//!
//! [[http]]
//! route = "/..."
//! files = "public"
//! ```

mod absolute;
mod access_line;
pub mod access_log;
pub mod answer;
pub mod asked;
mod beneath;
pub(super) mod bounds;
pub mod cgi;
pub mod conditions;
pub mod config;
pub mod edge;
pub mod files;
pub mod fixed;
pub mod guest;
pub mod handler;
pub mod host_name;
pub mod metadata;
pub mod path;
pub mod pattern;
pub mod range;
pub mod request_id;
pub mod route;
pub mod timing;

pub use access_log::AccessSink;
pub use config::HttpRoute;
pub use edge::{Edge, Redirect};
pub use files::StaticFiles;
pub use fixed::Fixed;
pub use handler::HttpHandler;
pub use metadata::Metadata;
pub use route::{Match, RouteError, RouteTable};
