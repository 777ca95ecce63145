//! The route table: built once, never changed, looked up without locks or allocation.
//!
//! Of the routes that match, the most specific one answers: a host beats `*.host`, which beats no
//! host; then a pattern without `/...` beats one with it, of two with it the one with more
//! segments, and at the first segment where two differ a literal beats a parameter. The order in
//! which routes are written never matters. A trailing slash and empty segments do not count.

use super::host_name::{HOST_BYTES_MAX, HostPattern};
use super::path::{self, BadPath};
use super::pattern::{Pattern, PatternError, Segment};
use std::collections::HashMap;
use std::fmt;

/// All routes of a server. Routes are known by their index in the list it was made from.
#[derive(Debug, Default)]
pub struct RouteTable {
    patterns: Vec<Pattern>,
    hosts: HashMap<Box<str>, Node>,
    below: HashMap<Box<str>, Node>,
    anywhere: Node,
}

/// Why a list of routes makes no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// A pattern cannot be read.
    Pattern {
        /// Index of the route.
        route: usize,
        /// What is wrong.
        error: PatternError,
    },
    /// A host cannot be read.
    Host {
        /// Index of the route.
        route: usize,
        /// What is wrong.
        message: &'static str,
    },
    /// Two routes match exactly the same requests.
    Same {
        /// The earlier route: index and pattern.
        first: (usize, String),
        /// The later route: index and pattern.
        second: (usize, String),
        /// The host of both.
        host: Option<String>,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Pattern { error, .. } => error.fmt(f),
            RouteError::Host { message, .. } => f.write_str(message),
            RouteError::Same {
                first,
                second,
                host,
            } => {
                write!(
                    f,
                    "the routes `{}` and `{}` match the same requests",
                    first.1, second.1
                )?;
                match host {
                    Some(host) => write!(f, " of host `{host}`"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for RouteError {}

impl RouteTable {
    /// Makes the table from patterns and hosts, in the order of the manifest.
    pub fn new<'a>(
        routes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<RouteTable, RouteError> {
        let mut table = RouteTable::default();
        for (route, (pattern, host)) in routes.into_iter().enumerate() {
            let pattern =
                Pattern::parse(pattern).map_err(|error| RouteError::Pattern { route, error })?;
            let parsed = host
                .map(HostPattern::parse)
                .transpose()
                .map_err(|message| RouteError::Host { route, message })?;
            let tree = match parsed {
                None => &mut table.anywhere,
                Some(HostPattern::Exact(name)) => table.hosts.entry(name).or_default(),
                Some(HostPattern::Below(name)) => table.below.entry(name).or_default(),
            };
            if let Some(first) = tree.insert(&pattern, route) {
                return Err(RouteError::Same {
                    first: (first, table.patterns[first].text().to_owned()),
                    second: (route, pattern.text().to_owned()),
                    host: host.map(str::to_owned),
                });
            }
            table.patterns.push(pattern);
        }
        Ok(table)
    }

    /// The most specific route for a host (without port) and a raw path (without query).
    pub fn find<'t, 'p>(
        &'t self,
        host: Option<&str>,
        path: &'p str,
    ) -> Result<Option<Match<'t, 'p>>, BadPath> {
        path::check(path)?;
        let index = host
            .and_then(|host| self.find_at_host(host, path))
            .or_else(|| self.anywhere.find(path));
        Ok(index.map(|index| Match {
            index,
            pattern: &self.patterns[index],
            path,
        }))
    }

    fn find_at_host(&self, host: &str, path: &str) -> Option<usize> {
        if self.hosts.is_empty() && self.below.is_empty() {
            return None;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut buffer = [0; HOST_BYTES_MAX];
        let lower = buffer.get_mut(..host.len())?;
        lower.copy_from_slice(host.as_bytes());
        lower.make_ascii_lowercase();
        let mut name = std::str::from_utf8(lower).ok()?;
        if let Some(index) = self.hosts.get(name).and_then(|tree| tree.find(path)) {
            return Some(index);
        }
        while let Some((_, parent)) = name.split_once('.') {
            if let Some(index) = self.below.get(parent).and_then(|tree| tree.find(path)) {
                return Some(index);
            }
            name = parent;
        }
        None
    }

    /// The patterns, by index.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }
}

/// A route that was found, and what its pattern captured; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Match<'t, 'p> {
    /// The route's index in the list that the table was made from.
    pub index: usize,
    pattern: &'t Pattern,
    path: &'p str,
}

impl<'t, 'p> Match<'t, 'p> {
    /// The pattern as it was written: `/users/:id/...`.
    pub fn component_route(&self) -> &'t str {
        self.pattern.text()
    }

    /// The pattern without `/...`: `/users/:id`; empty for the route of everything.
    pub fn base(&self) -> &'t str {
        self.pattern.base()
    }

    /// What `/...` stands for, raw: empty, or with its leading slash. `None` without `/...`.
    pub fn trailing_wildcard(&self) -> Option<&'p str> {
        if !self.pattern.is_open() {
            return None;
        }
        let skip = |rest, _: &Segment| path::split_first(rest).map_or("", |(_, rest)| rest);
        Some(self.pattern.segments().iter().fold(self.path, skip))
    }

    /// Parameters and the raw segments that they stand for, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (&'t str, &'p str)> + use<'t, 'p> {
        let mut rest = self.path;
        self.pattern.segments().iter().filter_map(move |segment| {
            let (value, after) = path::split_first(rest)?;
            rest = after;
            match segment {
                Segment::Literal(_) => None,
                Segment::Parameter(name) => Some((&**name, value)),
            }
        })
    }
}

