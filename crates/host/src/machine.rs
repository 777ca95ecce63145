//! What the machine has, or lets this process have.

use std::path::Path;

/// Memory in bytes: the machine's, or what the process's control group may have of it; 4 GiB where
/// neither is known.
pub(crate) fn memory() -> u64 {
    let known = [of_machine(), of_group()];
    known.into_iter().flatten().min().unwrap_or(4 << 30)
}

fn of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The least of the limits on the way from the process's group to the root.
fn of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let limits = root.join(own);
    let limits = limits
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    let limits = limits.filter_map(|folder| {
        let text = std::fs::read_to_string(folder.join("memory.max")).ok()?;
        // `max` is no number, and no limit.
        text.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_some() {
        assert!(memory() >= 64 << 20);
        assert!(memory() <= of_machine().unwrap());
    }
}
