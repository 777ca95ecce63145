//! Where a redirect leads, and what a rewrite makes of a path: text with places for what the route
//! matched.

use super::super::pattern::{Pattern, Segment};
use super::super::route::Match;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

/// A path with places: `/v2/:id/...`; of a redirect with an origin before it, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// `https://example.com`, or nothing.
    origin: Box<str>,
    parts: Box<[Part]>,
    /// It ends in `/...`.
    open: bool,
    /// What is written after `?`; the request's own query then counts no more.
    query: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text with its slashes, as it is written.
    Text(Box<str>),
    /// The segment that this parameter of the route stands for; its slash is before it.
    Parameter(Box<str>),
}

impl Template {
    /// Reads what a redirect leads to: a path, or a path at another origin.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn target(text: &str) -> Result<Template, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::path(text);
        };
        if scheme != "https" && scheme != "http" {
            return Err("a redirect leads to a path, or to https:// or http://".into());
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err(format!("`{}` is no host", authority.escape_debug()));
        }
        let path = match path {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        Ok(Template {
            origin: format!("{scheme}://{authority}").into(),
            ..Self::path(&path)?
        })
    }

    /// Reads a path with places.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn path(text: &str) -> Result<Template, String> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (text, None),
        };
        if path.starts_with("//") || path.contains('\\') {
            return Err("it begins with one slash, and has no backslash".into());
        }
        // The language of routes, so that what is right in one is right in the other.
        let pattern = Pattern::parse(path)
            .map_err(|error| error.to_string().replace("a route", "the path"))?;
        let base = pattern.base();
        let mut parts = Vec::new();
        let mut plain = String::new();
        for segment in base.split('/').skip(1) {
            match segment.strip_prefix(':') {
                Some(name) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain).into()));
                    }
                    parts.push(Part::Parameter(name.into()));
                }
                None => {
                    plain.push('/');
                    plain.push_str(segment);
                }
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        let template = Template {
            origin: "".into(),
            parts: parts.into(),
            open: pattern.is_open(),
            query,
        };
        let alone = template.filled("", |_| Some("x"), None);
        match alone.parse::<PathAndQuery>() {
            Ok(_) if alone.is_ascii() => Ok(template),
            _ => Err("it has a character that an address cannot have".into()),
        }
    }

    /// A place that the route has nothing for: how it is written there.
    pub fn stray(&self, route: &Pattern) -> Option<String> {
        let has = |name: &str| {
            let named = |s: &Segment| matches!(s, Segment::Parameter(own) if **own == *name);
            route.segments().iter().any(named)
        };
        let stray = self.parts.iter().find_map(|part| match part {
            Part::Parameter(name) if !has(name) => Some(format!(":{name}")),
            _ => None,
        });
        stray.or_else(|| (self.open && !route.is_open()).then(|| "...".to_owned()))
    }

    /// The address that it stands for, for the header `location`.
    pub fn location(&self, found: &Match<'_, '_>, uri: &Uri) -> Option<HeaderValue> {
        let filled = self.of(found, uri);
        HeaderValue::try_from(format!("{}{filled}", self.origin)).ok()
    }

    /// The path and query that it stands for.
    pub fn rewritten(&self, found: &Match<'_, '_>, uri: &Uri) -> Option<PathAndQuery> {
        self.of(found, uri).parse().ok()
    }

    fn of(&self, found: &Match<'_, '_>, uri: &Uri) -> String {
        let named = |name: &str| found.parameters().find(|(own, _)| *own == name);
        let rest = found.trailing_wildcard().unwrap_or_default();
        self.filled(
            rest,
            |name| named(name).map(|(_, value)| value),
            uri.query(),
        )
    }

    fn filled<'a>(
        &self,
        rest: &str,
        parameter: impl Fn(&str) -> Option<&'a str>,
        query: Option<&str>,
    ) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Parameter(name) => {
                    out.push('/');
                    push(&mut out, parameter(name).unwrap_or_default());
                }
            }
        }
        if self.open {
            // Of slashes at the front one is enough: `//evil.example` would be another host.
            let tail = rest.trim_start_matches('/');
            if rest.starts_with('/') {
                out.push('/');
            }
            push(&mut out, tail);
        }
        if out.is_empty() {
            out.push('/');
        }
        if let Some(query) = self.query.as_deref().or(query) {
            out.push('?');
            out.push_str(query);
        }
        out
    }
}

