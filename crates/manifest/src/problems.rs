//! All problems found in one source.

use std::fmt;

use serde_json::json;

use crate::excerpt::plain;
use crate::{Problem, Severity, Source, render};

/// All problems found in one source, in the order of the file.
#[derive(Debug, Clone)]
pub struct Problems {
    /// What they are about; an empty path where there is no file.
    pub source: Source,
    /// The problems.
    pub list: Vec<Problem>,
}

impl Problems {
    /// More are not kept: finding the place of each in a large file would take minutes.
    pub const MAX: usize = 1000;

    /// Problems of a source, put in the order in which it is read; of more than
    /// [`Self::MAX`] the first errors.
    pub fn new(source: Source, mut list: Vec<Problem>) -> Self {
        // Stable, so that problems at one place stay in the order they were found.
        list.sort_by_key(|problem| problem.span.map_or(0, |span| span.start));
        if list.len() > Self::MAX {
            list.retain(Problem::is_error);
            list.truncate(Self::MAX);
        }
        Self { source, list }
    }

    /// Whether one of them stops the app.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Problem::is_error)
    }

    /// For people: each problem with its line of the file and a caret, then a count.
    pub fn render(&self, color: bool, width: usize) -> String {
        render::render(self, color, width)
    }

    /// For programs: an array of objects, places counted from 1, `null` where there is none.
    pub fn to_json(&self) -> serde_json::Value {
        let file = self.source.path.display().to_string();
        let object = |problem: &Problem| {
            let problem = self.source.secrets.hide(problem);
            let start = problem.span.map(|span| self.source.position(span.start));
            let end = problem.span.map(|span| self.source.position(span.end));
            json!({
                "severity": problem.severity.as_str(),
                "message": problem.message,
                "file": file,
                "line": start.map(|place| place.line),
                "column": start.map(|place| place.column),
                "end_line": end.map(|place| place.line),
                "end_column": end.map(|place| place.column),
                "label": problem.label,
                "help": problem.help,
                "notes": problem.notes,
            })
        };
        self.list.iter().map(object).collect()
    }
}

/// One line per problem, as compilers write them: `holm.toml:3:1: unknown key …`.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if !self.source.path.as_os_str().is_empty() {
                write!(f, "{}:", self.source.path.display())?;
                if let Some(span) = problem.span {
                    let place = self.source.position(span.start);
                    write!(f, "{}:{}:", place.line, place.column)?;
                }
                f.write_str(" ")?;
            }
            if problem.severity == Severity::Warning {
                f.write_str("warning: ")?;
            }
            let problem = self.source.secrets.hide(problem);
            f.write_str(&plain(&problem.message))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    fn sample() -> Problems {
        let source = Source::new("holm.toml", "name = \"x\"\nnmae = 1\n");
        let late = Problem::error("unknown key `nmae`").at(Span::new(11, 15));
        let early = Problem::warning("odd").at(Span::new(0, 4)).help("do not");
        Problems::new(source, vec![late, early])
    }

    #[test]
    fn one_line_each_in_order() {
        let text = sample().to_string();
        assert_eq!(
            text,
            "holm.toml:1:1: warning: odd\nholm.toml:2:1: unknown key `nmae`"
        );
        assert!(sample().has_errors());
        assert_eq!(Problem::error("no").alone().to_string(), "no");
    }

    #[test]
    fn json_counts_from_one() {
        let json = sample().to_json();
        assert_eq!(json[1]["line"], 2);
        assert_eq!(json[1]["column"], 1);
        assert_eq!(json[1]["end_column"], 5);
        assert_eq!(json[1]["severity"], "error");
        assert_eq!(json[0]["help"], "do not");
    }
}