/// One place in the tree of segments.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by the literal.
    literals: Vec<(Box<[u8]>, Node)>,
    parameter: Option<Box<Node>>,
    /// The route that ends here.
    closed: Option<usize>,
    /// The route that ends here with `/...`.
    open: Option<usize>,
}

impl Node {
    /// Adds a route; returns the one that already stands in its place.
    fn insert(&mut self, pattern: &Pattern, route: usize) -> Option<usize> {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
                Segment::Literal(literal) => {
                    let at = match node
                        .literals
                        .binary_search_by(|(have, _)| have.cmp(literal))
                    {
                        Ok(at) => at,
                        Err(at) => {
                            node.literals.insert(at, (literal.clone(), Node::default()));
                            at
                        }
                    };
                    &mut node.literals[at].1
                }
            };
        }
        let place = if pattern.is_open() {
            &mut node.open
        } else {
            &mut node.closed
        };
        let before = *place;
        place.get_or_insert(route);
        before
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.find_closed(path)
            .or_else(|| self.find_open(path, 0).map(|(_, route)| route))
    }

    fn find_closed(&self, path: &str) -> Option<usize> {
        let Some((segment, rest)) = path::split_first(path) else {
            return self.closed;
        };
        self.below(segment).find_map(|node| node.find_closed(rest))
    }

    /// The deepest route with `/...`; among equally deep ones the first, literals coming first.
    fn find_open(&self, path: &str, depth: usize) -> Option<(usize, usize)> {
        let mut best = self.open.map(|route| (depth, route));
        if let Some((segment, rest)) = path::split_first(path) {
            for node in self.below(segment) {
                let found = node.find_open(rest, depth + 1);
                if found.map(|f| f.0) > best.map(|b| b.0) {
                    best = found;
                }
            }
        }
        best
    }

    fn below<'n>(&'n self, segment: &str) -> impl Iterator<Item = &'n Node> + use<'n> {
        let bytes = path::decode(segment);
        let at = self
            .literals
            .binary_search_by(|(have, _)| have.iter().copied().cmp(bytes.clone()));
        let literal = at.ok().map(|at| &self.literals[at].1);
        literal.into_iter().chain(self.parameter.as_deref())
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
