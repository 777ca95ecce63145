//! The caller's side of the admin API.

use bytes::Bytes;
use holm_host::admin::{Address, TOKEN_VARIABLE, Token};
use holm_manifest::Problems;
use holm_runtime::{Error, Result};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::path::Path;
use tokio::net::{TcpStream, UnixStream};

/// A server's admin API.
pub struct Client {
    address: Address,
    token: Option<String>,
}

/// Why a call did nothing.
pub enum Failed {
    /// It did not get as far as the server, or not back.
    Error(Box<Error>),
    /// There is something wrong with the app, seen before it was sent.
    Problems(Problems),
    /// The server refused.
    Refused {
        /// What it said, for people.
        text: String,
        /// And for programs.
        json: Value,
    },
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Error(Box::new(error))
    }
}

impl From<Problems> for Failed {
    fn from(problems: Problems) -> Self {
        Failed::Problems(problems)
    }
}

impl Client {
    /// A client for an address.
    pub fn new(address: Option<&str>, token_file: Option<&Path>) -> Result<Client> {
        let address = address.ok_or_else(|| {
            Error::yours("which server? its admin address is missing")
                .help("--admin ADDR, or HOLM_ADMIN in the environment")
                .help("the server has one if it was started with `holm up --admin ADDR`")
        })?;
        let address = Address::parse(address)?;
        let token = match address {
            Address::Unix(_) => None,
            Address::Port(_) => Token::text(token_file, TOKEN_VARIABLE)?,
        };
        Ok(Client { address, token })
    }

    /// Calls, and waits for the answer.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        tar: Option<Vec<u8>>,
    ) -> std::result::Result<Value, Failed> {
        let tar = tar.map(|tar| ("application/x-tar", tar));
        self.send(method, path, tar)
    }

    /// Calls with a body of this type, and waits for the answer.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> std::result::Result<Value, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::ours("no event loop").caused_by(e.to_string()))?;
        let (status, body) = runtime.block_on(self.exchange(method, path, body))?;
        let json: Value = serde_json::from_slice(&body).map_err(|_| {
            Error::yours(format!("what answers at {} is no admin API", self.address))
                .help("the address is that of `holm up --admin`, not of `--listen`")
        })?;
        if status.is_success() {
            return Ok(json);
        }
        Err(Failed::Refused {
            text: refusal(&json),
            json,
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(path);
        request = match &self.address {
            Address::Unix(_) => request.header(HOST, "localhost"),
            Address::Port(addr) => request.header(HOST, addr.to_string()),
        };
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map(|(kind, body)| {
            let headers = request.headers_mut();
            headers.map(|headers| headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind)));
            body
        });
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|e| Error::yours("this cannot be sent").caused_by(e.to_string()))?;
        let answer = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                send(stream.map_err(|e| self.nobody(&e))?, request).await
            }
            Address::Port(addr) => {
                let stream = TcpStream::connect(addr).await;
                send(stream.map_err(|e| self.nobody(&e))?, request).await
            }
        };
        answer.map_err(|error| {
            Error::yours(format!("the server at {} did not answer", self.address))
                .caused_by(error.to_string())
        })
    }

    fn nobody(&self, error: &io::Error) -> Error {
        let what = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!("no server has its admin API at {}", self.address)
            }
            io::ErrorKind::PermissionDenied => {
                format!("{} is another user's", self.address)
            }
            _ => {
                return Error::yours(format!("cannot reach {}", self.address))
                    .caused_by(error.to_string());
            }
        };
        Error::yours(what).help(format!(
            "start one: holm up --apps DIR --admin {}",
            self.address
        ))
    }
}

async fn send<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> std::result::Result<(StatusCode, Bytes), hyper::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}

/// What the server said, as `holm check` says such things.
fn refusal(json: &Value) -> String {
    if let Some(text) = json["text"].as_str() {
        return text.to_owned();
    }
    let said = json["error"].as_str().unwrap_or("the server refused");
    let help = json["help"].as_array().into_iter().flatten();
    let help = help.filter_map(Value::as_str);
    help.fold(format!("error: {said}\n"), |text, help| {
        format!("{text}help: {help}\n")
    })
}
