//! HTTP: each request goes by its host and path to a component, or to a folder of files.
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

mod access_line;
pub mod access_log;
pub mod answer;
mod beneath;
pub(super) mod bounds;
pub mod conditions;
pub mod config;
pub mod files;
pub mod guest;
pub mod handler;
pub mod host_name;
pub mod path;
pub mod pattern;
pub mod range;
pub mod request_id;
pub mod route;
pub mod timing;

pub use access_log::AccessSink;
pub use config::HttpRoute;
pub use files::StaticFiles;
pub use handler::HttpHandler;
pub use route::{Match, RouteError, RouteTable};
