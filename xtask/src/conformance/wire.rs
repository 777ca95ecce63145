//! HTTP/1.1 as a case's servers need it, by hand.
//!
//! hyper's server keeps trailers back from a client that sends no `TE: trailers`, which is its good
//! right; the suite's cases send none and expect them.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// What a case's program may send in one request, all in all
pub const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// Names in lower case, and values
pub type Fields = Vec<(String, String)>;

/// A request as it came over the wire
#[derive(Debug)]
pub struct Request {
    /// In capitals
    pub method: String,
    /// With its query
    pub path: String,
    /// In order
    pub headers: Fields,
    /// Without its framing
    pub body: Vec<u8>,
    /// What followed the last chunk
    pub trailers: Fields,
}

/// A response that closes its connection
#[derive(Default, Debug)]
pub struct Response {
    /// Status code
    pub status: u16,
    /// Headers besides those of the framing
    pub headers: Fields,
    /// How the body is framed
    pub body: Body,
}

/// A response's body
#[derive(Debug)]
pub enum Body {
    /// With its length
    Whole(Vec<u8>),
    /// In chunks, then the trailers
    Chunks(Vec<String>, Fields),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl Request {
    /// Reads one request to its end; a body that breaks off is an error.
    pub async fn read(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Self> {
        let line = line(input).await?;
        let [method, path, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else {
            bail!("not a request line: {line:?}");
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let headers = fields(input).await?;
        let mut request = Self {
            method,
            path,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if request
            .header("transfer-encoding")
            .is_some_and(|coding| coding.contains("chunked"))
        {
            request.read_chunks(input).await?;
        } else if let Some(length) = request.header("content-length") {
            let length: u64 = length.parse().context("not a content length")?;
            let read = (&mut *input)
                .take(length)
                .read_to_end(&mut request.body)
                .await?;
            ensure!(read as u64 == length, "the body broke off");
        }
        Ok(request)
    }

    async fn read_chunks(&mut self, input: &mut (impl AsyncBufRead + Unpin)) -> Result<()> {
        loop {
            let head = line(input).await?;
            // A size may carry extensions.
            let size = head.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).context("not a chunk's size")?;
            if size == 0 {
                break;
            }
            let read = (&mut *input).take(size).read_to_end(&mut self.body).await?;
            ensure!(read as u64 == size, "a chunk broke off");
            ensure!(
                line(input).await?.is_empty(),
                "a chunk is longer than it said"
            );
        }
        self.trailers = fields(input).await?;
        Ok(())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// The response as it goes over the wire; an answer to HEAD ends before its body.
    pub fn bytes(&self, head_only: bool) -> Vec<u8> {
        // A reason is for people; there are none here.
        let mut head = format!("HTTP/1.1 {} \r\nconnection: close\r\n", self.status);
        let mut field = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        };
        for (name, value) in &self.headers {
            field(name, value);
        }
        match &self.body {
            Body::Whole(bytes) => field("content-length", &bytes.len().to_string()),
            Body::Chunks(_, trailers) => {
                field("transfer-encoding", "chunked");
                if !trailers.is_empty() {
                    let names: Vec<_> = trailers.iter().map(|(name, _)| name.as_str()).collect();
                    field("trailer", &names.join(", "));
                }
            }
        }
        let mut bytes = (head + "\r\n").into_bytes();
        match &self.body {
            _ if head_only => {}
            Body::Whole(body) => bytes.extend_from_slice(body),
            Body::Chunks(chunks, trailers) => {
                // An empty chunk would be the last one.
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
                }
                bytes.extend_from_slice(b"0\r\n");
                for (name, value) in trailers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes
    }
}

/// Header or trailer lines, and the empty line after them
async fn fields(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Fields> {
    let mut fields = Vec::new();
    loop {
        let line = line(input).await?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').context("not a header line")?;
        fields.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

async fn line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).await?;
    let ended = line.strip_suffix('\n').context("the request broke off")?;
    Ok(ended.strip_suffix('\r').unwrap_or(ended).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Result<Request> {
        Request::read(&mut text.as_bytes()).await
    }

    #[tokio::test]
    async fn bodies_of_both_framings_are_read() {
        let whole = read("POST /a?b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
            .await
            .unwrap();
        assert_eq!(
            (whole.method.as_str(), whole.path.as_str()),
            ("POST", "/a?b")
        );
        assert_eq!(whole.body, b"hi");

        let chunked = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3;x=y\r\none\r\nA\r\ntwo-and-so\r\n0\r\nX-Sum: 7\r\n\r\n";
        let request = read(chunked).await.unwrap();
        assert_eq!(request.body, b"onetwo-and-so");
        assert_eq!(request.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    }

    #[tokio::test]
    async fn what_breaks_off_is_an_error() {
        for text in [
            "",
            "GET / HTTP/1.1\r\nhost: a",
            "GET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nhi",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhigh\r\n0\r\n\r\n",
        ] {
            assert!(read(text).await.is_err(), "{text:?}");
        }
    }

    #[test]
    fn trailers_go_out_unasked() {
        let body = Body::Chunks(
            vec!["one".to_owned(), String::new()],
            vec![("x-n".to_owned(), "2".to_owned())],
        );
        let response = Response {
            status: 200,
            headers: Vec::new(),
            body,
        };
        let sent = String::from_utf8(response.bytes(false)).unwrap();
        assert!(sent.contains("\r\ntrailer: x-n\r\n"), "{sent}");
        assert!(
            sent.ends_with("\r\n\r\n3\r\none\r\n0\r\nx-n: 2\r\n\r\n"),
            "{sent}"
        );
        let head = String::from_utf8(response.bytes(true)).unwrap();
        assert!(head.ends_with("trailer: x-n\r\n\r\n"), "{head}");
    }
}
