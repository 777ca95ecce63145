//! Problems drawn for people: message, file, line, caret, label, help.

use std::fmt;
use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use crate::excerpt::{Excerpt, plain};
use crate::{Problem, Problems, Severity};

/// Nobody reads more; a file of garbage must not flood the terminal.
const SHOWN_MAX: usize = 20;

/// Narrower than this the drawing is no longer readable.
const WIDTH_MIN: usize = 40;

pub(crate) fn render(problems: &Problems, color: bool, width: usize) -> String {
    let width = width.max(WIDTH_MIN);
    let theme = match color {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1)
        .without_syntax_highlighting();
    let mut out = String::new();
    for problem in problems.list.iter().take(SHOWN_MAX) {
        let problem = problems.source.secrets.hide(problem);
        let drawn = Drawn::new(&problem, problems, width);
        // Writing to a string fails only if the excerpt contradicts itself; the
        // message must reach the user even then.
        if handler.render_report(&mut out, &drawn).is_err() {
            out.push_str(&plain(&problem.message));
            out.push('\n');
        }
        out.push('\n');
    }
    if let Some(more @ 1..) = problems.list.len().checked_sub(SHOWN_MAX) {
        out.push_str(&format!("… and {more} more\n\n"));
    }
    out.push_str(&count(problems));
    out.push('\n');
    out
}

fn count(problems: &Problems) -> String {
    let errors = problems.list.iter().filter(|p| p.is_error()).count();
    let warnings = problems.list.len() - errors;
    let words = |n: usize, word: &str| match n {
        1 => format!("1 {word}"),
        Problems::MAX.. => format!("{n} or more {word}s"),
        _ => format!("{n} {word}s"),
    };
    match (errors, warnings) {
        (_, 0) => words(errors, "error"),
        (0, _) => words(warnings, "warning"),
        _ => format!("{}, {}", words(errors, "error"), words(warnings, "warning")),
    }
}

/// One problem as the drawing library wants it.
#[derive(Debug)]
struct Drawn<'a> {
    path: &'a Path,
    problem: &'a Problem,
    excerpt: Option<Excerpt>,
}

impl<'a> Drawn<'a> {
    fn new(problem: &'a Problem, problems: &'a Problems, width: usize) -> Self {
        // Room for the gutter with the line numbers.
        let line = width.saturating_sub(12).max(20);
        let excerpt = |span| Excerpt::new(&problems.source, span, line);
        Self {
            path: &problems.source.path,
            problem,
            excerpt: problem.span.map(excerpt),
        }
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without an excerpt nothing else names the file.
        if self.excerpt.is_none() && !self.path.as_os_str().is_empty() {
            write!(f, "{}: ", self.path.display())?;
        }
        f.write_str(&plain(&self.problem.message))
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let lines: Vec<&str> = self
            .problem
            .help
            .iter()
            .chain(self.problem.notes.iter())
            .map(String::as_str)
            .collect();
        (!lines.is_empty()).then(|| Box::new(plain(&lines.join("\n"))) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|e| e as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        let label = self.problem.label.as_deref().map(plain);
        let label = LabeledSpan::new_primary_with_span(label, excerpt.mark);
        Some(Box::new(std::iter::once(label)))
    }
}
