//! `[[http]]` in the manifest.

use super::host_name::HostPattern;
use super::pattern::Pattern;
use holm_manifest::{Fragment, Problem, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// One `[[http]]` table: which requests, and what answers them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRoute {
    /// The path: `/a/b` is itself, `/users/:id` has any one segment in the place of `:id`,
    /// `/api/...` is `/api` and everything below it, `/...` is everything. The most specific
    /// route answers, whatever the order.
    #[schemars(length(min = 1))]
    pub route: String,
    /// Only requests for this host: `example.com`, or `*.example.com` for all names below it.
    pub host: Option<String>,
    /// The component that answers.
    pub component: Option<String>,
    /// The folder whose files are the answers, beside the manifest.
    pub files: Option<PathBuf>,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "http",
        doc: "Requests that a component, or a folder of files, answers.",
        example: "[[http]]\nroute = \"/api/...\"\ncomponent = \"api\"\n\n\
                  [[http]]\nroute = \"/...\"\nfiles = \"public\"\n",
        schema: schemars::schema_for!(HttpRoute),
        check,
    }
}

/// What the schema cannot say: that pattern and host can be read, and that one thing answers.
fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(route) = value.get("route")
        && let Some(text) = route.as_str()
        && let Err(error) = Pattern::parse(text)
    {
        let problem = Problem::error(error.message)
            .at(route.span)
            .label("this route");
        problems.push(match error.help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    if let Some(host) = value.get("host")
        && let Some(text) = host.as_str()
        && let Err(message) = HostPattern::parse(text)
    {
        let example = "host = \"example.com\" or host = \"*.example.com\"";
        problems.push(
            Problem::error(message)
                .at(host.span)
                .label("this host")
                .help(example),
        );
    }
    match (value.get("component"), value.get("files")) {
        (Some(_), Some(files)) => problems.push(
            Problem::error("a route has either a component or files")
                .at(files.span)
                .label("and this")
                .help("remove one of the two, or give the files a route of their own"),
        ),
        (None, None) => problems.push(
            Problem::error("nothing answers this route")
                .at(value.span)
                .help("add component = \"NAME\", or files = \"FOLDER\""),
        ),
        _ => {}
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(entries: &[(&str, &str)]) -> Vec<String> {
        let entries = entries
            .iter()
            .map(|(key, value)| (*key, Value::from(*value)))
            .collect();
        let value = Value::table(entries);
        assert!(value.parse::<HttpRoute>().is_ok());
        check(&value)
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }

    #[test]
    fn what_is_checked() {
        assert_eq!(
            problems(&[("route", "/a/..."), ("component", "a")]),
            [""; 0]
        );
        assert_eq!(
            problems(&[("route", "/"), ("host", "*.a.b"), ("files", "a")]),
            [""; 0]
        );
        assert_eq!(problems(&[("route", "/")]), ["nothing answers this route"]);
        assert_eq!(
            problems(&[
                ("route", "a"),
                ("host", "a:80"),
                ("component", "a"),
                ("files", "b")
            ]),
            [
                "a route begins with a slash",
                "a host is written without a port",
                "a route has either a component or files"
            ]
        );
    }

    #[test]
    fn the_example_is_one() {
        let fragment = fragment();
        assert!(fragment.example.contains("route = \"/api/...\""));
        let unknown = Value::table(vec![
            ("route", Value::from("/")),
            ("rout", Value::from("/")),
        ]);
        assert!(unknown.parse::<HttpRoute>().is_err());
    }
}
