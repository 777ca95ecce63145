//! What the components of an app share: its tenant's lane, and what all of them together may use.

use crate::queue::Places;
use crate::setting::Setting;
use holm_capabilities::stdio::AppRate;
use holm_manifest::{AppBounds, Manifest};
use holm_runtime::lanes::Tenant;
use holm_runtime::limits::{Allowance, AppRoom, Budget, TenantMemory};
use std::sync::Arc;

/// The common part of an app's components.
#[derive(Clone)]
pub struct Share {
    /// Whose events they are.
    pub tenant: Arc<Tenant>,
    /// Whose memory their instances have.
    pub memory: Arc<TenantMemory>,
    /// Calls that may be at work.
    pub places: Places,
    /// Their lines.
    pub log: AppRate,
    room: Arc<AppRoom>,
    bounds: AppBounds,
}

impl Share {
    /// What an app with this manifest has.
    pub fn of(manifest: &Manifest, setting: &Setting, tenant: Arc<Tenant>) -> Self {
        let bounds = manifest.bounds();
        let memory = bounds.memory.map_or(u64::MAX, |most| most.0);
        Share {
            tenant,
            memory: TenantMemory::new(&setting.memory, setting.many, memory),
            places: Places::of(bounds.concurrency),
            log: AppRate::of(bounds.log_rate.0),
            room: AppRoom::new(bounds.connections as usize, bounds.open_files as usize),
            bounds,
        }
    }

    /// The budget of an instance, which takes its part of all this.
    pub fn budget(&self, budget: Budget) -> Budget {
        budget
            .of_tenant(self.memory.clone())
            .in_app(self.room.clone())
    }

    /// Says in a component's allowance what its app may use.
    pub fn allow(&self, allowance: &mut Allowance) {
        allowance.host_memory = self.memory.of_host();
        allowance.app_memory = self.memory.most();
        allowance.app_connections = self.bounds.connections as usize;
        allowance.app_open_files = self.bounds.open_files as usize;
        allowance.app_log_rate = self.bounds.log_rate.0;
    }
}
