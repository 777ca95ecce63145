//! The keywords about tables: which keys there may be, and which there must be.

use serde_json::Value as Json;

use super::expected::toml;
use super::scalar::pattern_missed;
use super::{Place, Walk, list, shorten};
use crate::{Key, Problem, Table, Value, nearest, pattern};

impl<'s> Walk<'s> {
    pub(super) fn check_table(
        &mut self,
        table: &Table,
        value: &Value,
        schema: &'s Json,
        place: &Place,
    ) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let mut misspelt = Vec::new();
        let patterns = schema.get("patternProperties").and_then(Json::as_object);
        for (key, inner) in table.iter() {
            let place = Place::key(key);
            if let Some(names) = schema.get("propertyNames") {
                self.check_name(key, names, schema);
            }
            let mut known = false;
            if let Some(schema) = properties.and_then(|known| known.get(&key.name)) {
                self.check(inner, schema, &place);
                known = true;
            }
            for (wanted, schema) in patterns.into_iter().flatten() {
                // A pattern that we do not understand must not refuse what it may allow.
                match pattern::matches(wanted, &key.name) {
                    Some(true) => self.check(inner, schema, &place),
                    Some(false) => continue,
                    None => {}
                }
                known = true;
            }
            match schema.get("additionalProperties") {
                _ if known => {}
                Some(Json::Bool(false)) => {
                    let problem = self.unknown_key(key, schema);
                    self.problems.push(problem);
                    misspelt.extend(self.meant(key, schema));
                }
                Some(schema) => self.check(inner, schema, &place),
                None if schema.get("unevaluatedProperties") == Some(&Json::Bool(false))
                    && !self.knows(schema, &key.name, 0) =>
                {
                    let problem = self.unknown_key(key, schema);
                    self.problems.push(problem);
                }
                None => {}
            }
        }
        let required = list(schema, "required").iter().filter_map(Json::as_str);
        // A key that is there but misspelt is told once, not also as missing.
        let absent = |name: &&str| table.get(name).is_none() && !misspelt.contains(name);
        for name in required.filter(absent) {
            let mut problem = self.missing_key(name, value, schema);
            // At the end of the file it would land in the last table.
            if place.is_root() {
                problem.help = problem
                    .help
                    .map(|help| help.replace("a line:", "a first line:"));
            }
            self.problems.push(problem);
        }
        let limit = |keyword| schema.get(keyword).and_then(Json::as_u64);
        if limit("minProperties").is_some_and(|least| (table.len() as u64) < least) {
            let problem = Problem::error(format!("{} must not be empty", place.name));
            self.problems
                .push(problem.at(value.span).label("nothing here"));
        }
    }

    /// Whether a schema, or one it is put together from, has this key.
    fn knows(&self, schema: &'s Json, name: &str, depth: usize) -> bool {
        let schema = self.resolve(schema);
        depth < 8
            && (schema
                .pointer("/properties")
                .and_then(|p| p.get(name))
                .is_some()
                || ["allOf", "anyOf", "oneOf"].iter().any(|keyword| {
                    let mut parts = list(schema, keyword).iter();
                    parts.any(|part| self.knows(part, name, depth + 1))
                }))
    }

    fn check_name(&mut self, key: &Key, names: &'s Json, table: &'s Json) {
        let names = self.resolve(names);
        let most = names.get("maxLength").and_then(Json::as_u64);
        let length = key.name.chars().count() as u64;
        let label = if let Some(most) = most.filter(|most| length > *most) {
            format!("{length} characters, but at most {most} are allowed")
        } else if let Some(wanted) = pattern_missed(&key.name, names) {
            format!("expected {wanted}")
        } else {
            return;
        };
        let name = shorten(&key.name);
        let problem = Problem::error(format!("`{name}` is no name for a {}", noun(table)));
        self.problems.push(problem.at(key.span).label(label));
    }

    /// The known key that an unknown one was meant to be.
    fn meant(&self, key: &Key, schema: &'s Json) -> Option<&'s str> {
        let mut known = Vec::new();
        self.keys(schema, &mut known, 0);
        nearest(&key.name, known.into_iter().map(|(name, _)| name))
    }

    pub(super) fn unknown_key(&self, key: &Key, schema: &'s Json) -> Problem {
        let noun = noun(schema);
        let problem = Problem::error(format!("unknown {noun} `{}`", shorten(&key.name)))
            .at(key.span)
            .label(format!("there is no such {noun}"));
        let mut known = Vec::new();
        self.keys(schema, &mut known, 0);
        let home = known.iter().find(|(_, schema)| {
            let inner = self.resolve(schema).get("properties");
            inner.is_some_and(|inner| inner.get(&key.name).is_some())
        });
        problem.help(if let Some((home, _)) = home {
            format!("`{}` belongs in `{home}`", key.name)
        } else if let Some(near) = nearest(&key.name, known.iter().map(|(name, _)| *name)) {
            format!("did you mean `{near}`?")
        } else if known.is_empty() {
            format!("there is no {noun} in this version")
        } else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            format!("known {noun}s: {}", names.join(", "))
        })
    }

    /// The keys of a schema and of those it is put together from.
    fn keys(&self, schema: &'s Json, out: &mut Vec<(&'s str, &'s Json)>, depth: usize) {
        let schema = self.resolve(schema);
        if depth > 8 {
            return;
        }
        for (name, schema) in schema
            .get("properties")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
        {
            if !out.iter().any(|(known, _)| known == name) {
                out.push((name, schema));
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for part in list(schema, keyword) {
                self.keys(part, out, depth + 1);
            }
        }
    }

    pub(super) fn missing_key(&self, name: &str, value: &Value, schema: &'s Json) -> Problem {
        let property = schema.get("properties").and_then(|known| known.get(name));
        let property = property.map(|property| self.resolve(property));
        let example = property.and_then(|property| match property.get("const") {
            Some(only) => Some(only),
            None => list(property, "examples").first(),
        });
        let problem = Problem::error(format!("missing key `{name}`"))
            .at(value.span)
            .label(format!("`{name}` is required here"));
        match (
            example,
            property.and_then(|p| p.get("description")?.as_str()),
        ) {
            (Some(example), _) => problem.help(format!("add a line: {name} = {}", toml(example))),
            (None, Some(meaning)) => problem.help(format!("`{name}` is: {meaning}")),
            (None, None) => problem,
        }
    }
}

/// What a key of this table is called.
fn noun(schema: &Json) -> &str {
    let noun = schema.get("x-noun").and_then(Json::as_str);
    noun.unwrap_or("key")
}
