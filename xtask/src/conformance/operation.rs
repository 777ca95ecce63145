//! The steps that a case is made of, as the suite's JSON spells them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// One step
#[derive(Deserialize, Debug)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Operation {
    /// Start the program
    Run(Run),
    /// Close its input and wait for its exit code
    Wait(Wait),
    /// Expect this on an output
    Read(Read),
    /// Put this on its input
    Write(Write),
    /// Connect to the address that it prints
    Connect(Connect),
    /// Send over a connection
    Send(Transfer),
    /// Expect from a connection
    Recv(Transfer),
    /// Make an HTTP request to it
    Request(Request),
    /// Send it a signal
    Kill(Kill),
}

/// How the program is started
#[derive(Default, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its arguments
    #[serde(default)]
    pub args: Vec<String>,
    /// Its whole environment
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Folder beside the program that it sees as `/`
    pub root: Option<String>,
}

/// How the program must end
#[derive(Default, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Its exit code
    #[serde(default)]
    pub exit_code: i32,
}

/// What an output must say next
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Which output
    #[serde(default)]
    pub id: Stream,
    /// The expected bytes
    #[serde(default)]
    pub payload: String,
    /// Nothing may follow the payload: what the older form means by `stdout`
    #[serde(skip)]
    pub to_end: bool,
}

/// An output of the program
#[derive(Clone, Copy, Default, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output
    #[default]
    Stdout,
    /// Standard error
    Stderr,
}

/// What the program's input gets
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Always the standard input
    #[serde(rename = "id")]
    pub _id: Stdin,
    /// The bytes
    #[serde(default)]
    pub payload: String,
}

/// The only stream that can be written
#[derive(Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Stdin {
    /// Standard input
    Stdin,
}

/// A connection to open
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// Its name in later steps
    #[serde(default = "server")]
    pub id: String,
    /// Its protocol
    #[serde(default, rename = "protocol_type")]
    pub _protocol: Protocol,
}

/// The protocols that a case connects by; the suite's page names more, its cases use one
#[derive(Default, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
}

/// Bytes over a connection
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Which connection
    pub id: String,
    /// The bytes
    #[serde(default)]
    pub payload: String,
}

/// An HTTP request, and the response it must get
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Method
    pub method: String,
    /// Path with query
    pub path: String,
    /// Headers besides Host
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body
    #[serde(default)]
    pub body: String,
    /// What must come back
    pub response: Response,
}

/// An expected HTTP response
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Status code
    pub status: u16,
    /// Headers that must be there, with these values
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The whole body
    #[serde(default)]
    pub body: String,
}

/// A signal to send
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Which one
    #[serde(default)]
    pub signal: Signal,
}

/// The signals that stop a server in an orderly way
#[derive(Clone, Copy, Default, Deserialize, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// Interrupt
    SigInt,
    /// Terminate
    #[default]
    SigTerm,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(_) => f.write_str("run"),
            Self::Wait(_) => f.write_str("wait"),
            Self::Read(read) => write!(f, "read {:?}", read.id),
            Self::Write(_) => f.write_str("write stdin"),
            Self::Connect(connect) => write!(f, "connect {}", connect.id),
            Self::Send(send) => write!(f, "send {}", send.id),
            Self::Recv(recv) => write!(f, "recv {}", recv.id),
            Self::Request(request) => write!(f, "request {} {}", request.method, request.path),
            Self::Kill(kill) => write!(f, "kill {:?}", kill.signal),
        }
    }
}

fn server() -> String {
    "server".to_owned()
}
