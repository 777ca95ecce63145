//! Whose turn it is in the slow lane: that tenant's which has used the least of it.

use super::tenant::Tenant;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a turn is taken to cost until it is over: else a tenant would get a second turn on another
/// thread before its first one counts.
const TURN_NS: u64 = 1_000_000;

/// Jobs by tenant; within a tenant, first come, first served.
pub(super) struct Turns<J> {
    lines: HashMap<u64, Line<J>>,
    /// Tenants with waiting jobs: what they used, and who they are.
    order: BTreeSet<(u64, u64)>,
    /// What the tenant with the last turn had used. Who comes begins here: time away is not saved.
    floor: u64,
}

struct Line<J> {
    tenant: Arc<Tenant>,
    waiting: VecDeque<J>,
    running: u32,
    used: u64,
}

impl<J> Default for Turns<J> {
    fn default() -> Self {
        Turns {
            lines: HashMap::new(),
            order: BTreeSet::new(),
            floor: 0,
        }
    }
}

impl<J> Turns<J> {
    /// A job waits for its turn.
    pub fn push(&mut self, tenant: &Arc<Tenant>, job: J) {
        let floor = self.floor;
        let line = self.lines.entry(tenant.id).or_insert_with(|| {
            // What was done for it while it had nothing here was no turn of its.
            tenant.take_around();
            Line {
                tenant: tenant.clone(),
                waiting: VecDeque::new(),
                running: 0,
                // Who left in debt comes back in debt.
                used: tenant.left_at.load(Relaxed).max(floor),
            }
        });
        line.waiting.push_back(job);
        tenant.waiting.fetch_add(1, Relaxed);
        self.order.insert((line.used, tenant.id));
    }

    /// The job whose turn it is; [`Turns::over`] must follow.
    pub fn pop(&mut self) -> Option<J> {
        let (used, id) = self.order.pop_first()?;
        self.floor = self.floor.max(used);
        let line = self.lines.get_mut(&id)?;
        let job = line.waiting.pop_front()?;
        line.tenant.waiting.fetch_sub(1, Relaxed);
        line.running += 1;
        line.used += TURN_NS;
        if !line.waiting.is_empty() {
            self.order.insert((line.used, id));
        }
        Some(job)
    }

    /// A tenant's turn is over and took so much CPU time; its job, if it wants another turn.
    pub fn over(&mut self, tenant: &Arc<Tenant>, ns: u64, again: Option<J>) {
        let Some(line) = self.lines.get_mut(&tenant.id) else {
            return;
        };
        self.order.remove(&(line.used, tenant.id));
        // A turn that cost nothing is a turn all the same.
        line.used = (line.used - TURN_NS).saturating_add(ns.max(1));
        line.running -= 1;
        if let Some(job) = again {
            line.waiting.push_back(job);
            tenant.waiting.fetch_add(1, Relaxed);
        }
        if !line.waiting.is_empty() {
            self.order.insert((line.used, tenant.id));
        } else if line.running == 0 {
            tenant.left_at.store(line.used, Relaxed);
            self.lines.remove(&tenant.id);
        }
    }

    /// Everything that waits, for somebody who ends it all.
    pub fn take(&mut self) -> Vec<J> {
        self.order.clear();
        let lines = self.lines.values_mut();
        lines
            .flat_map(|line| {
                line.tenant.waiting.store(0, Relaxed);
                std::mem::take(&mut line.waiting)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lanes;
    use super::*;

    const MS: u64 = 1_000_000;

    /// One thread takes so many turns of a millisecond; how many each tenant had.
    fn turns(turns: &mut Turns<u64>, tenants: &[Arc<Tenant>], count: usize) -> Vec<usize> {
        let mut had = vec![0; tenants.len()];
        for _ in 0..count {
            let job = turns.pop().unwrap();
            let index = tenants.iter().position(|t| t.id == job).unwrap();
            had[index] += 1;
            turns.over(&tenants[index], MS, Some(job));
        }
        had
    }

    fn tenants(count: usize) -> Vec<Arc<Tenant>> {
        let lanes = Lanes::with_threads(1);
        (0..count).map(|_| lanes.tenant()).collect()
    }

    #[test]
    fn a_hundred_jobs_of_one_get_as_much_as_one_of_another() {
        let tenants = tenants(2);
        let mut queue = Turns::default();
        for _ in 0..100 {
            queue.push(&tenants[0], tenants[0].id);
        }
        queue.push(&tenants[1], tenants[1].id);
        assert_eq!(turns(&mut queue, &tenants, 200), [100, 100]);
        assert_eq!(tenants[0].waiting.load(Relaxed), 100);
    }

    #[test]
    fn threads_that_take_turns_at_once_take_them_from_different_tenants() {
        let tenants = tenants(2);
        let mut queue = Turns::default();
        for _ in 0..2 {
            queue.push(&tenants[0], tenants[0].id);
        }
        queue.push(&tenants[1], tenants[1].id);
        let both = [queue.pop().unwrap(), queue.pop().unwrap()];
        assert_eq!(both, [tenants[0].id, tenants[1].id]);
    }

    #[test]
    fn who_slept_has_saved_nothing() {
        let tenants = tenants(2);
        let mut queue = Turns::default();
        queue.push(&tenants[0], tenants[0].id);
        assert_eq!(turns(&mut queue, &tenants, 50), [50, 0]);
        queue.push(&tenants[1], tenants[1].id);
        assert_eq!(queue.pop(), Some(tenants[1].id), "it is next");
        queue.over(&tenants[1], MS, Some(tenants[1].id));
        let had = turns(&mut queue, &tenants, 20);
        assert!(had[0] >= 9, "and not for 50 turns: {had:?}");
    }

    #[test]
    fn who_comes_and_goes_keeps_its_debt() {
        let tenants = tenants(2);
        let mut queue = Turns::default();
        queue.push(&tenants[0], tenants[0].id);
        queue.push(&tenants[1], tenants[1].id);
        assert_eq!(queue.pop(), Some(tenants[0].id));
        queue.over(&tenants[0], 10 * MS, None);
        queue.push(&tenants[0], tenants[0].id);
        let had = turns(&mut queue, &tenants, 9);
        assert_eq!(had, [0, 9]);
    }

    #[test]
    fn turns_of_different_length_even_out() {
        let tenants = tenants(2);
        let mut queue = Turns::default();
        queue.push(&tenants[0], tenants[0].id);
        queue.push(&tenants[1], tenants[1].id);
        let mut used = [0; 2];
        for _ in 0..400 {
            let job = queue.pop().unwrap();
            let index = usize::from(job == tenants[1].id);
            let took = if index == 0 { 3 * MS } else { MS };
            used[index] += took;
            queue.over(&tenants[index], took, Some(job));
        }
        let apart = used[0].abs_diff(used[1]);
        assert!(apart <= 3 * MS, "{used:?}");
    }
}
