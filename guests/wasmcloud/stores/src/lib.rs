//! A component of wasmCloud's, with the bindings and wrappers of its published crate: objects, a counter
//! beside them, and a batch, as its drafts of `wasi:blobstore` and `wasi:keyvalue` have them.
//!
//! `PUT /NAME` keeps the body in the container `uploads`, `GET /NAME` streams it back, `GET /` lists what is
//! there and how often each was kept.
use serde_json::json;
use std::io;
use wasmcloud_component::http::{self, ErrorCode};
use wasmcloud_component::wasi::blobstore::blobstore::{Container, create_container, get_container};
use wasmcloud_component::wasi::blobstore::types::{IncomingValue, OutgoingValue};
use wasmcloud_component::wasi::io::streams::{InputStream, OutputStream};
use wasmcloud_component::wasi::keyvalue::{atomics, batch, store};

struct Component;
http::export!(Component);

enum Body {
    Text(String),
    Stream(InputStream),
}

impl http::OutgoingBody for Body {
    fn write(
        self,
        body: wasmcloud_component::wasi::http::types::OutgoingBody,
        stream: OutputStream,
    ) -> io::Result<()> {
        match self {
            Body::Text(text) => text.write(body, stream),
            Body::Stream(from) => from.write(body, stream),
        }
    }
}

fn failed(error: impl std::fmt::Debug) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("{error:?}")))
}

impl http::Server for Component {
    fn handle(request: http::IncomingRequest) -> http::Result<http::Response<impl http::OutgoingBody>> {
        let (parts, mut body) = request.into_parts();
        let name = parts.uri.path().trim_start_matches('/').to_owned();
        let container = get_container(&"uploads".to_owned())
            .or_else(|_| create_container(&"uploads".to_owned()))
            .map_err(failed)?;
        let body = match (&*name, parts.method) {
            ("", _) => Body::Text(list(&container).map_err(failed)?),
            (name, http::Method::PUT) => {
                let value = OutgoingValue::new_outgoing_value();
                let mut stream = value.outgoing_value_write_body().map_err(failed)?;
                container.write_data(&name.to_owned(), &value).map_err(failed)?;
                io::copy(&mut body, &mut stream).map_err(failed)?;
                // As wasmCloud's own examples do: the stream is still there.
                OutgoingValue::finish(value).map_err(failed)?;
                let counts = store::open("default").map_err(failed)?;
                let count = atomics::increment(&counts, name, 1).map_err(failed)?;
                Body::Text(json!({"kept": name, "times": count}).to_string())
            }
            (name, _) => {
                let value = container.get_data(&name.to_owned(), 0, u64::MAX).map_err(failed)?;
                Body::Stream(IncomingValue::incoming_value_consume_async(value).map_err(failed)?)
            }
        };
        Ok(http::Response::new(body))
    }
}

fn list(container: &Container) -> Result<String, String> {
    let names = container.list_objects()?;
    let (mut names, _) = names.read_stream_object_names(100)?;
    names.sort();
    let counts = store::open("default").map_err(|error| error.to_string())?;
    let times = batch::get_many(&counts, &names).map_err(|error| error.to_string())?;
    let all: Vec<_> = names
        .iter()
        .zip(times)
        .map(|(name, times)| {
            let times = times.map(|(_, text)| String::from_utf8_lossy(&text).into_owned());
            json!({"name": name, "size": container.object_info(name).map(|info| info.size).ok(), "times": times})
        })
        .collect();
    Ok(json!(all).to_string())
}
