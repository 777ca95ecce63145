//! `anyOf` and `oneOf`: which of the branches was meant, so that one message is enough.

use serde_json::Value as Json;

use super::scalar::wrong_choice;
use super::{Place, Walk, accepts, list};
use crate::{Problem, Value, ValueKind};

impl<'s> Walk<'s> {
    /// Reports what is wrong by the branch that was most likely meant. That several
    /// branches match is no fault: `oneOf` of Rust enums is exclusive by itself.
    pub(super) fn check_union(
        &mut self,
        value: &Value,
        branches: &'s [Json],
        schema: &'s Json,
        place: &Place,
    ) {
        // A branch that allows only null says "or nothing", which TOML cannot write.
        let branches: Vec<&'s Json> = branches
            .iter()
            .map(|branch| self.resolve(branch))
            .filter(|branch| branch.get("type").and_then(Json::as_str) != Some("null"))
            .collect();
        let fits = |branch: &&&'s Json| self.fits(branch, value);
        let fitting: Vec<&'s Json> = branches.iter().filter(fits).copied().collect();
        if fitting.is_empty() {
            let problem = self.wrong_type(value, &branches, schema, place);
            self.problems.push(problem);
            return;
        }
        if let Some(problem) = self.by_tag(value, &fitting, place) {
            self.problems.extend(problem);
            return;
        }
        let mut best: Option<Vec<Problem>> = None;
        for branch in &fitting {
            let found = self.trial(value, branch, place);
            if found.is_empty() {
                return;
            }
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        // Names to choose from, spread over the branches, make one list.
        let choices: Vec<&Json> = fitting.iter().flat_map(|branch| choices(branch)).collect();
        if !choices.is_empty() && fitting.iter().all(|branch| !choices_of(branch).is_empty()) {
            self.problems.push(wrong_choice(value, &choices, place));
            return;
        }
        self.problems.extend(best.unwrap_or_default());
    }

    /// Whether the kind of the value is one that this branch allows.
    fn fits(&self, branch: &'s Json, value: &Value) -> bool {
        if let Some(one) = choices_of(branch).first()
            && branch.get("type").is_none()
        {
            return one.is_string() == value.as_str().is_some();
        }
        if !accepts(branch, value) {
            return false;
        }
        if branch.get("type").is_some() {
            return true;
        }
        ["anyOf", "oneOf"].iter().all(|keyword| {
            let inner = list(branch, keyword);
            inner.is_empty() || inner.iter().any(|one| self.fits(self.resolve(one), value))
        })
    }

    /// If all branches are tables told apart by the value of one key (a store's `type`),
    /// the problems by the branch that this value names.
    fn by_tag(&self, value: &Value, branches: &[&'s Json], place: &Place) -> Option<Vec<Problem>> {
        let ValueKind::Table(table) = &value.kind else {
            return None;
        };
        let properties = |branch: &'s Json| branch.get("properties").and_then(Json::as_object);
        let fixed = |branch: &'s Json, name: &str| properties(branch)?.get(name)?.get("const");
        let tells_apart = |name: &&String| {
            let values: Vec<_> = branches.iter().map(|branch| fixed(branch, name)).collect();
            let differs = |(index, value)| !values[..index].contains(value);
            values.iter().all(Option::is_some) && values.iter().enumerate().all(differs)
        };
        let tag = properties(branches.first()?)?.keys().find(tells_apart)?;
        let Some((key, written)) = table.get_key_value(tag) else {
            return match branches {
                [only] => Some(vec![self.missing_key(tag, value, only)]),
                _ => Some(vec![missing_tag(tag, value, branches, fixed)]),
            };
        };
        let named = branches
            .iter()
            .find(|branch| fixed(branch, tag) == Some(&written.to_json()));
        Some(match named {
            Some(branch) => self.trial(value, branch, place),
            None => {
                let choices: Vec<&Json> = branches.iter().filter_map(|b| fixed(b, tag)).collect();
                vec![wrong_choice(written, &choices, &Place::key(key))]
            }
        })
    }
}

fn missing_tag<'s>(
    tag: &str,
    value: &Value,
    branches: &[&'s Json],
    fixed: impl Fn(&'s Json, &str) -> Option<&'s Json>,
) -> Problem {
    let names: Vec<String> = branches
        .iter()
        .filter_map(|branch| fixed(branch, tag))
        .map(super::expected::toml)
        .collect();
    Problem::error(format!("missing key `{tag}`"))
        .at(value.span)
        .label(format!("`{tag}` is required here"))
        .help(format!("`{tag}` is one of {}", names.join(", ")))
}

/// The fixed values of a branch.
fn choices(branch: &Json) -> impl Iterator<Item = &Json> {
    choices_of(branch).iter()
}

fn choices_of(branch: &Json) -> &[Json] {
    match branch.get("const") {
        Some(only) => std::slice::from_ref(only),
        None => list(branch, "enum"),
    }
}