/// Browsers take a backslash for a slash.
fn push(out: &mut String, raw: &str) {
    for piece in raw.split_inclusive('\\') {
        match piece.strip_suffix('\\') {
            Some(before) => {
                out.push_str(before);
                out.push_str("%5C");
            }
            None => out.push_str(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::http::RouteTable;

    fn led(route: &str, to: &str, uri: &str) -> String {
        let table = RouteTable::new([(route, None)]).unwrap();
        let uri: Uri = uri.parse().unwrap();
        let found = table.find(None, uri.path()).unwrap().unwrap();
        let template = Template::target(to).unwrap();
        assert_eq!(template.stray(&Pattern::parse(route).unwrap()), None);
        let location = template.location(&found, &uri).unwrap();
        location.to_str().unwrap().to_owned()
    }

    #[test]
    fn where_it_leads() {
        for (route, to, uri, location) in [
            ("/old/...", "/new/...", "/old/a/b?q=1", "/new/a/b?q=1"),
            ("/old/...", "/new/...", "/old", "/new"),
            ("/old/...", "/new/...", "/old/", "/new/"),
            ("/...", "https://b.example/...", "/", "https://b.example/"),
            ("/...", "https://b.example", "/x?y", "https://b.example/?y"),
            (
                "/u/:id/:x",
                "/v/:x/:id?from=u",
                "/u/7/a%2Fb?q",
                "/v/a%2Fb/7?from=u",
            ),
            ("/...", "/...", "/a//b", "/a//b"),
        ] {
            assert_eq!(led(route, to, uri), location, "{route} to {to}: {uri}");
        }
    }

    #[test]
    fn nobody_leads_it_to_another_host() {
        for uri in [
            "/old//evil.example",
            "/old///evil.example",
            r"/old/\evil.example",
        ] {
            let location = led("/old/...", "/...", uri);
            assert!(
                location.starts_with('/') && !location.starts_with("//"),
                "{location}"
            );
            assert!(!location.contains('\\'), "{location}");
            let location = led("/old/...", "https://a.example/...", uri);
            assert!(location.starts_with("https://a.example/"), "{location}");
        }
        assert_eq!(led("/:a", "/:a", r"/\evil.example"), "/%5Cevil.example");
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "new",
            "//evil",
            "ftp://a/",
            "https://",
            "https://a@b/",
            "/a/.../b",
            "/a\\b",
            "/:",
            "/a b",
            "/ü",
            "/..",
            "https://a/%zz",
        ] {
            assert!(Template::target(text).is_err(), "{text}");
        }
        let route = Pattern::parse("/a/:id").unwrap();
        let stray = |to: &str| Template::target(to).unwrap().stray(&route);
        assert_eq!(stray("/b/:id"), None);
        assert_eq!(stray("/b/:name"), Some(":name".into()));
        assert_eq!(stray("/b/..."), Some("...".into()));
    }

    #[test]
    fn whatever_is_read_leads_somewhere() {
        let words = ["/", "/:a", "/...", "https://", "?", "\\", "%2F", "//", "x"];
        crate::fuzz::text("template", &words, |text| {
            let Ok(template) = Template::target(text) else {
                return;
            };
            for rest in ["", "/", "//e", "/\\e", "/x"] {
                let filled = template.filled(rest, |_| Some("\\v"), Some("q"));
                assert!(
                    filled.starts_with('/') && !filled.starts_with("//"),
                    "{filled}"
                );
                assert!(!filled.contains('\\'), "{filled}");
            }
        });
    }
}
