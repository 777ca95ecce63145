//! Which manifest `holm up` serves: the one that the user named, or the one that a single file would
//! have.

use super::Args;
use crate::grants::place_here;
use holm_manifest::{
    AppLimits, Component, ComponentSource, FILE_NAME, Given, Limits, Manifest, Parser, Problem,
    Problems, Serve, Source, Span, Spanned, Trigger, Value, find_script, to_toml,
};
use std::path::Path;

/// The manifest of what the user named: a folder, a file, or a single component.
pub(super) fn manifest_of(args: &Args) -> Result<Manifest, Problems> {
    if is_webassembly(&args.app) {
        return alone(&args.app, args);
    }
    let mut manifest = load_manifest(&args.app, args.variables.given())?;
    if find_script(&args.app).is_some() {
        args.grants.resolve(&place_here(args.state.clone()))?;
        for component in &mut manifest.components {
            component.grants = args.grants.grants().map_err(Problem::alone)?;
        }
        return Ok(manifest);
    }
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

/// The text of an app's manifest; of a script without one, that which it would have.
pub fn source_of(app: &Path) -> Result<Source, Problems> {
    if let Some((folder, script)) = find_script(app) {
        let script = Value::string(script.display().to_string());
        let component = Value::table(vec![("source", script)]);
        let route = Value::table(vec![
            ("route", Value::string("/...")),
            ("component", Value::string("app")),
        ]);
        let text = to_toml(&Value::table(vec![
            ("name", Value::string("app")),
            ("component", Value::table(vec![("app", component)])),
            ("http", Value::array(vec![route])),
        ]));
        // Where one would be, so that paths are relative to it, and one that comes is noticed.
        return Ok(Source::new(folder.join(FILE_NAME), text));
    }
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
        variable_files: Vec::new(),
        warnings: Vec::new(),
    })
}
