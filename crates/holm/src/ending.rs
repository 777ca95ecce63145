//! A run that has something to tell at its end tells it also where a signal ends it.

use crate::grants::{GrantFlags, explain};
use holm_capabilities::Grants;
use holm_runtime::Stop;
use holm_runtime::seam::Uses;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a run may take to end when it was asked to, so that its receipt can be told.
const GRACE: Duration = Duration::from_secs(1);

/// What is to be told when a run has ended.
pub struct Telling {
    /// The grants that it used, where somebody asked.
    pub uses: Option<Uses>,
    /// The component's name.
    pub name: String,
    /// What it was granted.
    pub grants: Arc<Grants>,
    /// The same as flags.
    pub flags: GrantFlags,
    /// Whether its receipt is asked for.
    pub receipt: bool,
    /// The grants are told once.
    pub told: Once,
}

impl Telling {
    /// Prints the grants that were used, where somebody asked.
    pub fn grants(&self) {
        if let Some(uses) = &self.uses {
            let explained = || explain(&uses.list(), &self.name, &self.grants, &self.flags);
            self.told.call_once(|| eprint!("{}", explained()));
        }
    }
}

/// Waits for a signal that is to end a run.
pub struct Ending {
    /// Asks the run to end.
    pub stop: Stop,
    caught: Arc<AtomicI32>,
}

impl Ending {
    /// Takes SIGINT and SIGTERM over, within a runtime of tokio. `None` where there is nothing to
    /// tell: then they end the process, as ever.
    pub fn watch(telling: &Arc<Telling>) -> io::Result<Option<Ending>> {
        if telling.uses.is_none() && !telling.receipt {
            return Ok(None);
        }
        let mut signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        let (stop, caught) = (Stop::default(), Arc::new(AtomicI32::new(0)));
        let ending = Ending {
            stop: stop.clone(),
            caught: caught.clone(),
        };
        let telling = telling.clone();
        tokio::spawn(async move {
            let number = signals.next().await;
            caught.store(number, Relaxed);
            if telling.receipt {
                stop.ask();
                let _ = tokio::time::timeout(GRACE, signals.next()).await;
                // Nobody but the thread that runs the guest could tell more.
                eprintln!("no receipt: the program did not leave a call that blocks");
            }
            telling.grants();
            crate::end_by(number);
        });
        Ok(Some(ending))
    }

    /// The signal that came.
    pub fn signal(&self) -> Option<i32> {
        Some(self.caught.load(Relaxed)).filter(|number| *number != 0)
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
        }
    }
}
