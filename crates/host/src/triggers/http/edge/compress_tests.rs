//! What is compressed, how, and what is left as it is.

use super::*;
use async_compression::tokio::write::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use futures::executor::block_on;
use futures::stream;
use http_body_util::StreamBody;

fn wanted(text: &str) -> Option<Coding> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, text.parse().unwrap());
    Coding::wanted(&headers)
}

#[test]
fn what_a_client_wants() {
    for (text, coding) in [
        ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
        ("gzip, br", Some(Coding::Brotli)),
        ("GZIP", Some(Coding::Gzip)),
        ("x-gzip", Some(Coding::Gzip)),
        ("br;q=0.5, gzip;q=0.9", Some(Coding::Gzip)),
        ("*", Some(Coding::Zstd)),
        ("*, zstd;q=0", Some(Coding::Brotli)),
        ("gzip;q=0", None),
        ("gzip;q=0.1, identity", None),
        ("gzip; q=0.1, identity;q=0", Some(Coding::Gzip)),
        ("deflate", None),
        ("gzip;q=x", None),
        ("", None),
    ] {
        assert_eq!(wanted(text), coding, "{text}");
    }
    assert_eq!(Coding::wanted(&HeaderMap::new()), None);
}

#[test]
fn whatever_a_client_writes_is_read() {
    let words = ["gzip", "br", "zstd", "*", ";q=", "0.5", ",", "identity"];
    crate::fuzz::text("accept-encoding", &words, |text| {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value);
            let _ = Coding::wanted(&headers);
        }
    });
}

fn text(kind: &'static str, frames: Vec<Frame<Bytes>>) -> Response<Body> {
    let frames = stream::iter(frames.into_iter().map(Ok::<_, BoxError>));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn data(bytes: &'static [u8]) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(bytes))
}

fn plain(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    macro_rules! read {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(Vec::new());
            block_on(async {
                decoder.write_all(bytes).await.unwrap();
                decoder.flush().await.unwrap();
            });
            decoder.get_ref().clone()
        }};
    }
    match coding {
        Coding::Zstd => read!(ZstdDecoder),
        Coding::Brotli => read!(BrotliDecoder),
        Coding::Gzip => read!(GzipDecoder),
    }
}

#[test]
fn what_went_in_comes_out_again() {
    for coding in Coding::ALL {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", HeaderValue::from_static("1"));
        let frames = vec![
            data(&[b'a'; 100_000]),
            data(b""),
            data(b"end"),
            Frame::trailers(trailers.clone()),
        ];
        let mut response = text("text/plain; charset=utf-8", frames);
        response
            .headers_mut()
            .insert(ETAG, HeaderValue::from_static("\"x\""));
        let response = Compressor::default().answer(response, Some(coding), false);
        assert_eq!(response.headers()[CONTENT_ENCODING], coding.name());
        assert_eq!(response.headers()[VARY], "accept-encoding");
        assert_eq!(response.headers()[ETAG], "W/\"x\"");
        let collected = block_on(response.into_body().collect()).unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        let bytes = collected.to_bytes();
        assert!(bytes.len() < 1000, "{coding:?}: {}", bytes.len());
        let back = plain(coding, &bytes);
        assert!(
            back.len() == 100_003 && back.ends_with(b"aend"),
            "{coding:?}"
        );
    }
}

#[test]
fn an_event_is_not_held_up() {
    for coding in Coding::ALL {
        let (mut events, receiver) = futures::channel::mpsc::unbounded();
        let mut response = text("text/event-stream", Vec::new());
        *response.body_mut() = StreamBody::new(receiver).boxed_unsync();
        let mut body = Compressor::default()
            .answer(response, Some(coding), false)
            .into_body();
        let mut seen = Vec::new();
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            let frame = Frame::data(Bytes::from_static(event.as_bytes()));
            events.start_send(Ok::<_, BoxError>(frame)).unwrap();
            // The next one has not come, and may never.
            let frame = block_on(body.frame()).unwrap().unwrap();
            seen.extend_from_slice(frame.data_ref().unwrap());
            assert!(
                plain(coding, &seen).ends_with(event.as_bytes()),
                "{coding:?}"
            );
        }
        drop(events);
        assert!(block_on(body.collect()).is_ok());
    }
}

#[test]
fn an_end_before_the_end_stays_one() {
    let frames = stream::iter([Ok(data(b"half")), Err(BoxError::from("cut"))]);
    let mut response = text("text/plain", Vec::new());
    *response.body_mut() = StreamBody::new(frames).boxed_unsync();
    let body = Compressor::default().answer(response, Some(Coding::Gzip), false);
    assert!(block_on(body.into_body().collect()).is_err());
}

#[test]
fn what_is_left_as_it_is() {
    let big = || text("text/html", vec![data(&[b'a'; 5000])]);
    let header = |name: http::HeaderName, value: &'static str| {
        let mut response = big();
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        response
    };
    let mut part = big();
    *part.status_mut() = StatusCode::PARTIAL_CONTENT;
    for (what, response) in [
        ("compressed already", header(CONTENT_ENCODING, "gzip")),
        (
            "not to be touched",
            header(CACHE_CONTROL, "public, No-Transform"),
        ),
        ("small", header(CONTENT_LENGTH, "1023")),
        ("an image", text("image/png", vec![data(&[b'a'; 5000])])),
        ("of no type", header(CONTENT_TYPE, "")),
        ("a part", part),
    ] {
        let response = Compressor::default().answer(response, Some(Coding::Gzip), false);
        assert!(!response.headers().contains_key(VARY), "{what}");
        assert_ne!(
            response.headers().get(CONTENT_ENCODING).is_some(),
            what != "compressed already",
            "{what}"
        );
    }
    // Who does not want it gets it as it is, and caches are told that others may.
    let response = Compressor::default().answer(big(), None, false);
    assert_eq!(response.headers()[VARY], "accept-encoding");
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
    let small = Compressor::default().answer(
        text("text/plain", Vec::new()).map(|_| crate::body::full("tiny")),
        Some(Coding::Gzip),
        false,
    );
    assert!(!small.headers().contains_key(CONTENT_ENCODING));
}

#[test]
fn no_more_than_so_many_at_once() {
    let compressor = Compressor::default();
    let ask = || {
        compressor.answer(
            text("text/css", vec![data(b"a")]),
            Some(Coding::Gzip),
            false,
        )
    };
    let held: Vec<_> = (0..AT_ONCE_MAX).map(|_| ask()).collect();
    assert!(
        held.iter()
            .all(|r| r.headers().contains_key(CONTENT_ENCODING))
    );
    assert!(!ask().headers().contains_key(CONTENT_ENCODING));
    drop(held);
    assert!(ask().headers().contains_key(CONTENT_ENCODING));
}
