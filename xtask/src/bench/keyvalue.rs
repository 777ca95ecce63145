//! The key-value store, as `holm bench-keyvalue FILE N` measures it inside, beside the disk's own sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use super::report::Section;

/// Asks the command; its figures are a name, a tab and nanoseconds, one on each line.
pub fn measure(bench: &Bench) -> Section {
    let (count, entries) = match bench.quick {
        true => (20, 10_000),
        false => (200, 1_000_000),
    };
    let mut section = Section::new(format!("key-value store: each operation {count} times"));
    if let Err(error) = fill(bench, count, entries, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, count: usize, entries: u64, section: &mut Section) -> Result<()> {
    let folder = bench.scratch.path();
    section.row(
        "the disk",
        "append 4 KiB and sync, µs",
        &syncs(folder, count)?,
    );
    let command = |file: &str| {
        let mut command = Command::new(&bench.holm);
        command.current_dir(folder).stdin(Stdio::null());
        command.args(["bench-keyvalue", file, &count.to_string()]);
        command
    };
    let output = command("bench.redb").output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (name, figures) in figures(&output.stdout).context("not offered by this holm")? {
        section.row("holm", &format!("{name}, µs"), &figures);
    }

    let mut filler = command("killed.redb")
        .args(["--fill", &entries.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = filler.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    filler.kill()?;
    filler.wait()?;
    ensure!(line == "full\n", "the store could not be filled");
    let mut reopened = command("killed.redb");
    reopened.stdout(Stdio::piped());
    let output = reopened.output()?;
    let figures = figures(&output.stdout).context("not opened after a kill")?;
    let name = format!("open after kill -9, {entries} entries, µs");
    section.row(
        "holm",
        &name,
        figures.get("open").map_or(&[], Vec::as_slice),
    );
    Ok(())
}

/// What the disk itself takes: the floor under every write
fn syncs(folder: &Path, count: usize) -> Result<Vec<f64>> {
    let mut file = File::create(folder.join("sync"))?;
    (0..count)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[1; 4096])?;
            file.sync_data()?;
            Ok(began.elapsed().as_secs_f64() * 1e6)
        })
        .collect()
}

/// In microseconds, by name; none where anything else was printed
pub fn figures(printed: &[u8]) -> Option<BTreeMap<String, Vec<f64>>> {
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in std::str::from_utf8(printed).ok()?.lines() {
        let (name, nanoseconds) = line.split_once('\t')?;
        let nanoseconds: f64 = nanoseconds.parse().ok()?;
        figures
            .entry(name.to_owned())
            .or_default()
            .push(nanoseconds / 1e3);
    }
    (!figures.is_empty()).then_some(figures)
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn only_figures_are_figures() {
        let both = figures(b"get\t1000\nget\t2500\nopen\t5000\n").unwrap();
        assert_eq!(both["get"], [1.0, 2.5]);
        assert_eq!(both["open"], [5.0]);
        assert_eq!(figures(b"usage: holm\n"), None);
        assert_eq!(figures(b""), None);
    }
}
