//! Where things are: the workspace, the built `holm`, the suites, the guests, the caches.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder of the workspace's Cargo.toml
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The `holm` to drive: the one named, or the workspace's own, built first.
pub fn holm(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = named {
        // Children run in folders of their own, where a relative path would name nothing.
        return path
            .canonicalize()
            .with_context(|| format!("no holm command at {}", path.display()));
    }
    let built = cargo()
        .args(["build", "--release", "--bin", "holm"])
        .status()
        .context("cannot start cargo")?;
    if !built.success() {
        bail!("cargo build --release --package holm failed; --holm PATH drives another binary");
    }
    Ok(target_dir()?.join("release/holm"))
}

/// The suites' folder, or none where this checkout has none
pub fn suites() -> Option<PathBuf> {
    match env::var_os("HOLM_SUITES") {
        Some(named) => Some(PathBuf::from(named)),
        None => Some(root().join("../shared/suites")),
    }
    .filter(|folder| folder.is_dir())
}

/// Where the test guests are built to
pub fn guests() -> PathBuf {
    match env::var_os("HOLM_GUESTS_OUT") {
        Some(named) => PathBuf::from(named),
        None => cache().join("guests"),
    }
}

/// What scripts are built with (`scripts/worker-packages`)
pub fn worker_packages() -> PathBuf {
    cache().join("worker-packages/node_modules")
}

/// The guests' compilers (`scripts/guest-toolchain`); they need not be there
pub fn guest_compilers() -> PathBuf {
    let named = env::var_os("HOLM_GUESTS");
    named.map_or_else(|| cache().with_file_name("holm-guests"), PathBuf::from)
}

/// Where peers are installed to (`bench --peers`)
pub fn peers() -> PathBuf {
    cache().join("peers")
}

/// The interpreter in which `scripts/test-python` has installed the Python package: of the oldest
/// version, where there are several
pub fn python() -> Option<PathBuf> {
    let folders = cache().join("python-envs").read_dir().ok()?;
    let pythons = folders.filter_map(|folder| Some(folder.ok()?.path().join("bin/python")));
    pythons.filter(|python| python.exists()).min()
}

/// Cargo itself, run in the workspace whatever the caller's folder is, and without what the cargo
/// that runs us has set for us: some build scripts (ring's) watch those variables, and would have
/// half of the tree compiled again.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let of_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if of_package {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(root());
    cargo
}

fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            let home = env::var_os("HOME").map(PathBuf::from)?;
            Some(home.join(".cache"))
        });
    base.unwrap_or_else(env::temp_dir).join("holm")
}

/// Asked of cargo, not guessed: configuration and environment both move it.
fn target_dir() -> Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    Ok(metadata.target_directory)
}
