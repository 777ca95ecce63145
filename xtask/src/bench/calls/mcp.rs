//! Calls by an agent: tools of `holm mcp` over standard input and output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Case, Figures, component, in_rounds};
use crate::bench::Bench;

/// Measures each case.
pub fn measure(bench: &Bench, cases: &[Case], rounds: u32) -> Result<Figures> {
    let mut holm = Command::new(&bench.holm);
    holm.current_dir(bench.scratch.path())
        .args(["mcp", "--quiet", "--memory", "128MiB"])
        .arg(component());
    let mut agent = bench.cores.as_server(|| Agent::start(&mut holm))?;
    agent.begin()?;
    let mut figures = Figures::new();
    for case in cases {
        let params = json!({
            "name": format!("calls_{}", case.function),
            "arguments": case.arguments,
        });
        // Written once: what an agent does to make a request is not ours.
        let params = params.to_string();
        let call = || agent.call(&params);
        let measured = bench.cores.as_client(|| in_rounds(rounds, call));
        let measured = measured.with_context(|| case.name)?;
        figures.insert(("mcp".into(), case.name.into()), measured);
    }
    Ok(figures)
}

/// An agent, and the server that it has started
struct Agent {
    server: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    line: String,
    id: u64,
}

impl Agent {
    fn start(command: &mut Command) -> Result<Agent> {
        let mut server = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start it")?;
        let pipes = server.stdin.take().zip(server.stdout.take());
        let (requests, answers) = pipes.context("it has no pipes")?;
        Ok(Agent {
            server,
            requests,
            answers: BufReader::new(answers),
            line: String::new(),
            id: 0,
        })
    }

    /// The handshake.
    fn begin(&mut self) -> Result<()> {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        self.ask("initialize", &params.to_string())?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        Ok(writeln!(self.requests, "{ready}")?)
    }

    fn call(&mut self, params: &str) -> Result<()> {
        let result = self.ask("tools/call", params)?;
        ensure!(result["isError"] != true, "{result}");
        Ok(())
    }

    fn ask(&mut self, method: &str, params: &str) -> Result<Value> {
        self.id += 1;
        let id = self.id;
        let request = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n"
        );
        self.requests.write_all(request.as_bytes())?;
        loop {
            self.line.clear();
            let read = self.answers.read_line(&mut self.line)?;
            ensure!(read > 0, "the server ended");
            let mut answer: Value = serde_json::from_str(&self.line)?;
            if answer["id"] == id {
                ensure!(answer.get("error").is_none(), "{answer}");
                return Ok(answer["result"].take());
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Nothing is left to do about a child that cannot be killed.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
