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

mod tables;

use crate::workspace;
use tables::{BY_HAND, Bindings, OUR_RESOURCES, OURS, TABLES, Table};

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

/// The sources of wasmtime's crates, as cargo unpacked them.
struct Sources(BTreeMap<String, (PathBuf, String)>);

impl Sources {
    fn find() -> Result<Sources> {
        let cargo = || Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        let version = String::from_utf8(cargo().arg("-vV").output()?.stdout)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let output = cargo()
            .args(["metadata", "--format-version=1", "--offline"])
            // Of other platforms not everything was downloaded.
            .args([
                "--filter-platform",
                host.context("cargo -vV names no host")?,
            ])
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

    /// The module of a resource that is ours.
    fn our_module(&self, resource: &str) -> Option<&'static str> {
        let of = |(table, name, _): &&(&str, &str, &str)| (*table, *name) == (self.file, resource);
        OUR_RESOURCES.iter().find(of).map(|(_, _, module)| *module)
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
            let (ty, drop) = match self.our_module(resource) {
                Some(ours) => (format!("{ours}::{camel}"), format!("{ours}::drop")),
                None => (
                    format!("{module}::{camel}"),
                    format!("{module}::Host{camel}{with}::drop"),
                ),
            };
            let left = format!("drop {kind}\"{resource}\" {ty}");
            row(&mut rows, &left, &drop, "", None)?;
        }
        for function in interface.functions.values() {
            if BY_HAND.contains(&(self.file, function.name.as_str())) {
                continue;
            }
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
            let path = match (ours, resource.and_then(|r| self.our_module(r))) {
                (Some((_, _, path)), _) => (*path).to_owned(),
                (None, Some(ours)) => format!("{ours}::{method}"),
                (None, None) => format!(
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
