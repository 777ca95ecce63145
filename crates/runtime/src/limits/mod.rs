//! Limits enforced: memory and tables through the engine's limiter, CPU time by the event's own
//! clock, wall time by a timer, bytes where they pass. Which limit exists and what its default is,
//! `holm-manifest` says; what each is called and what it means to reach it, [`Limit`] does.

mod app;
mod clock;
mod limit;
mod memory;
mod meter;

pub use app::{AppRoom, Kind, Share};
pub(crate) use clock::thread_cpu_ns;
pub(crate) use limit::of_engine;
pub use limit::{Amount, Limit, LimitHit, Reached};
pub use memory::{HeldMemory, HostMemory, TenantMemory};
pub use meter::Meter;
pub(crate) use meter::take_metered;

use std::sync::Arc;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The stack that a guest has unless somebody says otherwise.
pub const STACK_BYTES: usize = 512 << 10;

/// What an event and its instance may use. `None` and the largest number mean: unlimited.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Linear memory in bytes, all memories of the instance together.
    pub memory: u64,
    /// Linear memories.
    pub memories: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Tables.
    pub tables: usize,
    /// Core instances that it is made of.
    pub instances: usize,
    /// Bytes of the stack of its calls; the engine must give it as many.
    pub stack: usize,
    /// CPU time of one event.
    pub cpu: Option<Duration>,
    /// Fuel of one event; the engine must count it.
    pub fuel: Option<u64>,
    /// Wall time of one event; of a served one, without a byte moving.
    pub timeout: Option<Duration>,
    /// Wall time to the head of the answer.
    pub first_byte: Option<Duration>,
    /// Wall time in all.
    pub duration: Option<Duration>,
    /// Calls that wait for others to end.
    pub queue: usize,
    /// How long they wait.
    pub queue_time: Option<Duration>,
    /// Bytes of a request's body.
    pub request_body: u64,
    /// Bytes of a response's body.
    pub response_body: u64,
    /// Bytes of one set of headers or trailers that the guest makes.
    pub headers: u64,
    /// Fields in it.
    pub header_count: usize,
    /// Handles that the instance holds.
    pub handles: usize,
    /// Bytes of strings and lists in one call of the host.
    pub call_data: usize,
    /// Outbound HTTP requests under way.
    pub outbound: usize,
    /// Bytes over the network, both directions together.
    pub outbound_bytes: u64,
    /// Open sockets.
    pub sockets: usize,
    /// Open files and folders.
    pub open_files: usize,
    /// Bytes written to files and objects.
    pub bytes_written: u64,
    /// Bytes of a value in a key-value store.
    pub value_size: u64,
    /// Bytes of printed lines in a second, all instances together.
    pub log_rate: u64,
    /// Linear memory of all instances of the host, of which this one's tenant has a share.
    pub host_memory: u64,
    /// Linear memory of all instances of its app, in bytes.
    pub app_memory: u64,
    /// Outbound requests under way and open sockets of all instances of its app.
    pub app_connections: usize,
    /// Open files and folders of all instances of its app.
    pub app_open_files: usize,
    /// Bytes of printed lines in a second, of all instances of its app.
    pub app_log_rate: u64,
}

impl Allowance {
    /// All that there is.
    pub const UNLIMITED: Allowance = Allowance {
        memory: u64::MAX,
        memories: usize::MAX,
        table_elements: usize::MAX,
        tables: usize::MAX,
        instances: usize::MAX,
        // There is no end of it: the engine gives a default.
        stack: STACK_BYTES,
        cpu: None,
        fuel: None,
        timeout: None,
        first_byte: None,
        duration: None,
        queue: usize::MAX,
        queue_time: None,
        request_body: u64::MAX,
        response_body: u64::MAX,
        headers: u64::MAX,
        header_count: usize::MAX,
        handles: usize::MAX,
        call_data: usize::MAX,
        outbound: usize::MAX,
        outbound_bytes: u64::MAX,
        sockets: usize::MAX,
        open_files: usize::MAX,
        bytes_written: u64::MAX,
        // No store keeps a larger value.
        value_size: 16 << 20,
        log_rate: u64::MAX,
        host_memory: u64::MAX,
        app_memory: u64::MAX,
        app_connections: usize::MAX,
        app_open_files: usize::MAX,
        app_log_rate: u64::MAX,
    };
}

/// An instance's budget: what it may use, and what it has used.
pub struct Budget {
    memory: u64,
    memory_peak: u64,
    /// What the growth that is under way adds, and the peak before it.
    growing: Option<(u64, u64)>,
    table_elements: usize,
    /// What its memory is taken from; nothing where nobody else wants any.
    tenant: Option<Arc<TenantMemory>>,
    /// What its app has room for.
    app: Option<Arc<AppRoom>>,
    /// The clock that the epoch callback and the caller share.
    pub meter: Arc<Meter>,
}

