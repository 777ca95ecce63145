//! `[component.NAME.dependencies]`: who provides what a component imports. Spin makes one component of
//! both; here each stays its own, and what Spin calls inherited is granted to the provider as well.

use super::component::fetched;
use super::{App, Entries, entry, slug, string, tables};
use crate::{Key, Problem, Value, ValueKind};

/// Which of our grants a word of `inherit_configuration` means.
const INHERITED: [(&str, &[&str]); 6] = [
    (
        "allowed_outbound_hosts",
        &["http", "net", "redis", "mqtt", "postgres", "mysql"],
    ),
    ("environment", &["env"]),
    ("files", &["dirs"]),
    ("key_value_stores", &["keyvalue"]),
    ("sqlite_databases", &["sqlite"]),
    ("variables", &["config"]),
];

impl App<'_> {
    /// The links of a component; providers that are files are added as components.
    pub(super) fn dependencies(
        &mut self,
        name: &str,
        component: &Value,
        grants: &Entries,
    ) -> Entries {
        let mut imports = Entries::default();
        let all = component
            .get("dependencies_inherit_configuration")
            .filter(|all| all.as_bool() == Some(true));
        for (key, dependency) in tables(component.get("dependencies")) {
            match self.provider(name, key, dependency, all, grants) {
                Ok(provider) => imports.put(&key.name, key.span, string(provider, dependency.span)),
                Err(problem) => self.problems.push(problem),
            }
        }
        imports
    }

    fn provider(
        &mut self,
        dependent: &str,
        key: &Key,
        dependency: &Value,
        all: Option<&Value>,
        grants: &Entries,
    ) -> Result<String, Problem> {
        if !is_interface(&key.name) {
            let what = format!("`{}` does not name an interface", key.name.escape_debug());
            return Err(Problem::error(what)
                .at(key.span)
                .label("expected namespace:package/interface")
                .help("write a line for each interface that is imported"));
        }
        if let Some(export) = dependency.get("export")
            && export.as_str() != Some(key.name.as_str())
        {
            let what = "an `export` of another name is not supported yet by this version";
            return Err(Problem::error(what)
                .at(export.span)
                .label("imported and exported under two names"));
        }
        let own = entry(dependency, "inherit_configuration").map(|(_, value)| value);
        let inherited = own.or(all);
        if let Some(id) = dependency.get("component") {
            let meant = inherited.filter(|value| !is_nothing(value));
            return match meant {
                Some(value) => Err(Problem::error(
                    "what a component of the app inherits is not supported yet by this version",
                )
                .at(value.span)
                .label("it has grants of its own")
                .help("grant it what it needs under its own [component.NAME]")),
                None => Ok(slug(id.as_str().unwrap_or_default())),
            };
        }
        let (source_key, source) = match (entry(dependency, "path"), entry(dependency, "url")) {
            (Some((key, path)), _) => (key, path.clone()),
            (None, Some((key, url))) => (key, fetched(dependency, (key, url))?),
            (None, None) => {
                let what = "a dependency from a registry is not supported by this version";
                return Err(Problem::error(what)
                    .at(dependency.span)
                    .label("expected the path of a file, or a URL")
                    .help("download the file: { path = \"dependency.wasm\" }"));
            }
        };
        let mut out = Entries::default();
        out.put("source", source_key.span, source);
        let granted = inherit(inherited, grants);
        if !granted.is_empty() {
            out.put("grants", dependency.span, granted.value(dependency.span));
        }
        let taken = |name: &String| self.components.iter().any(|(key, _)| key.name == *name);
        let mut names = (1..).map(|count| format!("{dependent}-dependency{count}"));
        let name = names.find(|name| !taken(name)).unwrap_or_default();
        let key = Key {
            name: name.clone(),
            span: key.span,
        };
        self.components.push((key, out.value(dependency.span)));
        Ok(name)
    }
}

/// Whether it is an interface of a package, with or without a version.
fn is_interface(name: &str) -> bool {
    let plain = name.split('@').next().unwrap_or_default();
    match plain.split_once(':') {
        Some((namespace, rest)) => match rest.split_once('/') {
            Some((package, interface)) => [namespace, package, interface]
                .iter()
                .all(|part| !part.is_empty()),
            None => false,
        },
        None => false,
    }
}

fn is_nothing(inherited: &Value) -> bool {
    match &inherited.kind {
        ValueKind::Bool(all) => !all,
        ValueKind::Array(some) => some.is_empty(),
        _ => false,
    }
}

/// Those grants of the dependent that its dependency has as well.
fn inherit(inherited: Option<&Value>, grants: &Entries) -> Entries {
    let mut out = Entries::default();
    let Some(inherited) = inherited else {
        return out;
    };
    let listed = |word: &str| match &inherited.kind {
        ValueKind::Bool(all) => *all,
        ValueKind::Array(words) => words.iter().any(|value| value.as_str() == Some(word)),
        _ => false,
    };
    let ours = INHERITED.iter().filter(|(word, _)| listed(word));
    let ours: Vec<&str> = ours
        .flat_map(|(_, grants)| grants.iter().copied())
        .collect();
    for (key, value) in &grants.0 {
        if ours.contains(&key.name.as_str()) {
            out.0.push((key.clone(), value.clone()));
        }
    }
    out
}
