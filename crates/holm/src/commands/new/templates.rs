//! The templates of `holm new`: whole small projects, part of the command, so that no network is needed.

/// A project that somebody begins with.
pub struct Template {
    /// What `--template` takes.
    pub name: &'static str,
    /// What comes out, in a few words.
    pub about: &'static str,
    /// Programs that its build calls.
    pub tools: &'static [&'static str],
    /// What to type after it, one line each.
    pub next: &'static [&'static str],
    /// Its files, by their paths below the new folder.
    pub files: &'static [(&'static str, &'static str)],
}

/// What stands for the project's name in them.
pub const NAME: &str = "my-app";

/// Files of a folder in `templates/`.
macro_rules! files {
    ($folder:literal: $($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../../templates/", $folder, "/", $file)))),*]
    };
    ($folder:literal: $($file:literal),* ; $($to:literal = $from:literal),* $(,)?) => {
        &[
            $(($file, include_str!(concat!("../../../templates/", $folder, "/", $file))),)*
            $(($to, include_str!(concat!("../../../../../wit/", $from))),)*
        ]
    };
}

const SERVICE: &[&str] = &["holm dev", "curl http://127.0.0.1:3000/"];

/// All of them.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "http-rust",
        about: "an HTTP service in Rust",
        tools: &["cargo"],
        next: &[
            "rustup target add wasm32-unknown-unknown   # once",
            "holm dev",
            "curl http://127.0.0.1:3000/",
        ],
        files: files!("http-rust":
            "holm.toml", "README.md", "Cargo.toml", "Cargo.lock", "src/lib.rs",
            ".cargo/config.toml", ".gitignore"),
    },
    Template {
        name: "http-js",
        about: "an HTTP service in JavaScript: a fetch handler",
        tools: &["npm"],
        next: &["npm install", "holm dev", "curl http://127.0.0.1:3000/"],
        files: files!("http-js":
            "holm.toml", "README.md", "package.json", "src/index.js", ".gitignore"),
    },
    Template {
        name: "http-python",
        about: "an HTTP service in Python",
        tools: &["componentize-py"],
        next: SERVICE,
        files: files!("http-python":
            "holm.toml", "README.md", "app.py", "wit/app.wit", ".gitignore";
            "wit/deps/cli.wit" = "wasi@0.2.12/cli.wit",
            "wit/deps/clocks.wit" = "wasi@0.2.12/clocks.wit",
            "wit/deps/filesystem.wit" = "wasi@0.2.12/filesystem.wit",
            "wit/deps/http.wit" = "wasi@0.2.12/http.wit",
            "wit/deps/io.wit" = "wasi@0.2.12/io.wit",
            "wit/deps/random.wit" = "wasi@0.2.12/random.wit",
            "wit/deps/sockets.wit" = "wasi@0.2.12/sockets.wit"),
    },
    Template {
        name: "http-go-wasip1",
        about: "an HTTP service in Go, by CGI",
        tools: &["go"],
        next: SERVICE,
        files: files!("http-go-wasip1":
            "holm.toml", "README.md", "go.mod", "main.go", ".gitignore"),
    },
    Template {
        name: "cli-c",
        about: "a program for the command line in C",
        tools: &["zig"],
        next: &["holm build", "echo one two three | holm run app.wasm"],
        files: files!("cli-c": "holm.toml", "README.md", "src/main.c", ".gitignore"),
    },
    Template {
        name: "library-rust",
        about: "a library in Rust: functions with types, called from everywhere",
        tools: &["cargo"],
        next: &[
            "rustup target add wasm32-unknown-unknown   # once",
            "holm build",
            "holm call --app . app sum '[1, 2, 3]'",
        ],
        files: files!("library-rust":
            "holm.toml", "README.md", "Cargo.toml", "Cargo.lock", "src/lib.rs",
            "wit/library.wit", ".cargo/config.toml", ".gitignore"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What a template's folder has is what it writes.
    #[test]
    fn no_file_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
        assert_eq!(names.len(), TEMPLATES.len());
        for template in TEMPLATES {
            let mut found = Vec::new();
            below(&folder.join(template.name), "", &mut found);
            found.sort();
            let deps = |path: &&str| !path.starts_with("wit/deps/");
            let files = template.files.iter().map(|(path, _)| *path);
            let mut listed: Vec<_> = files.filter(deps).collect();
            listed.sort_unstable();
            assert_eq!(found, listed, "{}", template.name);
            let sized: usize = template.files.iter().map(|(_, text)| text.len()).sum();
            assert!(sized < 200_000, "{} has {sized} bytes", template.name);
        }
    }

    fn below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => below(&entry.path(), &format!("{name}/"), found),
                false => found.push(name),
            }
        }
    }
}
