//! From text to a checked manifest: syntax, then the schema, then what no schema can say.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::manifest::{
    Build, Component, ComponentSource, Fetched, Grant, Manifest, Store, Trigger,
};
use crate::schema::{pointer, schema};
use crate::validate::{Place, validate};
use crate::{
    AppLimits, Fragment, Given, Key, Limits, Problem, Problems, Serve, Source, Span, Spanned,
    Table, Value, Vocabulary, links, nearest, spin, syntax, variables,
};

/// Reads manifests in one vocabulary; its schema is made once, because that takes longer than
/// reading a manifest does.
#[derive(Debug)]
pub struct Parser {
    vocabulary: Vocabulary,
    schema: Json,
    given: Given,
}

impl Parser {
    /// A parser for manifests in this vocabulary, with the variables of this process's environment.
    pub fn new(vocabulary: Vocabulary) -> Self {
        Parser {
            schema: schema(&vocabulary),
            vocabulary,
            given: Given::of_process([]),
        }
    }

    /// The same with other values of variables.
    #[must_use]
    pub fn given(mut self, given: Given) -> Self {
        self.given = given;
        self
    }

    /// Reads a manifest. All that is wrong comes back at once; what is only odd comes in
    /// [`Manifest::warnings`].
    pub fn parse(&self, source: &Source) -> Result<Manifest, Problems> {
        judged(self.read(source))
    }

    /// Reads the manifest of an app in `dir`, whatever path it is shown under.
    pub fn parse_in(&self, source: &Source, dir: &Path) -> Result<Manifest, Problems> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        judged(self.read_in(source, dir))
    }

    /// Reads as much of a manifest as can be read, with all that is wrong: what is right has more
    /// to be checked than its form. None where nothing can be read.
    pub fn read(&self, source: &Source) -> (Option<Manifest>, Problems) {
        self.read_in(source, dir_of(source))
    }

    fn read_in(&self, source: &Source, dir: PathBuf) -> (Option<Manifest>, Problems) {
        match syntax::read(source) {
            Ok(root) if spin::is_spin(source, &root) => match self.translate(&root) {
                (Some(root), problems) if problems.is_empty() => self.check(source, &root, dir),
                (_, problems) => (None, Problems::new(source.clone(), problems)),
            },
            Ok(root) => self.check(source, &root, dir),
            Err(problems) => (None, Problems::new(source.clone(), problems)),
        }
    }

    /// The tree of the holm.toml that is equal to a manifest of Spin's, checked as any is; with what
    /// is only odd about it.
    ///
    /// # Errors
    /// It is not Spin's, or something in it is wrong.
    pub fn import(&self, source: &Source) -> Result<(Value, Vec<Problem>), Problems> {
        let all = |problems| Problems::new(source.clone(), problems);
        let root = syntax::read(source).map_err(all)?;
        if !spin::is_spin(source, &root) {
            let problem = Problem::error("this is no manifest of Spin's").at(root.span);
            return Err(all(vec![
                problem.help("a spin.toml begins with spin_manifest_version = 2"),
            ]));
        }
        match self.translate(&root) {
            (Some(root), problems) if problems.is_empty() => {
                let manifest = judged(self.check(source, &root, dir_of(source)))?;
                Ok((root, manifest.warnings))
            }
            (_, problems) => Err(all(problems)),
        }
    }

    fn translate(&self, root: &Value) -> (Option<Value>, Vec<Problem>) {
        spin::translate(
            root,
            &spin::Words {
                grant: &|name| self.schema.pointer(&pointer::grant(name)).is_some(),
                variables: self.schema.pointer(pointer::VARIABLES).is_some(),
            },
        )
    }

    /// Reads a manifest that was made in code, as embeddings do: it has no text to point at, and
    /// paths in it begin in the current folder.
    pub fn parse_value(&self, root: &Value) -> Result<Manifest, Problems> {
        let source = Source::new("", "");
        judged(self.check(&source, root, dir_of(&source)))
    }

    fn check(&self, source: &Source, root: &Value, dir: PathBuf) -> (Option<Manifest>, Problems) {
        let (mut source, mut root) = (source.clone(), Cow::Borrowed(root));
        let (mut of_variables, mut unknown) = (Vec::new(), Vec::new());
        let mut variable_files = Vec::new();
        if root.get(variables::TABLE).is_some() {
            let filled = variables::fill(&root, &source, &dir, &self.given);
            source.secrets = Arc::new(filled.secrets);
            root = Cow::Owned(filled.root);
            (of_variables, unknown) = (filled.problems, filled.unknown);
            variable_files = filled.files;
        } else if let Some(name) = self.given.flags().next() {
            let problem = Problem::error(format!("there is no variable `{name}`"));
            of_variables.push(problem.help("the app has no table [variables]"));
        }
        let source = &source;
        let all = |problems| Problems::new(source.clone(), problems);
        let Some(table) = root.as_table().filter(|table| !table.is_empty()) else {
            return (None, all(vec![empty()]));
        };
        let schema = &self.schema;
        let mut reader = Reader {
            vocabulary: &self.vocabulary,
            schema,
            problems: validate(&root, schema, schema, &Place::root()),
        };
        let mut manifest = reader.manifest(source, table, dir);
        manifest.variable_files = variable_files;
        reader.cross_check(&manifest);
        // Nothing can be said of a value that nobody knows.
        let is_known = |problem: &Problem| !problem.span.is_some_and(|at| unknown.contains(&at));
        let mut problems = reader.problems;
        problems.retain(is_known);
        problems.extend(of_variables);
        (Some(manifest), all(problems))
    }
}

