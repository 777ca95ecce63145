//! Whose pages may read what, and what a preflight is answered.

use super::*;

fn table(origins: &[&str]) -> CorsTable {
    CorsTable {
        origins: origins.iter().map(|o| (*o).to_owned()).collect(),
        methods: simple_methods(),
        headers: content_type(),
        expose: vec!["x-total".into()],
        credentials: false,
        max_age: ten_minutes(),
    }
}

fn from(origin: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, origin.parse().unwrap());
    headers
}

#[test]
fn whose_pages() {
    let cors = Cors::new(&table(&[
        "https://app.example.com",
        "https://*.example.org",
        "http://localhost:8080",
        "https://late.example:443",
    ]))
    .unwrap();
    for origin in [
        "https://app.example.com",
        "https://a.example.org",
        "https://a.b.example.org",
        "http://localhost:8080",
        "https://late.example",
    ] {
        let shared = cors.share(&from(origin));
        assert_eq!(shared.origin.unwrap(), origin);
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://example.org",
        "https://.example.org",
        "https://evilexample.org",
        "http://localhost",
        "null",
        "",
        "https://[::1",
    ] {
        assert!(cors.share(&from(origin)).origin.is_none(), "{origin}");
    }
    let mut twice = from("https://app.example.com");
    twice.append(ORIGIN, "https://evil.example".parse().unwrap());
    assert!(cors.share(&twice).origin.is_none());
}

#[test]
fn a_preflight_has_its_answer() {
    let ask = |cors: &Cors, origin: &str, method: Method| {
        let request = Request::builder()
            .method(method)
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "PUT")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "x-a,x-b")
            .body(())
            .unwrap();
        cors.preflight(&request)
    };
    let mut written = table(&["https://a.example"]);
    written.credentials = true;
    let cors = Cors::new(&written).unwrap();
    assert!(ask(&cors, "https://a.example", Method::GET).is_none());
    let answer = ask(&cors, "https://a.example", Method::OPTIONS).unwrap();
    assert_eq!(answer.status(), 204);
    let headers = answer.headers();
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, POST");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "content-type");
    assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "600");
    assert_eq!(headers[VARY], "origin");
    assert!(!headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
    let other = ask(&cors, "https://b.example", Method::OPTIONS).unwrap();
    assert_eq!(other.headers().keys().collect::<Vec<_>>(), [VARY]);

    let mut written = table(&["*"]);
    written.headers = vec!["*".into()];
    let cors = Cors::new(&written).unwrap();
    let answer = ask(&cors, "https://b.example", Method::OPTIONS).unwrap();
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-a,x-b");
}

#[test]
fn what_the_component_said_does_not_count() {
    let cors = Cors::new(&table(&["https://a.example"])).unwrap();
    let answered = |origin: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".parse().unwrap());
        cors.share(&from(origin)).onto(&mut headers);
        headers
    };
    let headers = answered("https://a.example");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "x-total");
    assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let headers = answered("https://b.example");
    assert_eq!(headers.keys().collect::<Vec<_>>(), [VARY]);
}

#[test]
fn what_is_refused() {
    let mut any = table(&["*"]);
    any.credentials = true;
    assert_eq!(Cors::new(&any).unwrap_err().0, "origins");
    for origin in [
        "a.example",
        "https://a.example/x",
        "https://",
        "https://a:0",
        "://a",
        "https://*",
    ] {
        assert_eq!(
            Cors::new(&table(&[origin])).unwrap_err().0,
            "origins",
            "{origin}"
        );
    }
    let mut odd = table(&["https://a.example"]);
    odd.methods = vec!["GE T".into()];
    assert_eq!(Cors::new(&odd).unwrap_err().0, "methods");
    odd.methods = vec![];
    odd.expose = vec!["a b".into()];
    assert_eq!(Cors::new(&odd).unwrap_err().0, "expose");
}

#[test]
fn an_origin_covers_itself_and_nothing_is_read_twice() {
    let words = ["https://", "http://", "*.", ":80", ":", "[::1]", "a.b", "/"];
    crate::fuzz::text("cors-origin", &words, |text| {
        let Ok(pattern) = OriginPattern::parse(text) else {
            return;
        };
        if let HostPattern::Exact(host) = &pattern.host {
            let (scheme, port) = (&pattern.scheme, &pattern.port);
            assert!(
                pattern.covers(&format!("{scheme}://{host}{port}")),
                "{text}"
            );
        }
        assert!(!pattern.covers("https://evil.example.com:1"));
    });
}
