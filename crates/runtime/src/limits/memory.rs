//! The memory of all instances of a host, and the share of it that each tenant may take.

use super::Limit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Linear memory of all instances of a host together. It is counted as it is promised, not as it is
/// touched, because what was promised can be touched at any time.
#[derive(Debug)]
pub struct HostMemory {
    most: u64,
    used: AtomicU64,
}

impl HostMemory {
    /// So many bytes for all.
    pub fn of(most: u64) -> Arc<Self> {
        Arc::new(HostMemory {
            most,
            used: AtomicU64::new(0),
        })
    }

    /// How much there is, in bytes.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// How much of it instances have.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }
}

/// What one tenant has of it.
#[derive(Debug)]
pub struct TenantMemory {
    host: Arc<HostMemory>,
    used: AtomicU64,
    /// What it may have, whatever is left.
    most: u64,
    /// Others want some too.
    shared: bool,
}

impl TenantMemory {
    /// A tenant of a host that has others (`shared`), or of one that has not; it may have so many
    /// bytes at most.
    pub fn new(host: &Arc<HostMemory>, shared: bool, most: u64) -> Arc<Self> {
        Arc::new(TenantMemory {
            host: host.clone(),
            used: AtomicU64::new(0),
            most,
            shared,
        })
    }

    /// How much there is for all, in bytes.
    pub fn of_host(&self) -> u64 {
        self.host.most
    }

    /// How much it may have, in bytes.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Takes so many bytes, unless it may not have as many or there are not as many; or unless the
    /// tenant would then have more than it leaves to others. So one has half of all at most, two have
    /// a third each, and somebody who comes late always finds some. Gives the limit that is in the way.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Limit> {
        let more = |used: u64| used.checked_add(bytes);
        let within = |used| more(used).filter(|own| *own <= self.most);
        let before = self.used.fetch_update(Relaxed, Relaxed, within);
        let own = before.map_err(|_| Limit::AppMemory)? + bytes;
        // Counted only where it fits: an attempt of one is in nobody's way.
        let fits = |of_all| {
            let left = self.host.most.checked_sub(of_all);
            left.is_some_and(|left| !self.shared || own <= left)
        };
        let within = |used| more(used).filter(|of_all| fits(*of_all));
        if self
            .host
            .used
            .fetch_update(Relaxed, Relaxed, within)
            .is_err()
        {
            self.used.fetch_sub(bytes, Relaxed);
            return Err(Limit::HostMemory);
        }
        Ok(())
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
        self.host.used.fetch_sub(bytes, Relaxed);
    }
}

/// Memory of a tenant's that the host holds for it: what it was sent, before an instance has it. It is
/// given back when this is dropped.
#[derive(Debug)]
pub struct HeldMemory {
    tenant: Arc<TenantMemory>,
    bytes: u64,
}

impl HeldMemory {
    /// None yet.
    pub fn of(tenant: &Arc<TenantMemory>) -> Self {
        HeldMemory {
            tenant: tenant.clone(),
            bytes: 0,
        }
    }

    /// Takes so many bytes more, if its tenant may have them; else gives the limit that is in the way.
    pub fn take(&mut self, bytes: u64) -> Result<(), Limit> {
        self.tenant.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// How much it is, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.tenant.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_a_tenant_is_given_back() {
        let host = HostMemory::of(100);
        let tenant = TenantMemory::new(&host, false, u64::MAX);
        let mut held = HeldMemory::of(&tenant);
        assert_eq!(held.take(60), Ok(()));
        assert_eq!(held.take(41), Err(Limit::HostMemory));
        assert_eq!(held.take(40), Ok(()));
        assert_eq!((held.bytes(), host.used()), (100, 100));
        drop(held);
        assert_eq!(host.used(), 0);
    }

    #[test]
    fn a_tenant_leaves_as_much_as_it_has() {
        let host = HostMemory::of(1200);
        let [one, two, late] = [(); 3].map(|()| TenantMemory::new(&host, true, u64::MAX));
        let all_of = |tenant: &TenantMemory| (0..1200).filter(|_| tenant.take(1).is_ok()).count();
        assert_eq!(all_of(&one), 600);
        assert_eq!(all_of(&two), 300);
        assert_eq!(all_of(&late), 150);
        one.give_back(600);
        two.give_back(300);
        late.give_back(150);
        assert_eq!(host.used(), 0);
    }

    #[test]
    fn who_is_alone_may_have_all() {
        let host = HostMemory::of(100);
        let tenant = TenantMemory::new(&host, false, u64::MAX);
        assert_eq!(tenant.take(60), Ok(()));
        assert_eq!(tenant.take(41), Err(Limit::HostMemory));
        assert_eq!(tenant.take(40), Ok(()));
        assert_eq!(host.used(), 100);
    }

    #[test]
    fn nobody_has_more_than_it_may_have() {
        let host = HostMemory::of(100);
        let tenant = TenantMemory::new(&host, false, 50);
        assert_eq!(tenant.take(50), Ok(()));
        assert_eq!(tenant.take(1), Err(Limit::AppMemory));
        tenant.give_back(50);
        assert_eq!(tenant.take(20), Ok(()));
        assert_eq!(host.used(), 20);
    }
}
