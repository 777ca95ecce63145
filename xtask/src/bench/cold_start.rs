//! Cold start: a cached hello from the start of its process to the end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::report::Section;
use super::{Bench, usage};

const GUEST: &str = "hello-p1.wasm";

/// What a cached hello may take, in milliseconds
const WALL_MS_MAX: f64 = 10.0;

/// The runs of one command, a value for each
#[derive(Default)]
struct Runs {
    wall_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
}

/// Measures `holm run`, `wasmtime run`, and a process that does nothing.
pub fn measure(bench: &Bench) -> Section {
    let runs = if bench.quick { 10 } else { 30 };
    let mut section = Section::new(format!(
        "cold start: {GUEST}, machine code cached, {runs} runs each"
    ));
    match Bench::guest(GUEST) {
        Err(missing) => section.notes.push(missing),
        Ok(guest) => {
            if let Err(error) = fill(bench, &guest, runs, &mut section) {
                section.notes.push(format!("not measured: {error:#}"));
            }
        }
    }
    section
}

fn fill(bench: &Bench, guest: &Path, runs: usize, section: &mut Section) -> Result<()> {
    let mut holm = Command::new(&bench.holm);
    holm.arg("run").arg(guest);
    let mut commands = vec![("holm run", holm)];
    match &bench.wasmtime {
        Ok(wasmtime) => {
            let mut run = Command::new(wasmtime);
            run.arg("run").arg(guest);
            commands.push(("wasmtime run", run));
        }
        Err(why) => section.notes.push(why.clone()),
    }
    // What no runtime can get under.
    commands.push(("true", Command::new("true")));

    // One run each fills the caches; a command that fails is dropped with a note.
    commands.retain_mut(
        |(name, command)| match once(command, bench.scratch.path()) {
            Ok(_) => true,
            Err(error) => {
                section.notes.push(format!("{name}: {error:#}"));
                false
            }
        },
    );
    let mut measured: Vec<Runs> = commands.iter().map(|_| Runs::default()).collect();
    for _ in 0..runs {
        for ((_, command), measured) in commands.iter_mut().zip(&mut measured) {
            let (wall, cpu) = once(command, bench.scratch.path())?;
            measured.wall_ms.push(wall.as_secs_f64() * 1e3);
            measured.cpu_ms.push(cpu.as_secs_f64() * 1e3);
        }
    }
    for ((name, _), runs) in commands.iter().zip(&measured) {
        if *name == "holm run" {
            section.row_with_goal(name, "wall, ms", &runs.wall_ms, WALL_MS_MAX);
        } else {
            section.row(name, "wall, ms", &runs.wall_ms);
        }
        section.row(name, "CPU, ms", &runs.cpu_ms);
    }
    if let [("holm run", _), ("wasmtime run", _), ..] = &commands[..] {
        let ratios = |of: fn(&Runs) -> &[f64]| -> Vec<f64> {
            of(&measured[0])
                .iter()
                .zip(of(&measured[1]))
                .map(|(a, b)| a / b)
                .collect()
        };
        section.row(
            "holm run / wasmtime run",
            "wall",
            &ratios(|runs| &runs.wall_ms),
        );
        section.row(
            "holm run / wasmtime run",
            "CPU",
            &ratios(|runs| &runs.cpu_ms),
        );
    }
    Ok(())
}

/// Wall and CPU time of one run. Children are waited for one at a time, so the growth of the
/// ended children's time is this one's.
fn once(command: &mut Command, folder: &Path) -> Result<(Duration, Duration)> {
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let cpu = usage::of_ended_children()?;
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    let wall = start.elapsed();
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok((wall, usage::of_ended_children()? - cpu))
}
