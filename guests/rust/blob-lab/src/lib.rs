//! A WASI 0.2 HTTP component that keeps objects through `wasi:blobstore`. `c` is the container, `name`
//! the object.
//!
//! `PUT /object`: the request's body, written as it comes; `late`: all of it before it is said where to;
//! `unfinished`: nobody finishes it. `GET /object`: `from` and `to` of it, streamed; `whole`: in one piece.
//! `/op/…`: one operation each; the answer is `{"ok": …}` or `{"error": "…"}`.
#[path = "../../http-lab/src/reply.rs"]
#[allow(dead_code)]
mod reply;

use reply::{Query, Reply};
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use wasip2::http::types::{Fields, IncomingRequest, Method, ResponseOutparam};

wit_bindgen::generate!({
    path: "../../../wit/wasi-blobstore@0.2.0-draft",
    world: "wasi:blobstore/imports",
    with: {
        "wasi:io/error@0.2.2": wasip2::io::error,
        "wasi:io/poll@0.2.2": wasip2::io::poll,
        "wasi:io/streams@0.2.2": wasip2::io::streams,
    },
    generate_all,
});

use wasi::blobstore::blobstore;
use wasi::blobstore::container::Container;
use wasi::blobstore::types::{IncomingValue, ObjectId, OutgoingValue};

struct Lab;
wasip2::http::proxy::export!(Lab);

type Answer = Result<Json, String>;

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query::parse(query);
        let reply = Reply::new(out);
        let answer = match (path, request.method()) {
            ("/object", Method::Put | Method::Post) => put(request, &query),
            ("/object", _) => match get(&query) {
                Ok(value) => return send(value, &query, reply),
                Err(error) => Err(error),
            },
            (path, _) => match path.strip_prefix("/op/") {
                Some(operation) => run(operation, &query),
                None => Err("no such route".to_owned()),
            },
        };
        let answer = match answer {
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": error}),
        };
        reply.json(200, &answer);
    }
}

fn of<'a>(query: &'a Query, name: &str) -> &'a str {
    query.get(name).unwrap_or_default()
}

fn container(query: &Query) -> Result<Container, String> {
    blobstore::get_container(of(query, "c"))
}

fn put(request: IncomingRequest, query: &Query) -> Answer {
    let container = container(query)?;
    let value = OutgoingValue::new_outgoing_value();
    let mut to = value.outgoing_value_write_body().map_err(|()| "taken")?;
    let late = query.get("late").is_some();
    if !late {
        container.write_data(of(query, "name"), &value)?;
    }
    let body = request.consume().unwrap();
    let mut from = body.stream().unwrap();
    // Memory for one piece, however long the body is.
    let mut piece = vec![0; 64 << 10];
    let mut bytes = 0;
    let failed = loop {
        match Read::read(&mut from, &mut piece) {
            Ok(0) => break None,
            Ok(n) => match Write::write_all(&mut to, &piece[..n]) {
                Ok(()) => bytes += n,
                Err(error) => break Some(error.to_string()),
            },
            // What is not whole is not finished.
            Err(error) => return Err(error.to_string()),
        }
    };
    drop(to);
    if late {
        container.write_data(of(query, "name"), &value)?;
    }
    if query.get("unfinished").is_some() {
        return Ok(Json::Null);
    }
    match (OutgoingValue::finish(value), failed) {
        (Err(error), _) => Err(error),
        (Ok(()), Some(error)) => Err(format!("stream: {error}")),
        (Ok(()), None) => Ok(json!(bytes)),
    }
}

fn get(query: &Query) -> Result<IncomingValue, String> {
    let (from, to) = (query.number("from", 0), query.number("to", u64::MAX));
    container(query)?.get_data(of(query, "name"), from, to)
}

fn send(value: IncomingValue, query: &Query, reply: Reply) {
    let headers = Fields::new();
    let size = value.size().to_string();
    headers.set("x-size", &[size.into_bytes()]).unwrap();
    if query.get("whole").is_some() {
        match IncomingValue::incoming_value_consume_sync(value) {
            Ok(bytes) => {
                let mut out = reply.start(200, headers);
                out.write_all(&bytes).unwrap();
                out.finish();
            }
            Err(error) => reply.json(200, &json!({"error": error})),
        }
        return;
    }
    let mut from = match IncomingValue::incoming_value_consume_async(value) {
        Ok(stream) => stream,
        Err(error) => return reply.json(200, &json!({"error": error})),
    };
    let mut out = reply.start(200, headers);
    let mut piece = vec![0; 64 << 10];
    loop {
        match Read::read(&mut from, &mut piece) {
            Ok(0) => return out.finish(),
            Ok(n) => out.write_all(&piece[..n]).unwrap(),
            // A body that is not whole is not ended.
            Err(error) => panic!("the object broke off: {error}"),
        }
    }
}

fn run(operation: &str, query: &Query) -> Answer {
    let name = of(query, "name");
    let ids = || {
        let id = |container: &str, object: &str| ObjectId {
            container: container.to_owned(),
            object: object.to_owned(),
        };
        let to = query.get("to-c").unwrap_or(of(query, "c"));
        (id(of(query, "c"), name), id(to, of(query, "to")))
    };
    Ok(match operation {
        "exists" => json!(blobstore::container_exists(of(query, "c"))?),
        "create" => json!(blobstore::create_container(of(query, "c"))?.name()?),
        "delete-container" => json!(blobstore::delete_container(of(query, "c"))?),
        "copy" => {
            let (from, to) = ids();
            json!(blobstore::copy_object(&from, &to)?)
        }
        "move" => {
            let (from, to) = ids();
            json!(blobstore::move_object(&from, &to)?)
        }
        "container" => {
            let info = container(query)?.info()?;
            json!({"name": info.name, "created": info.created_at > 0})
        }
        "has" => json!(container(query)?.has_object(name)?),
        "info" => {
            let info = container(query)?.object_info(name)?;
            json!({"name": info.name, "container": info.container, "size": info.size, "dated": info.created_at > 1_700_000_000})
        }
        "delete" => json!(container(query)?.delete_object(name)?),
        "delete-many" => {
            let names: Vec<String> = name.split(',').map(str::to_owned).collect();
            json!(container(query)?.delete_objects(&names)?)
        }
        "clear" => json!(container(query)?.clear()?),
        "list" => {
            let names = container(query)?.list_objects()?;
            let (skipped, _) = names.skip_stream_object_names(query.number("skip", 0))?;
            let mut all = Vec::new();
            loop {
                let (some, end) = names.read_stream_object_names(query.number("page", 100))?;
                all.extend(some);
                if end {
                    break;
                }
            }
            all.sort();
            json!({"names": all, "skipped": skipped})
        }
        // A small object from the query, in one go.
        "write" => {
            let container = container(query)?;
            let value = OutgoingValue::new_outgoing_value();
            let mut to = value.outgoing_value_write_body().map_err(|()| "taken")?;
            Write::write_all(&mut to, of(query, "value").as_bytes()).map_err(|error| error.to_string())?;
            container.write_data(name, &value)?;
            json!(OutgoingValue::finish(value)?)
        }
        // Values without end, and streams of them.
        "hoard" => {
            let values: Vec<_> = (0..query.number("values", 1))
                .map(|_| OutgoingValue::new_outgoing_value())
                .collect();
            json!(values.len())
        }
        _ => return Err("no such operation".to_owned()),
    })
}
