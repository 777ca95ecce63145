//! The protocol over standard input and output: a message a line. Whatever a line is, its sender gets an
//! answer: a client that sent rubbish would wait for ever.

use super::request_id::IdScan;
use crate::shutdown::Shutdown;
use rmcp::RoleServer;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Longest line, in bytes: as much as a message over HTTP.
const LINE_MAX: usize = 16 << 20;

/// Answers to bad lines that may wait for a client to read them.
const ANSWERS_WAITING: usize = 16;

/// What the protocol says of a line that is no JSON.
const PARSE_ERROR: i32 = -32700;

/// What it says of one that is JSON, but no message.
const INVALID_REQUEST: i32 = -32600;

/// One conversation.
pub(super) struct Lines<R, W> {
    read: BufReader<R>,
    write: Arc<Mutex<Option<W>>>,
    /// What there is of a line; kept here, because a reading may be dropped half way.
    line: Vec<u8>,
    id: IdScan,
    /// The line is too long, and its rest is passed over.
    over: bool,
    answers: JoinSet<()>,
    shutdown: Shutdown,
}

/// What came of reading.
enum Line {
    /// A whole one, without its end.
    Whole(Vec<u8>),
    TooLong,
    End,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Over these two, until the input ends or the server is to end.
    pub fn new(read: R, write: W, shutdown: Shutdown) -> Self {
        Lines {
            read: BufReader::new(read),
            write: Arc::new(Mutex::new(Some(write))),
            line: Vec::new(),
            id: IdScan::default(),
            over: false,
            answers: JoinSet::new(),
            shutdown,
        }
    }

    /// The next line. May be dropped at any wait: the next one goes on from there.
    async fn line(&mut self) -> io::Result<Line> {
        loop {
            let there = self.read.fill_buf().await?;
            if there.is_empty() {
                // Without an end it is a message all the same, if it is one.
                let rest = std::mem::take(&mut self.line);
                return Ok(match (rest.is_empty(), self.over) {
                    (true, _) | (_, true) => Line::End,
                    (false, false) => Line::Whole(rest),
                });
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let part = &there[..end.unwrap_or(there.len())];
            self.id.feed(part);
            self.over |= self.line.len() + part.len() > LINE_MAX;
            match self.over {
                true => self.line = Vec::new(),
                false => self.line.extend_from_slice(part),
            }
            let taken = part.len() + usize::from(end.is_some());
            self.read.consume(taken);
            if end.is_some() {
                return Ok(match std::mem::take(&mut self.over) {
                    true => Line::TooLong,
                    false => Line::Whole(std::mem::take(&mut self.line)),
                });
            }
        }
    }

    /// Answers a line that is no message. In a task: to be dropped in the middle of a line of output
    /// would spoil all that follow.
    async fn refuse(&mut self, code: i32, message: String, id: Option<Value>) {
        while self.answers.len() >= ANSWERS_WAITING {
            self.answers.join_next().await;
        }
        let answer = json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": {"code": code, "message": message},
        });
        tracing::warn!("a line of the agent's was refused: {message}");
        let write = self.write.clone();
        self.answers.spawn(async move {
            let _ = send(&write, answer.to_string().into_bytes()).await;
        });
    }
}

async fn send<W>(write: &Mutex<Option<W>>, mut line: Vec<u8>) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    line.push(b'\n');
    let mut write = write.lock().await;
    let Some(write) = write.as_mut() else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    write.write_all(&line).await?;
    write.flush().await
}

