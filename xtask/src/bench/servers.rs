//! The servers that are compared: Holm, wasmtime's own, and bare hyper.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::Bench;
use super::server::Server;

/// Holm, in tables
pub const HOLM: &str = "holm up";
/// The peer, in tables
pub const PEER: &str = "wasmtime serve";
/// The yardstick, in tables
pub const BARE: &str = "bare hyper";

/// A guest, and how it is served
#[derive(Clone, Copy)]
pub struct Served<'a> {
    /// Its file
    pub guest: &'a Path,
    /// Lines of its table in the manifest
    pub component: &'a str,
    /// Requests that an instance serves
    pub reuse: u32,
}

impl<'a> Served<'a> {
    /// A fresh instance for each request, and nothing granted
    pub fn of(guest: &'a Path) -> Self {
        Served {
            guest,
            component: "",
            reuse: 1,
        }
    }

    /// Starts Holm on the server's core.
    pub fn holm(&self, bench: &Bench, name: &'static str, flags: &[&str]) -> Result<Server> {
        let app = bench.scratch.path().join("served");
        std::fs::create_dir_all(&app)?;
        let manifest = format!(
            "name = \"bench\"\n\n[component.web]\nsource = {:?}\nreuse = {}\n{}\n\n\
             [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n",
            self.guest, self.reuse, self.component
        );
        std::fs::write(app.join("holm.toml"), manifest)?;
        let mut up = Command::new(&bench.holm);
        up.args(["up", "--listen", "127.0.0.1:0"]).args(flags);
        start(bench, name, up.arg(app))
    }

    /// Starts the peer on the server's core.
    pub fn peer(&self, bench: &Bench) -> Result<Server> {
        let wasmtime = bench.wasmtime.as_ref().map_err(|why| anyhow!("{why}"))?;
        let mut serve = Command::new(wasmtime);
        serve
            .args(["serve", "-Wcomponent-model-async", "-Sp3", "-Scli"])
            // Its default for 0.3 is to reuse an instance; Holm's is a fresh one each.
            .args(["--max-instance-reuse-count", &self.reuse.to_string()])
            .args(["--addr", "127.0.0.1:0"]);
        start(bench, PEER, serve.arg(self.guest))
    }
}

/// Starts the yardstick on the server's core.
pub fn bare(bench: &Bench, flags: &[&str]) -> Result<Server> {
    let mut bare = Command::new(std::env::current_exe()?);
    start(bench, BARE, bare.arg("bare-hyper").args(flags))
}

fn start(bench: &Bench, name: &'static str, command: &mut Command) -> Result<Server> {
    let command = command.current_dir(bench.scratch.path());
    let started = bench.cores.as_server(|| Server::start(name, command));
    started.context(name)
}

/// Round by round; empty where one of the two was not measured
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect()
}
