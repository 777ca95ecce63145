//! Calls over HTTP: `[[call]]` of `holm up`, on one connection that is kept.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Case, Figures, component, in_rounds};
use crate::bench::Bench;
use crate::bench::server::Server;

/// Measures each case.
pub fn measure(bench: &Bench, cases: &[Case], rounds: u32) -> Result<Figures> {
    let manifest = format!(
        "name = \"calls\"\n[component.calls]\nsource = {:?}\n\
         limits = {{ request_body = \"64 MiB\", memory = \"128 MiB\" }}\n\
         [[call]]\nroute = \"/...\"\ncomponent = \"calls\"\nfunctions = [\"*\"]\n",
        component()
    );
    let folder = bench.scratch.path().join("calls");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("holm.toml");
    std::fs::write(&file, manifest)?;
    let mut holm = Command::new(&bench.holm);
    holm.args(["up", "--quiet", "--listen", "127.0.0.1:0"])
        .arg(&file);
    let server = bench
        .cores
        .as_server(|| Server::start("holm up", &mut holm))?;
    let mut figures = Figures::new();
    for case in cases {
        let mut connection = Connection::open(server.address)?;
        let request = post(case);
        let measured = bench
            .cores
            .as_client(|| in_rounds(rounds, || connection.ask(&request)));
        let measured = measured.with_context(|| case.name)?;
        figures.insert(("[[call]]".into(), case.name.into()), measured);
    }
    Ok(figures)
}

fn post(case: &Case) -> Vec<u8> {
    let body = case.arguments.to_string();
    let head = format!(
        "POST /{} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        case.function,
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// A connection that adds next to nothing to what it measures.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: Vec::new(),
        })
    }

    fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut chunk = [0; 4096];
        loop {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the connection ended");
            self.answer.extend_from_slice(&chunk[..read]);
            if let Some(good) = is_good(&self.answer) {
                let text = || String::from_utf8_lossy(&self.answer).into_owned();
                ensure!(good, "{}", text());
                return Ok(());
            }
        }
    }
}

/// Whether a whole answer is a good one; nothing while it is not whole.
fn is_good(answer: &[u8]) -> Option<bool> {
    let text = str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let it = name.eq_ignore_ascii_case("content-length");
        it.then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = match length {
        Some(length) => body.len() >= length,
        None => head.starts_with("HTTP/1.1 204") || body.ends_with("0\r\n\r\n"),
    };
    whole.then(|| head.starts_with("HTTP/1.1 20"))
}

#[cfg(test)]
mod tests {
    use super::is_good;

    #[test]
    fn the_end_of_an_answer_is_known() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
        assert_eq!(is_good(ok), None);
        assert_eq!(is_good(&[&ok[..], b"abc"].concat()), Some(true));
        assert_eq!(is_good(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(true));
        let bad = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 1\r\n\r\n{";
        assert_eq!(is_good(bad), Some(false));
    }
}
