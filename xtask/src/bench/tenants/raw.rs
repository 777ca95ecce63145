//! A client that adds next to nothing to what it measures: one blocking connection, one thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// A keep-alive connection
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Asks an app, by its host name, for an answer with this in it; gives the milliseconds.
    pub fn ask(&mut self, name: &str, answer: &str) -> Result<f64> {
        let began = Instant::now();
        self.send(name)?;
        self.answer(answer)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// Sends a request.
    pub fn send(&mut self, name: &str) -> Result<()> {
        let request = format!("GET / HTTP/1.1\r\nhost: {name}.test\r\n\r\n");
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Reads the answer and makes sure that it is the right one.
    pub fn answer(&mut self, answer: &str) -> Result<()> {
        self.buffer.clear();
        let mut chunk = [0; 4096];
        while !is_whole(&self.buffer) {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the connection ended");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
        let text = String::from_utf8_lossy(&self.buffer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        // A guest's own refusal is an answer too.
        let by_guest = head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 404");
        ensure!(by_guest && !head.contains("x-request-id"), "{text}");
        ensure!(body.contains(answer), "not {answer:?} but {body:?}");
        Ok(())
    }
}

/// Whether a response is there to its last byte.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    match length {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn the_last_byte_is_known() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
        assert!(!is_whole(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
        ));
        assert!(is_whole(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
    }
}
