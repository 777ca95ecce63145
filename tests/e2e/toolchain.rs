//! The compilers of `scripts/guest-toolchain` under the names that a user calls them by.

use crate::support::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Where `scripts/guest-toolchain` has put them.
fn guest_tools() -> PathBuf {
    let tools = std::env::var_os("HOLM_GUESTS")
        .map_or_else(|| user_cache().join("holm-guests"), PathBuf::from);
    assert!(
        tools.join("bin/guest-cargo").exists(),
        "{} has no compilers: run scripts/guest-toolchain",
        tools.display()
    );
    tools
}

/// A `PATH` with Node: the user's own, or that of the compilers where theirs is too old.
pub fn with_node() -> String {
    let outer = std::env::var("PATH").unwrap();
    let own = guest_tools().join("py/bin");
    match own.join("node").exists() {
        true => format!("{}:{outer}", own.display()),
        false => outer,
    }
}

/// A `PATH` with `cargo`, `go`, `zig`, `componentize-py` and `node`; the folder must stay.
pub fn path(bin: &Scratch) -> String {
    let tools = guest_tools();
    let outer = std::env::var("PATH").unwrap();
    let shim = |name: &str, call: &str| {
        let file = bin.write(
            name,
            format!(
                "#!/bin/sh\nexport PATH='{}/bin':'{outer}' HOLM_GUEST_ROOT='{}'\nexec {call}\n",
                tools.display(),
                repo().display()
            ),
        );
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // The wrapper sets another linker by its environment, which is stronger than a project's own
    // settings; flags are stronger still.
    let linker = "target.wasm32-unknown-unknown.linker=\"wasm-component-ld\"";
    shim("cargo", &format!("guest-cargo \"$@\" --config '{linker}'"));
    shim("go", "guest-go \"$@\"");
    shim("zig", "guest-zig \"$@\"");
    shim("componentize-py", "guest-componentize-py \"$@\"");
    format!("{}:{}", bin.path().display(), with_node())
}

/// Cargo's results where guests have theirs, so that crates are compiled once.
pub fn share_target(project: &Path) {
    let shared = user_cache().join("holm/guest-target");
    std::fs::create_dir_all(&shared).unwrap();
    symlink(shared, project.join("target")).unwrap();
}

/// What `npm install` would put beside a script.
pub fn install_packages(project: &Path) {
    let packages = user_cache().join("holm/worker-packages/node_modules");
    assert!(
        packages.join("hono").exists(),
        "{} is missing: run scripts/worker-packages",
        packages.display()
    );
    symlink(packages, project.join("node_modules")).unwrap();
}