/// A manifest with errors is none; what is only odd stays with it.
fn judged((manifest, problems): (Option<Manifest>, Problems)) -> Result<Manifest, Problems> {
    match manifest {
        Some(mut manifest) if !problems.has_errors() => {
            manifest.warnings = problems.list;
            Ok(manifest)
        }
        _ => Err(problems),
    }
}

/// Reads one manifest: see [`Parser::parse`].
pub fn parse(source: &Source, vocabulary: &Vocabulary) -> Result<Manifest, Problems> {
    Parser::new(vocabulary.clone()).parse(source)
}

/// The folder of a manifest. Without a current folder (it was deleted) paths stay as they are.
fn dir_of(source: &Source) -> PathBuf {
    let dir = source.path.parent().unwrap_or(&source.path);
    match dir.as_os_str().is_empty() {
        true => std::env::current_dir().unwrap_or_else(|_| dir.to_owned()),
        false => std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
    }
}

fn empty() -> Problem {
    Problem::error("the manifest is empty")
        .help("it needs at least a name and a component:")
        .note("name = \"my-app\"")
        .note("[component.web]")
        .note("source = \"web.wasm\"")
}

/// Builds the manifest from values that may still be wrong: wrong parts were reported
/// by the schema and read as their defaults, so that the right parts get their checks.
struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    schema: &'a Json,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn manifest(&mut self, source: &Source, table: &Table, dir: PathBuf) -> Manifest {
        let tables = |name: &str| table.get(name).and_then(Value::as_table);
        let components = tables("component").into_iter().flat_map(Table::iter);
        let components = components
            .filter_map(|(key, value)| self.component(key, value))
            .collect();
        let stores = tables("store").into_iter().flat_map(Table::iter);
        let stores = stores
            .filter_map(|(key, value)| self.store(key, value, pointer::STORE))
            .collect();
        let brokers = tables("broker").into_iter().flat_map(Table::iter);
        let brokers = brokers
            .filter_map(|(key, value)| self.store(key, value, pointer::BROKER))
            .collect();
        Manifest {
            source: source.clone(),
            dir,
            name: text(table, "name").unwrap_or_default(),
            version: text(table, "version"),
            description: text(table, "description"),
            limits: self.limits(table),
            serve: self.serve(table),
            components,
            triggers: self.triggers(table),
            stores,
            brokers,
            variable_files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn component(&mut self, key: &Key, value: &Value) -> Option<Component> {
        let table = value.as_table()?;
        let grants = table.get_key_value("grants");
        let limits = table.get("limits");
        if let Some(limits) = limits.filter(|limits| self.passes(limits, pointer::LIMITS)) {
            self.problems.extend(Limits::check(limits));
        }
        let build = table.get("build");
        let build = build.filter(|build| self.passes(build, pointer::BUILD));
        Some(Component {
            name: key.name.clone(),
            name_span: key.span,
            source: self.source(table),
            description: text(table, "description"),
            grants: grants
                .and_then(|(_, grants)| grants.as_table())
                .into_iter()
                .flat_map(Table::iter)
                .map(|(key, value)| self.grant(key, value))
                .collect(),
            grants_span: grants.map(|(_, grants)| grants.span),
            imports: links::read(table.get("imports").and_then(Value::as_table)),
            limits: limits
                .and_then(|limits| limits.parse().ok())
                .unwrap_or_default(),
            reuse: table
                .get("reuse")
                .and_then(Value::as_integer)
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(1),
            snapshot: table
                .get("snapshot")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            wit: text(table, "wit").map(Into::into),
            build: build.and_then(|build| self.read::<Build>(build)),
        })
    }

    fn source(&mut self, table: &Table) -> Spanned<ComponentSource> {
        let value = table.get("source");
        let span = value.map_or(Span::default(), |value| value.span);
        if let Some(value) = value.filter(|value| value.as_table().is_some()) {
            // What is not there was told by the schema.
            let file = fetched(value).unwrap_or_else(|problem| {
                self.problems.push(problem);
                Fetched::default()
            });
            return Spanned::new(ComponentSource::Fetched(file), span);
        }
        let text = value.and_then(Value::as_str).unwrap_or_default();
        if let Some(problem) = value.and_then(check_source) {
            self.problems.push(problem.at(span));
        }
        Spanned::new(ComponentSource::of(text), span)
    }

    fn grant(&mut self, key: &Key, value: &Value) -> Grant {
        let known = find(&self.vocabulary.grants, &key.name);
        self.check(known, value, &pointer::grant(&key.name));
        Grant {
            name: key.name.clone(),
            name_span: key.span,
            value: value.clone(),
        }
    }

    fn triggers(&mut self, table: &Table) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        for fragment in &self.vocabulary.triggers {
            let values = table.get(fragment.name).and_then(Value::as_array);
            for value in values.unwrap_or_default() {
                self.check(Some(fragment), value, &pointer::trigger(fragment.name));
                triggers.push(Trigger {
                    kind: fragment.name.to_owned(),
                    span: value.span,
                    value: value.clone(),
                });
            }
        }
        triggers.sort_by_key(|trigger| trigger.span.start);
        triggers
    }

    /// A store or a broker, by where the schema of its table stands.
    fn store(&mut self, key: &Key, value: &Value, at: &str) -> Option<Store> {
        let kind = value.get("type")?.as_str()?;
        let known = match at {
            pointer::BROKER => find(&self.vocabulary.brokers, kind),
            _ => find(&self.vocabulary.stores, kind),
        };
        self.check(known, value, at);
        Some(Store {
            name: key.name.clone(),
            span: value.span,
            kind: kind.to_owned(),
            value: value.clone(),
        })
    }

    fn limits(&mut self, table: &Table) -> AppLimits {
        let value = table.get("limits");
        let Some(value) = value.filter(|value| self.passes(value, pointer::APP_LIMITS)) else {
            return AppLimits::default();
        };
        let limits: AppLimits = self.read(value).unwrap_or_default();
        self.problems.extend(limits.check(value));
        limits
    }

    fn serve(&mut self, table: &Table) -> Serve {
        let Some(value) = table
            .get("serve")
            .filter(|v| self.passes(v, pointer::SERVE))
        else {
            return Serve::default();
        };
        let serve: Serve = self.read(value).unwrap_or_default();
        self.problems.extend(serve.check(value));
        serve
    }

    /// What only shows when all parts are known.
    fn cross_check(&mut self, manifest: &Manifest) {
        self.problems.extend(links::check(manifest));
        let names = || manifest.components.iter().map(|c| c.name.as_str());
        let called = |trigger: &Trigger| trigger.value.get("component").cloned();
        let called: Vec<Value> = manifest.triggers.iter().filter_map(called).collect();
        let mut misspelt = false;
        for value in &called {
            let Some(name) = value.as_str().filter(|name| !names().any(|n| n == *name)) else {
                continue;
            };
            let problem =
                Problem::error(format!("there is no component `{}`", name.escape_debug()))
                    .at(value.span)
                    .label("not a component of this app");
            let help = match nearest(name, names()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if manifest.components.is_empty() => "add a table [component.NAME]".into(),
                None => format!("components: {}", names().collect::<Vec<_>>().join(", ")),
            };
            self.problems.push(problem.help(help));
            misspelt = true;
        }
        if manifest.triggers.is_empty() {
            if manifest.components.is_empty() && self.problems.is_empty() {
                self.problems.push(
                    Problem::warning("this app has nothing to run: no component, no trigger")
                        .help("add a table [component.NAME] with `source = \"….wasm\"`"),
                );
            }
            // An app without triggers is a command: `holm run` calls its component.
            return;
        }
        let linked = |name: &str| {
            let mut imports = manifest.components.iter().flat_map(|c| &c.imports);
            imports.any(|import| import.component.value == name)
        };
        for component in manifest.components.iter().filter(|c| !linked(&c.name)) {
            let name = &component.name;
            // While a name is wrong, nobody knows which component it was meant to call.
            if !misspelt && !called.iter().any(|value| value.as_str() == Some(name)) {
                self.problems.push(
                    Problem::warning(format!("no trigger calls component `{name}`"))
                        .at(component.name_span)
                        .label("never called"),
                );
            }
        }
    }

    /// Runs a fragment's own check on a value that passed its schema.
    fn check(&mut self, fragment: Option<&Fragment>, value: &Value, pointer: &str) {
        if let Some(fragment) = fragment.filter(|_| self.passes(value, pointer)) {
            self.problems.extend((fragment.check)(value));
        }
    }

    fn passes(&self, value: &Value, pointer: &str) -> bool {
        let part = self.schema.pointer(pointer);
        part.is_some_and(|part| validate(value, part, self.schema, &Place::root()).is_empty())
    }

    /// Reads one of our own types; after the schema passed, a failure is a problem of its own.
    fn read<T: serde::de::DeserializeOwned>(&mut self, value: &Value) -> Option<T> {
        value
            .parse()
            .map_err(|problem| self.problems.push(problem))
            .ok()
    }
}

