//! What the admin API answers: JSON, also where it refuses.

use bytes::Bytes;
use holm_manifest::Problems;
use holm_runtime::{Error, Kind};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

/// An answer of the admin API.
pub type Answer = Response<Full<Bytes>>;

/// How wide the text of problems is.
const COLUMNS: usize = 100;

/// An answer with a value.
pub fn value(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    text_of(status, "application/json", text)
}

/// An answer of text.
pub fn text_of(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Why a call is refused.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    message: String,
    help: Vec<String>,
    problems: Option<Box<Problems>>,
    allow: Option<&'static str>,
}

impl Refusal {
    /// With a status and a line that says why.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal {
            status,
            message: message.into(),
            help: Vec::new(),
            problems: None,
            allow: None,
        }
    }

    /// With a line that says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Of a method, where others would do.
    pub fn method(allow: &'static str) -> Self {
        Refusal {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("only {allow} is answered here"),
            )
        }
    }

    /// The answer that says so.
    pub fn answer(self) -> Answer {
        let mut said = json!({ "error": self.message });
        if !self.help.is_empty() {
            said["help"] = self.help.into();
        }
        if let Some(problems) = self.problems {
            said["text"] = problems.render(false, COLUMNS).into();
            said["problems"] = problems.to_json();
        }
        let mut answer = value(self.status, &said);
        let headers = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

/// A version that cannot be served.
impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Refusal {
            problems: Some(Box::new(problems)),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the app cannot be served")
        }
    }
}

/// An app that is in another's way, or a fault of ours.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind {
            Kind::Ours => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::CONFLICT,
        };
        let refusal = Self::new(status, error.to_string());
        error.help.into_iter().fold(refusal, Self::help)
    }
}

/// Something that the file system refused.
pub fn not_written(error: &std::io::Error) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("the app cannot be kept: {error}"),
    )
}

/// An app that is not there.
pub fn no_such_app(name: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no app `{name}`")).help("holm apps list")
}

/// For `?` where a value is wanted.
pub fn done(said: Value) -> Result<Answer, Refusal> {
    Ok(value(StatusCode::OK, &said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_manifest::{Problem, Source, Span};
    use http_body_util::BodyExt as _;

    fn read(refusal: Refusal) -> (u16, Value) {
        let answer = refusal.answer();
        let status = answer.status().as_u16();
        let body = futures::executor::block_on(answer.into_body().collect()).unwrap();
        (status, serde_json::from_slice(&body.to_bytes()).unwrap())
    }

    #[test]
    fn problems_are_told_as_check_tells_them() {
        let source = Source::new("holm.toml", "name = \"x\"\nnmae = 1\n");
        let problems = Problem::error("unknown key `nmae`")
            .at(Span::new(11, 15))
            .in_source(&source);
        let text = problems.render(false, 100);
        let (status, said) = read(problems.into());
        assert_eq!(status, 422);
        assert_eq!(said["text"], text);
        assert_eq!(said["problems"][0]["line"], 2);
    }

    #[test]
    fn others_say_what_to_do() {
        let (status, said) = read(Error::yours("in the way").help("go around").into());
        assert_eq!((status, &said["help"][0]), (409, &"go around".into()));
        assert_eq!(said["error"], "in the way");
        let answer = Refusal::new(StatusCode::UNAUTHORIZED, "who?").answer();
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(Refusal::method("GET").answer().headers()[ALLOW], "GET");
    }
}
