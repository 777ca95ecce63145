//! Writes the tables through which every function of WASI 0.2 and 0.3 is linked.
//!
//! The rows mirror what `bindgen!` generates inside of wasmtime-wasi: which functions exist is read
//! from the WIT in those crates' sources, which of them are async, need the store or have an error
//! type of their own, from the `bindgen!` call beside it. So an engine update is `cargo xtask seam`,
//! a look at the difference, and a build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use wit_parser::{Function, FunctionKind, InterfaceId, Resolve, Type, TypeDefKind, TypeId};

use crate::workspace;

/// Write the tables in crates/capabilities that link WASI 0.2 and 0.3 through the seam
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail when a table is not what would be written
    #[arg(long)]
    check: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    let folder = workspace::root().join("crates/capabilities/src");
    let sources = Sources::find()?;
    let mut stale = Vec::new();
    for table in TABLES {
        let path = folder.join(table.file);
        let text = table
            .write(&sources)
            .with_context(|| format!("writing {}", table.file))?;
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        stale.push(table.file);
        if !args.check {
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    match (stale.as_slice(), args.check) {
        ([], _) => println!("seam: all {} tables are up to date", TABLES.len()),
        (files, false) => println!("seam: wrote {}", files.join(", ")),
        (files, true) => {
            eprintln!(
                "seam: out of date, run `cargo xtask seam`: {}",
                files.join(", ")
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One generated file.
struct Table {
    file: &'static str,
    bindings: Bindings,
    /// The interfaces, in the order in which they are linked.
    interfaces: &'static [&'static str],
    /// The `HasData` type and the function from `State` to its data, with what must be imported.
    data: &'static str,
    getter: &'static str,
    uses: &'static [&'static str],
    /// What happens around a call: a function of the WIT, and what its row says after `note`.
    notes: fn(&str) -> Option<&'static str>,
}

/// A `bindgen!` call in wasmtime's crates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bindings {
    package: &'static str,
    /// Where its WIT lies in the package.
    wit: &'static str,
    /// The file with the `bindgen!` call, and the text that precedes it there.
    file: &'static str,
    after: &'static str,
    /// The Rust path of the WIT package's module, before the package's name.
    module: &'static str,
}

const IO: Bindings = Bindings {
    package: "wasmtime-wasi-io",
    wit: "wit",
    file: "src/bindings.rs",
    after: "",
    module: "wasmtime_wasi_io::bindings::wasi",
};
const P2: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p2/wit",
    file: "src/p2/bindings.rs",
    after: "mod async_io {",
    module: "wasmtime_wasi::p2::bindings",
};
const P3: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi::p3::bindings",
};
const HTTP_P2: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "wit",
    file: "src/p2/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p2::bindings",
};
const HTTP_P3: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p3::bindings",
};

const CLI: (&str, &str, &[&str]) = (
    "WasiCli",
    "State::cli",
    &["wasmtime_wasi::cli::{WasiCli, WasiCliView as _}"],
);
const CLOCKS: (&str, &str, &[&str]) = (
    "WasiClocks",
    "State::clocks",
    &["wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _}"],
);
const FILES: (&str, &str, &[&str]) = (
    "WasiFilesystem",
    "State::filesystem",
    &[
        "super::watch",
        "wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _}",
    ],
);
const FILES_P3: (&str, &str, &[&str]) = (
    "WasiFilesystem",
    "State::filesystem",
    &[
        "super::{streams_0_3, watch}",
        "wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _}",
    ],
);
const RANDOM: (&str, &str, &[&str]) = (
    "WasiRandom",
    "State::random",
    &["wasmtime_wasi::random::{WasiRandom, WasiRandomView as _}"],
);
const SOCKETS: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &["wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}"],
);
const SOCKETS_P2: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &[
        "super::bytes",
        "wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}",
    ],
);
const TABLE: (&str, &str, &[&str]) = ("Table", "Table::of", &["super::Table"]);
const HTTP: (&str, &str, &[&str]) = (
    "WasiHttp",
    "State::http",
    &["wasmtime_wasi_http::{WasiHttp, WasiHttpView as _}"],
);

