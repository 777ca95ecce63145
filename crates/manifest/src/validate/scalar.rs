//! The keywords about strings, numbers, and choices of fixed values.

use serde_json::Value as Json;

use super::expected::{or, toml};
use super::{Place, Walk, list};
use crate::{ByteSize, Problem, Time, Unreadable, Value, bytes, nearest, or_none, pattern, time};

impl<'s> Walk<'s> {
    /// `const` and `enum`.
    pub(super) fn check_choice(&mut self, value: &Value, schema: &'s Json, place: &Place) {
        let choices = match schema.get("const") {
            Some(only) => std::slice::from_ref(only),
            None => list(schema, "enum"),
        };
        if !choices.is_empty() && !choices.contains(&value.to_json()) {
            let choices: Vec<&Json> = choices.iter().collect();
            let problem = wrong_choice(value, &choices, place);
            self.problems.push(problem);
        }
    }

    pub(super) fn check_string(
        &mut self,
        text: &str,
        value: &Value,
        schema: &'s Json,
        place: &Place,
    ) {
        if text == or_none::WORD && or_none::allowed(schema) {
            return;
        }
        match schema.get("format").and_then(Json::as_str) {
            Some(bytes::FORMAT) => {
                let result = text.parse::<ByteSize>();
                return self.check_read(result.err(), "size", value, place);
            }
            Some(time::FORMAT) => {
                let result = text.parse::<Time>();
                return self.check_read(result.err(), "time", value, place);
            }
            _ => {}
        }
        let limit = |keyword| schema.get(keyword).and_then(Json::as_u64);
        let length = text.chars().count() as u64;
        let problem = if length == 0 && limit("minLength").is_some_and(|least| least > 0) {
            Problem::error(format!("{} must not be empty", place.name)).label("nothing here")
        } else if let Some(least) = limit("minLength").filter(|least| length < *least) {
            Problem::error(format!("{} is too short", place.name))
                .label(format!("expected at least {least} characters"))
        } else if let Some(most) = limit("maxLength").filter(|most| length > *most) {
            Problem::error(format!("{} is too long", place.name)).label(format!(
                "{length} characters, but at most {most} are allowed"
            ))
        } else if let Some(wanted) = pattern_missed(text, schema) {
            Problem::error(format!("{} is not well formed", place.name))
                .label(format!("expected {wanted}"))
        } else {
            return;
        };
        let problem = problem.at(value.span);
        self.problems.push(match self.example(schema, place) {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    fn check_read(&mut self, error: Option<Unreadable>, noun: &str, value: &Value, place: &Place) {
        if let Some(error) = error {
            let mut problem = Problem::error(format!("{} is not a {noun}", place.name))
                .at(value.span)
                .label(error.message);
            problem.help = error.help;
            self.problems.push(problem);
        }
    }

    pub(super) fn check_number(
        &mut self,
        number: f64,
        value: &Value,
        schema: &'s Json,
        place: &Place,
    ) {
        let limit = |keyword| schema.get(keyword).and_then(Json::as_f64);
        let wanted = if let Some(least) = limit("minimum").filter(|least| number < *least) {
            format!("at least {least}")
        } else if let Some(most) = limit("maximum").filter(|most| number > *most) {
            format!("at most {most}")
        } else if let Some(bound) = limit("exclusiveMinimum").filter(|bound| number <= *bound) {
            format!("more than {bound}")
        } else if let Some(bound) = limit("exclusiveMaximum").filter(|bound| number >= *bound) {
            format!("less than {bound}")
        } else if let Some(wanted) = width_missed(number, schema) {
            wanted
        } else {
            return;
        };
        self.problems.push(
            Problem::error(format!("{} must be {wanted}", place.name))
                .at(value.span)
                .label(format!("this is {number}")),
        );
    }
}

/// The largest number of an integer's width, which schemas of Rust types only name.
fn width_missed(number: f64, schema: &Json) -> Option<String> {
    let (least, most) = match schema.get("format")?.as_str()? {
        "uint8" => (0.0, f64::from(u8::MAX)),
        "uint16" => (0.0, f64::from(u16::MAX)),
        "uint32" => (0.0, f64::from(u32::MAX)),
        "int32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => return None,
    };
    let outside = number < least || number > most;
    outside.then(|| format!("from {least} to {most}"))
}

/// What was expected, if the text misses the schema's pattern.
pub(super) fn pattern_missed<'s>(text: &str, schema: &'s Json) -> Option<&'s str> {
    let wanted = schema.get("pattern")?.as_str()?;
    match pattern::matches(wanted, text) {
        Some(false) => {
            let words = schema.get("x-expected").and_then(Json::as_str);
            Some(words.unwrap_or(wanted))
        }
        _ => None,
    }
}

/// A value that is none of the allowed ones.
pub(super) fn wrong_choice(value: &Value, choices: &[&Json], place: &Place) -> Problem {
    let words: Vec<String> = choices.iter().map(|choice| toml(choice)).collect();
    let problem = Problem::error(format!("{} must be {}", place.name, or(&words)))
        .at(value.span)
        .label("this is none of them");
    let problem = match choices.len() {
        1 => problem.label("this is something else"),
        _ => problem,
    };
    let names = choices.iter().filter_map(|choice| choice.as_str());
    match value.as_str().and_then(|text| nearest(text, names)) {
        Some(near) => problem.help(format!("did you mean \"{near}\"?")),
        None => problem,
    }
}
