//! Which functions of a component may be called from outside: what is not listed is not there.

use holm_manifest::{Problem, Value};
use holm_runtime::values::{Signature, Signatures, Surface, callable};
use std::fmt;

/// The package whose interfaces `*` leaves out: they are for hosts, and must be named.
const OF_HOSTS: &str = "wasi:";

/// A pattern of functions: `*`, `greet`, `example:payments/processor.*`,
/// `example:payments/processor.charge`; an interface with or without its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// All, but those of WASI's interfaces.
    All,
    /// All of one interface.
    Interface(Box<str>),
    /// One, by its whole name.
    One(Box<str>),
}

/// Why a pattern cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPattern;

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this names no function")
    }
}

impl std::error::Error for BadPattern {}

impl BadPattern {
    /// What to write.
    pub const HELP: &str = "write \"INTERFACE.FUNCTION\", \"INTERFACE.*\", \"FUNCTION\" or \"*\"; \
                            an interface is written in full: example:payments/processor";
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, BadPattern> {
        if text == "*" {
            return Ok(Pattern::All);
        }
        if let Some(interface) = text.strip_suffix(".*") {
            return match is_interface(interface) {
                true => Ok(Pattern::Interface(interface.into())),
                false => Err(BadPattern),
            };
        }
        // A function of a resource has a dot in its name: `cart.open`.
        let good = match text.split_once('/') {
            None => text.split('.').all(is_name),
            Some((package, rest)) => is_package(package) && is_function_of(rest),
        };
        match good {
            true => Ok(Pattern::One(text.into())),
            false => Err(BadPattern),
        }
    }

    /// Whether it means a function; `interface` is the full name, with its version where it has one.
    pub fn matches(&self, interface: Option<&str>, function: &str) -> bool {
        match (self, interface) {
            (Pattern::All, Some(interface)) => !interface.starts_with(OF_HOSTS),
            (Pattern::All, None) => true,
            (Pattern::Interface(wanted), Some(interface)) => is_of(interface, wanted),
            (Pattern::Interface(_), None) => false,
            (Pattern::One(name), None) => **name == *function,
            (Pattern::One(name), Some(interface)) => {
                let wanted = name
                    .strip_suffix(function)
                    .and_then(|w| w.strip_suffix('.'));
                wanted.is_some_and(|wanted| is_of(interface, wanted))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::All => f.write_str("*"),
            Pattern::Interface(interface) => write!(f, "{interface}.*"),
            Pattern::One(name) => f.write_str(name),
        }
    }
}

/// Whether an exported interface is the one that somebody named; who names no version means any.
pub fn is_of(exported: &str, named: &str) -> bool {
    exported == named
        || exported
            .strip_prefix(named)
            .is_some_and(|rest| rest.starts_with('@'))
}

/// A WIT identifier, or nearly: what no export is called matches nothing.
fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(good)
}

/// `namespace:package`.
fn is_package(text: &str) -> bool {
    let parts = text.split_once(':');
    parts.is_some_and(|(namespace, package)| is_name(namespace) && is_name(package))
}

/// `interface.function`, with or without `@version` between the two.
fn is_function_of(rest: &str) -> bool {
    match rest.split_once('@') {
        None => rest.contains('.') && rest.split('.').all(is_name),
        Some((interface, rest)) => {
            let function = rest.rsplit_once('.');
            is_name(interface) && function.is_some_and(|(v, f)| is_version(v) && is_name(f))
        }
    }
}

/// `namespace:package/interface`, with or without `@version`.
fn is_interface(text: &str) -> bool {
    let (name, version) = text.split_once('@').unwrap_or((text, "0"));
    let parts = name.split_once('/');
    parts.is_some_and(|(package, interface)| is_package(package) && is_name(interface))
        && is_version(version)
}

fn is_version(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-.+".contains(c);
    !text.is_empty() && text.chars().all(good)
}

/// The patterns of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Vec<Pattern>);

impl Selection {
    /// Everything that `*` means.
    pub fn all() -> Selection {
        Selection(vec![Pattern::All])
    }