const fn table(
    file: &'static str,
    bindings: Bindings,
    interfaces: &'static [&'static str],
    (data, getter, uses): (&'static str, &'static str, &'static [&'static str]),
    notes: fn(&str) -> Option<&'static str>,
) -> Table {
    Table {
        file,
        bindings,
        interfaces,
        data,
        getter,
        uses,
        notes,
    }
}

const TABLES: &[Table] = &[
    table(
        "environment/wasi_0_2.rs",
        P2,
        &["cli/environment", "cli/exit"],
        CLI,
        environment,
    ),
    table(
        "environment/wasi_0_3.rs",
        P3,
        &["cli/environment", "cli/exit"],
        CLI,
        environment,
    ),
    table("stdio/wasi_0_2.rs", P2, STDIO, CLI, nothing),
    table("stdio/wasi_0_3.rs", P3, STDIO_P3, CLI, nothing),
    table(
        "stdio/wasi_io.rs",
        IO,
        &["io/error", "io/poll", "io/streams"],
        TABLE,
        nothing,
    ),
    table(
        "clocks/wasi_0_2.rs",
        P2,
        &["clocks/wall-clock", "clocks/monotonic-clock"],
        CLOCKS,
        nothing,
    ),
    table(
        "clocks/wasi_0_3.rs",
        P3,
        &[
            "clocks/types",
            "clocks/system-clock",
            "clocks/monotonic-clock",
        ],
        CLOCKS,
        nothing,
    ),
    table("random/wasi_0_2.rs", P2, RANDOMS, RANDOM, nothing),
    table("random/wasi_0_3.rs", P3, RANDOMS, RANDOM, nothing),
    table(
        "files/wasi_0_2.rs",
        P2,
        &["filesystem/types", "filesystem/preopens"],
        FILES,
        files_0_2,
    ),
    table(
        "files/wasi_0_3.rs",
        P3,
        &["filesystem/types", "filesystem/preopens"],
        FILES_P3,
        files_0_3,
    ),
    table(
        "sockets/wasi_0_2.rs",
        P2,
        &[
            "sockets/network",
            "sockets/instance-network",
            "sockets/ip-name-lookup",
            "sockets/tcp",
            "sockets/tcp-create-socket",
            "sockets/udp",
            "sockets/udp-create-socket",
        ],
        SOCKETS_P2,
        sockets,
    ),
    table(
        "sockets/wasi_0_3.rs",
        P3,
        &["sockets/types", "sockets/ip-name-lookup"],
        SOCKETS,
        nothing,
    ),
    table(
        "http/wasi_0_2.rs",
        HTTP_P2,
        &["http/types", "http/outgoing-handler"],
        HTTP,
        nothing,
    ),
    table(
        "http/wasi_0_3.rs",
        HTTP_P3,
        &["http/types", "http/client"],
        HTTP,
        nothing,
    ),
];

const RANDOMS: &[&str] = &["random/random", "random/insecure", "random/insecure-seed"];
const STDIO: &[&str] = &[
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
];
const STDIO_P3: &[&str] = &[
    "cli/types",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
];

/// Functions that we do ourselves: table, function, path.
const OURS: &[(&str, &str, &str)] = &[
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.read-via-stream",
        "streams_0_3::read_via_stream",
    ),
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.write-via-stream",
        "streams_0_3::write_via_stream",
    ),
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.append-via-stream",
        "streams_0_3::append_via_stream",
    ),
];

fn nothing(_function: &str) -> Option<&'static str> {
    None
}

fn environment(function: &str) -> Option<&'static str> {
    (function == "get-environment").then_some("super::noted")
}

fn sockets(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]tcp-socket.finish-connect" => "bytes::any => bytes::connected",
        "[method]tcp-socket.accept" => "bytes::any => bytes::accepted",
        "[method]incoming-datagram-stream.receive" => "bytes::any => bytes::received",
        "[method]outgoing-datagram-stream.send" => "bytes::sending => bytes::sent",
        _ => return None,
    })
}

