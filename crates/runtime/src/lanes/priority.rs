//! How a thread of the slow lane stands behind the others in the operating system's eyes.

/// Lowers the calling thread's priority.
pub(super) fn lower() {
    let how = std::env::var("HOLM_LANE").unwrap_or_else(|_| "idle".into());
    unsafe {
        let param = libc::sched_param { sched_priority: 0 };
        if how == "idle" {
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &param);
        } else if let Some(nice) = how.strip_prefix("batch") {
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &param);
            libc::setpriority(libc::PRIO_PROCESS, 0, nice.parse().unwrap_or(0));
        } else if let Some(nice) = how.strip_prefix("nice") {
            libc::setpriority(libc::PRIO_PROCESS, 0, nice.parse().unwrap_or(0));
        }
    }
}
