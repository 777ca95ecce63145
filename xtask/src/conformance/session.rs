//! One case from start to end: a child, its streams and connections, and the steps in order.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal as Unix, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::cases::Case;
use super::operation::{Operation, Read, Run, Signal, Stream};
use super::tap::Tap;
use super::workdir::Workdir;
use super::{command, endpoints::Endpoints, http};

/// A case takes at most this long, whatever it waits for.
const CASE_WALL_MAX: Duration = Duration::from_secs(60);

/// How much of each output a failure shows
const SHOWN_BYTES_MAX: usize = 4 << 10;

/// Runs one case; the error says which step went wrong and what the child had printed.
pub async fn run(case: &Case, holm: &Path) -> Result<()> {
    run_within(case, holm, CASE_WALL_MAX).await
}

pub(super) async fn run_within(case: &Case, holm: &Path, wall_max: Duration) -> Result<()> {
    let mut session = Session {
        case,
        holm,
        workdir: Workdir::new()?,
        endpoints: Endpoints::start(&case.spec.servers).await?,
        program: None,
        connections: HashMap::new(),
    };
    let steps = timeout(wall_max, session.steps()).await;
    let outcome = steps.unwrap_or_else(|_| Err(anyhow!("timed out after {wall_max:?}")));
    match (outcome, session.program.take()) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err(anyhow!("the case never waits for its program")),
        (Err(error), None) => Err(error),
        (Err(error), Some(program)) => Err(anyhow!("{error:#}{}", program.report().await)),
    }
}

struct Session<'a> {
    case: &'a Case,
    holm: &'a Path,
    workdir: Workdir,
    endpoints: Endpoints,
    program: Option<Program>,
    connections: HashMap<String, TcpStream>,
}

/// The running child
pub(super) struct Program {
    line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Tap,
    stderr: Tap,
    serving: Option<String>,
}

impl Session<'_> {
    async fn steps(&mut self) -> Result<()> {
        for (index, operation) in self.case.spec.operations.iter().enumerate() {
            let step = self.step(operation).await;
            step.with_context(|| format!("step {}, {operation}", index + 1))?;
        }
        Ok(())
    }

    async fn step(&mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Run(run) => self.start(run),
            Operation::Read(read) => self.program()?.read(read).await,
            Operation::Write(write) => {
                let stdin = self
                    .program()?
                    .stdin
                    .as_mut()
                    .context("its input is closed")?;
                stdin.write_all(write.payload.as_bytes()).await?;
                Ok(stdin.flush().await?)
            }
            Operation::Connect(connect) => {
                let program = self.program()?;
                let address = program
                    .stdout
                    .line()
                    .await
                    .context("it printed no address")?;
                let socket = TcpStream::connect(&address)
                    .await
                    .with_context(|| format!("cannot connect to {address:?}, which it printed"))?;
                self.connections.insert(connect.id.clone(), socket);
                Ok(())
            }
            Operation::Send(send) => {
                let connection = self.connection(&send.id)?;
                Ok(connection.write_all(send.payload.as_bytes()).await?)
            }
            Operation::Recv(recv) => {
                let mut received = vec![0; recv.payload.len()];
                let connection = self.connection(&recv.id)?;
                connection.read_exact(&mut received).await?;
                same("connection", &recv.payload, &received)
            }
            Operation::Request(request) => {
                let authority = self.program()?.authority().await?;
                http::request(&authority, request).await
            }
            Operation::Kill(kill) => self.program()?.kill(kill.signal),
            Operation::Wait(wait) => {
                let program = self.program()?;
                program.stdin = None;
                let status = program.child.wait().await?;
                ensure!(
                    status.code() == Some(wait.exit_code),
                    "expected exit code {}, got {}",
                    wait.exit_code,
                    ending(status)
                );
                self.program = None;
                Ok(())
            }
        }
    }

    fn start(&mut self, run: &Run) -> Result<()> {
        ensure!(self.program.is_none(), "it is running already");
        let case = self.case;
        let program = self.workdir.program(&case.wasm)?;
        let root = match &run.root {
            Some(name) => Some(self.workdir.root(&case.wasm.with_file_name(name))?),
            None => None,
        };
        let own = run
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let env: Vec<_> = own
            .chain(self.endpoints.variables.iter().cloned())
            .collect();
        let arguments = command::arguments(&case.spec, run, &env, &program, root.as_deref());
        self.program = Some(Program::start(self.holm, &arguments, self.workdir.path())?);
        Ok(())
    }

    fn program(&mut self) -> Result<&mut Program> {
        self.program.as_mut().context("nothing is running")
    }

    fn connection(&mut self, id: &str) -> Result<&mut TcpStream> {
        self.connections
            .get_mut(id)
            .with_context(|| format!("no connection {id:?}"))
    }
}

