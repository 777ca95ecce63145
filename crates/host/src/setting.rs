//! What all apps of a host share.

use crate::logs::GuestLog;
use crate::shelf::Shelf;
use holm_capabilities::State;
use holm_runtime::lanes::Lanes;
use holm_runtime::limits::HostMemory;
use holm_runtime::{Runtime, Watch};
use std::sync::Arc;

/// What all apps of a host share.
pub struct Setting {
    /// Engines, machine code, linkers.
    pub runtime: Arc<Runtime<State>>,
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
    /// What instances may have of the machine's memory.
    pub memory: Arc<HostMemory>,
    /// Many apps: what is logged of one says which.
    pub many: bool,
}

/// What instances may have together where nobody says otherwise: three quarters of the machine's
/// memory. The rest is for their code and for the host.
pub fn memory_of_this_machine() -> Arc<HostMemory> {
    HostMemory::of(crate::machine::memory() / 4 * 3)
}
