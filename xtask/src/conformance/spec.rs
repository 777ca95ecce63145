//! A case's JSON file, in both of its forms, as one list of operations.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::operation::{Operation, Read, Run, Stream, Wait};

/// What to do with a program, and what to expect of it.
///
/// Unknown fields are errors everywhere here: an expectation that the runner does not understand
/// must not count as met.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The steps, in order
    #[serde(default = "run_and_wait")]
    pub operations: Vec<Operation>,
    /// What the program needs beyond the basics
    #[serde(default)]
    pub proposals: Vec<Proposal>,
    /// How the program is started
    #[serde(default)]
    pub world: World,
    /// HTTP servers that the runner holds for the program
    #[serde(default)]
    pub servers: Vec<Server>,
}

/// An optional part of WASI; for Holm, a reason to open the network
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Proposal {
    /// `wasi:http`
    Http,
    /// `wasi:sockets`
    Sockets,
}

/// The world that the program was built for
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, Debug)]
pub enum World {
    /// Runs once and exits
    #[default]
    #[serde(rename = "wasi:cli/command")]
    Command,
    /// Answers HTTP requests until it is told to stop
    #[serde(rename = "wasi:http/service")]
    Service,
}

/// A server beside the program; its address travels as `HTTP_SERVER_<NAME>`
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name
    pub name: String,
    /// Whether anybody listens
    #[serde(default)]
    pub kind: ServerKind,
    /// What it answers; anything else is a 404
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// Whether a server listens
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// It does
    #[default]
    Listening,
    /// Nobody does: connecting must be refused
    Closed,
}

/// One method and path (query included) of a server
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// In capitals
    #[serde(default = "get")]
    pub method: String,
    /// With its query, as it is on the wire
    #[serde(default = "slash")]
    pub path: String,
    /// How the answer is made
    #[serde(default)]
    pub mode: EndpointMode,
    /// The answer of a static endpoint
    #[serde(default)]
    pub response: EndpointResponse,
}

/// How an endpoint makes its answer
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointMode {
    /// As configured
    #[default]
    Static,
    /// The request's body
    EchoBody,
    /// The request's line, headers and trailers, as headers
    EchoHeaders,
}

/// The answer of a static endpoint
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct EndpointResponse {
    /// Status code
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers besides the framing ones
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body with a content length
    #[serde(default)]
    pub body: String,
    /// Body in chunks; takes the place of `body`
    pub chunks: Option<Vec<String>>,
    /// Trailers after the chunks
    #[serde(default)]
    pub trailers: BTreeMap<String, String>,
}

impl Default for EndpointResponse {
    fn default() -> Self {
        let (headers, trailers) = Default::default();
        Self {
            status: 200,
            headers,
            body: String::new(),
            chunks: None,
            trailers,
        }
    }
}

/// The older form, still used by the 0.1 programs
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Legacy {
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    root: Option<String>,
    #[serde(default)]
    exit_code: i32,
    stdout: Option<String>,
    stderr: Option<String>,
}

impl Spec {
    /// Reads either form; which one it is shows in the keys, and they never mix.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("not JSON")?;
        let newer = ["operations", "proposals", "servers", "world"];
        if newer.iter().any(|key| value.get(key).is_some()) {
            serde_json::from_value(value).context("not a test specification")
        } else {
            let legacy: Legacy =
                serde_json::from_value(value).context("not a test specification (legacy form)")?;
            Ok(legacy.into())
        }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            operations: run_and_wait(),
            proposals: Vec::new(),
            world: World::Command,
            servers: Vec::new(),
        }
    }
}

impl From<Legacy> for Spec {
    fn from(legacy: Legacy) -> Self {
        let Legacy {
            args,
            env,
            root,
            exit_code,
            stdout,
            stderr,
        } = legacy;
        let all = |id, payload: Option<String>| {
            payload.map(|payload| {
                Operation::Read(Read {
                    id,
                    payload,
                    to_end: true,
                })
            })
        };
        let mut operations = vec![Operation::Run(Run { args, env, root })];
        operations.extend(all(Stream::Stdout, stdout));
        operations.extend(all(Stream::Stderr, stderr));
        operations.push(Operation::Wait(Wait { exit_code }));
        Self {
            operations,
            ..Self::default()
        }
    }
}

fn run_and_wait() -> Vec<Operation> {
    vec![
        Operation::Run(Run::default()),
        Operation::Wait(Wait::default()),
    ]
}

fn get() -> String {
    "GET".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn ok() -> u16 {
    200
}
