//! The clock of one poll of an event.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So much may be charged too much for one poll, where another thread had the core within it.
const COARSE_NS: u64 = 20_000;

/// The clock of the poll that is going on.
///
/// To ask the kernel for a thread's CPU time takes longer than a short call does (360 ns on an idle
/// machine); the wall clock is read in 25. CPU time is never more than the wall time, and a poll
/// cannot have used more of it than its thread has since some moment before the poll. So the thread's
/// CPU clock is read at most once in [`COARSE_NS`] before polls, and after a poll only where that was
/// longer; what is charged is the smaller of both. A poll that was not preempted is charged its wall
/// time, which is its CPU time. One that was is charged at most [`COARSE_NS`] too much.
#[derive(Default)]
pub(super) struct Poll {
    /// On the wall clock.
    began_ns: AtomicU64,
    /// The thread's CPU clock when it began, or up to [`COARSE_NS`] before.
    cpu_ns: AtomicU64,
}

thread_local! {
    /// When this thread's CPU clock was read last, on the wall clock, and what it said.
    static READ: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

impl Poll {
    /// It begins, on this thread.
    pub(super) fn begins(&self) {
        let mut now = wall_ns();
        let (read, mut cpu) = READ.get();
        if now.saturating_sub(read) > COARSE_NS {
            cpu = thread_cpu_ns();
            READ.set((now, cpu));
            // To read it is not the guest's work.
            now = wall_ns();
        }
        self.began_ns.store(now, Relaxed);
        self.cpu_ns.store(cpu, Relaxed);
    }

    /// Wall time since.
    pub(super) fn elapsed(&self) -> u64 {
        wall_ns().saturating_sub(self.began_ns.load(Relaxed))
    }

    /// CPU time since, asked on the same thread.
    pub(super) fn used(&self) -> u64 {
        let elapsed = self.elapsed();
        if elapsed <= COARSE_NS {
            return elapsed;
        }
        let cpu = thread_cpu_ns().saturating_sub(self.cpu_ns.load(Relaxed));
        elapsed.min(cpu)
    }
}

/// CPU time of this thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::ThreadCPUTime)
}

/// The wall clock in nanoseconds, which nobody sets.
fn wall_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::Monotonic)
}

fn nanoseconds(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_short_polls_are_charged_what_they_take() {
        let (poll, mut spent) = (Poll::default(), 0);
        let (began, cpu) = (wall_ns(), thread_cpu_ns());
        for _ in 0..2_000 {
            poll.begins();
            let until = thread_cpu_ns() + 5_000;
            while thread_cpu_ns() < until {}
            spent += poll.used();
        }
        let (wall, cpu) = (wall_ns() - began, thread_cpu_ns() - cpu);
        assert!(spent >= 10_000_000, "{spent} ns");
        assert!(spent <= wall, "{spent} ns of {wall}");
        // Between its polls it does next to nothing; others may have had the core within them.
        assert!(spent <= cpu + 2_000 * COARSE_NS, "{spent} ns of {cpu}");
    }
}
