//! The page that calls functions by hand: one file, which loads nothing but `openapi.json`.

use crate::body::{self, Body};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Response};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

const PAGE: &str = include_str!("page.html");

/// The page.
pub(super) fn page() -> Response<Body> {
    static POLICY: LazyLock<String> = LazyLock::new(policy);
    let mut response = Response::new(body::full(PAGE));
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, html);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(policy) = HeaderValue::try_from(&**POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The page's own script and style by their hashes, requests to where it came from, and nothing
/// else: whatever stands in a component's docs, no browser runs it.
fn policy() -> String {
    let hash = |tag: &str| {
        let text = between(PAGE, &format!("<{tag}>"), &format!("</{tag}>"));
        STANDARD.encode(Sha256::digest(text.unwrap_or_default()))
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_loads_nothing_from_elsewhere() {
        for word in ["http:", "https:", "//cdn", "@import", "innerHTML", "eval("] {
            assert!(!PAGE.contains(word), "{word}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(between(PAGE, "<script>", "</script>").is_some());
        assert!(between(PAGE, "<style>", "</style>").is_some());
    }
}
