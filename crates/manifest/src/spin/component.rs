//! `[component.NAME]`: its source, what it is built by, and what it is granted.

use super::hosts::Hosts;
use super::{App, Entries, entry, slug, string, tables};
use crate::{Key, Problem, Span, Value, ValueKind};

impl App<'_> {
    /// Adds a component, and those that it depends on.
    pub(super) fn component(&mut self, key: &Key, component: &Value) {
        let name = slug(&key.name);
        if self.components.iter().any(|(key, _)| key.name == name) {
            let problem = Problem::error(format!("there are two components `{name}`"));
            self.problems.push(
                problem
                    .at(key.span)
                    .label("capitals do not tell them apart"),
            );
            return;
        }
        let mut out = Entries::default();
        if let Some((key, source)) = entry(component, "source") {
            match self.source(source) {
                Ok(source) => out.put("source", key.span, source),
                Err(problem) => self.problems.push(problem),
            }
        }
        if let Some((key, text)) = entry(component, "description")
            && text.as_str() != Some("")
        {
            out.put("description", key.span, text.clone());
        }
        let grants = self.grants(component);
        let grants_at = component.span;
        // Their place in the list is before those that they are linked to.
        let place = self.components.len();
        let imports = self.dependencies(&name, component, &grants);
        if !grants.is_empty() {
            out.put("grants", grants_at, grants.value(grants_at));
        }
        if !imports.is_empty() {
            out.put("imports", component.span, imports.value(component.span));
        }
        if let Some((key, build)) = entry(component, "build") {
            out.put("build", key.span, built_by(build));
        }
        let key = Key {
            name,
            span: key.span,
        };
        self.components
            .insert(place, (key, out.value(component.span)));
    }

    /// Where the code is: a file, or one that is fetched.
    pub(super) fn source(&self, source: &Value) -> Result<Value, Problem> {
        if source.as_table().is_none() {
            return Ok(source.clone());
        }
        match entry(source, "url") {
            Some(url) => fetched(source, url),
            None => Err(Problem::error(
                "a source from a registry is not supported by this version",
            )
            .at(source.span)
            .label("expected the path of a file, or a URL")
            .help("download the file and write its path: source = \"app.wasm\"")),
        }
    }

    fn grants(&mut self, component: &Value) -> Entries {
        let mut out = Entries::default();
        self.hosts(component, &mut out);
        for (theirs, ours) in [
            ("key_value_stores", "keyvalue"),
            ("sqlite_databases", "sqlite"),
        ] {
            if let Some((key, list)) = some_of(component, theirs)
                && self.has(ours, key.span)
            {
                out.put(ours, key.span, list.clone());
            }
        }
        if let Some((key, _)) = some_of(component, "ai_models") {
            self.problems.push(
                Problem::error("`ai_models` is not supported yet by this version")
                    .at(key.span)
                    .label("no model can be asked")
                    .help("without the line the app runs, and its calls of models fail"),
            );
        }
        self.files(component, &mut out);
        for (theirs, ours) in [("environment", "env"), ("variables", "config")] {
            if let Some((key, table)) = entry(component, theirs)
                && table.as_table().is_some_and(|table| !table.is_empty())
            {
                out.put(ours, key.span, table.clone());
            }
        }
        out
    }

    /// Whether there is such a grant; says so where there is none.
    fn has(&mut self, grant: &str, at: Span) -> bool {
        let known = (self.words.grant)(grant);
        if !known {
            let what = format!("this version has no `{grant}`");
            self.problems
                .push(Problem::error(what).at(at).label("not supported yet"));
        }
        known
    }

    fn hosts(&mut self, component: &Value, out: &mut Entries) {
        let mut hosts = Hosts::new(self.words);
        let each = |name: &str| component.get(name).and_then(Value::as_array);
        for entry in each("allowed_outbound_hosts").unwrap_or_default() {
            hosts.add(entry);
        }
        for entry in each("allowed_http_hosts").unwrap_or_default() {
            hosts.add_old(entry);
        }
        let at = ["allowed_outbound_hosts", "allowed_http_hosts"]
            .into_iter()
            .find_map(|name| entry(component, name));
        let at = at.map_or(component.span, |(key, _)| key.span);
        self.problems.append(&mut hosts.problems);
        hosts.grants(at, out);
    }

    fn files(&mut self, component: &Value, out: &mut Entries) {
        let Some((key, files)) = some_of(component, "files") else {
            return;
        };
        let mut chosen = Entries::default();
        chosen.put("files", key.span, files.clone());
        if let Some((key, exclude)) = some_of(component, "exclude_files") {
            chosen.put("exclude", key.span, exclude.clone());
        }
        let mut dirs = Entries::default();
        dirs.put("/", key.span, chosen.value(files.span));
        out.put("dirs", key.span, dirs.value(files.span));
    }
}

/// The file at a URL, which is known by its digest.
pub(super) fn fetched(of: &Value, (key, url): (&Key, &Value)) -> Result<Value, Problem> {
    let Some((digest_key, digest)) = entry(of, "digest") else {
        return Err(Problem::error("a URL without a digest")
            .at(of.span)
            .label("anybody could change the file")
            .help("add digest = \"sha256:…\""));
    };
    let mut out = Entries::default();
    out.put("url", key.span, url.clone());
    out.put("digest", digest_key.span, digest.clone());
    Ok(out.value(of.span))
}

/// The list under a key, if there is anything in it.
fn some_of<'v>(component: &'v Value, name: &str) -> Option<(&'v Key, &'v Value)> {
    entry(component, name).filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()))
}

fn built_by(build: &Value) -> Value {
    let mut out = Entries::default();
    for (key, value) in tables(Some(build)) {
        let value = match (&*key.name, &value.kind) {
            ("command", ValueKind::Array(steps)) => {
                let steps: Vec<&str> = steps.iter().filter_map(Value::as_str).collect();
                string(steps.join(" && "), value.span)
            }
            _ => value.clone(),
        };
        let name = match &*key.name {
            "workdir" => "dir",
            other => other,
        };
        out.put(name, key.span, value);
    }
    out.value(build.span)
}
