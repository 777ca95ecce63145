//! How a thread of the slow lane stands behind the others in the operating system's eyes.

/// By so much the slow lane's threads are nicer than the process: a thread of the fast lane that
/// wakes up takes the core from them at once, and beside other busy processes they still get a
/// third of what a usual thread gets. RATIONALE.md has what more and less did.
const NICER: i32 = 5;

/// Lowers the calling thread's priority; on Linux a thread has its own.
#[cfg(target_os = "linux")]
pub(super) fn lower() {
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "the slow lane's threads have the priority of all others");
    }
}

/// Elsewhere this would be the whole process.
#[cfg(not(target_os = "linux"))]
pub(super) fn lower() {
    let _ = NICER;
}
