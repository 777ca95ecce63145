//! The few lines of a source around a span, made fit for a terminal: long lines
//! are cut, control characters are shown and not sent.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::{Source, Span};

/// Lines around a span. Offsets are its own: they count in `text`.
#[derive(Debug)]
pub(crate) struct Excerpt {
    name: String,
    text: String,
    line: usize,
    column: usize,
    /// The marked range, always within one line.
    pub(crate) mark: SourceSpan,
}

impl Excerpt {
    /// The line where `span` starts, with one line before and after it. No line
    /// gets longer than `width` characters.
    pub(crate) fn new(source: &Source, span: Span, width: usize) -> Self {
        let text = &*source.secrets.cover(&source.text);
        let start = source.floor(span.start);
        let end = source.floor(span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);

        let mut out = String::new();
        if line_start > 0 {
            let before = &text[..line_start - 1];
            let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
            clip(line, 0, 0, width, &mut out);
            out.push('\n');
        }
        let line = &text[line_start..line_end];
        let mark = clip(
            line,
            start - line_start,
            end.min(line_end) - line_start,
            width,
            &mut out,
        );
        // A caret needs something to stand under, also at the end of a line or file.
        if mark.start == out.len() {
            out.push(' ');
        }
        out.push('\n');
        if let Some(after) = text.get(line_end + 1..).filter(|rest| !rest.is_empty()) {
            let line = after.split('\n').next().unwrap_or_default();
            clip(line, 0, 0, width, &mut out);
        }

        let place = source.position(start);
        Self {
            name: source.path.display().to_string(),
            text: out,
            line: place.line - usize::from(line_start > 0),
            column: place.column,
            mark: (mark.start, mark.end - mark.start).into(),
        }
    }
}

/// Writes a window of `line` that shows its marked bytes `from..to`, at most `width`
/// characters; returns where they came to stand in `out`.
fn clip(line: &str, from: usize, to: usize, width: usize, out: &mut String) -> Span {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let length = line.chars().count();
    let mark = line[..from.min(line.len())].chars().count();
    let first = match length > width {
        // Keep a third of the window before the mark.
        true => mark.saturating_sub(width / 3).min(length - width),
        false => 0,
    };
    let mut span = Span::new(usize::MAX, usize::MAX);
    if first > 0 {
        out.push('…');
    }
    for (index, (at, char)) in line.char_indices().enumerate() {
        if at >= from && span.start == usize::MAX {
            span.start = out.len();
        }
        if at >= to && span.end == usize::MAX {
            span.end = out.len();
        }
        if index < first {
            continue;
        }
        if index >= first + width {
            out.push('…');
            break;
        }
        show(char, out);
    }
    span.start = span.start.min(out.len());
    span.end = span.end.clamp(span.start, out.len());
    span
}

/// A message fit for a terminal: it may quote what the user wrote.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => out.push('\n'),
            char => show(char, &mut out),
        }
    }
    out
}

/// Writes one character as something a terminal can be sent.
fn show(char: char, out: &mut String) {
    match char {
        '\t' => out.push_str("    "),
        '\u{feff}' => {}
        '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + char as u32)),
        // Other controls, and the marks that reorder or hide text.
        '\u{7f}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' => out.push('\u{fffd}'),
        _ => out.push(char),
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        // The header shows the place that was asked for without context: the real one.
        let column = match (before, after) {
            (0, 0) => self.column - 1,
            _ => inner.column(),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            self.line - 1 + inner.line(),
            column,
            inner.line_count(),
        )))
    }
}
