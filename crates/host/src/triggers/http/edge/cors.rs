//! `cors`: which other sites' pages may read the answers. The host answers preflights itself.

use super::super::host_name::HostPattern;
use crate::body::{self, Body};
use holm_manifest::{Problem, Time, Value};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// What is said in place of a list: everything.
const ANY: &str = "*";

/// `cors` as the manifest writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsTable {
    /// Whose pages: `https://app.example.com`, `https://*.example.org` for all names below it, or `*`.
    #[schemars(length(min = 1))]
    pub origins: Vec<String>,
    /// The methods that they may use.
    #[serde(default = "simple_methods")]
    pub methods: Vec<String>,
    /// The request headers that they may set beside the harmless ones; `*` is all.
    #[serde(default = "content_type")]
    pub headers: Vec<String>,
    /// The response headers that they may read beside the harmless ones.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether their requests may carry cookies and the like.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser remembers a preflight.
    #[serde(default = "ten_minutes")]
    pub max_age: Time,
}

fn simple_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).into()
}

fn content_type() -> Vec<String> {
    vec!["content-type".into()]
}

fn ten_minutes() -> Time {
    Time(Duration::from_secs(600))
}

/// The same, ready to be asked.
#[derive(Clone, Debug)]
pub struct Cors {
    /// None is every origin.
    origins: Option<Box<[OriginPattern]>>,
    methods: HeaderValue,
    /// None is whatever is asked for.
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

/// What an answer carries for the page that asked.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Whose page; none may not read it.
    origin: Option<HeaderValue>,
    /// It may differ for another origin.
    varies: bool,
    credentials: bool,
    expose: Option<HeaderValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct OriginPattern {
    /// `https://` and the like.
    scheme: Box<str>,
    host: HostPattern,
    /// `:8080`, or nothing.
    port: Box<str>,
}

impl OriginPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let text = text.escape_debug();
            return Err(format!("an origin has a scheme: https://{text}"));
        };
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            return Err("an origin begins with a scheme, as https://".into());
        }
        let (host, port) = apart(rest);
        let digits = port.strip_prefix(':').unwrap_or_default();
        if !port.is_empty() && digits.parse::<u16>().map_or(true, |port| port == 0) {
            return Err("an origin is a scheme, a host and a port, and no path".into());
        }
        let scheme = scheme.to_ascii_lowercase();
        let usual = match &*scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        Ok(OriginPattern {
            scheme: scheme.into(),
            host: HostPattern::parse(host)?,
            // Browsers leave the usual one out.
            port: if port == usual { "" } else { port }.into(),
        })
    }

    /// Whether it is this one, as a browser writes it.
    fn covers(&self, origin: &str) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else {
            return false;
        };
        let (host, port) = apart(rest);
        let below = |name: &str| {
            let end = host.len().checked_sub(name.len());
            let split = end.and_then(|end| Some((host.get(..end)?, host.get(end..)?)));
            split.is_some_and(|(front, end)| {
                front.len() > 1 && front.ends_with('.') && end.eq_ignore_ascii_case(name)
            })
        };
        let is_host = match &self.host {
            HostPattern::Exact(name) => host.eq_ignore_ascii_case(name),
            HostPattern::Below(name) => below(name),
        };
        is_host && port == &*self.port && scheme.eq_ignore_ascii_case(&self.scheme)
    }
}

/// Host and port, the colon with the port.
fn apart(rest: &str) -> (&str, &str) {
    let end = rest.rfind(']').map_or(0, |end| end + 1);
    let at = rest[end..].find(':').map_or(rest.len(), |at| end + at);
    rest.split_at(at)
}

impl Cors {
    /// What a table says.
    ///
    /// # Errors
    /// What is wrong with it, and under which key.
    pub fn new(table: &CorsTable) -> Result<Self, (&'static str, String)> {
        let any = table.origins.iter().any(|origin| origin == ANY);
        if any && table.credentials {
            let what = "every site could act for your users: with `credentials`, name the origins";
            return Err(("origins", what.into()));
        }
        let origins = table.origins.iter().map(|text| OriginPattern::parse(text));
        let origins = match any {
            true => None,
            false => Some(
                origins
                    .collect::<Result<_, _>>()
                    .map_err(|e| ("origins", e))?,
            ),
        };
        for method in &table.methods {
            if Method::from_bytes(method.as_bytes()).is_err() {
                let what = format!("`{}` is no method", method.escape_debug());
                return Err(("methods", what));
            }
        }
        let names = |key, names: &[String]| {
            for name in names.iter().filter(|name| *name != ANY) {
                if HeaderName::try_from(name).is_err() {
                    let what = format!("`{}` is no name of a header", name.escape_debug());
                    return Err((key, what));
                }
            }
            Ok(list(names))
        };
        let all_headers = table.headers.iter().any(|name| name == ANY);
        let headers = names("headers", &table.headers)?;
        Ok(Cors {
            origins,
            methods: list(&table.methods),
            headers: (!all_headers).then_some(headers),
            expose: match &*table.expose {
                [] => None,
                some => Some(names("expose", some)?),
            },
            credentials: table.credentials,
            max_age: HeaderValue::from(table.max_age.0.as_secs()),
        })
    }

    /// The answer to a preflight; none where the request is something else.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS
            || !headers.contains_key(ORIGIN)
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let shared = self.share(headers);
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let out = response.headers_mut();
        if shared.origin.is_some() {
            if !self.methods.is_empty() {
                out.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            }
            let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
            match (&self.headers, asked) {
                (Some(listed), _) if !listed.is_empty() => {
                    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, listed.clone());
                }
                (None, Some(asked)) => {
                    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
                _ => {}
            }
            out.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        if self.headers.is_none() {
            out.append(
                VARY,
                HeaderValue::from_static("access-control-request-headers"),
            );
        }
        shared.onto(out);
        // They are read of answers, not of preflights.
        out.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        Some(response)
    }

    /// What the answer to such a request carries.
    pub fn share(&self, headers: &HeaderMap) -> Shared {
        let mut all = headers.get_all(ORIGIN).iter();
        let asked = all.next().filter(|_| all.next().is_none());
        let origin = match (&self.origins, asked) {
            (_, None) => None,
            (None, Some(_)) => Some(HeaderValue::from_static(ANY)),
            (Some(origins), Some(asked)) => {
                let text = asked.to_str().unwrap_or_default();
                let granted = origins.iter().any(|origin| origin.covers(text));
                granted.then(|| asked.clone())
            }
        };
        Shared {
            credentials: self.credentials && origin.is_some(),
            expose: self.expose.clone().filter(|_| origin.is_some()),
            origin,
            varies: self.origins.is_some(),
        }
    }
}

impl Shared {
    /// Writes it onto an answer, in the place of what the component said of it.
    pub fn onto(&self, headers: &mut HeaderMap) {
        let yes = || HeaderValue::from_static("true");
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone()),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials.then(yes)),
            (ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone()),
        ] {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// Values of one header; those that are none were told of.
fn list(items: &[String]) -> HeaderValue {
    HeaderValue::try_from(items.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// What the schema cannot say of it.
pub fn check(value: &Value) -> Option<Problem> {
    let table: CorsTable = value.parse().ok()?;
    let (key, what) = Cors::new(&table).err()?;
    let span = value.get(key).unwrap_or(value).span;
    Some(Problem::error(what).at(span))
}

#[cfg(test)]
#[path = "cors_tests.rs"]
mod tests;
