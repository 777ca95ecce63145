//! What must not be shown of a manifest, and how problems are told without it.

use std::borrow::Cow;

use crate::{Problem, Redacted, Span};

/// Shorter secrets would be found in any text by chance; where they were filled in, nothing is
/// shown anyway.
const LENGTH_MIN: usize = 3;

/// The values of secret variables, the places that they were filled into, and those where one is
/// written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    values: Vec<Redacted<String>>,
    places: Vec<Span>,
    written: Vec<Span>,
}

impl Secrets {
    pub(super) fn new(
        values: Vec<Redacted<String>>,
        places: Vec<Span>,
        written: Vec<Span>,
    ) -> Self {
        Secrets {
            values,
            places,
            written,
        }
    }

    /// The text of a manifest as it may be shown. What stands where does not change.
    pub(crate) fn cover<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let spans = self
            .written
            .iter()
            .filter_map(|span| text.get(span.start..span.end));
        if spans.clone().next().is_none() {
            return Cow::Borrowed(text);
        }
        let mut shown = text.to_owned();
        for (span, secret) in self.written.iter().zip(spans) {
            let stars = secret.bytes().map(|byte| match byte {
                b'\n' | b'\r' => char::from(byte),
                _ => '*',
            });
            shown.replace_range(span.start..span.end, &stars.collect::<String>());
        }
        Cow::Owned(shown)
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
