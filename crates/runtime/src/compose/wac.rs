//! A document in WAC, the language of compositions, and where its packages are found.

use super::{Composed, guarded, options};
use crate::error::Result;
use holm_manifest::{Problem, Problems, Source, Span, nearest};
use miette::Diagnostic;
use std::collections::HashMap;
use std::path::PathBuf;
use wac_parser::Document;
use wac_resolver::FileSystemPackageResolver;

/// Brackets within brackets that a document may have: what reads it recurses.
const DEPTH_MAX: usize = 100;

/// Where the packages of a document are.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// Files by name: `example:payments`.
    pub files: HashMap<String, PathBuf>,
    /// A folder that has `example/payments.wasm` for all others.
    pub folder: PathBuf,
}

/// Composes what a document in WAC says.
///
/// What is wrong with it comes as problems of the document; what is wrong with the result, as an
/// error in the inner result.
pub fn document(source: &Source, packages: &Packages) -> Result<Result<Composed>, Problems> {
    let refuse = |problem: Problem| problem.in_source(source);
    check_depth(source).map_err(refuse)?;
    let binary = match guarded(|| encode(&source.text, packages)) {
        Ok(encoded) => encoded.map_err(refuse)?,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Composed::of(binary, Vec::new()))
}

fn encode(text: &str, packages: &Packages) -> Result<Vec<u8>, Problem> {
    let document = Document::parse(text).map_err(|error| problem(&error))?;
    let named = wac_resolver::packages(&document).map_err(|error| problem(&error))?;
    let resolver = FileSystemPackageResolver::new(&packages.folder, packages.files.clone(), true);
    let found = resolver.resolve(&named).map_err(|error| {
        let missing = match &error {
            wac_resolver::Error::UnknownPackage { name, .. } => Some(name),
            _ => None,
        };
        let problem = problem(&error);
        match missing {
            Some(name) => where_to_put(problem, name, packages),
            None => problem,
        }
    })?;
    let resolution = document.resolve(found).map_err(|error| problem(&error))?;
    resolution
        .encode(options())
        .map_err(|error| problem(&error))
}

fn where_to_put(mut problem: Problem, name: &str, packages: &Packages) -> Problem {
    let given = packages.files.keys().map(String::as_str);
    if let Some(near) = nearest(name, given) {
        problem = problem.note(format!("the name `{near}` was given a file"));
    }
    let place = name
        .split(':')
        .fold(packages.folder.clone(), |p, n| p.join(n));
    problem.help(format!(
        "say where it is: --dep {name}=FILE, or put it at {}.wasm",
        place.display()
    ))
}

/// The libraries' errors know their places: this makes them ours.
fn problem(error: &dyn Diagnostic) -> Problem {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let mut problem = Problem::error(message);
    let mut labels: Vec<_> = error.labels().into_iter().flatten().collect();
    // The place itself before what it refers to.
    labels.sort_by_key(|label| !label.primary());
    for (number, label) in labels.iter().enumerate() {
        let text = label.label().map(str::to_owned);
        if number == 0 {
            let end = label.offset() + label.len();
            problem = problem.at(Span::new(label.offset(), end));
            problem.label = text;
        } else if let Some(text) = text {
            problem = problem.note(text);
        }
    }
    match error.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem,
    }
}

fn check_depth(source: &Source) -> Result<(), Problem> {
    let mut depth = 0usize;
    for (at, byte) in source.text.bytes().enumerate() {
        match byte {
            b'(' | b'{' | b'<' => depth += 1,
            b')' | b'}' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Problem::error("brackets are nested too deeply")
                .at(Span::new(at, at + 1))
                .label(format!("more than {DEPTH_MAX} within each other")));
        }
    }
    Ok(())
}
