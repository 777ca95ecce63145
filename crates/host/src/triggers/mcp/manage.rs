//! What agents may ask for beside calls, where the operator allowed it: that a component is loaded or
//! unloaded, that one is granted something. Each is a tool itself.

use super::allowed::{self, Allowed};
use super::answer;
use super::toolbox::{Offer, Offered, Toolbox};
use crate::functions::Selection;
use crate::vocabulary;
use holm_manifest::{
    AppLimits, Component, ComponentSource, Grant, Limits, Manifest, Problems, Serve, Source, Span,
    Spanned,
};
use holm_runtime::{Error, Result};
use rmcp::model::{CallToolResult, ContentBlock, Tool};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What agents may ask for.
#[derive(Clone, Default)]
pub struct Permissions {
    /// To load files below this folder, with no grants, and to unload them.
    pub load: Option<PathBuf>,
    /// Limits of what is loaded so.
    pub limits: Limits,
    /// To grant these.
    pub grants: Vec<Allowed>,
}

/// Components that agents may have loaded at a time.
const LOADED_MAX: usize = 64;

/// The app of a component that an agent loaded: a name that no other app has, and so stores of its own.
pub(super) fn app_of(component: &str) -> String {
    format!("agents/{component}")
}

/// One of the server's own tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Managing {
    Load,
    Unload,
    Grant,
}

impl Managing {
    const ALL: [Managing; 3] = [Managing::Load, Managing::Unload, Managing::Grant];

    fn name(self) -> &'static str {
        match self {
            Managing::Load => "holm_load",
            Managing::Unload => "holm_unload",
            Managing::Grant => "holm_grant",
        }
    }

    fn tool(self) -> Tool {
        let text = |about: &str| json!({"type": "string", "description": about});
        let (about, properties, required) = match self {
            Managing::Load => (
                "Loads a WebAssembly component, so that its functions become tools. It is granted \
                 nothing.",
                json!({
                    "path": text("The file, below the folder that the operator allows."),
                    "name": text("What to call it; without this its file's name."),
                }),
                json!(["path"]),
            ),
            Managing::Unload => (
                "Unloads a component that was loaded by holm_load; its tools are gone. Calls in \
                 flight end well.",
                json!({"name": text("Its name.")}),
                json!(["name"]),
            ),
            Managing::Grant => (
                "Grants a component something from now on, in place of what it was granted by that \
                 name before. Errors say which grant a component lacks, and what may be granted.",
                json!({
                    "component": text("Its name."),
                    "grant": text("A line of TOML: http = [\"https://example.com\"]"),
                }),
                json!(["component", "grant"]),
            ),
        };
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        let Value::Object(schema) = schema else {
            return Tool::default();
        };
        Tool::new(self.name(), about, schema)
    }
}

impl Permissions {
    /// Whether they may ask for anything, so that the list of tools can become another.
    pub fn any(&self) -> bool {
        self.load.is_some() || !self.grants.is_empty()
    }

    fn allow(&self, tool: Managing) -> bool {
        match tool {
            Managing::Load | Managing::Unload => self.load.is_some(),
            Managing::Grant => !self.grants.is_empty(),
        }
    }

    pub(super) fn tools(&self) -> impl Iterator<Item = Tool> + '_ {
        let allowed = Managing::ALL.into_iter().filter(|tool| self.allow(*tool));
        allowed.map(Managing::tool)
    }
}

/// The server's own tool of a name, where it is allowed.
pub(super) fn named(name: &str, permissions: &Permissions) -> Option<Managing> {
    let mut all = Managing::ALL.into_iter();
    all.find(|tool| tool.name() == name && permissions.allow(*tool))
}

impl Toolbox {
    /// Does what an agent asked for.
    pub(super) async fn manage(self: &Arc<Self>, tool: Managing, asked: &Value) -> CallToolResult {
        let done = match tool {
            Managing::Load => self.load_file(asked).await,
            Managing::Unload => self.unload(asked).await,
            Managing::Grant => self.grant(asked).await,
        };
        match done {
            Ok(said) => {
                tracing::warn!("an agent asked for {}: {said}", tool.name());
                CallToolResult::success(vec![ContentBlock::text(said)])
            }
            Err(error) => {
                tracing::warn!(
                    "an agent asked for {} and was refused: {error}",
                    tool.name()
                );
                answer::error(&error, self.result_most())
            }
        }
    }