fn find<'v>(fragments: &'v [Fragment], name: &str) -> Option<&'v Fragment> {
    fragments.iter().find(|fragment| fragment.name == name)
}

fn text(table: &Table, name: &str) -> Option<String> {
    table.get(name)?.as_str().map(str::to_owned)
}

/// What is wrong with a `source`; whether the file is there is for those who open it.
/// A source that is a table: where the file is, and its digest.
fn fetched(value: &Value) -> Result<Fetched, Problem> {
    let (Some(url), Some(digest)) = (value.get("url"), value.get("digest")) else {
        return Ok(Fetched::default());
    };
    let (Some(text), Some(sum)) = (url.as_str(), digest.as_str()) else {
        return Ok(Fetched::default());
    };
    let is_web = |scheme: &str| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    };
    if !(is_web("https://") || is_web("http://")) || text.contains(char::is_whitespace) {
        return Err(Problem::error("no URL that a file is fetched from")
            .at(url.span)
            .label("expected https://HOST/PATH"));
    }
    let hex = sum.strip_prefix("sha256:").map(str::to_ascii_lowercase);
    let is_sum = |hex: &String| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    match hex.filter(is_sum) {
        Some(sha256) => Ok(Fetched {
            url: text.to_owned(),
            sha256,
        }),
        None => Err(Problem::error("no digest of SHA-256")
            .at(digest.span)
            .label("expected `sha256:` and 64 hex digits")
            .help("sha256sum FILE prints the digits")),
    }
}

fn check_source(value: &Value) -> Option<Problem> {
    let text = value.as_str()?;
    if text.trim().is_empty() {
        let problem = Problem::error("`source` must not be empty").label("nothing here");
        return Some(problem.help("for example: source = \"app.wasm\""));
    }
    let (scheme, rest) = text.split_once("://")?;
    Some(match scheme {
        "oci" => Problem::error("`oci://` is not supported yet by this version")
            .label("expected the path of a file")
            .help("download the file and write its path"),
        "http" | "https" => Problem::error("a URL without a digest: anybody could change the file")
            .label("its SHA-256 is needed with it")
            .help(format!(
                "write source = {{ url = {text:?}, digest = \"sha256:…\" }}"
            )),
        "file" => Problem::error("`source` is a path, not a URL")
            .label("expected the path of a file")
            .help(format!("write source = {rest:?}")),
        _ => Problem::error("`source` is a path, not a URL").label("expected the path of a file"),
    })
}
