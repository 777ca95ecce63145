//! `respond`: an answer that is written into the manifest, and needs no guest.

use crate::body::{self, Body};
use bytes::Bytes;
use holm_manifest::{Problem, Value};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An answer as the manifest writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Respond {
    /// Its status.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Default for Respond {
    fn default() -> Self {
        Respond {
            status: 200,
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }
}

/// The same, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed(Arc<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Fixed {
    /// Makes it ready; a header that is none is left out, because [`check`] has told of it.
    pub fn new(respond: &Respond) -> Self {
        let header = |(name, value): (&String, &String)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        Fixed(Arc::new(Inner {
            status: StatusCode::from_u16(respond.status).unwrap_or_default(),
            headers: respond.headers.iter().filter_map(header).collect(),
            body: respond.body.clone().into(),
        }))
    }

    /// The answer.
    pub fn answer(&self) -> Response<Body> {
        let Inner {
            status,
            headers,
            body,
        } = &*self.0;
        let mut response = Response::new(body::full(body.clone()));
        *response.status_mut() = *status;
        *response.headers_mut() = headers.clone();
        response
    }
}

/// What the schema cannot say of it.
pub(super) fn check(respond: &Value) -> Vec<Problem> {
    let headers = respond.get("headers").and_then(Value::as_table);
    let mut problems = Vec::new();
    for (name, value) in headers.into_iter().flat_map(holm_manifest::Table::iter) {
        if HeaderName::try_from(&name.name).is_err() {
            let what = format!("`{}` is no name of a header", name.name.escape_debug());
            problems.push(Problem::error(what).at(name.span).label("this name"));
        }
        if value
            .as_str()
            .is_some_and(|value| HeaderValue::try_from(value).is_err())
        {
            let what = "the value of a header has a character that is none of its own";
            problems.push(Problem::error(what).at(value.span).label("this value"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[test]
    fn what_is_written_is_answered() {
        let value = Value::table(vec![
            ("status", Value::from(301)),
            (
                "headers",
                Value::table(vec![("Location", Value::from("/new"))]),
            ),
            ("body", Value::from("moved")),
        ]);
        assert_eq!(check(&value), []);
        let fixed = Fixed::new(&value.parse().unwrap());
        for _ in 0..2 {
            let (parts, body) = fixed.answer().into_parts();
            assert_eq!(
                (parts.status, &parts.headers["location"]),
                (
                    StatusCode::MOVED_PERMANENTLY,
                    &HeaderValue::from_static("/new")
                )
            );
            let body = futures::executor::block_on(body.collect()).unwrap();
            assert_eq!(body.to_bytes(), "moved");
        }
    }

    #[test]
    fn headers_are_headers() {
        let value = Value::table(vec![(
            "headers",
            Value::table(vec![("a b", Value::from("x")), ("c", Value::from("\n"))]),
        )]);
        assert_eq!(check(&value).len(), 2);
    }
}