fn files_0_2(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]descriptor.read" => "watch::at => watch::read",
        "[method]descriptor.write" => "watch::at => watch::written",
        "[method]descriptor.read-via-stream" => "watch::at => watch::reading",
        "[method]descriptor.write-via-stream" | "[method]descriptor.append-via-stream" => {
            "watch::at => watch::writing"
        }
        "[method]descriptor.open-at" => "watch::opening_0_2 => watch::opened",
        _ => return files(function),
    })
}

fn files_0_3(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]descriptor.write-via-stream" | "[method]descriptor.append-via-stream" => {
            "watch::at => watch::piped"
        }
        "[method]descriptor.open-at" => "watch::opening_0_3 => watch::opened",
        _ => return files(function),
    })
}

fn files(function: &str) -> Option<&'static str> {
    Some(match function {
        "get-directories" => "watch::listing => watch::listed",
        "[method]descriptor.link-at" => "watch::linking => watch::changed",
        "[method]descriptor.rename-at" => "watch::renaming => watch::changed",
        "[method]descriptor.set-size"
        | "[method]descriptor.set-times"
        | "[method]descriptor.set-times-at"
        | "[method]descriptor.create-directory-at"
        | "[method]descriptor.remove-directory-at"
        | "[method]descriptor.symlink-at"
        | "[method]descriptor.unlink-file-at" => "watch::at => watch::changed",
        // What libc asks of every granted folder before main is no use of it.
        "[method]descriptor.get-type" | "[method]descriptor.get-flags" => return None,
        _ if function.starts_with("[method]descriptor.") => "watch::at => watch::looked",
        _ => return None,
    })
}

/// The sources of wasmtime's crates, as cargo unpacked them.
struct Sources(BTreeMap<String, (PathBuf, String)>);

