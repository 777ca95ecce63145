//! What the unit tests of several capabilities stand on.

use holm_runtime::limits::{Allowance, Budget};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Watch};

/// The runtime's part of the state of an instance that may use nothing, its uses noted.
pub fn core(uses: &Uses) -> Core {
    let allowance = Allowance {
        memory: 0,
        cpu: None,
        timeout: None,
        table_elements: 0,
    };
    let watch = Watch {
        times: false,
        uses: Some(uses.clone()),
    };
    Core::new("web".into(), Budget::new(allowance), &watch)
}
