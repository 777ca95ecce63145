//! Work that is done around a tenant's events: its requests are read, its answers are written.

use super::estimate::estimate;
use super::tenant::Tenant;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Who pays for a connection: the tenant whose request came by it last. While that tenant is greedy
/// the connection is driven in the slow lane, so that it is read no faster than the tenant's turns
/// come.
#[derive(Default)]
pub struct Account {
    payer: Mutex<Option<Arc<Tenant>>>,
    /// CPU time in nanoseconds from before it was known who pays.
    unpaid_ns: AtomicU64,
}

impl Account {
    /// From now on, and for what nobody has paid yet, this tenant pays.
    pub fn charge_to(&self, tenant: &Arc<Tenant>) {
        let mut payer = self.payer();
        if payer.as_ref().is_none_or(|old| !Arc::ptr_eq(old, tenant)) {
            tenant.charge_around(self.unpaid_ns.swap(0, Relaxed));
            *payer = Some(tenant.clone());
        }
    }

    /// Drives work that this account pays for, in the lane that its payer's work belongs in. Called
    /// in the tokio runtime of the fast lane.
    pub async fn drive<F>(self: &Arc<Self>, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Boxed, so that it can go from one lane to the other and back.
        let mut work = Box::pin(work);
        loop {
            let tenant = match poll_fn(|cx| self.poll_fast(&mut work, cx)).await {
                Ok(output) => return output,
                Err(tenant) => tenant,
            };
            let account = self.clone();
            let slow = tenant.slow_lane().clone();
            let turns = Box::pin(async move {
                let ended = poll_fn(|cx| account.poll_slow(&mut work, cx)).await;
                (work, ended)
            });
            let (back, ended) = slow.drive(tenant, turns, ()).await;
            if let Some(output) = ended {
                return output;
            }
            work = back;
        }
    }

    /// In the fast lane; gives the tenant where it has to leave it.
    fn poll_fast<F: Future>(
        &self,
        work: &mut Pin<Box<F>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Arc<Tenant>>> {
        if let Some(tenant) = self.who_has_to_wait() {
            return Poll::Ready(Err(tenant));
        }
        let (poll, cost_ns) = estimate(|| work.as_mut().poll(cx), || 0);
        if cost_ns > 0 {
            self.charge(cost_ns);
        }
        poll.map(Ok)
    }

    /// In the slow lane, which charges for its turns itself; gives nothing where it may leave it.
    fn poll_slow<F: Future>(
        &self,
        work: &mut Pin<Box<F>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        if self.who_has_to_wait().is_none() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    }

    fn who_has_to_wait(&self) -> Option<Arc<Tenant>> {
        self.payer().as_ref().filter(|t| t.has_to_wait()).cloned()
    }

    fn charge(&self, cost_ns: u64) {
        match &*self.payer() {
            Some(tenant) => tenant.charge_around(cost_ns),
            None => {
                self.unpaid_ns.fetch_add(cost_ns, Relaxed);
            }
        }
    }

    fn payer(&self) -> MutexGuard<'_, Option<Arc<Tenant>>> {
        self.payer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}
