//! `holm compose`: several components made into one file.

use crate::{exit, report};
use holm_manifest::{ByteSize, Given, Manifest, Problem, Problems, Source};
use holm_runtime::Error;
use holm_runtime::compose::{Composed, Link, Packages, Part, document, fuse, plug};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Join components into one file
///
/// With --plug, what FILE imports is plugged with what the others export; a plug serves what stands
/// before it. A FILE that ends in .wac is a document in WAC that says how its packages are joined.
/// With --fuse, FILE is an app, and a component of it is joined with what its manifest links it to.
///
/// The parts of one file run under one set of grants and limits. To give each its own, link components
/// in holm.toml: [component.NAME.imports].
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm compose web.wasm --plug payments.wasm -o out.wasm
  holm compose app.wac --dep example:payments=payments.wasm -o out.wasm
  holm compose --fuse web path/to/app -o out.wasm")]
pub struct Args {
    /// The component whose imports are plugged, a .wac file, or with --fuse an app
    #[arg(
        required_unless_present = "fuse",
        default_value_if("fuse", clap::builder::ArgPredicate::IsPresent, ".")
    )]
    file: Option<PathBuf>,
    /// A component whose exports are plugged into what stands before it
    #[arg(long, value_name = "FILE", conflicts_with = "fuse")]
    plug: Vec<PathBuf>,
    /// A package of the .wac file and where it is
    #[arg(long, value_name = "NS:NAME=FILE", value_parser = dep, conflicts_with_all = ["plug", "fuse"])]
    dep: Vec<(String, PathBuf)>,
    /// Where the other packages are, as NS/NAME.wasm
    #[arg(long, value_name = "DIR", default_value = "deps")]
    deps_dir: PathBuf,
    /// The component of the app that is joined with those that it is linked to
    #[arg(long, value_name = "COMPONENT")]
    fuse: Option<String>,
    /// Where the result is written
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn dep(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if name.contains(':') && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("write it as NS:NAME=FILE".into()),
    }
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let file = args.file.clone().unwrap_or_else(|| ".".into());
    let composed = match compose(&args, &file) {
        Ok(composed) => composed,
        Err(problems) => {
            report::problems(&problems);
            return ExitCode::from(exit::YOURS);
        }
    };
    match composed.and_then(|composed| {
        composed.write(&args.output)?;
        Ok(composed)
    }) {
        Ok(composed) => {
            print!("{}", report::printable(&shown(&args.output, &composed)));
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

fn compose(args: &Args, file: &Path) -> Result<Result<Composed, Error>, Problems> {
    if let Some(component) = &args.fuse {
        let manifest = super::up::load_manifest(file, Given::not_needed())?;
        return Ok(fused(&manifest, component));
    }
    if file.extension().is_some_and(|end| end == "wac") {
        if !args.plug.is_empty() {
            let what = "a document in WAC says itself what is plugged, so --plug has no meaning";
            return Ok(Err(Error::yours(what).help("name its packages with --dep")));
        }
        let source = Source::read(file).map_err(Problem::alone)?;
        let packages = Packages {
            files: args.dep.iter().cloned().collect::<HashMap<_, _>>(),
            folder: args.deps_dir.clone(),
        };
        return document(&source, &packages);
    }
    Ok(plugged(args, file))
}

fn plugged(args: &Args, file: &Path) -> Result<Composed, Error> {
    if args.plug.is_empty() {
        return Err(Error::yours("there is nothing to compose: no --plug")
            .help(format!(
                "holm compose {} --plug OTHER.wasm -o OUT.wasm",
                file.display()
            ))
            .help("or write how components are joined into a file that ends in .wac"));
    }
    let root = Part::read(file)?;
    let plugs = args.plug.iter().map(|plug| Part::read(plug));
    plug(root, plugs.collect::<Result<_, _>>()?)
}

/// What the manifest links, as one component.
fn fused(manifest: &Manifest, root: &str) -> Result<Composed, Error> {
    let Some(first) = manifest.component(root) else {
        let names = manifest.components.iter().map(|c| c.name.as_str());
        let error = Error::yours(format!("the app has no component `{root}`"));
        return Err(match holm_manifest::nearest(root, names.clone()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!(
                "components: {}",
                names.collect::<Vec<_>>().join(", ")
            )),
        });
    };
    let mut found = vec![first];
    let (mut parts, mut links) = (Vec::new(), Vec::new());
    while let Some(component) = found.get(parts.len()).copied() {
        let from = parts.len();
        let part = Part::named(
            &component.name,
            &component.source.value.resolve(&manifest.dir),
        )?;
        for link in &component.imports {
            let Some(other) = manifest.component(&link.component.value) else {
                continue;
            };
            let known = found.iter().position(|c| c.name == other.name);
            let to = known.unwrap_or_else(|| {
                found.push(other);
                found.len() - 1
            });
            let imports = part.imports.iter().filter(|import| link.is_for(import));
            links.extend(imports.map(|import| Link {
                from,
                import: import.clone(),
                to,
            }));
        }
        parts.push(part);
    }
    if links.is_empty() {
        return Err(
            Error::yours(format!("component `{root}` is linked to no other")).help(format!(
                "link it: [component.{root}.imports] \"NS:PACKAGE/INTERFACE\" = \"OTHER\""
            )),
        );
    }
    fuse(parts, &links)
}

fn shown(output: &Path, composed: &Composed) -> String {
    let mut text = format!(
        "{} ({})\n",
        output.display(),
        ByteSize(composed.binary.len() as u64)
    );
    for joint in &composed.joints {
        text += &format!(
            "  {} of {} is provided by {}\n",
            joint.import, joint.from, joint.to
        );
    }
    let open: Vec<&str> = composed.open.iter().map(String::as_str).collect();
    let (wasi, others): (Vec<&str>, Vec<&str>) =
        open.into_iter().partition(|name| name.starts_with("wasi:"));
    if !others.is_empty() {
        text += &format!("  still open: {}\n", others.join(", "));
    }
    if !wasi.is_empty() {
        text += &format!("  for the host: {}\n", wasi.join(", "));
    }
    text
}
