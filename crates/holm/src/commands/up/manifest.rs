//! Which manifest `holm up` serves: the one that the user named, or the one that a single file would
//! have.

use super::Args;
use crate::grants::place_here;
use holm_manifest::{
    AppLimits, Component, ComponentSource, Given, Limits, Manifest, Parser, Problem, Problems,
    Serve, Source, Span, Spanned, Trigger, Value,
};
use std::path::Path;

/// The manifest of what the user named: a folder, a file, or a single component.
pub(super) fn manifest_of(args: &Args) -> Result<Manifest, Problems> {
    if is_webassembly(&args.app) {
        return alone(&args.app, args);
    }
    let manifest = load_manifest(&args.app, args.variables.given())?;
    match args.grants.grants() {
        Ok(grants) if grants.is_empty() => Ok(manifest),
        Ok(_) => Err(Problem::error("an app's grants are in its manifest")
            .help("write them under [component.NAME.grants]; the flags are for single files")
            .alone()),
        Err(problem) => Err(problem.alone()),
    }
}

/// A component rather than a manifest, found by looking at it; text is known by its name alone,
/// because a manifest is text too.
pub fn is_webassembly(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    let binary = read.is_ok() && (head == *b"\0asm" || head == *b"\x7fELF");
    binary || (path.is_file() && path.extension().is_some_and(|e| e == "wat" || e == "wasm"))
}

/// Reads and checks a manifest.
pub fn load_manifest(app: &Path, variables: Given) -> Result<Manifest, Problems> {
    let parser = Parser::new(holm_host::vocabulary()).given(variables);
    parser.parse(&source_of(app)?)
}

/// The text of an app's manifest.
pub fn source_of(app: &Path) -> Result<Source, Problems> {
    let path = holm_manifest::find(app).map_err(Problem::alone)?;
    Source::read(&path).map_err(Problem::alone)
}

/// The manifest that a single file would have.
fn alone(file: &Path, args: &Args) -> Result<Manifest, Problems> {
    if !args.variables.variables.is_empty() {
        return Err(
            Problem::error("variables are those of a manifest, and this is a single file")
                .help("what it reads by itself is given by --config KEY=VALUE or --env NAME=VALUE")
                .alone(),
        );
    }
    let grants = &args.grants;
    grants.resolve(&place_here(args.state.clone()))?;
    let here = std::env::current_dir().unwrap_or_default();
    let nowhere = Span::default();
    let route = Value::table(vec![
        ("route", Value::string("/...")),
        ("component", Value::string("app")),
    ]);
    Ok(Manifest {
        source: Source::new("", ""),
        dir: here,
        name: "app".into(),
        version: None,
        description: None,
        limits: AppLimits::default(),
        serve: Serve::default(),
        components: vec![Component {
            name: "app".into(),
            name_span: nowhere,
            source: Spanned {
                value: ComponentSource::File(file.to_owned()),
                span: nowhere,
            },
            description: None,
            grants: grants.grants().map_err(Problem::alone)?,
            grants_span: None,
            imports: Vec::new(),
            limits: Limits::default(),
            reuse: 1,
            snapshot: true,
            wit: None,
            build: None,
        }],
        triggers: vec![Trigger {
            kind: "http".into(),
            span: nowhere,
            value: route,
        }],
        stores: Vec::new(),
        brokers: Vec::new(),
        variable_files: Vec::new(),
        warnings: Vec::new(),
    })
}
