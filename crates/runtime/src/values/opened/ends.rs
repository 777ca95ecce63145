//! How flows are ended from outside: whoever reads one of a call that failed would wait for ever.

use crate::values::flow::Flow;
use futures::stream::AbortHandle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The flows that an instance has given out, for as long as they flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(Arc<Mutex<Vec<(AbortHandle, Weak<()>)>>>);

impl Ends {
    /// Knows of one more; the flow is forgotten when what this gives is dropped.
    pub(super) fn add(&self, flow: &Flow) -> Arc<()> {
        let flows = Arc::new(());
        let mut all = self.all();
        all.retain(|(_, flows)| flows.strong_count() > 0);
        all.push((flow.end(), Arc::downgrade(&flows)));
        flows
    }

    /// Ends all that still flow.
    pub(crate) fn end(&self) {
        for (end, flows) in self.all().drain(..) {
            if flows.strong_count() > 0 {
                end.abort();
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<(AbortHandle, Weak<()>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends them when it is dropped: before the instance that they come from.
#[derive(Default)]
pub(crate) struct EndsWith(pub(crate) Ends);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_ended_while_they_flow() {
        let ends = Ends::default();
        let (_sender, flow) = Flow::new();
        let pieces = flow.pieces().unwrap();
        let flows = ends.add(&flow);
        assert!(!pieces.is_cut());
        ends.clone().end();
        assert!(pieces.is_cut());
        drop(flows);
    }

    #[test]
    fn what_has_come_to_its_end_is_not_cut() {
        let ends = Ends::default();
        let (_, flow) = Flow::new();
        let pieces = flow.pieces().unwrap();
        drop(ends.add(&flow));
        ends.end();
        assert!(!pieces.is_cut());
    }

    #[test]
    fn those_that_have_ended_are_forgotten() {
        let ends = Ends::default();
        for _ in 0..100 {
            let (_sender, flow) = Flow::new();
            drop(ends.add(&flow));
        }
        assert!(ends.all().len() <= 1);
    }
}
