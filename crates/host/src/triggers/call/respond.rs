//! What a function gave, as a response.

use super::media;
use crate::body::{self, Body};
use crate::functions::{Answer, Returned};
use crate::triggers::http::access_log::AccessRecord;
use crate::triggers::http::answer::{Fault, Said, problem};
use crate::triggers::http::timing::{SERVER_TIMING, server_timing};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;

/// What is there as a whole.
pub(super) fn whole(returned: Returned, record: &AccessRecord, timing: bool) -> Response<Body> {
    let mut response = match (returned.json, returned.is_err) {
        (json, true) => {
            let error = json.and_then(|json| serde_json::from_str(&json).ok());
            let said = Said {
                error,
                ..Said::default()
            };
            problem(Fault::Err, record.id(), &said)
        }
        (Some(text), false) => json(StatusCode::OK, text),
        (None, false) => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if timing {
        headers.append(SERVER_TIMING.clone(), server_timing(&returned.receipt));
    }
    response
}

/// What is sent as it is made.
pub(super) fn streamed(answer: Answer) -> Response<Body> {
    let kind = media::of_stream(&answer.item);
    let mut response = Response::new(answer.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
