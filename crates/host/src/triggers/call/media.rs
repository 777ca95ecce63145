//! How arguments are sent and results are given: as JSON, or as a stream of their own. And who sends
//! them: no web page of another site may.

use crate::functions::Function;
use holm_runtime::values::Type;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use std::net::IpAddr;

pub(super) const JSON: &str = "application/json";
/// Bytes as they are.
pub(super) const BYTES: &str = "application/octet-stream";
/// Other items: JSON, a line for each.
pub(super) const LINES: &str = "application/x-ndjson";

/// How the arguments are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of them as JSON, or nothing where there are none.
    Json,
    /// The last of them as the body, the others in the query.
    Stream,
}

impl Sent {
    /// What a request says; none where it may not be taken. A web page elsewhere cannot send one of
    /// these types without asking first, and we never agree; what it can send is a body without a
    /// type, which we take of programs alone.
    pub fn of(headers: &HeaderMap, function: &Function) -> Option<Sent> {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            let none = function.signature.params.is_empty() && !of_page(headers);
            return none.then_some(Sent::Json);
        };
        let name = value.to_str().ok()?.split(';').next()?.trim();
        if name.eq_ignore_ascii_case(JSON) {
            return Some(Sent::Json);
        }
        let item = function.streams.input.as_ref()?;
        name.eq_ignore_ascii_case(of_stream(item))
            .then_some(Sent::Stream)
    }
}

/// Whether a web page sends it: browsers say where it is from.
fn of_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// The type of a stream's body.
pub(super) fn of_stream(item: &Type) -> &'static str {
    match item {
        Type::U8 => BYTES,
        _ => LINES,
    }
}

/// Whether the result is wanted as it is made: it can be, and nobody asks for JSON by name.
pub(super) fn takes_stream(headers: &HeaderMap, function: &Function) -> bool {
    let Some(item) = &function.streams.output else {
        return false;
    };
    let values = headers.get_all(ACCEPT).iter();
    let ranges = values.filter_map(|value| value.to_str().ok());
    let name = |range: &str| {
        let name = range.split(';').next().unwrap_or_default();
        name.trim().to_ascii_lowercase()
    };
    let names: Vec<String> = ranges.flat_map(|v| v.split(',')).map(name).collect();
    let named = |kind: &str| names.iter().any(|name| name == kind);
    named(of_stream(item)) || !named(JSON)
}

/// Whether a host's name is this machine's for itself.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Streams;
    use holm_runtime::values::{FunctionKind, Param, Signature};
    use std::sync::Arc;

    fn function(params: Vec<Type>, output: Option<Type>) -> Function {
        let params = params.into_iter().map(|ty| Param {
            name: "p".into(),
            ty,
        });
        let signature = Signature {
            interface: None,
            function: "f".into(),
            kind: FunctionKind::Free,
            params: params.collect(),
            result: output.map(|item| Type::Stream(Some(Arc::new(item)))),
            is_async: true,
            docs: None,
            position: 0,
        };
        Function {
            streams: Streams::of(&signature),
            about: None,
            signature,
        }
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn no_page_elsewhere_calls_a_function() {
        let [nothing, number] = [vec![], vec![Type::U32]].map(|p| function(p, None));
        let bytes = function(vec![Type::Stream(Some(Arc::new(Type::U8)))], None);
        fn sent(function: &Function, all: &[(&'static str, &'static str)]) -> Option<Sent> {
            Sent::of(&headers(all), function)
        }
        assert_eq!(sent(&nothing, &[]), Some(Sent::Json));
        assert_eq!(sent(&number, &[]), None);
        assert_eq!(sent(&nothing, &[("origin", "https://evil.example")]), None);
        assert_eq!(sent(&nothing, &[("origin", "null")]), None);
        assert_eq!(sent(&nothing, &[("sec-fetch-site", "cross-site")]), None);
        for kind in [
            "text/plain",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(sent(&nothing, &[("content-type", kind)]), None, "{kind}");
        }
        let json = ("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(sent(&number, &[json]), Some(Sent::Json));
        assert_eq!(
            sent(&nothing, &[json, ("origin", "null")]),
            Some(Sent::Json)
        );
        let octets = ("content-type", BYTES);
        assert_eq!(sent(&bytes, &[octets]), Some(Sent::Stream));
        assert_eq!(sent(&number, &[octets]), None);
        let words = function(vec![Type::Stream(Some(Arc::new(Type::String)))], None);
        let lines = ("content-type", LINES);
        assert_eq!(sent(&words, &[lines]), Some(Sent::Stream));
        assert_eq!(sent(&words, &[octets]), None);
        assert_eq!(sent(&bytes, &[lines]), None);
    }

    #[test]
    fn a_result_streams_unless_json_is_asked_for() {
        let [numbers, bytes] = [Type::U32, Type::U8].map(|item| function(vec![], Some(item)));
        let takes =
            |function: &Function, accept| takes_stream(&headers(&[("accept", accept)]), function);
        assert!(takes_stream(&HeaderMap::new(), &bytes));
        assert!(takes(&bytes, "*/*"));
        assert!(takes(
            &numbers,
            "application/json, application/x-ndjson;q=0.5"
        ));
        assert!(!takes(&numbers, "application/json, */*"));
        assert!(!takes(&bytes, "Application/JSON"));
        assert!(!takes_stream(&HeaderMap::new(), &function(vec![], None)));
    }

    #[test]
    fn names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
