//! Files: what a request brings is piped into one, or one is opened again and again.
use crate::json;
use serde_json::{Value, json as object};
use wasip3::filesystem::preopens;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip3::http::types::{ErrorCode as HttpError, Request, Response};
use wasip3::wit_future;

/// Writes the request's body to `path`: 404 with the reason if that fails.
pub async fn write(path: &str, request: Request) -> Result<Response, HttpError> {
    let create = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = match open(path, create, DescriptorFlags::WRITE).await {
        Ok(file) => file,
        Err(error) => return json(404, &object!({"error": format!("{error:?}")})),
    };
    let (_done, result) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Request::consume_body(request, result);
    match file.write_via_stream(body, 0).await {
        Ok(()) => json(200, &object!({"ok": true})),
        Err(error) => json(404, &object!({"error": format!("{error:?}")})),
    }
}

/// Opens a file up to `n` times, and holds all: how many, and why no more.
pub async fn hold(path: &str, n: u64) -> Value {
    let mut held = Vec::new();
    let mut error = Value::Null;
    for _ in 0..n {
        match open(path, OpenFlags::empty(), DescriptorFlags::READ).await {
            Ok(file) => held.push(file),
            Err(why) => {
                error = format!("{why:?}").into();
                break;
            }
        }
    }
    object!({"held": held.len(), "error": error})
}

async fn open(
    path: &str,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, ErrorCode> {
    for (folder, root) in preopens::get_directories() {
        if let Some(rest) = path.strip_prefix(root.as_str()) {
            let name = rest.trim_start_matches('/').to_owned();
            return folder.open_at(PathFlags::empty(), name, how, flags).await;
        }
    }
    Err(ErrorCode::NoEntry)
}
