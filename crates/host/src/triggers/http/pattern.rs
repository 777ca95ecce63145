//! A route's pattern: `/a/b`, `/users/:id`, `/api/...`.

use super::path;
use std::fmt;

/// Longest pattern, in bytes, and most segments: a table stays small and a match shallow.
pub const PATTERN_BYTES_MAX: usize = 2048;
/// Most segments of a pattern.
pub const PATTERN_SEGMENTS_MAX: usize = 64;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Itself, with escapes resolved.
    Literal(Box<[u8]>),
    /// `:name`: any one segment.
    Parameter(Box<str>),
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    segments: Box<[Segment]>,
    open: bool,
}

/// What is wrong with a pattern, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PatternError {}

fn wrong(message: impl Into<String>) -> PatternError {
    PatternError {
        message: message.into(),
        help: None,
    }
}

impl PatternError {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        if !text.starts_with('/') {
            return Err(wrong("a route begins with a slash").help(format!("write `/{text}`")));
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(wrong(format!(
                "a route has at most {PATTERN_BYTES_MAX} bytes"
            )));
        }
        let (fixed, open) = match text.strip_suffix("/...") {
            Some(fixed) => (fixed, true),
            None => (text, false),
        };
        // One slash at the end says the same as none.
        let fixed = if open {
            fixed
        } else {
            fixed.strip_suffix('/').unwrap_or(fixed)
        };
        let segments: Vec<Segment> = fixed
            .split('/')
            .skip(1)
            .map(parse_segment)
            .collect::<Result<_, _>>()?;
        if segments.len() > PATTERN_SEGMENTS_MAX {
            return Err(wrong(format!(
                "a route has at most {PATTERN_SEGMENTS_MAX} segments"
            )));
        }
        for (index, segment) in segments.iter().enumerate() {
            if let Segment::Parameter(name) = segment
                && segments[..index].contains(segment)
            {
                return Err(wrong(format!(
                    "the parameter `:{name}` stands twice in one route"
                )));
            }
        }
        Ok(Pattern {
            text: text.into(),
            segments: segments.into(),
            open,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As it was written, without `/...`; the route of everything is empty.
    pub fn base(&self) -> &str {
        self.text.strip_suffix("/...").unwrap_or(&self.text)
    }

    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What it matches, as bytes that two patterns share only if they match the same paths: the names
    /// of parameters are left out.
    pub fn shape(&self) -> Box<[u8]> {
        let mut shape = vec![u8::from(self.open)];
        for segment in &self.segments {
            match segment {
                Segment::Parameter(_) => shape.extend(u16::MAX.to_le_bytes()),
                // Shorter than 64 KiB: a whole pattern is.
                Segment::Literal(literal) => {
                    shape.extend((literal.len() as u16).to_le_bytes());
                    shape.extend_from_slice(literal);
                }
            }
        }
        shape.into()
    }

    /// Whether it ends in `/...`.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

fn parse_segment(segment: &str) -> Result<Segment, PatternError> {
    match segment {
        "" => return Err(wrong("a route has an empty segment").help("write one slash, not two")),
        "..." => return Err(wrong("`...` stands only at the end of a route")),
        "*" | "**" => {
            return Err(wrong("a route has no `*`")
                .help("write `/...` at the end for everything below, `/:name` for one segment"));
        }
        _ => {}
    }
    if let Some(name) = segment.strip_prefix(':') {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(wrong(format!("`{segment}` is no name for a parameter"))
                .help("letters, digits, `_` and `-`, as in `/:id`"));
        }
        return Ok(Segment::Parameter(name.into()));
    }
    if let Some(name) = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return Err(
            wrong(format!("`{segment}` is not how a parameter is written"))
                .help(format!("write `/:{name}`")),
        );
    }
    if let Some(odd) = segment
        .chars()
        .find(|c| matches!(c, '?' | '#') || c.is_control())
    {
        return Err(wrong(format!(
            "a route matches the path alone; {odd:?} is not part of one"
        )));
    }
    path::check(&format!("/{segment}")).map_err(|bad| match bad {
        path::BadPath::DotSegment => wrong("a route has no `.` or `..` segment"),
        path::BadPath::Escape => wrong("a `%` that two hexadecimal digits do not follow")
            .help("write `%25` for the percent sign itself"),
        bad => wrong(bad.to_string().replacen("the path", "the route", 1)),
    })?;
    Ok(Segment::Literal(path::decode(segment).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        let all = Pattern::parse("/...").unwrap();
        assert!(all.is_open() && all.segments().is_empty() && all.base().is_empty());
        let root = Pattern::parse("/").unwrap();
        assert!(!root.is_open() && root.segments().is_empty());
        let user = Pattern::parse("/users/:id/...").unwrap();
        assert_eq!(user.base(), "/users/:id");
        assert_eq!(user.segments()[1], Segment::Parameter("id".into()));
        let odd = Pattern::parse("/a%20b/").unwrap();
        assert_eq!(*odd.segments(), [Segment::Literal((*b"a b").into())]);
    }

    #[test]
    fn what_is_refused() {
        for (text, says) in [
            ("", "begins with a slash"),
            ("api", "write `/api`"),
            ("//a", "empty segment"),
            ("/a//...", "empty segment"),
            ("/.../a", "only at the end"),
            ("/a/*", "no `*`"),
            ("/{id}", "write `/:id`"),
            ("/:", "no name"),
            ("/:a.b", "no name"),
            ("/:a/:a", "twice"),
            ("/a/../b", "`..` segment"),
            ("/%", "%25"),
            ("/a?b", "path alone"),
            ("/a%00", "NUL"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