    /// Reads patterns, or gives the first that cannot be read.
    pub fn parse<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Selection, (&'a str, BadPattern)> {
        let read = |text: &'a str| Pattern::parse(text).map_err(|bad| (text, bad));
        patterns
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Selection)
    }

    /// Each of them.
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Whether a function is among them.
    pub fn has(&self, interface: Option<&str>, function: &str) -> bool {
        self.0.iter().any(|p| p.matches(interface, function))
    }

    /// Whether a function is one that a pattern means alone.
    pub fn names(&self, interface: Option<&str>, function: &str) -> bool {
        let alone = self.0.iter().filter(|p| matches!(p, Pattern::One(_)));
        alone.into_iter().any(|p| p.matches(interface, function))
    }

    /// What is wrong with the patterns for a component: those that mean nothing of it, and functions
    /// that are named and cannot be called. `written` is the list that they were read from.
    pub fn check(&self, of: &Signatures, component: &str, written: &Value) -> Vec<Problem> {
        let items = written.as_array().unwrap_or_default();
        let mut problems = Vec::new();
        for (index, pattern) in self.0.iter().enumerate() {
            let at = items.get(index).map_or(written.span, |item| item.span);
            let mut meant = of
                .exports
                .iter()
                .filter(|s| pattern.matches(s.interface.as_deref(), &s.local_name()));
            let problem = match (pattern, meant.next()) {
                (_, None) => Some(none(pattern, of, component)),
                (Pattern::One(name), Some(one)) => {
                    let reason = callable::check(one, Surface::ONE_CALL).err();
                    reason.map(|why| {
                        Problem::error(format!("`{name}` cannot be called from here: {why}"))
                    })
                }
                _ => None,
            };
            problems.extend(problem.map(|p| p.at(at).label("this pattern")));
        }
        problems
    }
}

fn none(pattern: &Pattern, of: &Signatures, component: &str) -> Problem {
    let problem = Problem::error(format!(
        "component `{component}` has no function that `{pattern}` means"
    ));
    let names: Vec<String> = of.exports.iter().map(Signature::name).collect();
    let near = holm_manifest::nearest(&pattern.to_string(), names.iter().map(String::as_str));
    match (near, names.as_slice()) {
        (Some(near), _) => problem.help(format!("did you mean \"{near}\"?")),
        (None, []) => problem.help("it exports no functions"),
        (None, names) => problem.help(format!("it exports {}", names.join(", "))),
    }
}

/// What is wrong with the patterns of a manifest's `functions`, each at its place.
pub fn check(functions: &Value) -> Vec<Problem> {
    let items = functions.as_array().unwrap_or_default();
    let wrong = items.iter().filter_map(|item| {
        let bad = Pattern::parse(item.as_str()?).err()?;
        let problem = Problem::error(bad.to_string()).at(item.span);
        Some(problem.label("this pattern").help(BadPattern::HELP))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_means() {
        let functions = [
            (None, "greet"),
            (Some("a:b/c"), "one"),
            (Some("a:b/c@1.2.0"), "one"),
            (Some("a:b/cd"), "one"),
            (Some("wasi:cli/run@0.2.3"), "run"),
            (Some("a:b/e@0.1.0"), "cart.open"),
        ];
        let means = |text: &str| -> Vec<usize> {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            let all = functions.iter().enumerate();
            all.filter(|(_, (i, f))| pattern.matches(*i, f))
                .map(|(index, _)| index)
                .collect()
        };
        assert_eq!(means("*"), [0, 1, 2, 3, 5]);
        assert_eq!(means("greet"), [0]);
        assert_eq!(means("one"), [0; 0]);
        assert_eq!(means("a:b/c.*"), [1, 2]);
        assert_eq!(means("a:b/c@1.2.0.*"), [2]);
        assert_eq!(means("a:b/c@1.2.0.one"), [2]);
        assert_eq!(means("a:b/c.two"), [0; 0]);
        assert_eq!(means("wasi:cli/run.run"), [4]);
        assert_eq!(means("a:b/e.cart.open"), [5]);
        assert_eq!(means("a:b/e@0.1.0.cart.open"), [5]);
    }

    #[test]
    fn what_names_no_function() {
        for text in [
            "", ".", ".*", "a.*", "a..b", "a:b/c", "a:b/c.", "a:b/.x", "a/c.x", "a:b/c@.x", "a b",
            "a:b/c.x*", "**",
        ] {
            assert_eq!(Pattern::parse(text), Err(BadPattern), "{text}");
        }
    }

    #[test]
    fn whatever_the_text_it_is_read_or_refused() {
        let words = ["*", "a:b/c", "@1.0.0", ".", "one", "-", "é"];
        crate::fuzz::text("functions", &words, |text| {
            if let Ok(pattern) = Pattern::parse(text) {
                assert_eq!(pattern.to_string(), text);
            }
        });
    }
}