impl Budget {
    /// A fresh budget.
    pub fn new(allowance: Allowance) -> Self {
        Budget::over(Meter::new(allowance))
    }

    /// Takes its memory from its tenant's share; to be said before it has any.
    pub fn of_tenant(mut self, tenant: Arc<TenantMemory>) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// What it holds is taken from its app's room, too; to be said before it holds any.
    pub fn in_app(mut self, app: Arc<AppRoom>) -> Self {
        self.app = Some(app);
        self
    }

    /// A fresh budget of an instance that another one calls, within the time of that one's; `apart`
    /// says that it is polled in a task of its own, and not within the other's polls.
    pub fn under(allowance: Allowance, caller: &Arc<Meter>, apart: bool) -> Self {
        Budget::over(Meter::under(allowance, caller.clone(), apart))
    }

    fn over(meter: Meter) -> Self {
        Budget {
            memory: 0,
            memory_peak: 0,
            growing: None,
            table_elements: 0,
            tenant: None,
            app: None,
            meter: Arc::new(meter),
        }
    }

    /// What it may use.
    pub fn allowance(&self) -> &Allowance {
        self.meter.allowance()
    }

    /// The most linear memory held at once, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.growing = None;
        // The engine asks before it looks at the memory's own maximum.
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        let more = (desired as u64).saturating_sub(current as u64);
        let total = self.memory.saturating_add(more);
        if total > self.allowance().memory {
            self.meter.hit(Limit::Memory);
            return Ok(false);
        }
        if let Some(tenant) = &self.tenant
            && let Err(limit) = tenant.take(more)
        {
            self.meter.hit(limit);
            return Ok(false);
        }
        self.growing = Some((more, self.memory_peak));
        self.memory = total;
        self.memory_peak = self.memory_peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        if let Some((more, peak)) = self.growing.take() {
            self.memory -= more;
            self.memory_peak = peak;
            if let Some(tenant) = &self.tenant {
                tenant.give_back(more);
            }
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > self.allowance().table_elements {
            self.meter.hit(Limit::TableElements);
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.allowance().instances
    }

    fn tables(&self) -> usize {
        self.allowance().tables
    }

    fn memories(&self) -> usize {
        self.allowance().memories
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if let Some(tenant) = &self.tenant {
            tenant.give_back(self.memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_had_of_the_host_is_given_back() {
        let host = HostMemory::of(100);
        let tenant = TenantMemory::new(&host, false, u64::MAX);
        let take = |bytes| {
            let mut budget = Budget::new(Allowance::UNLIMITED).of_tenant(tenant.clone());
            let taken = budget.memory_growing(0, bytes, None).unwrap();
            (taken, budget)
        };
        let (taken, first) = take(90);
        assert!(taken);
        let (taken, second) = take(20);
        assert!(!taken);
        assert_eq!(second.meter.limit_hit(), Some(Limit::HostMemory));
        drop((first, second));
        assert_eq!(host.used(), 0);
        let (taken, mut third) = take(20);
        assert!(taken);
        // What its own maximum forbids is not counted; nor is what then failed.
        assert!(!third.memory_growing(20, 60, Some(50)).unwrap());
        assert!(third.memory_growing(20, 50, Some(50)).unwrap());
        third
            .memory_grow_failed(wasmtime::Error::msg("no"))
            .unwrap();
        third
            .memory_grow_failed(wasmtime::Error::msg("no"))
            .unwrap();
        assert_eq!((host.used(), third.memory_peak()), (20, 20));
    }

    #[test]
    fn memories_share_one_allowance_and_the_peak_is_kept() {
        let mut budget = Budget::new(Allowance {
            memory: 100,
            ..Allowance::UNLIMITED
        });
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(0, 40, None).unwrap());
        assert!(!budget.memory_growing(40, 41, None).unwrap());
        assert_eq!(budget.memory_peak(), 100);
        assert_eq!(budget.meter.limit_hit(), Some(Limit::Memory));
    }

    #[test]
    fn tables_share_one_allowance() {
        let mut budget = Budget::new(Allowance {
            table_elements: 10,
            ..Allowance::UNLIMITED
        });
        assert!(budget.table_growing(0, 10, None).unwrap());
        assert!(!budget.table_growing(0, 1, None).unwrap());
        assert_eq!(budget.meter.limit_hit(), Some(Limit::TableElements));
    }
}
