//! The head of a program's answer: header fields of CGI, and the empty line that ends them.

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};

/// The most bytes of a head: 64 KiB, as for a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Fields of a connection, which is the host's own.
const OF_THE_CONNECTION: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
];

/// What is printed before the body, as it comes.
#[derive(Default)]
pub(super) struct Head(BytesMut);

/// A head that is there.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub rest: Bytes,
}

impl Head {
    /// Takes what was printed next; the head, once its end has come.
    ///
    /// # Errors
    /// What was printed is no head, or too much of one.
    pub fn push(&mut self, piece: &[u8]) -> Result<Option<Parsed>, String> {
        self.0.extend_from_slice(piece);
        let Some((head, body)) = end(&self.0) else {
            return match self.0.len() > HEAD_BYTES_MAX {
                true => Err(format!(
                    "no empty line within {} KiB: is it CGI that it prints?",
                    HEAD_BYTES_MAX >> 10
                )),
                false => Ok(None),
            };
        };
        let (status, headers) = parse(&self.0[..head])?;
        let rest = std::mem::take(&mut self.0).freeze().slice(body..);
        Ok(Some(Parsed {
            status,
            headers,
            rest,
        }))
    }
}

/// Where the head ends and where the body begins.
fn end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(length) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        if matches!(&bytes[from..from + length], b"" | b"\r") {
            return Some((from, from + length + 1));
        }
        from += length + 1;
    }
    None
}

fn parse(head: &[u8]) -> Result<(StatusCode, HeaderMap), String> {
    let mut status = None;
    let mut headers = HeaderMap::new();
    for (number, line) in head.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| {
            let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
            format!("line {} {what}: `{}`", number + 1, shown.escape_debug())
        };
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or_else(|| wrong("is no header field"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"status") {
            let code = value.split(u8::is_ascii_whitespace).next();
            let code = code.and_then(|code| StatusCode::from_bytes(code).ok());
            status = Some(code.ok_or_else(|| wrong("has no status"))?);
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| wrong("is no header field"))?;
        if OF_THE_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        let value =
            HeaderValue::from_bytes(value).map_err(|_| wrong("has a value that none is"))?;
        headers.append(name, value);
    }
    let usual = match headers.contains_key(LOCATION) {
        true => StatusCode::FOUND,
        false => StatusCode::OK,
    };
    Ok((status.unwrap_or(usual), headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parsed, String> {
        Ok(Head::default().push(text.as_bytes())?.expect("an end"))
    }

    #[test]
    fn heads_and_what_follows() {
        let parsed = read("Content-Type: text/plain\n\nhello\n\nworld").unwrap();
        assert_eq!(parsed.status, 200);
        assert_eq!(parsed.headers["content-type"], "text/plain");
        assert_eq!(parsed.rest, "hello\n\nworld");
        let parsed = read("status: 404 Not Found\r\nX-A:1\r\nX-A: 2\r\n\r\n").unwrap();
        assert_eq!(parsed.status, 404);
        assert_eq!(parsed.headers.get_all("x-a").iter().count(), 2);
        assert_eq!(parsed.rest, "");
        // A redirect need not say so, and the connection is not the program's.
        let parsed =
            read("Location: /x\nConnection: close\nTransfer-Encoding: chunked\n\n").unwrap();
        assert_eq!((parsed.status.as_u16(), parsed.headers.len()), (302, 1));
        assert_eq!(read("\nbody").unwrap().rest, "body");
    }

    #[test]
    fn what_is_no_head() {
        let wrong = |text: &str| read(text).unwrap_err();
        assert_eq!(wrong("hello\n\n"), "line 1 is no header field: `hello`");
        assert_eq!(
            wrong("A: b\nc d: e\n\n"),
            "line 2 is no header field: `c d: e`"
        );
        assert_eq!(
            wrong("Status: fine\n\n"),
            "line 1 has no status: `Status: fine`"
        );
        let long = "x".repeat(HEAD_BYTES_MAX + 1);
        assert_eq!(
            Head::default().push(long.as_bytes()),
            Err("no empty line within 64 KiB: is it CGI that it prints?".into())
        );
    }

    /// However it is cut, it reads the same; and nothing that is printed brings the host down.
    #[test]
    fn fuzz_heads() {
        let words = [
            "Status: 200\n",
            "Location: /\n",
            "\r\n",
            "\n\n",
            ": ",
            "X-A: b\n",
        ];
        crate::fuzz::bytes("cgi-head", &words, |bytes| {
            let whole = Head::default().push(bytes);
            let mut head = Head::default();
            let mut found = Ok(None);
            for (at, byte) in bytes.iter().enumerate() {
                found = head.push(std::slice::from_ref(byte));
                if let Ok(Some(parsed)) = &mut found {
                    parsed.rest = Bytes::copy_from_slice(&bytes[at + 1..]);
                }
                if !matches!(found, Ok(None)) {
                    break;
                }
            }
            assert_eq!(found, whole);
        });
    }
}
