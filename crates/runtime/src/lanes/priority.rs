//! How a thread of the slow lane stands behind the others in the operating system's eyes.

use std::io;
use std::time::Duration;

/// By so much the slow lane's threads are nicer than the process: beside other busy processes they
/// still get a third of what a usual thread gets. RATIONALE.md has what more and less did.
const NICER: i32 = 5;

/// For so long at a time the slow lane's threads would like a core. Being nice decides how much of a
/// core they get and not when: since Linux 6.6 who has just got a core may keep it for a slice, some
/// milliseconds, whoever wakes up. Since 6.12 who asks for shorter slices than the one that runs
/// need not wait for the end of its slice, and everybody else's are shorter than this.
const SLICE: Duration = Duration::from_millis(20);

/// Lowers the calling thread's priority for good, for work that nobody waits for: requests that come
/// meanwhile take the core from it. On Linux a thread has a priority of its own; elsewhere nothing
/// happens.
#[cfg(target_os = "linux")]
pub fn lower() {
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "the slow lane's threads have the priority of all others");
    }
    if let Err(error) = lengthen_slices() {
        tracing::debug!(%error, "the slow lane's threads have slices like all others");
    }
}

/// Kernels before 6.12 take it and do nothing.
#[cfg(target_os = "linux")]
fn lengthen_slices() -> io::Result<()> {
    let mut attributes = attributes()?;
    attributes.sched_runtime = SLICE.as_nanos() as u64;
    // SAFETY: 0 is this thread; the kernel reads the structure, whose size it is told in its first
    // field, and keeps no reference.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What the kernel holds of the calling thread: setting a part of it sets the rest too.
#[cfg(target_os = "linux")]
fn attributes() -> io::Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: 0 is this thread; the kernel writes at most `size` bytes into the structure, all of
    // whose bits are valid, and keeps no reference.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    match got {
        0 => Ok(attributes),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Elsewhere this would be the whole process.
#[cfg(not(target_os = "linux"))]
pub fn lower() {
    let _ = (NICER, SLICE, io::Error::last_os_error);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_lowered_alone_and_stays_nice() {
        let nice = || attributes().unwrap().sched_nice;
        let before = nice();
        let lowered = std::thread::spawn(move || {
            lower();
            let after = attributes().unwrap();
            assert_eq!(after.sched_nice, (before + NICER).min(19));
            assert_eq!(after.sched_policy, libc::SCHED_OTHER as u32);
            // Kernels before 6.12 do not tell.
            let slice = after.sched_runtime;
            assert!(slice == 0 || slice == SLICE.as_nanos() as u64, "{slice}");
        });
        lowered.join().unwrap();
        assert_eq!(nice(), before);
    }
}
