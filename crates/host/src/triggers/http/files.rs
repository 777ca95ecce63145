//! A folder of files as an answer: streamed from disk, never from outside the folder.

use super::answer::Fault;
use super::beneath;
use super::conditions::{Conditions, Version};
use super::path;
use super::range::{Wanted, wanted};
use crate::body::{self, Body};
use crate::file_body::FileBody;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a folder is asked for when its own address is.
const INDEX: &str = "index.html";
/// A file up to this size is read at once, on the thread that opens it.
const SMALL_BYTES: u64 = 64 * 1024;

/// A folder that answers requests.
#[derive(Clone, Debug)]
pub struct StaticFiles {
    root: Arc<Path>,
}

impl StaticFiles {
    /// A folder that is there.
    pub fn new(root: impl AsRef<Path>) -> io::Result<StaticFiles> {
        let root = std::path::absolute(root)?;
        if !std::fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(StaticFiles { root: root.into() })
    }

    /// Answers a request; `rest` is the raw path below the route, empty or with its slash.
    pub fn serve<B>(
        &self,
        request: &Request<B>,
        rest: &str,
    ) -> impl Future<Output = Result<Response<Body>, Fault>> + Send + use<B> {
        let asked = Asked::of(request, rest);
        let root = self.root.clone();
        async move {
            let asked = asked?;
            let read = tokio::task::spawn_blocking(move || asked.answer(&root));
            read.await.map_err(|_| Fault::Ours)?
        }
    }
}

/// A request for a file, as far as it concerns files.
struct Asked {
    head: bool,
    path: PathBuf,
    /// It asked for a folder, by a slash at the end.
    slash: bool,
    conditions: Conditions,
    /// Where the folder is if there is one: `./name/`.
    with_slash: String,
}

impl Asked {
    fn of<B>(request: &Request<B>, rest: &str) -> Result<Asked, Fault> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(Fault::Method);
        }
        Ok(Asked {
            head: request.method() == Method::HEAD,
            path: relative(rest)?,
            slash: rest.ends_with('/'),
            conditions: Conditions::of(request.headers()),
            with_slash: with_slash(request.uri()),
        })
    }

    /// Blocks on the disk.
    fn answer(self, root: &Path) -> Result<Response<Body>, Fault> {
        let (file, name) = match self.open(root)? {
            Opened::File(file) => (file, &self.path),
            Opened::Folder if self.slash => match self.open_index(root)? {
                Opened::File(file) => (file, &PathBuf::from(INDEX)),
                Opened::Folder => return Err(Fault::NoFile),
            },
            Opened::Folder => {
                self.open_index(root)?;
                let location =
                    HeaderValue::try_from(&self.with_slash).map_err(|_| Fault::NoFile)?;
                let mut response = Response::new(body::empty());
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
                return Ok(response);
            }
        };
        self.respond(file, name).map_err(|error| fault(&error))
    }

    fn open(&self, root: &Path) -> Result<Opened, Fault> {
        let opened = open(root, &self.path)?;
        if self.slash && matches!(opened, Opened::File(_)) {
            return Err(Fault::NoFile);
        }
        Ok(opened)
    }

    fn open_index(&self, root: &Path) -> Result<Opened, Fault> {
        open(root, &self.path.join(INDEX))
    }

    fn respond(&self, mut file: File, name: &Path) -> io::Result<Response<Body>> {
        let meta = file.metadata()?;
        let size = meta.len();
        let version = Version::of(&meta);
        let mut response = Response::new(body::empty());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::try_from(&version.etag) {
            headers.insert(ETAG, etag);
        }
        let date = version.modified.map(httpdate::fmt_http_date);
        if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
            headers.insert(LAST_MODIFIED, date);
        }
        if self.conditions.has(&version) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        headers.insert(CONTENT_TYPE, content_type(name));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        // A range is defined for GET alone.
        let range = self.conditions.range(&version).filter(|_| !self.head);
        let (start, length) = match range.map_or(Wanted::Whole, |range| wanted(range, size)) {
            Wanted::Whole => (0, size),
            Wanted::Part { start, length } => {
                let range = format!("bytes {start}-{}/{size}", start + length - 1);
                headers.insert(
                    CONTENT_RANGE,
                    HeaderValue::try_from(range).map_err(io::Error::other)?,
                );
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                (start, length)
            }
            Wanted::Nothing => {
                headers.remove(CONTENT_TYPE);
                let range = format!("bytes */{size}");
                headers.insert(
                    CONTENT_RANGE,
                    HeaderValue::try_from(range).map_err(io::Error::other)?,
                );
                headers.insert(CONTENT_LENGTH, 0.into());
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(response);
            }
        };
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        if self.head {
            return Ok(response);
        }
        if start > 0 {
            file.seek(io::SeekFrom::Start(start))?;
        }
        *response.body_mut() = if length <= SMALL_BYTES {
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes)?;
            body::full(Bytes::from(bytes))
        } else {
            FileBody::new(file, length)
                .map_err(Into::into)
                .boxed_unsync()
        };
        Ok(response)
    }
}

enum Opened {
    File(File),
    Folder,
}

/// Anything but a file or a folder (a socket, a device) is not there.
fn open(root: &Path, path: &Path) -> Result<Opened, Fault> {
    let file = beneath::open(root, path).map_err(|error| fault(&error))?;
    let meta = file.metadata().map_err(|error| fault(&error))?;
    match meta.file_type() {
        kind if kind.is_file() => Ok(Opened::File(file)),
        kind if kind.is_dir() => Ok(Opened::Folder),
        _ => Err(Fault::NoFile),
    }
}

fn fault(error: &io::Error) -> Fault {
    match error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error)
    {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOMEM) => {
            tracing::error!(%error, "a file could not be opened");
            Fault::Busy {
                retry_after_seconds: 1,
            }
        }
        Some(rustix::io::Errno::IO) => {
            tracing::error!(%error, "a file could not be read");
            Fault::Ours
        }
        // Not there, not ours to read, outside, too long: from outside these look the same.
        _ => Fault::NoFile,
    }
}

/// The raw path below the route as a path below the folder.
fn relative(rest: &str) -> Result<PathBuf, Fault> {
    let mut out = PathBuf::new();
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        let name: Vec<u8> = path::decode(segment).collect();
        match &*name {
            b"." | b".." => return Err(Fault::BadRequest),
            name if name.contains(&0) => return Err(Fault::BadRequest),
            name if name.contains(&b'/') => return Err(Fault::NoFile),
            // What is hidden (`.git`, `.env`) was not put there to be seen.
            name if name.starts_with(b".") && name != b".well-known" => return Err(Fault::NoFile),
            _ => out.push(OsString::from_vec(name)),
        }
    }
    Ok(out)
}

/// The address of a folder with the slash that it lacks, relative to the one that was asked for:
/// an absolute one could be read as another host's (`//evil`).
fn with_slash(uri: &http::Uri) -> String {
    let path = uri.path().trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    match uri.query() {
        Some(query) => format!("./{name}/?{query}"),
        None => format!("./{name}/"),
    }
}

fn content_type(name: &Path) -> HeaderValue {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let text = mime.type_() == "text" || mime.essence_str() == "application/javascript";
    let value = if text {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
