//! The same world a year before: configuration by another name, a log without a version, and secrets,
//! which the crate leaves to bindings of one's own.
//!
//! /config?KEY   the value
//! /secret?KEY   the secret, looked up and revealed
//! /set?KEY      writes the key's own name under it, and reads it
use std::io::Write as _;
use wasmcloud_component::wasi::config::runtime;
use wasmcloud_component::wasi::exports::http::incoming_handler::Guest;
use wasmcloud_component::wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasmcloud_component::wasi::keyvalue::store;
use wasmcloud_component::{error, info};

mod secrets {
    wit_bindgen::generate!({
        path: "../../../wit/wasmcloud-secrets@0.1.0-draft",
        world: "imports",
        generate_all,
    });
}
use secrets::wasmcloud::secrets::reveal::reveal;
use secrets::wasmcloud::secrets::store::{SecretValue, get};

struct Older;

wasmcloud_component::wasi::http::proxy::export!(Older with_types_in wasmcloud_component::wasi);

impl Guest for Older {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, key) = target.split_once('?').unwrap_or((&target, ""));
        info!("asked for {path}");
        let said = match path {
            "/config" => runtime::get(key).map_err(|e| format!("{e:?}")).map(|v| format!("{v:?}")),
            "/secret" => secret(key),
            "/set" => set(key),
            _ => Err("no such route".to_owned()),
        };
        if let Err(why) = &said {
            error!("{why}");
        }
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(if said.is_ok() { 200 } else { 500 }).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().unwrap();
        let text = said.unwrap_or_else(|error| error);
        stream.write_all(text.as_bytes()).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn secret(key: &str) -> Result<String, String> {
    let secret = get(key).map_err(|e| format!("{e:?}"))?;
    match reveal(&secret) {
        SecretValue::String(value) => Ok(value),
        SecretValue::Bytes(bytes) => Ok(format!("{bytes:?}")),
    }
}

fn set(key: &str) -> Result<String, String> {
    let bucket = store::open("default").map_err(|e| format!("{e:?}"))?;
    bucket.set(key, key.as_bytes()).map_err(|e| format!("{e:?}"))?;
    let value = bucket.get(key).map_err(|e| format!("{e:?}"))?;
    Ok(String::from_utf8_lossy(&value.unwrap_or_default()).into_owned())
}