impl Program {
    /// Starts the command in a folder.
    pub(super) fn start(
        holm: &Path,
        arguments: &[std::ffi::OsString],
        folder: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(holm);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let line = format!("{:?}", command.as_std());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {line}"))?;
        let stdin = child.stdin.take();
        let stdout = Tap::new(child.stdout.take().context("no standard output")?);
        let stderr = Tap::new(child.stderr.take().context("no standard error")?);
        Ok(Self {
            line,
            child,
            stdin,
            stdout,
            stderr,
            serving: None,
        })
    }

    async fn read(&mut self, read: &Read) -> Result<()> {
        if read.to_end {
            self.stdin = None;
        }
        let (name, stream) = match read.id {
            Stream::Stdout => ("stdout", &mut self.stdout),
            Stream::Stderr => ("stderr", &mut self.stderr),
        };
        let printed = match read.to_end {
            true => stream.take_all().await,
            false => stream.take(read.payload.len()).await,
        };
        same(name, &read.payload, printed)
    }

    /// Host and port from the line `Serving http://…`, waited for at the first request
    pub(super) async fn authority(&mut self) -> Result<String> {
        if let Some(authority) = &self.serving {
            return Ok(authority.clone());
        }
        while let Some(line) = self.stdout.line().await {
            if let Some((_, url)) = line.split_once("http://") {
                let authority = url.split(['/', ' ']).next().unwrap_or(url).to_owned();
                self.serving = Some(authority.clone());
                return Ok(authority);
            }
        }
        bail!("it ended without a line `Serving http://ADDR` on its standard output")
    }

    fn kill(&self, signal: Signal) -> Result<()> {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let signal = match signal {
            Signal::SigInt => Unix::INT,
            Signal::SigTerm => Unix::TERM,
        };
        Ok(kill_process(id.context("it has ended already")?, signal)?)
    }

    /// Ends the child and tells what it had been asked and what it printed.
    pub(super) async fn report(mut self) -> String {
        // It may have ended by itself; then there is nothing to kill.
        self.child.kill().await.ok();
        let mut report = format!("\n  command: {}", self.line);
        for (name, stream) in [("stdout", &mut self.stdout), ("stderr", &mut self.stderr)] {
            let printed = stream.all().await;
            let shown = &printed[..printed.len().min(SHOWN_BYTES_MAX)];
            if !shown.is_empty() {
                let text = String::from_utf8_lossy(shown);
                // Writing to a string cannot fail.
                let _ = write!(
                    report,
                    "\n  {name}: {}",
                    text.trim_end().replace('\n', "\n    ")
                );
            }
        }
        report
    }
}

fn same(source: &str, expected: &str, actual: &[u8]) -> Result<()> {
    let actual = String::from_utf8_lossy(actual);
    ensure!(
        actual == expected,
        "expected {expected:?} from its {source}, got {actual:?}"
    );
    Ok(())
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => code.to_string(),
        None => status.to_string(),
    }
}
