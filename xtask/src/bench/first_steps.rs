//! First steps: from `holm new` to a first answer of the service that comes out, compiled from nothing.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::load::{self, Target};
use super::report::Section;
use super::server::Server;
use super::{Bench, workspace};

/// What all of it may take, in seconds, downloads not counted
const WALL_S_MAX: f64 = 60.0;

const TEMPLATE: &str = "http-rust";

/// Measures the template for Rust.
pub fn measure(bench: &Bench) -> Section {
    let runs = if bench.quick { 1 } else { 3 };
    let mut section = Section::new(format!(
        "first steps: {TEMPLATE}, from `holm new` to the first answer, {runs} runs"
    ));
    if let Err(error) = fill(bench, runs, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, runs: usize, section: &mut Section) -> Result<()> {
    let path = cargo_on_path(&bench.scratch.path().join("bin"))?;
    let (mut all, mut build) = (vec![], vec![]);
    // The first run downloads what is missing.
    for run in 0..=runs {
        let folder = bench.scratch.path().join(format!("steps{run}"));
        fs::create_dir_all(&folder)?;
        let holm = |args: &[&str]| {
            let mut command = Command::new(&bench.holm);
            command.args(args).current_dir(&folder).env("PATH", &path);
            command
        };
        let began = Instant::now();
        done(holm(&["new", "shop", "--template", TEMPLATE]))?;
        let building = Instant::now();
        done(holm(&["build", "shop"]))?;
        let built = building.elapsed();
        let mut up = holm(&["up", "--quiet", "--listen", "127.0.0.1:0", "shop"]);
        let server = Server::start("holm up", &mut up)?;
        load::body(&Target::from(server.address))?;
        if run > 0 {
            all.push(began.elapsed().as_secs_f64());
            build.push(built.as_secs_f64());
        }
    }
    section.row_with_goal("to the first answer", "wall, s", &all, WALL_S_MAX);
    section.row("of which the compiler", "wall, s", &build);
    Ok(())
}

fn done(mut command: Command) -> Result<()> {
    let output = command.output().context("cannot start holm")?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A `PATH` on which `cargo` builds for WebAssembly: that of the guests' compilers where it is there,
/// else the user's own
fn cargo_on_path(bin: &Path) -> Result<std::ffi::OsString> {
    let outer = env::var_os("PATH").unwrap_or_default();
    let guests = workspace::guest_compilers().join("bin");
    if !guests.join("guest-cargo").is_file() {
        return Ok(outer);
    }
    fs::create_dir_all(bin)?;
    let cargo = bin.join("cargo");
    // What it calls in turn is the real one.
    let inner = env::join_paths([guests].into_iter().chain(env::split_paths(&outer)))?;
    // Its own setting of the linker is stronger than the project's, and flags are stronger still.
    fs::write(
        &cargo,
        format!(
            "#!/bin/sh\nexport PATH='{}'\nexec guest-cargo \"$@\" \
             --config 'target.wasm32-unknown-unknown.linker=\"wasm-component-ld\"'\n",
            inner.display()
        ),
    )?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
    let all = [bin.to_owned()].into_iter().chain(env::split_paths(&outer));
    Ok(env::join_paths(all.collect::<Vec<PathBuf>>())?)
}
