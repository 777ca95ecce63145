//! A server that guests send requests to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A server that notes the heads and bodies of its requests.
pub struct Origin {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Starts one.
pub fn origin() -> Origin {
    origin_at(Ipv4Addr::LOCALHOST.into())
}

/// Starts one that listens at this address.
pub fn origin_at(ip: IpAddr) -> Origin {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), notes) = (stream, notes.clone()) else {
                return;
            };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if reader.read_line(&mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let lower = head.to_lowercase();
                    if lower.contains("transfer-encoding: chunked") {
                        let mut body = String::new();
                        while !body.ends_with("0\r\n\r\n") {
                            if reader.read_line(&mut body).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        head.push_str(&body);
                    } else if let Some(rest) = lower.split("content-length: ").nth(1) {
                        let mut body = vec![0; rest.split("\r\n").next().unwrap().parse().unwrap()];
                        reader.read_exact(&mut body).unwrap();
                        head.push_str(&String::from_utf8_lossy(&body));
                    }
                    let answer = match head.split(' ').nth(1) {
                        Some("/redirect") => {
                            "302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0"
                        }
                        _ => "200 OK\r\nx-origin: yes\r\ncontent-length: 5",
                    };
                    let body = if answer.starts_with("200") {
                        "local"
                    } else {
                        ""
                    };
                    notes.lock().unwrap().push(head);
                    if write!(reader.get_mut(), "HTTP/1.1 {answer}\r\n\r\n{body}").is_err() {
                        return;
                    }
                }
            });
        }
    });
    Origin { addr, seen }
}

impl Origin {
    /// The requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// A server whose one request is answered when a test says so: what waits for it is under way until then.
pub struct Held(TcpListener);

/// A request that waits for its answer.
pub struct Taken(std::net::TcpStream);

impl Held {
    /// Starts one.
    pub fn listen() -> Held {
        Held(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    /// Where it is: `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Waits for the request.
    pub fn taken(&self) -> Taken {
        let (stream, _) = self.0.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        Taken(reader.into_inner())
    }
}

impl Taken {
    /// Answers it: 204, and nothing more.
    pub fn answer(mut self) {
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        self.0.write_all(answer).unwrap();
    }
}
