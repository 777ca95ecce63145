//! An event's place among its tenant's: in line for its first poll, then open until it has ended.

use super::tenant::Tenant;
use crate::ticker;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Given up when the event has ended, however it ends.
pub(super) struct Place {
    tenant: Arc<Tenant>,
    arrived_ms: u64,
    /// It stands in line in the fast lane.
    in_line: bool,
    /// It counts as open. In a host that nobody shares no event does: workers would fight for the
    /// count, and nobody would read it.
    is_open: bool,
}

impl Place {
    /// A place for an event that arrives now.
    pub fn new(tenant: &Arc<Tenant>, arrived_ms: u64) -> Self {
        let is_open = tenant.shares().is_shared(arrived_ms);
        if is_open {
            tenant.open.fetch_add(1, Relaxed);
            tenant.shares().open.fetch_add(1, Relaxed);
        }
        Place {
            tenant: tenant.clone(),
            arrived_ms,
            in_line: false,
            is_open,
        }
    }

    /// It stands in line in the fast lane.
    pub fn in_line(mut self) -> Self {
        self.tenant.line.fetch_add(1, Relaxed);
        self.in_line = true;
        self
    }

    /// It is about to be polled for the first time; tells if it had to wait for that.
    pub fn begins(&mut self) {
        self.leaves_line();
        let now_ms = ticker::now_ms();
        if now_ms.saturating_sub(self.arrived_ms) >= 2 * ticker::period_ms() {
            self.tenant.shares().late(now_ms);
        }
    }

    fn leaves_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            self.tenant.line.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leaves_line();
        if self.is_open {
            self.tenant.open.fetch_sub(1, Relaxed);
            self.tenant.shares().open.fetch_sub(1, Relaxed);
        }
    }
}
