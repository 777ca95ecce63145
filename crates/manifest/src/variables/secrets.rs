//! What must not be shown of a manifest, and how problems are told without it.

use std::borrow::Cow;

use crate::{Problem, Redacted, Span};

/// Shorter secrets would be found in any text by chance; where they were filled in, nothing is
/// shown anyway.
const LENGTH_MIN: usize = 3;

/// The values of secret variables, and the places that they were filled into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    values: Vec<Redacted<String>>,
    places: Vec<Span>,
}

impl Secrets {
    pub(super) fn new(values: Vec<Redacted<String>>, places: Vec<Span>) -> Self {
        Secrets { values, places }
    }

    /// A problem as it may be told.
    pub(crate) fn hide<'p>(&self, problem: &'p Problem) -> Cow<'p, Problem> {
        if self.values.is_empty() && self.places.is_empty() {
            return Cow::Borrowed(problem);
        }
        let mut told = problem.clone();
        if problem.span.is_some_and(|span| self.is_at(span)) {
            // Whatever is said of such a value may be made of it.
            told.message = "this value cannot be used as it is filled in".into();
            told.label = Some("not shown: it has a secret variable in it".into());
            told.help =
                Some("with a value that is not secret, the error says what is wrong".into());
            told.notes = Box::default();
            return Cow::Owned(told);
        }
        let texts = [
            Some(&mut told.message),
            told.label.as_mut(),
            told.help.as_mut(),
        ];
        for text in texts.into_iter().flatten().chain(&mut told.notes) {
            self.take_out(text);
        }
        Cow::Owned(told)
    }

    fn is_at(&self, span: Span) -> bool {
        let covers = |place: &Span| place.start < span.end && span.start < place.end;
        self.places.iter().any(covers)
    }

    fn take_out(&self, text: &mut String) {
        for value in &self.values {
            let value = value.reveal();
            if value.len() < LENGTH_MIN {
                continue;
            }
            // As it is, and as it is quoted in messages.
            for shape in [value.clone(), value.escape_debug().to_string()] {
                if text.contains(&shape) {
                    *text = text.replace(&shape, "[redacted]");
                }
            }
        }
    }
}
