//! Sources from a URL: fetched once, checked against their digest, and kept beside the manifest. What is
//! there is never asked for again.

use crate::exchange::{self, Exchange};
use bytes::Bytes;
use holm_manifest::{Component, ComponentSource, Fetched, Manifest};
use holm_runtime::{Error, Result};
use http::header::{ACCEPT, CONTENT_LENGTH, LOCATION, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use tempfile::NamedTempFile;
use url::Url;

/// The longest wait for a connection and a head, and then for each piece.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever leads on and on leads nowhere.
const REDIRECTS_MAX: usize = 10;

/// The largest file that is fetched, in bytes: as large as an app may be that is sent to a server.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// What the component is fetched from, where it is.
pub fn source(component: &Component) -> Option<&Fetched> {
    match &component.source.value {
        ComponentSource::Fetched(file) => Some(file),
        ComponentSource::File(_) | ComponentSource::Script(_) => None,
    }
}

/// The file that is to be fetched and is not there yet.
pub fn missing<'c>(component: &'c Component, manifest: &Manifest) -> Option<&'c Fetched> {
    let path = component.source.value.resolve(&manifest.dir);
    source(component).filter(|_| !path.exists())
}

/// Fetches a component's file. `progress` is told how many bytes are there, and of how many, where
/// that is known.
///
/// # Errors
/// It cannot be had, it is not the file that the digest is of, or it cannot be written.
pub async fn fetch(
    component: &Component,
    manifest: &Manifest,
    file: &Fetched,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<()> {
    let path = component.source.value.resolve(&manifest.dir);
    let url = &file.url;
    let cannot = |cause: String| {
        Error::yours(format!(
            "the source of `{}` cannot be fetched",
            component.name
        ))
        .caused_by(format!("{url}: {cause}"))
        .help("a file beside the manifest needs no network: source = \"app.wasm\"")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = std::fs::create_dir_all(folder).and_then(|()| NamedTempFile::new_in(folder));
    let unwritten = |error: std::io::Error| {
        let what = format!("{} cannot be written", path.display());
        Error::yours(what).caused_by(error.to_string())
    };
    let mut new = made.map_err(unwritten)?;
    let answer = answer(url).await.map_err(cannot)?;
    let (sum, wrote) = receive(answer, &mut new, progress).await.map_err(cannot)?;
    wrote.map_err(unwritten)?;
    if sum != file.sha256 {
        let what = format!(
            "what {url} has is not the source of `{}`: its digest is another",
            component.name
        );
        return Err(Error::yours(what)
            .caused_by(format!("it is sha256:{sum}"))
            .help(format!("the manifest wants sha256:{}", file.sha256))
            .help("if the file was changed by somebody whom you trust, write its new digest"));
    }
    let keep = || -> std::io::Result<()> {
        new.as_file().sync_all()?;
        new.persist(&path)?;
        Ok(())
    };
    keep().map_err(unwritten)
}

/// The answer with the file, wherever the URL leads.
async fn answer(url: &str) -> std::result::Result<Exchange, String> {
    let mut at = Url::parse(url).map_err(|error| error.to_string())?;
    for _ in 0..=REDIRECTS_MAX {
        let request = Request::get(at.as_str())
            .header(USER_AGENT, concat!("holm/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, exchange::send(request)).await;
        let answer = answer.map_err(|_| "nobody answers".to_owned())??;
        let status = answer.response.status();
        match status.as_u16() {
            200 => return Ok(answer),
            301 | 302 | 303 | 307 | 308 => {
                at = onward(&at, answer.response.headers())?;
            }
            _ => return Err(format!("the answer is {status}")),
        }
    }
    Err(format!("it leads on more than {REDIRECTS_MAX} times"))
}

/// Where a redirect leads; never from TLS into the clear.
fn onward(from: &Url, headers: &HeaderMap) -> std::result::Result<Url, String> {
    let location = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let location = location.ok_or("it leads on to nowhere")?;
    let to = from.join(location).map_err(|error| error.to_string())?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(to),
        (_, scheme) => Err(format!("it leads on to {scheme}://, which is not followed")),
    }
}

/// Writes what comes into the file; gives its digest, and whether it could be written.
async fn receive(
    mut answer: Exchange,
    into: &mut NamedTempFile,
    mut progress: impl FnMut(u64, Option<u64>),
) -> std::result::Result<(String, std::io::Result<()>), String> {
    let length = answer.response.headers().get(CONTENT_LENGTH);
    let of = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let (mut sum, mut bytes) = (Sha256::new(), 0_u64);
    loop {
        let next = tokio::time::timeout(PATIENCE, answer.response.body_mut().frame()).await;
        let next = next.map_err(|_| "nothing more comes".to_owned())?;
        let Some(frame) = next else { break };
        let frame = frame.map_err(|error| error.to_string())?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        bytes += data.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(format!("it has more than {} MiB", FILE_BYTES_MAX >> 20));
        }
        sum.update(data);
        if let Err(error) = into.write_all(data) {
            return Ok((String::new(), Err(error)));
        }
        progress(bytes, of);
    }
    let sum: [u8; 32] = sum.finalize().into();
    Ok((
        sum.iter().map(|byte| format!("{byte:02x}")).collect(),
        Ok(()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_anywhere_but_into_the_clear() {
        let lead = |from: &str, to: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, to.parse().unwrap());
            onward(&Url::parse(from).unwrap(), &headers).map(|url| url.to_string())
        };
        let good = |to: &str| Ok(to.to_owned());
        assert_eq!(
            lead("https://a.example/x/y", "z"),
            good("https://a.example/x/z")
        );
        assert_eq!(
            lead("http://a.example/x", "//b.example/"),
            good("http://b.example/")
        );
        assert_eq!(
            lead("http://a.example/", "https://b.example/"),
            good("https://b.example/")
        );
        assert!(lead("https://a.example/", "http://a.example/").is_err());
        assert!(lead("http://a.example/", "file:///etc/passwd").is_err());
        assert!(onward(&Url::parse("http://a.example/").unwrap(), &HeaderMap::new()).is_err());
    }
}
