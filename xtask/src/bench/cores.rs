//! Server and client on a core each: sharing one, they would measure each other.

use std::fmt;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of this run
pub struct Cores {
    all: CpuSet,
    /// Server's and client's; none on a machine with one core
    apart: Option<(usize, usize)>,
}

impl Cores {
    /// The first two cores that this process may use
    pub fn choose() -> Result<Self> {
        let all = sched_getaffinity(None).context("cannot ask which cores there are")?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let apart = usable.next().zip(usable.next());
        Ok(Self { all, apart })
    }

    /// Starts something on the server's core. Children inherit the core of the thread that
    /// starts them, so this moves there and back.
    pub fn as_server<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        self.within(|(server, _)| server, start)
    }

    /// Does something on the client's core.
    pub fn as_client<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.within(|(_, client)| client, work)
    }

    /// Does something on both cores: a server that shares them with its neighbours and its clients.
    pub fn on_both<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some((server, client)) = self.apart else {
            return work();
        };
        let mut both = CpuSet::new();
        both.set(server);
        both.set(client);
        self.on(&both, work)
    }

    fn within<T>(
        &self,
        which: fn((usize, usize)) -> usize,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(apart) = self.apart else {
            return work();
        };
        let mut one = CpuSet::new();
        one.set(which(apart));
        self.on(&one, work)
    }

    fn on<T>(&self, cores: &CpuSet, work: impl FnOnce() -> Result<T>) -> Result<T> {
        sched_setaffinity(None, cores).context("cannot move to a core")?;
        let done = work();
        sched_setaffinity(None, &self.all).context("cannot move back to all cores")?;
        done
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.apart {
            Some((server, client)) => write!(f, "server on core {server}, client on core {client}"),
            None => f.write_str("one core for server and client: latencies mean little"),
        }
    }
}