impl Sources {
    fn find() -> Result<Sources> {
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

    fn package(&self, name: &str) -> Result<&(PathBuf, String)> {
        self.0
            .get(name)
            .with_context(|| format!("{name} is not a dependency"))
    }
}

/// What a `bindgen!` call says about functions.
#[derive(Default)]
struct Options {
    /// Function to flags; `default` for the rest.
    imports: BTreeMap<String, String>,
    /// `wasi:filesystem/types.error-code`.
    errors: Vec<String>,
}

impl Options {
    fn read(bindings: Bindings, folder: &Path) -> Result<Options> {
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
    fn flags(&self, interface: &str, function: &str) -> &str {
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

impl Table {
    fn write(&self, sources: &Sources) -> Result<String> {
        let (folder, version) = sources.package(self.bindings.package)?;
        let options = Options::read(self.bindings, folder)?;
        let mut resolve = Resolve {
            all_features: true,
            ..Resolve::default()
        };
        resolve.push_path(folder.join(self.bindings.wit))?;

        let mut body = String::new();
        let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in self.interfaces {
            let (package, interface) = name.split_once('/').context("package/interface")?;
            let (id, wit_version) = find(&resolve, package, interface)?;
            let rows = self.rows(&resolve, &options, id, &format!("wasi:{name}"))?;
            if rows.is_empty() {
                writeln!(body, "    linker.instance(\"wasi:{name}@{wit_version}\")?;")?;
                continue;
            }
            modules
                .entry(package.to_owned())
                .or_default()
                .push(snake(interface));
            writeln!(
                body,
                "    cross!(linker, \"wasi:{name}\", \"@{wit_version}\", {}, {}, {{\n{rows}    }});",
                self.data, self.getter
            )?;
        }

        let mut uses: Vec<String> = self
            .uses
            .iter()
            .map(|path| format!("use {path};\n"))
            .collect();
        uses.extend(
            [
                "use crate::State;\n",
                "use holm_runtime::cross;\n",
                "use wasmtime::component::Linker;\n",
            ]
            .map(String::from),
        );
        for (package, mut names) in modules {
            names.sort();
            let list = match names.as_slice() {
                [one] => one.clone(),
                many => format!("{{{}}}", many.join(", ")),
            };
            let line = format!("use {}::{package}::{list};\n", self.bindings.module);
            uses.push(if line.len() <= 101 {
                line
            } else {
                wrapped(&self.bindings, &package, &names)
            });
        }
        // rustfmt's order.
        uses.sort_by_key(|line| {
            (
                !line.starts_with("use super"),
                !line.starts_with("use crate"),
                line.clone(),
            )
        });

        let names = self
            .interfaces
            .iter()
            .map(|n| format!("`wasi:{n}`"))
            .collect::<Vec<_>>()
            .join(", ");
        Ok(format!(
            "// Generated by `cargo xtask seam` from {} {version}; do not edit.\n\
             {}\n{}\n\
             /// Links them, each function under its own name.\n\
             pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {{\n{body}    Ok(())\n}}\n",
            self.bindings.package,
            doc(&names),
            uses.concat(),
        ))
    }

    fn rows(
        &self,
        resolve: &Resolve,
        options: &Options,
        id: InterfaceId,
        name: &str,
    ) -> Result<String> {
        let interface = &resolve.interfaces[id];
        let module = snake(
            interface
                .name
                .as_deref()
                .context("an interface without a name")?,
        );
        let mut rows = String::new();
        for (resource, ty) in &interface.types {
            if !matches!(resolve.types[*ty].kind, TypeDefKind::Resource) {
                continue;
            }
            let camel = camel(resource);
            let flags = options.flags(name, &format!("[drop]{resource}"));
            let (kind, with) = match (flags.contains("async"), flags.contains("store")) {
                (false, false) => ("", ""),
                (true, false) => ("async ", ""),
                (false, true) => ("store ", "WithStore"),
                (true, true) => bail!("{resource}: no row for a concurrent drop"),
            };
            row(
                &mut rows,
                &format!("drop {kind}\"{resource}\" {module}::{camel}"),
                &format!("{module}::Host{camel}{with}::drop"),
                "",
                None,
            )?;
        }
        for function in interface.functions.values() {
            let flags = options.flags(name, &function.name);
            let concurrent = matches!(
                function.kind,
                FunctionKind::AsyncFreestanding
                    | FunctionKind::AsyncMethod(_)
                    | FunctionKind::AsyncStatic(_)
            );
            let (kind, with) = match (concurrent, flags.contains("async"), flags.contains("store"))
            {
                (true, _, _) => ("concurrent", "WithStore"),
                (_, true, true) => ("async store", "WithStore"),
                (_, true, false) => ("async", ""),
                (_, false, true) => ("store", "WithStore"),
                (_, false, false) => ("sync", ""),
            };
            ensure!(
                flags.contains("trappable"),
                "{}: no row without `trappable`",
                function.name
            );
            let result = result_form(resolve, options, function)?;
            let resource = function
                .kind
                .resource()
                .and_then(|id| resolve.types[id].name.as_deref());
            let method = match function.kind {
                FunctionKind::Constructor(_) => "new".to_owned(),
                _ => ident(function.item_name()),
            };
            let letters: Vec<_> = (b'a'..)
                .take(function.params.len())
                .map(|b| char::from(b).to_string())
                .collect();
            let arguments = match letters.as_slice() {
                [] => " {}".to_owned(),
                some => format!(" {{ {} }}", some.join(", ")),
            };
            let ours = OURS
                .iter()
                .find(|(table, of, _)| (*table, *of) == (self.file, function.name.as_str()));
            let path = match ours {
                Some((_, _, path)) => (*path).to_owned(),
                None => format!(
                    "{module}::Host{}{with}::{method}",
                    resource.map(camel).unwrap_or_default()
                ),
            };
            row(
                &mut rows,
                &format!("{kind} {result} \"{}\"", function.name),
                &path,
                &arguments,
                (self.notes)(&function.name),
            )?;
        }
        Ok(rows)
    }
}

/// One row, in at most 100 columns.
fn row(
    rows: &mut String,
    left: &str,
    right: &str,
    arguments: &str,
    note: Option<&str>,
) -> Result<()> {
    let note = note.map(|note| format!("note {note}"));
    let (same, apart) = match &note {
        Some(note) => (format!(", {note}"), format!(",\n            {note}")),
        None => Default::default(),
    };
    let shapes = [
        format!("        {left} = {right}{arguments}{same};"),
        format!("        {left} = {right}{arguments}{apart};"),
        format!("        {left} =\n            {right}{arguments}{same};"),
        format!("        {left} =\n            {right}{arguments}{apart};"),
    ];
    let fits = |shape: &&String| shape.lines().all(|line| line.len() <= 100);
    writeln!(rows, "{}", shapes.iter().find(fits).unwrap_or(&shapes[3]))?;
    Ok(())
}

/// `unit`, `value`, or `fallible(convert)` when the error is one of the bindings' trappable types.
fn result_form(resolve: &Resolve, options: &Options, function: &Function) -> Result<String> {
    let Some(result) = function.result else {
        return Ok("unit".to_owned());
    };
    let Type::Id(id) = result else {
        return Ok("value".to_owned());
    };
    let TypeDefKind::Result(result) = &resolve.types[id].kind else {
        return Ok("value".to_owned());
    };
    let Some(Type::Id(error)) = result.err else {
        return Ok("value".to_owned());
    };
    let error = &resolve.types[definition(resolve, error)];
    let wit_parser::TypeOwner::Interface(owner) = error.owner else {
        return Ok("value".to_owned());
    };
    let interface = &resolve.interfaces[owner];
    let module = interface
        .name
        .as_deref()
        .context("an interface without a name")?;
    let name = error
        .name
        .as_deref()
        .context("an error type without a name")?;
    let package = interface
        .package
        .context("an interface without a package")?;
    let full = format!(
        "wasi:{}/{module}.{name}",
        resolve.packages[package].name.name
    );
    Ok(match options.errors.contains(&full) {
        true => format!("fallible({}::Host::convert_{})", snake(module), snake(name)),
        false => "value".to_owned(),
    })
}

fn definition(resolve: &Resolve, mut id: TypeId) -> TypeId {
    while let TypeDefKind::Type(Type::Id(next)) = resolve.types[id].kind {
        id = next;
    }
    id
}

fn find(resolve: &Resolve, package: &str, interface: &str) -> Result<(InterfaceId, String)> {
    let (_, found) = resolve
        .packages
        .iter()
        .find(|(_, p)| p.name.namespace == "wasi" && p.name.name == package)
        .with_context(|| format!("no package wasi:{package}"))?;
    let id = found
        .interfaces
        .get(interface)
        .with_context(|| format!("no interface {interface}"))?;
    let version = found
        .name
        .version
        .as_ref()
        .context("a package without a version")?;
    Ok((*id, version.to_string()))
}

/// The doc comment of a table, wrapped.
fn doc(names: &str) -> String {
    let mut lines = vec!["//!".to_owned()];
    for word in format!("The rows of {names}.").split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 99 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("//! {word}")),
        }
    }
    lines.join("\n") + "\n"
}

fn wrapped(bindings: &Bindings, package: &str, names: &[String]) -> String {
    let mut text = format!("use {}::{package}::{{\n   ", bindings.module);
    let mut width = 3;
    for name in names {
        if width + name.len() + 2 > 100 {
            text.push_str("\n   ");
            width = 3;
        }
        width += name.len() + 2;
        let _ = write!(text, " {name},");
    }
    text + "\n};\n"
}

fn ident(name: &str) -> String {
    match name {
        "type" | "static" | "use" | "in" | "as" | "yield" => snake(name) + "_",
        _ => snake(name),
    }
}

fn snake(name: &str) -> String {
    name.replace('-', "_").to_lowercase()
}

fn camel(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1.min(word.len()));
        first.to_uppercase() + rest
    };
    name.split('-').map(word).collect()
}
