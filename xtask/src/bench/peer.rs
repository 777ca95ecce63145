//! The peer: wasmtime's own command, of the version that Holm is built on.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The engine's version in the workspace's Cargo.toml: only then is the difference Holm's own.
const WASMTIME_VERSION: &str = "48.0.8";

/// A peer's binary, or in words why there is none
pub type Peer = Result<PathBuf, String>;

/// Finds wasmtime, and builds it first where that is asked for.
pub fn wasmtime(build: bool) -> Result<Peer> {
    let root = workspace::peers();
    let binary = root.join("bin/wasmtime");
    if build && version(&binary).as_deref() != Some(WASMTIME_VERSION) {
        install(&root)?;
    }
    Ok(match version(&binary) {
        Some(version) if version == WASMTIME_VERSION => Ok(binary),
        Some(version) => Err(format!(
            "peer is wasmtime {version}, not {WASMTIME_VERSION}; rebuild: cargo xtask bench --peers"
        )),
        None => Err("peer not built; build it: cargo xtask bench --peers".to_owned()),
    })
}

/// Of `wasmtime 48.0.8 (…)`
fn version(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_whitespace().nth(1)?.to_owned())
}

fn install(root: &Path) -> Result<()> {
    if env::var_os("CI").is_some() {
        bail!(
            "--peers builds for many minutes and is not for CI; cache {} instead",
            root.display()
        );
    }
    eprintln!(
        "building wasmtime {WASMTIME_VERSION} into {} (minutes)",
        root.display()
    );
    let built = workspace::cargo()
        .args(["install", "--locked", "--force", "--root"])
        .arg(root)
        // A folder of its own: the workspace's would be locked for as long.
        .arg("--target-dir")
        .arg(root.join("target"))
        .arg(format!("wasmtime-cli@={WASMTIME_VERSION}"))
        // Standard output is the report's.
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !built.success() {
        bail!("cargo install wasmtime-cli@={WASMTIME_VERSION} failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_peer_is_the_engine_of_the_workspace() {
        let manifest = fs::read_to_string(crate::workspace::root().join("Cargo.toml")).unwrap();
        let pin = format!("wasmtime = {{ version = \"={}\"", super::WASMTIME_VERSION);
        assert!(
            manifest.contains(&pin),
            "bump WASMTIME_VERSION with the workspace's pin"
        );
    }
}
