//! Spin's interfaces of 2023 and before: its routes are the calls, and the answer is what they say.
//!
//! /kv/OP?store=…&key=…&value=…       fermyon:spin/key-value@2.0.0: open, get, set, delete, exists, keys
//! /old/OP?store=…&key=…&value=…      the same without a version
//! /variable?name=…, /old-variable?name=…
use std::io::Write;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

mod v2 {
    wit_bindgen::generate!({
        inline: "
            package holm:spin-lab;
            world lab {
                import fermyon:spin/key-value@2.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        path: "../../../wit/fermyon-spin@2.0.0",
        world: "holm:spin-lab/lab",
        generate_all,
    });
}
mod old {
    wit_bindgen::generate!({
        inline: "
            package holm:spin-old;
            world lab {
                import fermyon:spin/key-value;
                import fermyon:spin/config;
            }
        ",
        path: "../../../wit/fermyon-spin",
        world: "holm:spin-old/lab",
        generate_all,
    });
}
use old::fermyon::spin::{config, key_value as old_kv};
use v2::fermyon::spin::{key_value, variables};

struct Lab;
wasip2::http::proxy::export!(Lab);

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut values = pairs.filter(|(key, _)| *key == name);
            values.next().map_or("", |(_, value)| value).to_owned()
        };
        let said = match path.rsplit_once('/') {
            Some(("/kv", operation)) => kv(operation, query).map_err(|e| format!("{e:?}")),
            Some(("/old", operation)) => old(operation, query).map_err(|e| format!("{e:?}")),
            Some(("", "variable")) => variables::get(&query("name")).map_err(|e| format!("{e:?}")),
            Some(("", "old-variable")) => {
                config::get_config(&query("name")).map_err(|e| format!("{e:?}"))
            }
            _ => Err("no such route".to_owned()),
        };
        let response = OutgoingResponse::new(Fields::new());
        response
            .set_status_code(if said.is_ok() { 200 } else { 500 })
            .unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let text = said.unwrap_or_else(|error| error);
        let mut stream = body.write().unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn kv(operation: &str, query: impl Fn(&str) -> String) -> Result<String, key_value::Error> {
    let store = key_value::Store::open(&query("store"))?;
    let (key, value) = (query("key"), query("value"));
    Ok(match operation {
        "get" => format!("{:?}", store.get(&key)?.map(text)),
        "set" => format!("{:?}", store.set(&key, value.as_bytes())?),
        "delete" => format!("{:?}", store.delete(&key)?),
        "exists" => format!("{:?}", store.exists(&key)?),
        "keys" => format!("{:?}", store.get_keys()?),
        _ => "open".to_owned(),
    })
}

fn old(operation: &str, query: impl Fn(&str) -> String) -> Result<String, old_kv::Error> {
    let store = old_kv::open(&query("store"))?;
    let (key, value) = (query("key"), query("value"));
    let said = match operation {
        "get" => format!("{:?}", text(old_kv::get(store, &key)?)),
        "set" => format!("{:?}", old_kv::set(store, &key, value.as_bytes())?),
        "delete" => format!("{:?}", old_kv::delete(store, &key)?),
        "exists" => format!("{:?}", old_kv::exists(store, &key)?),
        "keys" => format!("{:?}", old_kv::get_keys(store)?),
        _ => "open".to_owned(),
    };
    old_kv::close(store);
    match operation {
        "closed" => old_kv::exists(store, &key).map(|_| said),
        _ => Ok(said),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
