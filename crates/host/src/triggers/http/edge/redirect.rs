//! `redirect`: requests that are sent elsewhere, and what `redirect` and `rewrite` have to obey.

use super::super::pattern::Pattern;
use super::super::route::Match;
use super::template::Template;
use crate::body::{self, Body};
use holm_manifest::{Problem, Value};
use http::header::LOCATION;
use http::{Response, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// The statuses of a redirect that a client follows.
const STATUSES: [i64; 5] = [301, 302, 303, 307, 308];

/// A redirect as the manifest writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectTable {
    /// Where to: a path, or `https://`, a host and a path. `:name` and `/...` stand for what the route
    /// matched.
    #[schemars(length(min = 1))]
    pub to: String,
    /// 301 and 308 are for ever, and browsers remember them; 302, 303 and 307 are for now. 307 and 308
    /// keep the method.
    #[serde(default = "for_now")]
    #[schemars(range(min = 301, max = 308))]
    pub status: u16,
}

fn for_now() -> u16 {
    307
}

/// The same, ready to be answered.
#[derive(Clone, Debug)]
pub struct Redirect(Arc<(Template, StatusCode)>);

impl Redirect {
    /// What a table says, which [`check`] has passed.
    pub fn new(table: &RedirectTable) -> Option<Self> {
        let to = Template::target(&table.to).ok()?;
        let status = StatusCode::from_u16(table.status).ok()?;
        Some(Redirect(Arc::new((to, status))))
    }

    /// The answer to a request that came by a route; none if there is no address that could be written.
    pub fn answer(&self, found: &Match<'_, '_>, uri: &Uri) -> Option<Response<Body>> {
        let (to, status) = &*self.0;
        let mut response = Response::new(body::empty());
        *response.status_mut() = *status;
        response
            .headers_mut()
            .insert(LOCATION, to.location(found, uri)?);
        Some(response)
    }
}

/// What is wrong with the `redirect` and the `rewrite` of a route's table.
pub(super) fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let route = value.get("route").and_then(Value::as_str);
    let route = route.and_then(|text| Pattern::parse(text).ok());
    let mut template = |at: Option<&Value>, read: fn(&str) -> Result<Template, String>| {
        let Some((at, text)) = at.and_then(|at| Some((at, at.as_str()?))) else {
            return;
        };
        match (read(text), &route) {
            (Err(what), _) => problems.push(Problem::error(what).at(at.span)),
            (Ok(template), Some(route)) => {
                if let Some(stray) = template.stray(route) {
                    let what = format!("the route has no `{stray}`");
                    let problem = Problem::error(what).at(at.span);
                    problems.push(
                        problem.help(format!("add it to the route, or write text for `{stray}`")),
                    );
                }
            }
            (Ok(_), None) => {}
        }
    };
    let redirect = value.get("redirect");
    template(redirect.and_then(|table| table.get("to")), Template::target);
    template(value.get("rewrite"), Template::path);
    if let Some(status) = redirect.and_then(|table| table.get("status"))
        && status.as_integer().is_some_and(|n| !STATUSES.contains(&n))
    {
        let problem = Problem::error("this status sends nobody elsewhere").at(status.span);
        problems.push(problem.help("301, 302, 303, 307 or 308"));
    }
    if let Some(rewrite) = value.get("rewrite")
        && value.get("component").is_none()
        && value.get("files").is_none()
    {
        let problem = Problem::error("nobody looks at the path that this makes");
        problems.push(
            problem
                .at(rewrite.span)
                .help("`rewrite` is for a component or files"),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(route: &str, key: &str, to: Value) -> Vec<String> {
        let value = Value::table(vec![("route", Value::from(route)), (key, to)]);
        check(&value).into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn what_is_checked() {
        let redirect = |to: &str, status: i64| {
            Value::table(vec![
                ("to", Value::from(to)),
                ("status", Value::from(status)),
            ])
        };
        let none: [&str; 0] = [];
        assert_eq!(
            problems("/a/...", "redirect", redirect("/b/...", 308)),
            none
        );
        assert_eq!(
            problems("/a/:id", "redirect", redirect("https://b/:name", 304)),
            [
                "the route has no `:name`",
                "this status sends nobody elsewhere"
            ]
        );
        assert_eq!(problems("/a", "redirect", redirect("b", 308)).len(), 1);
        assert_eq!(
            problems("/a", "rewrite", Value::from("https://b/")).len(),
            2,
            "a rewrite stays here, and needs somebody"
        );
    }
}