    async fn load_file(self: &Arc<Self>, asked: &Value) -> Result<String> {
        let path = text(asked, "path")?;
        let file = self.permissions().file(path)?;
        let name = match asked.get("name") {
            Some(_) => text(asked, "name")?.to_owned(),
            None => component_name(&file),
        };
        if !is_component_name(&name) {
            return Err(
                Error::yours(format!("`{}` is no name", name.escape_debug()))
                    .help("a name has letters, digits and dashes"),
            );
        }
        let mut offered = self.offered().await;
        if offered.iter().filter(|o| o.offer.by_agent).count() >= LOADED_MAX {
            return Err(Error::yours(format!(
                "agents have loaded {LOADED_MAX} components, and no more may be"
            ))
            .help("unload one"));
        }
        let mut components = offered.iter().flat_map(|o| &o.offer.manifest.components);
        if components.any(|c| c.name == name) {
            return Err(
                Error::yours(format!("there is a component `{name}` already"))
                    .help("unload it, or give this one another name"),
            );
        }
        let limits = self.permissions().limits.clone();
        let files = vec![(name.clone(), file, Vec::new(), limits)];
        let manifest = loose(&app_of(&name), files);
        let offer = Offer {
            by_agent: true,
            ..Offer::of_all(manifest, &Selection::all())
        };
        let taken = names(&offered, None);
        let new = self.clone().load(offer, taken).await;
        let new = new.map_err(|p| told(&p))?;
        let tools = new.names().collect::<Vec<_>>().join(", ");
        offered.push(new);
        self.publish(&offered);
        Ok(format!("loaded `{name}`; its tools: {tools}"))
    }

    async fn unload(self: &Arc<Self>, asked: &Value) -> Result<String> {
        let name = text(asked, "name")?;
        let mut offered = self.offered().await;
        let app = app_of(name);
        let is = |o: &Offered| o.offer.by_agent && o.offer.manifest.name == app;
        let Some(at) = offered.iter().position(is) else {
            return Err(Error::yours(format!(
                "no agent has loaded a component `{}`",
                name.escape_debug()
            )));
        };
        offered.remove(at);
        self.forget(&app);
        self.publish(&offered);
        Ok(format!("unloaded `{name}`"))
    }

    async fn grant(self: &Arc<Self>, asked: &Value) -> Result<String> {
        let name = text(asked, "component")?;
        let line = text(asked, "grant")?;
        let grant = read(line)?;
        allowed::check(&grant, &self.permissions().grants)?;
        let mut offered = self.offered().await;
        let has = |o: &Offered| o.offer.manifest.component(name).is_some();
        let Some(at) = offered.iter().position(has) else {
            return Err(Error::yours(format!(
                "there is no component `{}`",
                name.escape_debug()
            )));
        };
        let mut offer = offered[at].offer.clone();
        for component in offer
            .manifest
            .components
            .iter_mut()
            .filter(|c| c.name == name)
        {
            component.grants.retain(|g| g.name != grant.name);
            component.grants.push(grant.clone());
        }
        let taken = names(&offered, Some(at));
        let new = self.clone().load(offer, taken).await;
        offered[at] = new.map_err(|p| told(&p))?;
        self.publish(&offered);
        Ok(format!("granted to `{name}`: {line}"))
    }
}

/// The names of all tools, but for those of one offer.
pub(super) fn names(offered: &[Offered], but: Option<usize>) -> BTreeSet<String> {
    let own = Managing::ALL.into_iter().map(|tool| tool.name().to_owned());
    let mut names: BTreeSet<String> = own.collect();
    for (at, offered) in offered.iter().enumerate() {
        if Some(at) != but {
            names.extend(offered.names().map(str::to_owned));
        }
    }
    names
}

impl Permissions {
    /// The file of a path, which must be below the folder, whatever links say.
    fn file(&self, path: &str) -> Result<PathBuf> {
        let none = || {
            Error::yours(format!(
                "there is no file `{}` below the folder that the operator allows",
                path.escape_debug()
            ))
        };
        let dir = self.load.as_deref().ok_or_else(none)?;
        let dir = dir.canonicalize().map_err(|_| none())?;
        let file = dir.join(path).canonicalize().map_err(|_| none())?;
        match file.starts_with(&dir) && file.is_file() {
            true => Ok(file),
            false => Err(none()),
        }
    }
}

