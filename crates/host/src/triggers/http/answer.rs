//! Which answer a client gets when no guest and no file gives one. The only place that picks a
//! status: one `match`, and texts that say nothing about what is inside. The request's id finds
//! the rest in the log.

use super::request_id::RequestId;
use crate::body::{self, Body};
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Why a request gets no answer of a guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request can be read in two ways, or in none: path, host.
    BadRequest,
    /// No route matches.
    NoRoute,
    /// The route's folder has no such file.
    NoFile,
    /// A route of files was asked for something other than GET or HEAD.
    Method,
    /// No such function, or none that is listed.
    NoFunction,
    /// The function takes or gives what HTTP cannot hold.
    NotCallable,
    /// A function was asked for by something other than POST, or its description by something other
    /// than GET or HEAD.
    CallMethod {
        /// What it is asked for by.
        allow: &'static str,
    },
    /// A function of this machine's alone was asked for by the name of another host.
    Host,
    /// Arguments of another type than JSON, or of none where a web page may have sent them.
    MediaType,
    /// Arguments that do not fit the function.
    Arguments,
    /// The function answered with the error of its own type.
    Err,
    /// The request's body is larger than the component takes.
    TooLarge,
    /// The client has asked too often.
    TooMany {
        /// When to come again.
        retry_after_seconds: u32,
    },
    /// As many requests as may be are being answered.
    Busy {
        /// When to come again.
        retry_after_seconds: u32,
    },
    /// The app takes no requests at the moment.
    Drained {
        /// When to come again.
        retry_after_seconds: u32,
    },
    /// The guest trapped, exited, or hit a limit that is not about time.
    Guest,
    /// The guest took too much time, of the clock or of the processor.
    GuestTime,
    /// The guest answered with an error, with nothing, or with what is not HTTP.
    GuestAnswer,
    /// The guest failed over something that it was not granted.
    Denied,
    /// The app is set up wrongly.
    Yours,
    /// A bug of ours.
    Ours,
}

/// A status, the word for programs, and the words for people.
struct Outside(StatusCode, &'static str, &'static str);

impl Fault {
    fn outside(self) -> Outside {
        use StatusCode as S;
        match self {
            Fault::BadRequest => {
                Outside(S::BAD_REQUEST, "bad_request", "The request is malformed.")
            }
            Fault::NoRoute => Outside(
                S::NOT_FOUND,
                "no_route",
                "Nothing is served at this address.",
            ),
            Fault::NoFile => Outside(
                S::NOT_FOUND,
                "no_file",
                "Nothing is served at this address.",
            ),
            Fault::Method | Fault::CallMethod { .. } => Outside(
                S::METHOD_NOT_ALLOWED,
                "method",
                "This method is not answered here.",
            ),
            Fault::NoFunction => Outside(S::NOT_FOUND, "no_function", "There is no such function."),
            Fault::NotCallable => Outside(
                S::NOT_IMPLEMENTED,
                "not_callable",
                "This function cannot be called over HTTP.",
            ),
            Fault::Host => Outside(
                S::MISDIRECTED_REQUEST,
                "host",
                "These functions are not called by this host's name.",
            ),
            Fault::MediaType => Outside(
                S::UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "The arguments are of a media type that is not taken here.",
            ),
            Fault::Arguments => Outside(
                S::BAD_REQUEST,
                "arguments",
                "The arguments do not fit the function.",
            ),
            Fault::Err => Outside(
                S::UNPROCESSABLE_ENTITY,
                "err",
                "The function answered with an error.",
            ),
            Fault::TooLarge => Outside(
                S::PAYLOAD_TOO_LARGE,
                "too_large",
                "The body of the request is too large.",
            ),
            Fault::TooMany { .. } => Outside(
                S::TOO_MANY_REQUESTS,
                "too_many",
                "You have sent too many requests.",
            ),
            Fault::Busy { .. } => Outside(
                S::SERVICE_UNAVAILABLE,
                "busy",
                "Too many requests at the moment.",
            ),
            Fault::Drained { .. } => Outside(
                S::SERVICE_UNAVAILABLE,
                "drained",
                "The application takes no requests at the moment.",
            ),
            Fault::GuestTime => Outside(
                S::GATEWAY_TIMEOUT,
                "too_slow",
                "The application took too long.",
            ),
            Fault::GuestAnswer => Outside(
                S::BAD_GATEWAY,
                "no_answer",
                "The application gave no valid answer.",
            ),
            // What a guest was refused is nobody's business outside.
            Fault::Guest | Fault::Denied => Outside(
                S::INTERNAL_SERVER_ERROR,
                "failed",
                "The application failed.",
            ),
            Fault::Yours | Fault::Ours => Outside(
                S::INTERNAL_SERVER_ERROR,
                "server",
                "The server cannot answer this request.",
            ),
        }
    }

    /// The status that a client sees.
    pub fn status(self) -> StatusCode {
        self.outside().0
    }
}

/// How the types of problems begin; the fault's word for programs follows.
pub(crate) const TYPES: &str = "urn:holm:problem:";

