//! A component as Spin's users write one.
//!
//! /headers            the request's headers whose names begin with `spin-`, as JSON
//! /fetch?URL          sends a request there, and answers with what comes back
//! /file?PATH          the file
//! /write?PATH         tries to write it
//! /sdk/INTERFACE?…    calls an interface of Spin's: see `interfaces.rs`
//! else                the environment's `NAME`, and the path
mod interfaces;

use spin_sdk::http::{IntoResponse, Request, Response};
use spin_sdk::http_component;
use std::collections::BTreeMap;

#[http_component]
async fn answer(request: Request) -> anyhow::Result<impl IntoResponse> {
    let path = request
        .header("spin-path-info")
        .and_then(|value| value.as_str())
        .unwrap_or(request.path())
        .to_owned();
    let said = match &*path {
        "/headers" => headers(&request),
        "/fetch" => fetch(request.query()).await,
        "/file" => std::fs::read_to_string(request.query()).unwrap_or_else(|e| e.to_string()),
        "/write" => match std::fs::write(request.query(), "written") {
            Ok(()) => "written".into(),
            Err(error) => format!("{:?}", error.kind()),
        },
        path if let Some(name) = path.strip_prefix("/sdk/") => {
            let said = interfaces::call(name, request.query());
            said.unwrap_or_else(|| Err(anyhow::anyhow!("no such route")))
                .unwrap_or_else(|error| format!("{error:#}"))
        }
        path => {
            let name = std::env::var("NAME").unwrap_or_default();
            format!("{name} {path}")
        }
    };
    Ok(Response::builder()
        .status(200)
        .header("content-type", "text/plain")
        .body(said)
        .build())
}

fn headers(request: &Request) -> String {
    let own = request.headers().filter(|(name, _)| name.starts_with("spin-"));
    let text = own.map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    let text: BTreeMap<&str, &str> = text.collect();
    serde_json::to_string(&text).unwrap_or_default()
}

async fn fetch(url: &str) -> String {
    match spin_sdk::http::send::<_, Response>(Request::get(url).build()).await {
        Ok(answer) => {
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            format!("{} {body}", answer.status())
        }
        Err(error) => format!("{error}"),
    }
}
