//! `[[call]]` in the manifest.

use crate::functions::pattern;
use crate::triggers::http::host_name::HostPattern;
use crate::triggers::http::pattern::{Pattern, Segment};
use holm_manifest::{Fragment, Problem, Value};
use schemars::JsonSchema;
use serde::Deserialize;

/// One `[[call]]` table: which functions of a component are called with JSON, and where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallRoute {
    /// The path below which the functions are: `/api/...` has them at
    /// `/api/INTERFACE/FUNCTION`, and those that belong to no interface at `/api/FUNCTION`.
    #[schemars(length(min = 1))]
    pub route: String,
    /// Only requests for this host: `example.com`, or `*.example.com` for all names below it.
    pub host: Option<String>,
    /// The component whose functions they are.
    pub component: String,
    /// Which of its functions: `example:payments/processor.charge` is one of an interface,
    /// `example:payments/processor.*` all of it, `greet` one that the component exports itself, `*`
    /// all of them but those of WASI's interfaces. What is not listed is not there.
    #[schemars(length(min = 1))]
    pub functions: Vec<String>,
    /// Describe them by OpenAPI, at `openapi.json` below the route.
    #[serde(default = "yes")]
    pub openapi: bool,
    /// Show a page to try them, at the route itself; it reads `openapi.json`.
    #[serde(default = "yes")]
    pub page: bool,
}

fn yes() -> bool {
    true
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "call",
        doc: "Functions of a component that are called with JSON over HTTP.",
        example: "[[call]]\nroute = \"/api/...\"\ncomponent = \"payments\"\n\
                  functions = [\"example:payments/processor.*\"]\n",
        schema: schemars::schema_for!(CallRoute),
        check,
    }
}

/// What the schema cannot say: that route, host and patterns can be read.
fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(route) = value.get("route")
        && let Some(text) = route.as_str()
    {
        problems.extend(check_route(text).map(|p| p.at(route.span).label("this route")));
    }
    if let Some(host) = value.get("host")
        && let Some(text) = host.as_str()
        && let Err(message) = HostPattern::parse(text)
    {
        let example = "host = \"example.com\" or host = \"*.example.com\"";
        let problem = Problem::error(message).at(host.span);
        problems.push(problem.label("this host").help(example));
    }
    if let Some(functions) = value.get("functions") {
        problems.extend(pattern::check(functions));
    }
    let is = |key: &str| value.get(key).and_then(Value::as_bool);
    if let (Some(openapi), Some(false)) = (value.get("openapi"), is("openapi"))
        && is("page") != Some(false)
    {
        let problem = Problem::error("the page reads what OpenAPI says").at(openapi.span);
        let problem = problem.label("without this there is no page");
        problems.push(problem.help("add page = false, or leave openapi out"));
    }
    problems
}

fn check_route(text: &str) -> Option<Problem> {
    let pattern = match Pattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let problem = Problem::error(error.message);
            return Some(match error.help {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
    };
    if !pattern.is_open() {
        let problem = Problem::error("functions are below a route, and this one ends");
        return Some(problem.help("end it with /...: route = \"/api/...\""));
    }
    let parameter = |segment: &Segment| matches!(segment, Segment::Parameter(_));
    pattern.segments().iter().any(parameter).then(|| {
        Problem::error("a route of functions has no parameters")
            .help("write it out: route = \"/api/...\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(entries: Vec<(&str, Value)>) -> Vec<String> {
        let mut entries = entries;
        entries.push(("component", Value::from("a")));
        let value = Value::table(entries);
        assert!(value.parse::<CallRoute>().is_ok());
        check(&value).into_iter().map(|p| p.message).collect()
    }

    fn functions(patterns: &[&str]) -> Value {
        Value::array(patterns.iter().map(|p| Value::from(*p)).collect())
    }

    #[test]
    fn what_is_checked() {
        let good = vec![
            ("route", Value::from("/api/...")),
            ("functions", functions(&["*", "a:b/c.*", "a:b/c@1.0.0.d"])),
        ];
        assert_eq!(problems(good), [""; 0]);
        let bad = vec![
            ("route", Value::from("/api")),
            ("host", Value::from("a:80")),
            ("functions", functions(&["a/b"])),
            ("openapi", Value::bool(false)),
        ];
        assert_eq!(
            problems(bad),
            [
                "functions are below a route, and this one ends",
                "a host is written without a port",
                "this names no function",
                "the page reads what OpenAPI says",
            ]
        );
        let bad = vec![
            ("route", Value::from("/:id/...")),
            ("functions", functions(&["*"])),
        ];
        assert_eq!(problems(bad), ["a route of functions has no parameters"]);
    }

    #[test]
    fn nothing_is_there_that_is_not_listed() {
        let none = Value::table(vec![
            ("route", Value::from("/...")),
            ("component", Value::from("a")),
        ]);
        assert!(none.parse::<CallRoute>().is_err());
    }
}
