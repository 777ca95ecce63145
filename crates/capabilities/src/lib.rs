//! The host's side of the WIT interfaces: one folder per capability.
//!
//! A capability is what a component was granted of one kind of outside: its folder says what the
//! manifest may grant ([`Capability::fragment`]), what an instance holds of it, and how its WIT
//! interfaces are linked through the seam. The list at the end of this file is all there is to
//! registering one: the linker, the state of an instance, the schema and the docs read it.

pub mod blobs;
mod capability;
pub mod clocks;
pub mod config;
pub mod environment;
pub mod files;
#[cfg(test)]
#[path = "../../../tests/fuzz.rs"]
mod fuzz;
mod granted;
mod host;
pub mod http;
pub mod keyvalue;
pub mod llm;
pub mod logging;
pub mod messaging;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod network;
pub mod otel;
pub mod outbound;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod random;
pub mod redis;
pub mod secrets;
pub mod sockets;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod state;
pub mod stdio;
#[cfg(test)]
mod testing;
pub mod wasi_0_1;

pub use capability::{About, Capability, Era, Interface, Place, Shared};
pub use state::State;

capability::capabilities! {
    files: files::Files,
    environment: environment::Environment,
    clocks: clocks::Clocks,
    random: random::Random,
    stdio: stdio::Stdio,
    logging: logging::Logging,
    otel: otel::Otel,
    sockets: sockets::Sockets,
    http: http::Http,
    config: config::Config,
    secrets: secrets::Secrets,
    keyvalue: keyvalue::KeyValue,
    blobs: blobs::Blobs,
    #[cfg(feature = "sqlite")]
    sqlite: sqlite::Sqlite,
    messaging: messaging::Messaging,
    redis: redis::Redis,
    #[cfg(feature = "mqtt")]
    mqtt: mqtt::Mqtt,
    #[cfg(feature = "postgres")]
    postgres: postgres::Postgres,
    #[cfg(feature = "mysql")]
    mysql: mysql::Mysql,
    llm: llm::Llm,
}

pub use messaging::broker_fragments;

/// The stores' part of the manifest language: `[store.NAME]` of each type.
pub fn store_fragments() -> Vec<holm_manifest::Fragment> {
    vec![
        keyvalue::store_fragment(),
        blobs::store_fragment(),
        #[cfg(feature = "sqlite")]
        sqlite::store_fragment(),
    ]
}
