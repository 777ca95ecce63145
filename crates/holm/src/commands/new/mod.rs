//! `holm new`: a project to begin with.

mod templates;

use crate::{exit, out, report};
use clap::builder::PossibleValue;
use holm_host::tools;
use holm_runtime::{Error, Result};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use templates::{NAME, TEMPLATES, Template};

/// Begin a project from a template
///
/// Makes a folder with sources, a holm.toml that says how they are built and served, and a README.
/// Nothing is downloaded: the templates are part of the command.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm new --list                          which templates there are
  holm new shop --template http-rust       then: cd shop && holm dev
  holm new apps/shop --template http-js    in another folder; the app is called shop")]
pub struct Args {
    /// The folder to make; its last part is the app's name
    #[arg(required_unless_present = "list", value_name = "NAME")]
    name: Option<PathBuf>,
    /// What to begin with
    #[arg(long, short, value_name = "TEMPLATE", value_parser = parser(), required_unless_present = "list")]
    template: Option<String>,
    /// List the templates
    #[arg(long, conflicts_with_all = ["name", "template"])]
    list: bool,
    /// The list as JSON
    #[arg(long, requires = "list")]
    json: bool,
}

fn parser() -> clap::builder::PossibleValuesParser {
    let values = TEMPLATES.iter();
    values
        .map(|template| PossibleValue::new(template.name).help(template.about))
        .into()
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let wanted = args.template.as_deref();
    let template = TEMPLATES.iter().find(|t| Some(t.name) == wanted);
    match (args.name, template) {
        (Some(folder), Some(template)) => match make(&folder, template) {
            Ok(name) => tell(&folder, &name, template),
            Err(error) => {
                report::error(&error);
                return exit::code(&error);
            }
        },
        _ if args.json => list_json(),
        _ => list(),
    }
    ExitCode::SUCCESS
}

fn list() {
    let width = TEMPLATES.iter().map(|t| t.name.len()).max().unwrap_or(0);
    for Template { name, about, .. } in TEMPLATES {
        out::line(format_args!("{name:width$}  {about}"));
    }
}

fn list_json() {
    let all = TEMPLATES.iter().map(|template| {
        serde_json::json!({
            "name": template.name,
            "about": template.about,
            "tools": template.tools,
            "files": template.files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        })
    });
    out::line(format_args!("{:#}", all.collect::<serde_json::Value>()));
}

/// Makes the folder and writes the files; the app's name.
fn make(folder: &Path, template: &Template) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    check(name)?;
    let failed = |error: std::io::Error| {
        Error::yours(format!("{} cannot be made", folder.display())).caused_by(error.to_string())
    };
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Error::yours(format!(
            "{} is there already, and not empty",
            folder.display()
        ))
        .help("give another name, or remove it"));
    }
    for (path, text) in template.files {
        let path = folder.join(path);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(failed)?;
        }
        // Whatever has come there meanwhile stays.
        let mut file = File::create_new(&path).map_err(failed)?;
        file.write_all(text.replace(NAME, name).as_bytes())
            .map_err(failed)?;
    }
    Ok(name.to_owned())
}

/// A name that packages of all languages may have too.
fn check(name: &str) -> Result<()> {
    let is_letter = |c: char| c.is_ascii_lowercase();
    let fits = name.starts_with(is_letter)
        && !name.ends_with('-')
        && name.len() <= 64
        && name
            .chars()
            .all(|c| is_letter(c) || c.is_ascii_digit() || c == '-');
    match fits {
        true => Ok(()),
        false => Err(
            Error::yours(format!("`{}` cannot name an app", name.escape_debug()))
                .help("lower-case letters, digits and hyphens, a letter first: my-app"),
        ),
    }
}

/// Says what to do next, and what is missing for it.
fn tell(folder: &Path, name: &str, template: &Template) {
    out::line(format_args!("{name}: {}", template.about));
    for (path, _) in template.files.iter().filter(|(p, _)| !p.contains("/deps/")) {
        out::line(format_args!("  {}", folder.join(path).display()));
    }
    out::line(format_args!("next:"));
    out::line(format_args!("  cd {}", folder.display()));
    for line in template.next {
        out::line(format_args!("  {line}"));
    }
    for program in template.tools {
        if let Some(tool) = tools::missing(program).first() {
            eprintln!("{program} is not installed: {}", tool.install);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "shop", "shop-2", "a1"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "", "Shop", "2shop", "-a", "a-", "a_b", "a b", "é", "..", "a\n",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    /// Each manifest is one, and each file has the name in it where it says so.
    #[test]
    fn manifests_are_good() {
        for template in TEMPLATES {
            let temp = std::env::temp_dir().join(format!("holm-new-{}", std::process::id()));
            let folder = temp.join(template.name);
            make(&folder, template).unwrap();
            assert!(make(&folder, template).is_err(), "written twice");
            let given = holm_manifest::Given::not_needed();
            let manifest = crate::commands::up::load_manifest(&folder, given).unwrap();
            assert_eq!(manifest.name, template.name);
            assert!(manifest.warnings.is_empty(), "{}", template.name);
            fs::remove_dir_all(&temp).unwrap();
        }
    }
}
