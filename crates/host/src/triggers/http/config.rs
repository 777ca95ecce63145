//! `[[http]]` in the manifest.

use super::edge::{self, CorsTable, RateTable, RedirectTable};
use super::fixed::{self, Respond};
use super::host_name::HostPattern;
use super::metadata::Metadata;
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
    pub route: Option<String>,
    /// No client reaches it: the component is called by others of the app alone, by its name:
    /// `http://NAME.internal/`.
    #[serde(default)]
    pub private: bool,
    /// Only requests for this host: `example.com`, or `*.example.com` for all names below it.
    pub host: Option<String>,
    /// The component that answers.
    pub component: Option<String>,
    /// The folder whose files are the answers, beside the manifest.
    pub files: Option<PathBuf>,
    /// The answer itself: `{ status = 200, headers = {}, body = "" }`.
    pub respond: Option<Respond>,
    /// Where requests are sent instead: `{ to = "/new/...", status = 308 }`.
    pub redirect: Option<RedirectTable>,
    /// The path that the component or the folder is asked for: `/v2/...`. `:name` and `/...` stand for what
    /// the route matched.
    #[schemars(length(min = 1))]
    pub rewrite: Option<String>,
    /// Headers that tell the component about its request: `edge` for its client and its connection, `spin`
    /// for those that Spin's guests read.
    pub metadata: Option<Metadata>,
    /// Whether answers are compressed for clients that take them so.
    #[serde(default)]
    pub compress: bool,
    /// How often one client may ask: `{ requests = 100, per = "1 min" }`.
    pub rate_limit: Option<RateTable>,
    /// Which other sites' pages may read the answers: `{ origins = ["https://app.example.com"] }`.
    pub cors: Option<CorsTable>,
    /// The component is a program, which finds the request in its environment and standard input and
    /// prints the answer: CGI, and WAGI.
    #[serde(default)]
    pub cgi: bool,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "http",
        doc: "Requests that a component, a folder of files, or a fixed answer is for.",
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
    if let Some(respond) = value.get("respond") {
        problems.extend(fixed::check(respond));
    }
    problems.extend(edge::check(value));
    problems.extend(check_private(value));
    problems.extend(check_cgi(value));
    problems.extend(check_answer(value));
    problems
}

/// That it has a route, or is for the app's own components alone.
fn check_private(value: &Value) -> Option<Problem> {
    let private = value.get("private").and_then(Value::as_bool) == Some(true);
    if !private {
        let missing = value.get("route").is_none();
        return missing.then(|| {
            Problem::error("missing key `route`")
                .at(value.span)
                .label("`route` is required here")
                .help("add a line: route = \"/...\"")
        });
    }
    let odd = [
        "route",
        "host",
        "files",
        "respond",
        "redirect",
        "rewrite",
        "compress",
        "rate_limit",
        "cors",
    ];
    let (key, found) = odd.iter().find_map(|key| Some((key, value.get(key)?)))?;
    Some(
        Problem::error(format!("a private route has no `{key}`"))
            .at(found.span)
            .label("no request is matched with it")
            .help("remove it, or `private`"),
    )
}

/// That it is a program which answers by CGI, and finds its headers in its environment.
fn check_cgi(value: &Value) -> Option<Problem> {
    let cgi = value.get("cgi").filter(|cgi| cgi.as_bool() == Some(true))?;
    if value.get("component").is_none() {
        let problem = Problem::error("only a component answers by CGI").at(cgi.span);
        return Some(problem.help("remove it, or add component = \"NAME\""));
    }
    let metadata = value.get("metadata")?;
    Some(
        Problem::error("`metadata` is for components that handle HTTP")
            .at(metadata.span)
            .label("a program finds the same in its environment")
            .help("remove it"),
    )
}

/// That one thing answers.
fn check_answer(value: &Value) -> Option<Problem> {
    let answers = ["component", "files", "respond", "redirect"];
    let mut found = answers.iter().filter_map(|key| value.get(key));
    match (found.next(), found.next()) {
        (None, _) => Some(
            Problem::error("nothing answers this route")
                .at(value.span)
                .help(
                    "add component = \"NAME\", files = \"FOLDER\", or respond = { body = \"…\" }",
                ),
        ),
        (Some(_), Some(second)) => Some(
            Problem::error("a route has either a component, files, an answer or a redirect")
                .at(second.span)
                .label("and this")
                .help("remove one of the two, or give it a route of its own"),
        ),
        _ => None,
    }
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
                "a route has either a component, files, an answer or a redirect"
            ]
        );
    }

    #[test]
    fn a_program_behind_a_route() {
        let cgi = |entries: &[(&str, &str)]| {
            let entries = entries
                .iter()
                .map(|(key, value)| (*key, Value::from(*value)));
            let all = entries.chain([("cgi", Value::from(true))]).collect();
            let problems = check(&Value::table(all)).into_iter();
            problems.map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert_eq!(cgi(&[("route", "/"), ("component", "a")]), [""; 0]);
        assert_eq!(
            cgi(&[("route", "/"), ("files", "a")]),
            ["only a component answers by CGI"]
        );
        assert_eq!(
            cgi(&[("route", "/"), ("component", "a"), ("metadata", "spin")]),
            ["`metadata` is for components that handle HTTP"]
        );
    }

    #[test]
    fn a_private_route_is_a_components() {
        let private = |entries: &[(&str, &str)]| {
            let entries = entries
                .iter()
                .map(|(key, value)| (*key, Value::from(*value)));
            let all = entries.chain([("private", Value::from(true))]).collect();
            let problems = check(&Value::table(all)).into_iter();
            problems.map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert_eq!(private(&[("component", "a")]), [""; 0]);
        assert_eq!(private(&[]), ["nothing answers this route"]);
        assert_eq!(
            private(&[("component", "a"), ("route", "/")]),
            ["a private route has no `route`"]
        );
        assert_eq!(problems(&[("component", "a")]), ["missing key `route`"]);
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
