//! Cold start of a script with a `fetch` handler: its first request in a host that serves already, the
//! component built and its machine code cached.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::load::{self, Target};
use super::report::Section;
use super::server::Server;
use super::{Bench, workspace};

/// What the first request may take, in milliseconds
const WALL_MS_MAX: f64 = 20.0;

const SCRIPT: &str = "export default { fetch: () => new Response(\"hello\\n\") };\n";

/// Measures the first and the second request to a script, in a new process each time.
pub fn measure(bench: &Bench) -> Section {
    let runs = if bench.quick { 5 } else { 21 };
    let mut section = Section::new(format!(
        "a script's cold start: built, machine code cached, {runs} runs"
    ));
    if let Err(error) = fill(bench, runs, &mut section) {
        section.notes.push(format!("not measured: {error:#}"));
    }
    section
}

fn fill(bench: &Bench, runs: usize, section: &mut Section) -> Result<()> {
    let apps = bench.scratch.path().join("worker");
    build(bench, &apps)?;
    let (mut first, mut second) = (vec![], vec![]);
    // The first run fills the cache.
    for run in 0..=runs {
        let mut holm = Command::new(&bench.holm);
        holm.args(["up", "--quiet", "--listen", "127.0.0.1:0", "--apps"])
            .arg(&apps);
        let server = bench
            .cores
            .as_server(|| Server::start("holm up", &mut holm))?;
        let ask = |host: &str| {
            let target = Target {
                host: host.to_owned(),
                ..Target::from(server.address)
            };
            let began = Instant::now();
            load::body(&target)?;
            anyhow::Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        // The engine and its pools are made by the first request of all.
        ask("hello.test")?;
        let (cold, warm) = (ask("script.test")?, ask("script.test")?);
        if run > 0 {
            first.push(cold);
            second.push(warm);
        }
    }
    section.row_with_goal("the first request", "wall, ms", &first, WALL_MS_MAX);
    section.row("the second", "wall, ms", &second);
    Ok(())
}

/// Makes two apps: one of another component, and the script, built.
fn build(bench: &Bench, apps: &Path) -> Result<()> {
    let hello = Bench::guest("http-hello.wasm").map_err(anyhow::Error::msg)?;
    let packages = workspace::worker_packages();
    ensure!(packages.is_dir(), "run scripts/worker-packages");
    let script = apps.join("script");
    for (name, source) in [("hello", hello), ("script", PathBuf::from("index.js"))] {
        fs::create_dir_all(apps.join(name))?;
        fs::write(
            apps.join(name).join("holm.toml"),
            format!(
                "name = \"{name}\"\n\n[component.app]\nsource = {source:?}\n\n\
                 [[http]]\nhost = \"{name}.test\"\nroute = \"/...\"\ncomponent = \"app\"\n"
            ),
        )?;
    }
    fs::write(script.join("index.js"), SCRIPT)?;
    symlink(packages, script.join("node_modules"))?;
    // Node comes with the guests' compilers where the machine has none.
    let mut path = workspace::guest_compilers().join("py/bin").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let built = Command::new(&bench.holm)
        .arg("build")
        .arg(&script)
        .env("PATH", path)
        .output()
        .context("cannot start holm")?;
    ensure!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let component = script.join(".holm/build/index.js/component.wasm");
    // A host of many apps builds nothing.
    let manifest = fs::read_to_string(script.join("holm.toml"))?;
    fs::write(
        script.join("holm.toml"),
        manifest.replace("\"index.js\"", &format!("{component:?}")),
    )?;
    Ok(())
}