/// The manifest of an app of files that have none: name, file, grants, limits of each.
pub fn loose(app: &str, files: Vec<(String, PathBuf, Vec<Grant>, Limits)>) -> Manifest {
    let nowhere = Span::default();
    let components = files
        .into_iter()
        .map(|(name, file, grants, limits)| Component {
            name,
            name_span: nowhere,
            source: Spanned {
                value: ComponentSource::File(file),
                span: nowhere,
            },
            description: None,
            grants,
            grants_span: None,
            imports: Vec::new(),
            limits,
            reuse: 1,
            snapshot: true,
            wit: None,
            build: None,
        });
    Manifest {
        source: Source::new("", ""),
        dir: std::env::current_dir().unwrap_or_default(),
        name: app.to_owned(),
        version: None,
        description: None,
        limits: AppLimits::default(),
        serve: Serve::default(),
        components: components.collect(),
        triggers: Vec::new(),
        stores: Vec::new(),
        brokers: Vec::new(),
        variable_files: Vec::new(),
        warnings: Vec::new(),
    }
}

/// What a file's component is called where nobody says.
pub fn component_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c,
        false => '-',
    };
    let name: String = stem.chars().map(plain).collect();
    match name.trim_matches('-') {
        "" => "component".into(),
        name => name.to_owned(),
    }
}

fn is_component_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(good) && name != "holm"
}

/// A text of what was asked.
fn text<'a>(asked: &'a Value, key: &str) -> Result<&'a str> {
    let value = asked.get(key).and_then(Value::as_str);
    value.ok_or_else(|| Error::yours(format!("`{key}` is missing, or no string")))
}

/// A grant as a manifest has it, from one line of TOML.
pub(super) fn read(line: &str) -> Result<Grant> {
    let wrong = |why: &str| {
        Error::yours(format!("this is no grant: {why}"))
            .help("write one line of TOML: http = [\"https://example.com\"]")
    };
    if line.contains(['\n', '\r']) {
        return Err(wrong("it has more than one line"));
    }
    let text = format!(
        "name = \"app\"\n\n[component.app]\nsource = \"app.wasm\"\n\n[component.app.grants]\n{line}\n"
    );
    let manifest = holm_manifest::parse(&Source::new("", text), &vocabulary())
        .map_err(|problems| wrong(&told(&problems).message))?;
    let mut grants = manifest.components.into_iter().flat_map(|c| c.grants);
    match (grants.next(), grants.next()) {
        (Some(grant), None) => Ok(grant),
        _ => Err(wrong("it grants nothing")),
    }
}

/// Problems of a manifest as one error, for whoever has no manifest before them.
fn told(problems: &Problems) -> Error {
    let errors = || problems.list.iter().filter(|p| p.is_error());
    let messages: Vec<&str> = errors().map(|p| &*p.message).collect();
    let mut error = Error::yours(messages.join("; "));
    for help in errors().filter_map(|p| p.help.as_ref()) {
        error = error.help(help.clone());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_one_line() {
        let grant = read("http = [\"https://example.com\"]").unwrap();
        assert_eq!(grant.name, "http");
        for line in [
            "",
            "[component.app.limits]",
            "http = [\"https://a\"]\nkeyvalue = [\"x\"]",
            "htp = [\"https://a\"]",
            "http = 1",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn files_are_below_the_folder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("tools");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("a.wasm"), "").unwrap();
        std::fs::write(temp.path().join("b.wasm"), "").unwrap();
        std::os::unix::fs::symlink(temp.path().join("b.wasm"), dir.join("c.wasm")).unwrap();
        let permissions = Permissions {
            load: Some(dir.clone()),
            ..Permissions::default()
        };
        assert!(permissions.file("a.wasm").is_ok());
        let outside = temp.path().join("b.wasm");
        for path in [
            "../b.wasm",
            "c.wasm",
            "none.wasm",
            ".",
            outside.to_str().unwrap(),
        ] {
            assert!(permissions.file(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_there() {
        let none = Permissions::default();
        assert!(!none.any());
        assert_eq!(none.tools().count(), 0);
        assert_eq!(named("holm_load", &none), None);
        let some = Permissions {
            grants: vec![Allowed::parse("http").unwrap()],
            ..none
        };
        assert_eq!(named("holm_load", &some), None);
        assert_eq!(named("holm_grant", &some), Some(Managing::Grant));
    }

    #[test]
    fn names_of_files() {
        assert_eq!(component_name(Path::new("a/my_tool.v2.wasm")), "my-tool-v2");
        assert_eq!(component_name(Path::new("..wasm")), "component");
        assert!(is_component_name("my-tool"));
        assert!(!is_component_name("holm"));
        assert!(!is_component_name("a b"));
    }
}
