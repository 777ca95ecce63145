//! What other processes use: CPU time, user and system together, in nanoseconds rather than ticks;
//! and memory.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time that a running process has used so far, all its threads together
pub fn of_process(pid: u32) -> Result<Duration> {
    let pid = libc::pid_t::try_from(pid).context("not a process id")?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: writes one clock id to a place of that type.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error)).context("cannot ask for its CPU time");
    }
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: writes one timespec to a place of that type; zeroes are a valid one if it does not.
    let time = unsafe {
        if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error()).context("cannot read its CPU time");
        }
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).context("a negative CPU time")?;
    let nanoseconds = u32::try_from(time.tv_nsec).context("a negative CPU time")?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// The memory that a process holds, in kB; what it shares with others counts in part.
pub fn memory_kb(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    Ok(kib.context("no Pss in smaps_rollup")? * 1.024)
}

/// CPU time of all children that have ended and were waited for
pub fn of_ended_children() -> Result<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: writes one rusage to a place of that type; zeroes are a valid one if it does not.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error()).context("cannot ask for children's CPU time");
        }
        usage.assume_init()
    };
    Ok(duration(usage.ru_utime)? + duration(usage.ru_stime)?)
}

fn duration(time: libc::timeval) -> Result<Duration> {
    let seconds = u64::try_from(time.tv_sec).context("a negative CPU time")?;
    let microseconds = u64::try_from(time.tv_usec).context("a negative CPU time")?;
    Ok(Duration::from_secs(seconds) + Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn a_busy_process_uses_cpu_and_an_ended_one_is_counted() {
        let before = super::of_ended_children().unwrap();
        let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo; read line";
        let mut child = Command::new("sh")
            .args(["-c", busy])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(super::of_process(child.id()).unwrap() > Duration::from_millis(5));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(super::of_ended_children().unwrap() - before > Duration::from_millis(5));
        assert!(super::of_process(child.id()).is_err());
    }
}
