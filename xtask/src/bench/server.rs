//! A server under measurement: started on its core, asked for its address and its CPU time.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::usage;

/// A first start may compile the guest.
const START_WAIT: Duration = Duration::from_secs(60);

/// How long a server may drain before it is killed
const STOP_WAIT: Duration = Duration::from_secs(5);

/// A running server; it is stopped when this is dropped.
pub struct Server {
    /// What the table calls it
    pub name: &'static str,
    /// Where it listens
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts it and waits for the line with its address, on either output.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, sender);
        }

        let deadline = Instant::now() + START_WAIT;
        let mut printed = Vec::new();
        let address = loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match address(&line) {
                    Some(address) => break Ok(address),
                    None => printed.push(line),
                },
                Err(RecvTimeoutError::Timeout) => break Err("printed no address in time"),
                Err(RecvTimeoutError::Disconnected) => break Err("ended without an address"),
            }
        };
        // Made before looking at the result: dropping it ends the child in every case.
        let server = |address| Self {
            name,
            address,
            child,
        };
        match address {
            Ok(address) => Ok(server(address)),
            Err(what) => {
                drop(server(SocketAddr::from(([0; 4], 0))));
                // What is wrong comes first; what follows may be a backtrace.
                printed.truncate(3);
                bail!(
                    "{:?} {what}; it said: {}",
                    command.get_program(),
                    printed.join(" | ")
                )
            }
        }
    }

    /// Its process
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used so far
    pub fn cpu(&self) -> Result<Duration> {
        usage::of_process(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let deadline = Instant::now() + STOP_WAIT;
        while asked && Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // Nothing is left to do about a child that cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps reading after the address was found, so that a server that logs is never blocked.
fn forward(output: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once the server is up.
            drop(lines.send(line));
        }
    });
}

fn address(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("http://")?;
    url.split(['/', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_every_server_s_line() {
        let expected = SocketAddr::from(([127, 0, 0, 1], 4321));
        assert_eq!(address("Serving http://127.0.0.1:4321"), Some(expected));
        assert_eq!(
            address("Serving HTTP on http://127.0.0.1:4321/"),
            Some(expected)
        );
        assert_eq!(address("listening"), None);
    }

    #[test]
    fn a_server_that_ends_is_reported_with_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such file >&2; exit 1"]);
        let error = Server::start("holm", &mut command)
            .err()
            .expect("it must fail");
        assert!(
            error.to_string().ends_with("it said: no such file"),
            "{error}"
        );
    }
}
