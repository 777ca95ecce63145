//! What every instance carries, whichever capabilities it holds: its record and its budget.

use crate::bridge::Links;
use crate::limits::Budget;
use crate::receipt::Flows;
use crate::seam::{Seam, Uses};
use crate::values::Objects;
use crate::values::opened::Ends;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::sync::Notify;

/// The runtime's own part of an instance's state.
pub struct Core {
    /// Who calls: the component's name.
    pub component: Arc<str>,
    /// What was called, how often, how long.
    pub seam: Seam,
    /// What the instance may use, and has used.
    pub budget: Budget,
    /// Bytes that crossed, by direction and kind; shared with the streams that move them.
    pub flows: Arc<Flows>,
    /// What was asked for and refused; shared with checks that run outside of a host call.
    pub denials: Denials,
    /// Where somebody may ask for an early end.
    pub(crate) stop: Option<Stop>,
    /// What the embedder provides as resources, where the instance has handles of it.
    pub(crate) objects: Objects,
    /// What flows from the instance to the outside.
    pub(crate) ends: Ends,
}

impl Core {
    /// A fresh record for one instance of `component`.
    pub fn new(component: Arc<str>, budget: Budget, watch: &Watch) -> Self {
        let handles = budget.allowance().handles;
        Core {
            component,
            seam: Seam::new(watch.times, watch.uses.clone()),
            budget,
            flows: Arc::new(Flows::default()),
            denials: Denials::default(),
            stop: watch.stop.clone(),
            objects: Objects::new(handles),
            ends: Ends::default(),
        }
    }
}

impl Core {
    /// Starts a new account on an instance that serves another event.
    pub fn renew(&mut self) {
        self.seam.renew();
        self.budget.meter.reset();
        self.denials.clear();
        self.flows.reset();
    }
}

/// What somebody wants to know about an instance beyond the counts that are always kept.
#[derive(Clone, Default)]
pub struct Watch {
    /// Take times at the seam.
    pub times: bool,
    /// Note which grants are used.
    pub uses: Option<Uses>,
    /// End the run when it is asked to; what it has cost until then is told.
    pub stop: Option<Stop>,
}

/// Asks a run to end early: for whoever wants its receipt all the same, as after a signal. A guest
/// that computes hears of it only if its code is interruptible, one in a call that blocks never.
#[derive(Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.notify_one();
    }

    /// Returns once it was asked.
    pub(crate) async fn asked(&self) {
        self.0.notified().await;
    }
}

/// The state of an instance: the runtime's part plus whatever the capabilities keep.
pub trait InstanceState: Send + Sized + 'static {
    /// The runtime's part.
    fn core(&mut self) -> &mut Core;

    /// The instances that it has of components that it is linked to.
    fn links(&mut self) -> &mut Links<Self>;
}

/// Something a guest asked for and was refused, with the line that would have allowed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was asked: `connect to 10.0.0.1:5432`, `open store "sessions"`.
    pub asked: String,
    /// The grant's name in the manifest: `net`, `http`, `keyvalue`, `dirs`, `env`.
    pub grant: &'static str,
    /// What to write in the manifest, under `[component.NAME.grants]`: `net = ["10.0.0.1:5432"]`.
    pub line: String,
    /// The same for `holm run`: `--net 10.0.0.1:5432`.
    pub flag: String,
}

/// An instance's denials, in order, each once; a guest that asks in a loop cannot make it grow.
#[derive(Clone, Default)]
pub struct Denials(Arc<Mutex<Vec<Denial>>>);

impl Denials {
    const MOST: usize = 32;

    /// Records a denial.
    pub fn record(&self, denial: Denial) {
        let mut list = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if list.len() < Self::MOST && !list.contains(&denial) {
            list.push(denial);
        }
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }

    /// All denials so far.
    pub fn list(&self) -> Vec<Denial> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}
