//! The long-running process: apps, triggers, the server in front of them.

pub mod app;
pub mod apps;
pub mod component;
pub mod event;
pub mod functions;
mod health;
mod jobs;
pub mod library;
mod linked;
mod loaded;
pub mod setting;
mod share;
pub mod shelf;
pub mod standing;
pub mod usage;

pub mod admin;
pub mod triggers;

pub mod server;
pub mod shutdown;
pub mod slot;
pub mod tls;

pub mod body;
pub mod log_writer;
pub mod logs;
pub mod telemetry;

mod beside;
pub mod call_log;
mod clock;
mod connection;
pub mod file_body;
#[cfg(test)]
#[path = "../../../tests/fuzz.rs"]
mod fuzz;
pub mod paced;
pub mod patience;
mod printable;
pub mod queue;
mod routing;
pub mod stall;

pub mod building;
mod exchange;
pub mod fetching;
mod glob;
mod machine;
pub mod tools;
pub mod watch;
pub mod workers;

pub use app::{App, vocabulary};
