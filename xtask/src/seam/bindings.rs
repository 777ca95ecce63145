//! What the `bindgen!` calls in wasmtime's own crates say about functions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// A `bindgen!` call in wasmtime's crates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bindings {
    /// The package that has it.
    pub package: &'static str,
    /// Where its WIT lies in the package.
    pub wit: &'static str,
    /// The file with the `bindgen!` call.
    pub file: &'static str,
    /// The text that precedes it there.
    pub after: &'static str,
    /// The Rust path of the WIT package's module, before the package's name.
    pub module: &'static str,
}

/// `wasi:io`, which all of 0.2 shares.
pub const IO: Bindings = Bindings {
    package: "wasmtime-wasi-io",
    wit: "wit",
    file: "src/bindings.rs",
    after: "",
    module: "wasmtime_wasi_io::bindings::wasi",
};

/// The command-line world of 0.2, its blocking functions async.
pub const P2: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p2/wit",
    file: "src/p2/bindings.rs",
    after: "mod async_io {",
    module: "wasmtime_wasi::p2::bindings",
};

/// The command-line world of 0.3.
pub const P3: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi::p3::bindings",
};

/// `wasi:http` 0.2.
pub const HTTP_P2: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "wit",
    file: "src/p2/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p2::bindings",
};

/// `wasi:http` 0.3.
pub const HTTP_P3: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p3::bindings",
};

/// The sources of wasmtime's crates, as cargo unpacked them.
pub struct Sources(BTreeMap<String, (PathBuf, String)>);

impl Sources {
    /// Asks cargo where they are.
    pub fn find() -> Result<Sources> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["metadata", "--format-version=1", "--offline"])
            .current_dir(workspace::root())
            .output()?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let mut found = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            let manifest = PathBuf::from(text("manifest_path"));
            let folder = manifest.parent().unwrap_or(Path::new("/")).to_owned();
            found.insert(text("name"), (folder, text("version")));
        }
        Ok(Sources(found))
    }

    /// The folder and the version of one of them.
    pub fn package(&self, name: &str) -> Result<&(PathBuf, String)> {
        self.0
            .get(name)
            .with_context(|| format!("{name} is not a dependency"))
    }
}

/// What a `bindgen!` call says about functions.
#[derive(Default)]
pub struct Options {
    /// Function to flags; `default` for the rest.
    imports: BTreeMap<String, String>,
    /// Types of errors that host functions return: `wasi:filesystem/types.error-code`.
    pub errors: Vec<String>,
}

impl Options {
    /// Reads the call in the package's sources.
    pub fn read(bindings: Bindings, folder: &Path) -> Result<Options> {
        let text = fs::read_to_string(folder.join(bindings.file))?;
        let start = text
            .find(bindings.after)
            .context("the bindgen! call has moved")?;
        let call = &text[start..];
        let call = &call[call.find("bindgen!({").context("no bindgen! call")?..];
        let call = &call[..call.find("});").context("a bindgen! call without an end")?];
        let block = |name: &str| -> Option<&str> {
            let from = call.find(&format!("{name}: {{"))? + name.len() + 3;
            Some(&call[from..from + call[from..].find('}')?])
        };
        let mut options = Options::default();
        let rules = block("imports")
            .context("no imports")?
            .lines()
            .map(str::trim);
        let rules = rules
            .filter(|line| !line.starts_with("//"))
            .flat_map(|line| line.split(','));
        for rule in rules.map(str::trim).filter(|rule| !rule.is_empty()) {
            let (name, flags) = rule
                .rsplit_once(": ")
                .with_context(|| format!("not `function: flags`: {rule}"))?;
            options
                .imports
                .insert(name.trim_matches('"').to_owned(), flags.to_owned());
        }
        for line in block("trappable_error_type").unwrap_or_default().lines() {
            if let Some((name, _)) = line.split_once("=>") {
                options
                    .errors
                    .push(name.trim().trim_matches('"').to_owned());
            }
        }
        Ok(options)
    }

    /// The flags of a function, by the rule of wasmtime's `FunctionConfig`: by its full name, by its
    /// interface, by its package, else the default.
    pub fn flags(&self, interface: &str, function: &str) -> &str {
        let package = interface.split('/').next().unwrap_or_default();
        [
            &format!("{interface}.{function}"),
            interface,
            package,
            "default",
        ]
        .into_iter()
        .find_map(|key| self.imports.get(key))
        .map_or("", String::as_str)
    }
}
