//! What a shell offers while a call is typed: files, an app's components, and the functions of
//! whichever it is. Nothing is compiled for that, and what cannot be read is offered nothing.

use crate::commands::up::load_manifest;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use holm_manifest::Given;
use holm_runtime::artifact::{Content, detect};
use holm_runtime::values::{Signature, Signatures, Surface, callable};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Files; of an app that was named, its components.
pub fn files(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(app) = Typed::now().app else {
        return PathCompleter::any()
            .filter(|path| path.extension().is_some_and(|e| e == "wasm" || e == "wat"))
            .complete(current);
    };
    let components =
        load_manifest(&app, Given::not_needed()).map_or(Vec::new(), |manifest| manifest.components);
    let begun = current.to_string_lossy();
    let names = components.iter().map(|component| &component.name);
    let offered = names.filter(|name| name.starts_with(&*begun));
    offered.map(CompletionCandidate::new).collect()
}

/// Functions that one call can be made of, each with its signature.
pub fn functions(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(signatures) = Typed::now().signatures() else {
        return Vec::new();
    };
    let begun = current.to_string_lossy();
    let callable = |s: &&Signature| callable::check(s, Surface::ONE_CALL).is_ok();
    let offer = |signature: &Signature| {
        let name = name(&signatures, signature, &begun);
        let docs = signature
            .docs
            .as_deref()
            .and_then(|docs| docs.lines().next());
        let help = match docs {
            Some(docs) => format!("{signature}  {docs}"),
            None => signature.to_string(),
        };
        let candidate = || CompletionCandidate::new(&name).help(Some(help.into()));
        name.starts_with(&*begun).then(candidate)
    };
    let offered = signatures.exports.iter().filter(callable);
    offered.filter_map(offer).collect()
}

/// The shortest name that means a function alone, or the one that somebody has begun to type.
/// Shells take a word apart at its colons, and a short one has none.
fn name(all: &Signatures, of: &Signature, begun: &str) -> String {
    let is_it = |name: &String| {
        all.find(name)
            .is_ok_and(|found| found.position == of.position)
    };
    let local = of.local_name();
    let mut names = vec![of.name(), of.full_name()];
    if !begun.contains(':') {
        names.insert(0, local.clone());
        if let Some(interface) = &of.interface {
            let short = interface.rsplit('/').next().unwrap_or_default();
            let short = short.split('@').next().unwrap_or_default();
            // Where it is what somebody types, it comes before the function alone.
            let typed = begun.starts_with(short) && !local.starts_with(begun);
            names.insert(usize::from(!typed), format!("{short}.{local}"));
        }
    }
    let found = names.into_iter().find(is_it);
    found.unwrap_or_else(|| of.full_name())
}

/// What was typed of a call so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    app: Option<PathBuf>,
    file: Option<PathBuf>,
    wit: Option<PathBuf>,
}

impl Typed {
    /// What the shell asks about: it stands behind `--`, the command's own name first.
    fn now() -> Typed {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        Typed::of(words)
    }

    fn of(words: impl Iterator<Item = OsString>) -> Typed {
        // Half a command line is no error here.
        let cli = crate::cli().ignore_errors(true);
        let Ok(matches) = cli.try_get_matches_from(words) else {
            return Typed::default();
        };
        let Some(call) = matches.subcommand_matches("call") else {
            return Typed::default();
        };
        let path = |name: &str| call.try_get_one::<PathBuf>(name).ok().flatten().cloned();
        Typed {
            app: path("app"),
            file: path("file"),
            wit: path("wit"),
        }
    }

    /// The functions of what is to be called.
    fn signatures(&self) -> Option<Signatures> {
        let file = self.file.as_deref()?;
        let Some(app) = &self.app else {
            return read(file, self.wit.as_deref());
        };
        let manifest = load_manifest(app, Given::not_needed()).ok()?;
        let component = manifest.component(file.to_str()?)?;
        let wit = component.wit.as_ref().map(|wit| manifest.dir.join(wit));
        let source = component.source.value.resolve(&manifest.dir);
        read(&source, self.wit.as_deref().or(wit.as_deref()))
    }
}

fn read(file: &Path, wit: Option<&Path>) -> Option<Signatures> {
    let bytes = std::fs::read(file).ok()?;
    match detect(file, &bytes).ok()? {
        Content::Binary(_, binary) => Signatures::of_binary(&binary, wit).ok(),
        Content::Precompiled(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        Typed::of(line.split(' ').map(OsString::from))
    }

    #[test]
    fn what_was_typed_is_found_wherever_it_stands() {
        let of = |app: Option<&str>, file: Option<&str>| Typed {
            app: app.map(PathBuf::from),
            file: file.map(PathBuf::from),
            wit: None,
        };
        assert_eq!(typed("holm call a.wasm "), of(None, Some("a.wasm")));
        assert_eq!(typed("holm call --app . web f"), of(Some("."), Some("web")));
        assert_eq!(typed("holm call web f --app x"), of(Some("x"), Some("web")));
        assert_eq!(typed("holm call --bad a.wasm").app, None);
        assert_eq!(typed("holm run a.wasm"), Typed::default());
        assert_eq!(typed("holm"), Typed::default());
    }
}