/// What a line says; or the code and the words of its answer, where it is to have one.
fn parsed(
    line: &[u8],
    id: Option<&Value>,
) -> Result<RxJsonRpcMessage<RoleServer>, Option<(i32, String)>> {
    let error = match serde_json::from_slice(line) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    if std::str::from_utf8(line).is_err() {
        return Err(Some((PARSE_ERROR, "the message is not UTF-8".into())));
    }
    match serde_json::from_slice::<Value>(line) {
        // Nobody waits for an answer to a notification, also of a kind that we do not know.
        Ok(value) if id.is_none() && value.get("method").is_some_and(Value::is_string) => Err(None),
        Ok(_) => Err(Some((
            INVALID_REQUEST,
            format!("this is no message: {error}"),
        ))),
        Err(error) => Err(Some((
            PARSE_ERROR,
            format!("the message is not JSON: {error}"),
        ))),
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let write = self.write.clone();
        async move { send(&write, serde_json::to_vec(&item)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let shutdown = self.shutdown.clone();
            let line = tokio::select! {
                biased;
                () = shutdown.draining() => return None,
                line = self.line() => line,
            };
            let line = match line {
                Ok(Line::End) => return None,
                Ok(line) => line,
                Err(error) => {
                    tracing::error!("standard input cannot be read: {error}");
                    return None;
                }
            };
            let id = std::mem::take(&mut self.id).finish();
            let line = match line {
                Line::Whole(line) => line,
                _ => {
                    let most = LINE_MAX >> 20;
                    let message = format!("the message is longer than {most} MiB");
                    self.refuse(INVALID_REQUEST, message, id).await;
                    continue;
                }
            };
            let line = line.trim_ascii();
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            match parsed(line, id.as_ref()) {
                Ok(message) => return Some(message),
                Err(Some((code, message))) => self.refuse(code, message, id).await,
                Err(None) => {}
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        while self.answers.join_next().await.is_some() {}
        self.write.lock().await.take();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, duplex};

    /// The kinds of messages that come out of an input, and what is answered to the rest.
    async fn conversation(input: Vec<u8>) -> (usize, Vec<Value>) {
        let (write, mut answers) = duplex(1 << 20);
        let mut lines = Lines::new(&*input, write, Shutdown::new());
        let mut messages = 0;
        while lines.receive().await.is_some() {
            messages += 1;
        }
        lines.close().await.unwrap();
        let mut text = String::new();
        answers.read_to_string(&mut text).await.unwrap();
        let answers = text.lines().map(|l| serde_json::from_str(l).unwrap());
        (messages, answers.collect())
    }

    async fn refused(line: impl Into<Vec<u8>>) -> (i64, Value) {
        let mut input = line.into();
        input.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}\n");
        let (messages, answers) = conversation(input).await;
        assert_eq!((messages, answers.len()), (1, 1), "{answers:?}");
        let code = answers[0]["error"]["code"].as_i64().unwrap();
        (code, answers[0]["id"].clone())
    }

    #[tokio::test]
    async fn each_bad_line_has_its_answer() {
        assert_eq!(refused("no json").await, (-32700, Value::Null));
        assert_eq!(
            refused("{\"id\": 7, \"method\": ").await,
            (-32700, json!(7))
        );
        assert_eq!(
            refused(b"{\"id\":\"a\",\"x\":\"\xff\"}").await,
            (-32700, json!("a"))
        );
        assert_eq!(refused("{}").await, (-32600, Value::Null));
        assert_eq!(refused("[]").await, (-32600, Value::Null));
        let deep = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{}{},"id":5}}"#,
            "[".repeat(1000),
            "]".repeat(1000)
        );
        assert_eq!(refused(deep).await, (-32700, json!(5)));
        let long = format!(
            r#"{{"jsonrpc":"2.0","method":"ping","params":{{"id":1,"x":"{}"}},"id":6}}"#,
            "x".repeat(LINE_MAX)
        );
        assert_eq!(refused(long).await, (-32600, json!(6)));
    }

    #[tokio::test]
    async fn notifications_that_nobody_knows_have_none() {
        let input = b"{\"jsonrpc\":\"2.0\",\"method\":3}\n\
                      {\"jsonrpc\":\"2.0\",\"method\":\"$/other\",\"params\":4}\n\n\r\n";
        let (_, answers) = conversation(input.to_vec()).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
    }

    #[tokio::test]
    async fn it_reads_no_more_once_the_server_is_to_end() {
        let (_open, read) = duplex(64);
        let shutdown = Shutdown::new();
        let mut lines = Lines::new(read, tokio::io::sink(), shutdown.clone());
        shutdown.ask();
        assert!(lines.receive().await.is_none());
    }
}
