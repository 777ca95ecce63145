//! A request's path as routes see it: raw segments between slashes, decoded only to be compared.

use std::fmt;

/// Why a path is refused before any route sees it. All of these answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It does not begin with a slash (`*`, a bare authority).
    NotAbsolute,
    /// A segment is `.` or `..`, plain or encoded: what it names depends on who resolves it.
    DotSegment,
    /// A `%` that two hexadecimal digits do not follow.
    Escape,
    /// A NUL, plain or encoded.
    Nul,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::NotAbsolute => "the path does not begin with a slash",
            BadPath::DotSegment => "the path has a `.` or `..` segment",
            BadPath::Escape => "the path has a `%` without two hexadecimal digits",
            BadPath::Nul => "the path has a NUL",
        })
    }
}

impl std::error::Error for BadPath {}

/// Checks a raw path (no query). Clients resolve dot segments before they send, so one that
/// arrives is an attempt to be read in two ways.
pub fn check(path: &str) -> Result<(), BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath::NotAbsolute);
    }
    for segment in path.split('/') {
        if segment.contains('%') && !escapes_are_whole(segment.as_bytes()) {
            return Err(BadPath::Escape);
        }
        if decode(segment).any(|byte| byte == 0) {
            return Err(BadPath::Nul);
        }
        if is_dots(segment) {
            return Err(BadPath::DotSegment);
        }
    }
    Ok(())
}

/// The first segment that is not empty, and what follows it. Empty segments do not count:
/// `//a/` has one segment, as `/a` has, so that no policy by route is walked around with `//`.
pub fn split_first(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        return None;
    }
    Some(path.split_at(path.find('/').unwrap_or(path.len())))
}

/// The bytes that a segment stands for; an escape that is not whole stands for itself.
pub fn decode(segment: &str) -> impl Iterator<Item = u8> + Clone + '_ {
    let bytes = segment.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(bytes.get(at + 1)), hex(bytes.get(at + 2)))
        {
            at += 3;
            return Some(high << 4 | low);
        }
        at += 1;
        Some(byte)
    })
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).map(|value| value as u8)
}

fn escapes_are_whole(segment: &[u8]) -> bool {
    let whole = |(at, _): (usize, &u8)| {
        hex(segment.get(at + 1)).is_some() && hex(segment.get(at + 2)).is_some()
    };
    segment
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(whole)
}

fn is_dots(segment: &str) -> bool {
    decode(segment).eq(*b".") || decode(segment).eq(*b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        for (path, why) in [
            ("", BadPath::NotAbsolute),
            ("*", BadPath::NotAbsolute),
            ("a/b", BadPath::NotAbsolute),
            ("/a/../b", BadPath::DotSegment),
            ("/a/.", BadPath::DotSegment),
            ("/..", BadPath::DotSegment),
            ("/%2e%2E/x", BadPath::DotSegment),
            ("/a/.%2e", BadPath::DotSegment),
            ("/100%", BadPath::Escape),
            ("/%zz", BadPath::Escape),
            ("/%4", BadPath::Escape),
            ("/a%00b", BadPath::Nul),
        ] {
            assert_eq!(check(path), Err(why), "{path}");
        }
        for path in [
            "/",
            "//",
            "/a//b/",
            "/...",
            "/.well-known/x",
            "/a%2fb",
            "/%2525",
            "/a..b",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn segments() {
        assert_eq!(split_first("/"), None);
        assert_eq!(split_first("//"), None);
        assert_eq!(split_first("/a"), Some(("a", "")));
        assert_eq!(split_first("//a//b"), Some(("a", "//b")));
        assert!(decode("a%2Fb%").eq(*b"a/b%"));
    }
}