/// An answer by RFC 9457.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    said: &'a Said,
}

/// What a client of a function is told beside the fault: of its own arguments, and what the function
/// said. Nothing of what is inside.
#[derive(Debug, Default, Serialize)]
pub struct Said {
    /// What is wrong, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where in the arguments: `order.items[3].price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The value of the function's own error type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<serde_json::Value>,
}

/// The answer to a request that met a fault.
pub fn answer(fault: Fault, id: RequestId, asked: &HeaderMap) -> Response<Body> {
    if wants_json(asked) {
        return problem(fault, id, &Said::default());
    }
    let Outside(status, _, title) = fault.outside();
    let text = format!("{title}\n{id}\n");
    response(fault, id, status, "text/plain; charset=utf-8", text)
}

/// The same for whoever called a function, which is always JSON.
pub fn problem(fault: Fault, id: RequestId, said: &Said) -> Response<Body> {
    let Outside(status, code, title) = fault.outside();
    let details = ProblemDetails {
        r#type: &format!("{TYPES}{code}"),
        title,
        status: status.as_u16(),
        code,
        request_id: &id.to_string(),
        said,
    };
    let text = serde_json::to_string(&details).unwrap_or_default();
    response(fault, id, status, "application/problem+json", text)
}

fn response(
    fault: Fault,
    id: RequestId,
    status: StatusCode,
    content_type: &'static str,
    text: String,
) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    match fault {
        Fault::TooMany {
            retry_after_seconds,
        }
        | Fault::Busy {
            retry_after_seconds,
        }
        | Fault::Drained {
            retry_after_seconds,
        } => {
            headers.insert(RETRY_AFTER, retry_after_seconds.into());
        }
        Fault::Method => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        Fault::CallMethod { allow } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        _ => {}
    }
    response
}

/// Whether JSON is asked for by name; `*/*` is what every tool sends.
fn wants_json(asked: &HeaderMap) -> bool {
    let names = |part: &str| {
        let name = part.split(';').next().unwrap_or_default().trim();
        let json = ["application/json", "application/problem+json"];
        json.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let values = asked
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::time::SystemTime;

    fn read(fault: Fault, accept: &str) -> (Response<()>, String, RequestId) {
        let id = RequestId::new(SystemTime::now());
        let mut asked = HeaderMap::new();
        asked.insert(ACCEPT, accept.parse().unwrap());
        let (parts, body) = answer(fault, id, &asked).into_parts();
        let bytes = futures::executor::block_on(body.collect())
            .unwrap()
            .to_bytes();
        (
            Response::from_parts(parts, ()),
            String::from_utf8(bytes.to_vec()).unwrap(),
            id,
        )
    }

    #[test]
    fn each_fault_its_answer() {
        for (fault, status, code) in [
            (Fault::BadRequest, 400, "bad_request"),
            (Fault::NoRoute, 404, "no_route"),
            (Fault::NoFile, 404, "no_file"),
            (Fault::Method, 405, "method"),
            (Fault::NoFunction, 404, "no_function"),
            (Fault::NotCallable, 501, "not_callable"),
            (Fault::CallMethod { allow: "POST" }, 405, "method"),
            (Fault::Host, 421, "host"),
            (Fault::MediaType, 415, "media_type"),
            (Fault::Arguments, 400, "arguments"),
            (Fault::Err, 422, "err"),
            (Fault::TooLarge, 413, "too_large"),
            (
                Fault::TooMany {
                    retry_after_seconds: 9,
                },
                429,
                "too_many",
            ),
            (
                Fault::Busy {
                    retry_after_seconds: 1,
                },
                503,
                "busy",
            ),
            (
                Fault::Drained {
                    retry_after_seconds: 5,
                },
                503,
                "drained",
            ),
            (Fault::Guest, 500, "failed"),
            (Fault::GuestTime, 504, "too_slow"),
            (Fault::GuestAnswer, 502, "no_answer"),
            (Fault::Denied, 500, "failed"),
            (Fault::Yours, 500, "server"),
            (Fault::Ours, 500, "server"),
        ] {
            let (response, text, id) = read(fault, "text/html, application/json;q=0.9");
            assert_eq!(response.status(), status, "{fault:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["status"], status);
            assert_eq!(json["code"], code);
            assert_eq!(json["type"], format!("urn:holm:problem:{code}"));
            assert_eq!(json["request_id"], id.to_string());
            assert_eq!(response.headers()["x-request-id"], id.to_string());
            let wait = [429, 503].contains(&status);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), wait);
            assert_eq!(response.headers().contains_key(ALLOW), status == 405);
        }
    }

    #[test]
    fn a_type_has_one_title() {
        let both = [Fault::Method, Fault::CallMethod { allow: "POST" }].map(|f| f.outside().2);
        assert_eq!(both[0], both[1]);
        let both = [Fault::Guest, Fault::Denied].map(|f| f.outside().2);
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn text_where_nobody_asks_for_json() {
        let (response, text, id) = read(Fault::Guest, "*/*");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert_eq!(text, format!("The application failed.\n{id}\n"));
    }
}
