//! What agents may grant: a grant by its name, with any scope or with those that the operator named.

use super::manage::read;
use crate::vocabulary;
use holm_manifest::{Grant, Table, Value, ValueKind};
use holm_runtime::{Error, Result};
use std::fmt;

/// One thing that agents may grant.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The grant; none for any.
    name: Option<String>,
    /// Only this, or a part of it.
    scope: Option<Value>,
    written: String,
}

impl Allowed {
    /// Reads `http` (with any scope), `http=https://api.example.com` (with this one), `dirs={ "/data" =
    /// "data" }` (a scope as a manifest has it) or `*` (anything).
    ///
    /// # Errors
    /// There is no such grant, or it has no such scope.
    pub fn parse(text: &str) -> Result<Allowed> {
        let (name, scope) = match text.split_once('=') {
            Some((name, scope)) => (name.trim(), Some(scope.trim())),
            None => (text.trim(), None),
        };
        let vocabulary = vocabulary();
        let mut known = vocabulary.grants.iter().map(|grant| grant.name);
        if name != "*" && !known.any(|grant| grant == name) {
            let all: Vec<&str> = vocabulary.grants.iter().map(|grant| grant.name).collect();
            return Err(
                Error::yours(format!("there is no grant `{}`", name.escape_debug()))
                    .help(format!("grants: {}", all.join(", "))),
            );
        }
        let scope = match scope {
            None => None,
            Some(_) if name == "*" => {
                return Err(Error::yours(
                    "`*` is any grant, and has no scope of its own",
                ));
            }
            Some(scope) => Some(read_scope(name, scope)?),
        };
        Ok(Allowed {
            name: (name != "*").then(|| name.to_owned()),
            scope,
            written: text.to_owned(),
        })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A scope as a manifest writes it, or one text of a list of them.
fn read_scope(name: &str, scope: &str) -> Result<Value> {
    if let Ok(grant) = read(&format!("{name} = {scope}")) {
        return Ok(grant.value);
    }
    let quoted = serde_json::Value::from(scope);
    let grant = read(&format!("{name} = [{quoted}]")).map_err(|error| Error {
        message: format!("`{}` is no scope of `{name}`", scope.escape_debug()),
        ..error
    })?;
    Ok(grant.value)
}

/// Whether agents may grant this.
///
/// # Errors
/// What is not allowed of it.
pub(super) fn check(grant: &Grant, allowed: &[Allowed]) -> Result<()> {
    let refused = |what: String| {
        let all: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Error::denied(what).help(format!("agents may grant: {}", all.join(", ")))
    };
    let name = &grant.name;
    if inherits(&grant.value) {
        return Err(refused(format!(
            "no agent may grant a part of Holm's own environment (`inherit` in `{name}`)"
        )));
    }
    let of_it = |a: &&Allowed| a.name.as_deref().is_none_or(|allowed| allowed == name);
    let of_it: Vec<&Allowed> = allowed.iter().filter(of_it).collect();
    if of_it.is_empty() {
        return Err(refused(format!(
            "the operator does not let agents grant `{name}`"
        )));
    }
    let Some(scopes) = of_it
        .iter()
        .map(|a| a.scope.as_ref())
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    match is_within(&grant.value, &scopes) {
        true => Ok(()),
        false => Err(refused(format!(
            "the operator does not let agents grant `{name}` with this scope"
        ))),
    }
}

/// Whether a value is in one of the scopes, or each of its items is.
fn is_within(value: &Value, scopes: &[&Value]) -> bool {
    if scopes.iter().any(|scope| same(value, scope)) {
        return true;
    }
    match &value.kind {
        ValueKind::Array(items) => items.iter().all(|item| {
            let mut lists = scopes.iter().filter_map(|scope| scope.as_array());
            lists.any(|list| list.iter().any(|scope| same(item, scope)))
        }),
        ValueKind::Table(table) => table.iter().all(|(key, item)| {
            let under: Vec<&Value> = scopes.iter().filter_map(|s| s.get(&key.name)).collect();
            // What stands under a key is whole: a key that is left out means a default of its own.
            under.iter().any(|scope| same(item, scope))
                || (item.as_array().is_some() && is_within(item, &under))
        }),
        _ => false,
    }
}

/// Whether two values are the same, wherever they were written.
fn same(a: &Value, b: &Value) -> bool {
    let tables = |a: &Table, b: &Table| {
        a.len() == b.len()
            && a.iter()
                .all(|(key, a)| b.get(&key.name).is_some_and(|b| same(a, b)))
    };
    match (&a.kind, &b.kind) {
        (ValueKind::Array(a), ValueKind::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (ValueKind::Table(a), ValueKind::Table(b)) => tables(a, b),
        (a, b) => a == b,
    }
}

/// Whether something in it comes from Holm's own environment.
fn inherits(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Array(items) => items.iter().any(inherits),
        ValueKind::Table(table) => table.iter().any(|(key, value)| {
            (key.name == "inherit" && value.as_bool() != Some(false)) || inherits(value)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allowed: &[&str], line: &str) -> Result<(), String> {
        let allowed: Vec<Allowed> = allowed.iter().map(|a| Allowed::parse(a).unwrap()).collect();
        check(&read(line).unwrap(), &allowed).map_err(|error| error.message)
    }

    #[test]
    fn a_grant_by_its_name_or_with_a_scope() {
        let http = "http = [\"https://a.example\"]";
        assert_eq!(may(&["http"], http), Ok(()));
        assert_eq!(may(&["*"], http), Ok(()));
        assert_eq!(may(&["http=https://a.example"], http), Ok(()));
        assert_eq!(may(&["env", "http=https://a.example"], http), Ok(()));
        let two = "http = [\"https://a.example\", \"https://b.example\"]";
        let a_and_b = ["http=https://a.example", "http=https://b.example"];
        assert_eq!(may(&a_and_b, two), Ok(()));
        assert_eq!(
            may(&a_and_b[..1], two),
            Err("the operator does not let agents grant `http` with this scope".into())
        );
        assert_eq!(
            may(&["env"], http),
            Err("the operator does not let agents grant `http`".into())
        );
        assert!(
            may(
                &["http=https://a.example"],
                "http = [\"https://a.example.evil\"]"
            )
            .is_err()
        );
    }

    #[test]
    fn a_scope_as_a_manifest_has_it() {
        let read = r#"dirs={ "/data" = { path = "data", access = "read" } }"#;
        let asked = |access: &str| format!(r#"dirs = {{ "/data" = {{ path = "data"{access} }} }}"#);
        assert_eq!(may(&[read], &asked(r#", access = "read""#)), Ok(()));
        assert!(may(&[read], &asked(r#", access = "write""#)).is_err());
        assert!(may(&[read], &asked("")).is_err());
        assert!(may(&[read], r#"dirs = { "/" = { path = "/" } }"#).is_err());
        let net = r#"net={ connect = ["a.example:1", "b.example:2"] }"#;
        assert_eq!(
            may(&[net], r#"net = { connect = ["b.example:2"] }"#),
            Ok(())
        );
        assert!(may(&[net], r#"net = { connect = ["c.example:2"] }"#).is_err());
        assert!(may(&[net], r#"net = { listen = ["127.0.0.1:2"] }"#).is_err());
    }

    #[test]
    fn nothing_of_holms_own_environment() {
        for allowed in ["*", "env", "env={ HOME = { inherit = true } }"] {
            let asked = may(&[allowed], "env = { HOME = { inherit = true } }");
            assert!(asked.is_err_and(|e| e.contains("`inherit`")), "{allowed}");
            if allowed != "env={ HOME = { inherit = true } }" {
                assert_eq!(may(&[allowed], "env = { A = \"b\" }"), Ok(()));
            }
        }
    }

    #[test]
    fn what_is_no_grant() {
        for text in [
            "",
            "htp",
            "=",
            "*=a",
            "http={",
            "dirs=data",
            "htp=https://a",
        ] {
            assert!(Allowed::parse(text).is_err(), "{text}");
        }
    }
}
