//! What the unit tests of several capabilities stand on.

use holm_runtime::limits::{Allowance, Budget};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Watch};

/// The runtime's part of the state of an instance with ordinary limits, its uses noted.
pub fn core(uses: &Uses) -> Core {
    let watch = Watch {
        uses: Some(uses.clone()),
        ..Watch::default()
    };
    let allowance = Allowance {
        sockets: 256,
        outbound: 128,
        ..Allowance::UNLIMITED
    };
    Core::new("web".into(), Budget::new(allowance), &watch)
}

/// The same with limits, and without uses.
pub fn core_with(allowance: Allowance) -> Core {
    Core::new("web".into(), Budget::new(allowance), &Watch::default())
}
