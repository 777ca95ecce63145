//! `holm inspect`: what a file is, and which grants it needs.

use crate::{exit, out, report};
use holm_manifest::ByteSize;
use holm_runtime::Error;
use holm_runtime::artifact::{Artifact, Generation, Inspection, LoadOptions, inspect};
use holm_runtime::limits::STACK_BYTES;
use holm_runtime::pools::PoolSize;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what a WebAssembly file is, what it imports and exports, and which grants it needs
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm inspect app.wasm\n  holm inspect app.wasm --json | jq .imports"
)]
pub struct Args {
    /// The file
    file: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A folder or file with its WIT, for docs that the binary does not have
    #[arg(long, value_name = "PATH")]
    wit: Option<PathBuf>,
    /// Map machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match look(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

fn look(args: &Args) -> Result<(), Error> {
    let runtime = super::runtime(PoolSize::of_one_app());
    let options = LoadOptions {
        // As `up` loads it, so that it can be told how its instances begin.
        snapshot: Some(u64::MAX),
        stack: STACK_BYTES,
        interruptible: true,
        fuel: false,
        pooled: false,
        allow_precompiled: args.allow_precompiled,
    };
    let artifact = runtime.loader().load(&args.file, options)?;
    let bytes = std::fs::read(&args.file).map_err(|e| {
        Error::yours(format!("cannot read {}", args.file.display())).caused_by(e.to_string())
    })?;
    let inspection = inspect(&args.file, &bytes, &artifact, args.wit.as_deref())?;
    let grants = grants(&inspection);
    let unmet = runtime.prepare(artifact.clone(), "it", &|_| true).err();
    if args.json {
        let value = json!({
            "file": args.file,
            "digest": artifact.digest.to_string(),
            "bytes": artifact.size,
            "inspection": inspection,
            "runs_as": uses(&artifact),
            "grants": grants,
            "start": artifact.start,
            "engine": {
                "wasi": if artifact.key.concurrency { "0.3" } else { "0.1 and 0.2" },
                "proposals": artifact.proposals.names(),
                "provided": unmet.is_none(),
                "problem": unmet.as_ref().map(ToString::to_string),
            },
        });
        out::line(format_args!("{value:#}"));
        return Ok(());
    }
    print(args, &artifact, &inspection, &grants, unmet.as_ref());
    Ok(())
}

fn print(
    args: &Args,
    artifact: &Artifact,
    inspection: &Inspection,
    grants: &[&str],
    unmet: Option<&Error>,
) {
    let row = |key: &str, value: String| {
        out::line(format_args!("{key:<10} {}", report::printable(&value)))
    };
    row("file", args.file.display().to_string());
    row("form", inspection.form.clone());
    row("size", ByteSize(artifact.size).to_string());
    row("digest", artifact.digest.to_string());
    if let Some(name) = &inspection.name {
        row("name", name.clone());
    }
    for (field, values) in &inspection.producers {
        row(field, values.join(", "));
    }
    row(
        "runs as",
        match uses(artifact).as_slice() {
            [] => "nothing by itself; call its functions with `holm call`".into(),
            uses => uses.join(", "),
        },
    );
    row("start", artifact.start.to_string());
    let debug = match (inspection.names, inspection.dwarf) {
        (_, true) => "DWARF: backtraces show source lines",
        (true, false) => "names: backtraces show functions",
        (false, false) => "none: backtraces show numbers",
    };
    row("debug", debug.into());
    let proposals = artifact.proposals.names();
    row(
        "engine",
        format!(
            "for WASI {}{}",
            if artifact.key.concurrency {
                "0.3"
            } else {
                "0.1 and 0.2"
            },
            if proposals.is_empty() {
                String::new()
            } else {
                format!(", with {}", proposals.join(", "))
            },
        ),
    );
    if unmet.is_some() {
        row("provided", "not all that it imports: see below".into());
    }
    match &inspection.wit {
        Some(wit) => out::line(format_args!("\n{}", report::printable(wit.trim_end()))),
        None => {
            row("imports", inspection.imports.join(", "));
            row("exports", inspection.exports.join(", "));
        }
    }
    out::line(format_args!(
        "\n# grants for what it imports; narrow them to what it needs"
    ));
    out::line(format_args!("[component.NAME.grants]"));
    for line in grants {
        out::line(format_args!("{line}"));
    }
    if grants.is_empty() {
        out::line(format_args!("# none needed"));
    }
    if let Some(error) = unmet {
        out::line(format_args!(""));
        report::error(error);
    }
}

/// How it can be used as it is.
fn uses(artifact: &Artifact) -> Vec<&'static str> {
    let mut uses = Vec::new();
    if artifact.command().is_some() {
        uses.push("a program (holm run)");
    }
    match artifact.http() {
        Some(Generation::P2) => uses.push("an HTTP service, 0.2 (holm up)"),
        Some(Generation::P3) => uses.push("an HTTP service, 0.3 (holm up)"),
        None => {}
    }
    uses
}

/// The grants that govern what it imports, each with an example.
fn grants(inspection: &Inspection) -> Vec<&'static str> {
    let imports = |interface: &str| {
        inspection
            .imports
            .iter()
            .any(|import| import.split('@').next() == Some(interface))
    };
    let p1 = inspection
        .imports
        .iter()
        .any(|i| i.starts_with("wasi_snapshot_preview1."));
    let p1_imports = |part: &str| p1 && inspection.imports.iter().any(|i| i.contains(part));
    holm_capabilities::ABOUT
        .iter()
        .filter(|about| {
            about
                .interfaces
                .iter()
                .any(|i| imports(i.name) && governed(i.name))
                || (about.grant == Some("dirs") && p1_imports(".path_"))
                || (about.grant == Some("env") && p1_imports(".environ_"))
        })
        .filter_map(|about| about.grant.and(about.example))
        .collect()
}

/// Interfaces of types alone, and leaving, need no grant.
fn governed(interface: &str) -> bool {
    !interface.ends_with("/types") && interface != "wasi:cli/exit"
}
