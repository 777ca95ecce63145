//! What all apps of a host share.

use crate::logs::GuestLog;
use crate::shelf::Shelf;
use holm_capabilities::State;
use holm_runtime::lanes::Lanes;
use holm_runtime::{Runtime, Watch};
use std::sync::Arc;

/// What all apps of a host share.
pub struct Setting {
    /// Engines, machine code, linkers.
    pub runtime: Runtime<State>,
    /// Where guests' lines go.
    pub log: GuestLog,
    /// Map precompiled files that this user's cache does not vouch for.
    pub allow_precompiled: bool,
    /// What is recorded of each event beyond the counts.
    pub watch: Watch,
    /// The components whose code is in memory.
    pub shelf: Shelf,
    /// Where guests run.
    pub lanes: Arc<Lanes>,
    /// Many apps: what is logged of one says which.
    pub many: bool,
}
