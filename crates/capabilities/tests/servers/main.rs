//! What the clients of real servers must do. `scripts/servers start` says where those are.

mod mqtt;
mod mysql;
mod postgres;
mod redis;

use holm_capabilities::network::{OriginPolicy, Service, System};
use holm_capabilities::outbound::Way;
use std::sync::Arc;

/// Where the server is that `scripts/servers` has started.
fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/servers start)\""))
}

fn way(service: Service) -> Arc<Way> {
    let mut policy = OriginPolicy::of(service);
    policy.add("all").unwrap();
    Arc::new(Way::new(policy, Arc::new(System::default())))
}

fn nowhere(service: Service) -> Arc<Way> {
    Arc::new(Way::new(
        OriginPolicy::of(service),
        Arc::new(System::default()),
    ))
}
