//! What every end-to-end test stands on: the command, guests, scratch folders, a server, filters.
#![allow(dead_code)]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No command of these tests runs longer; one that does is killed and the test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of this repository.
pub fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The cache that all tests share, kept from run to run, apart from the user's own.
pub fn shared_cache() -> PathBuf {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        use std::os::unix::fs::DirBuilderExt as _;
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-cache");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .unwrap();
        dir
    });
    DIR.clone()
}

/// Where the user keeps what can be made again.
pub fn user_cache() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is not set")).join(".cache"),
        PathBuf::from,
    )
}

fn guests_dir() -> PathBuf {
    std::env::var_os("HOLM_GUESTS_OUT")
        .map_or_else(|| user_cache().join("holm/guests"), PathBuf::from)
}

/// A guest of `guests/`, built.
pub fn guest(name: &str) -> PathBuf {
    let path = guests_dir().join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: run guests/build",
        path.display()
    );
    path
}

/// The folder of programs that others published.
pub fn published_dir() -> PathBuf {
    user_cache().join("holm/published")
}

/// A program that others published.
pub fn published(name: &str) -> PathBuf {
    let path = published_dir().join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: run scripts/fetch-published",
        path.display()
    );
    path
}

/// A fixture of `guests/wat`.
pub fn wat(name: &str) -> PathBuf {
    repo().join(format!("guests/wat/{name}.wat"))
}

/// A name other than `localhost` that leads to one address of this machine, not a public one.
pub fn name_of_this_machine() -> (String, IpAddr) {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter_map(|line| line.split('#').next());
    let names = lines.flat_map(|line| line.split_whitespace().skip(1));
    let found = names
        .filter(|name| !name.starts_with("localhost"))
        .find_map(|name| {
            let all: BTreeSet<_> = (name, 0).to_socket_addrs().ok()?.map(|a| a.ip()).collect();
            let ip = all.first().filter(|_| all.len() == 1).copied()?;
            let near = ip.is_loopback() || matches!(ip, IpAddr::V4(ip) if ip.is_private());
            (near && TcpListener::bind((ip, 0)).is_ok()).then(|| (name.to_owned(), ip))
        });
    found.expect("no name in /etc/hosts leads to this machine: add a line `127.0.1.1 holm-test`")
}

/// A folder that is gone when the test ends.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Scratch(
            tempfile::Builder::new()
                .prefix("holm-e2e-")
                .tempdir()
                .unwrap(),
        )
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file, its folders made.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.join(path)).unwrap()
    }

    /// Makes a folder.
    pub fn dir(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

/// A command line of `holm`, in an environment that has nothing of the developer's.
pub struct Command {
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    stdin: Vec<u8>,
    dir: PathBuf,
    space: Option<u64>,
}

/// `holm`, to be continued.
pub fn holm() -> Command {
    let mut command = Command {
        args: Vec::new(),
        env: BTreeMap::new(),
        stdin: Vec::new(),
        dir: std::env::temp_dir(),
        space: None,
    };
    for name in ["PATH", "HOME", "TMPDIR", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env.insert(name.into(), value);
        }
    }
    command
        .env("HOLM_CACHE_DIR", shared_cache())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
}

/// `holm run`, to be continued.
pub fn run() -> Command {
    holm().arg("run")
}

impl Command {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.remove(name.as_ref());
        self
    }

    /// What it reads; nothing, and the end at once, by default.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// The folder it runs in.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = dir.as_ref().to_owned();
        self
    }

    /// The address space that it may have, in GiB.
    pub fn space(mut self, gib: u64) -> Self {
        self.space = Some(gib);
        self
    }

    /// A process for tests that wire it themselves; streams are the caller's to set.
    pub fn process(&self) -> std::process::Command {
        heed_interrupts();
        let holm = env!("CARGO_BIN_EXE_holm");
        let mut process = match self.space {
            None => std::process::Command::new(holm),
            Some(gib) => {
                let mut shell = std::process::Command::new("sh");
                let kib = (gib << 20).to_string();
                shell.args(["-c", "ulimit -v $0 && exec \"$@\"", &kib, holm]);
                shell
            }
        };
        process
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.dir);
        process
    }

    /// Starts it with its streams piped; standard input stays open.
    pub fn spawn(&self) -> Child {
        self.process()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        let began = Instant::now();
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = self.stdin.clone();
        let feed = std::thread::spawn(move || {
            // A program need not read all that it is given.
            let _ = stdin.write_all(&bytes);
        });
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let status = wait(&mut child, PATIENCE);
        let _ = feed.join();
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let line = format!("holm {:?}", self.args);
        assert!(
            status.is_some(),
            "{line} was killed after {PATIENCE:?}\n{}\n{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
        Output::new(line, status.unwrap(), stdout, stderr, began.elapsed())
    }
}

/// Writes all that a process is to read, and collects what it writes.
pub fn feed(child: &mut Child, input: &[u8]) -> (JoinHandle<Vec<u8>>, JoinHandle<Vec<u8>>) {
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), input.to_vec());
    std::thread::spawn(move || {
        // A program need not read all that it is given.
        let _ = stdin.write_all(&bytes);
    });
    (collect(child.stdout.take()), collect(child.stderr.take()))
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut stream = stream.unwrap();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// Waits so long for the end of a process, then kills it and says nothing.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a shell starts in the background ignores Ctrl-C, and so would all that it starts in turn.
fn heed_interrupts() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default is set, and no handler of ours runs.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    });
}

/// Sends a signal to a process.
pub fn signal(child: &Child, signal: i32) {
    // SAFETY: it takes two numbers; the process is our child and not yet waited for.
    let sent = unsafe { libc::kill(child.id() as i32, signal) };
    assert_eq!(sent, 0, "signal {signal} was not sent");
}

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    line: String,
    /// The exit code; -N where signal N ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub bytes: Vec<u8>,
    pub took: Duration,
}

impl Output {
    fn new(
        line: String,
        status: ExitStatus,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        took: Duration,
    ) -> Self {
        Output {
            line,
            code: code(status),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            bytes: stdout,
            took,
        }
    }

    /// It ended with this code; else all is shown.
    #[track_caller]
    pub fn is(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.line, self.stdout, self.stderr
        );
        self
    }

    /// It ended well, wrote exactly this, and no word on standard error.
    #[track_caller]
    pub fn prints(&self, stdout: &str) -> &Self {
        self.is(0);
        assert_eq!(self.stdout, stdout, "{}", self.line);
        assert_eq!(self.stderr, "", "{}", self.line);
        self
    }

    /// Standard error has this in it.
    #[track_caller]
    pub fn says(&self, part: &str) -> &Self {
        assert!(
            self.stderr.contains(part),
            "{}\nno {part:?} in\n{}",
            self.line,
            self.stderr
        );
        self
    }
}

/// The exit code; -N where signal N ended it.
pub fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// `holm up`, serving.
pub struct Server {
    child: Option<Child>,
    addr: SocketAddr,
    tls: bool,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<http::HeaderMap>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, or nothing at all.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Server {
    /// `holm up --listen 127.0.0.1:0 ARGS…` in a folder; returns when it serves.
    pub fn up<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, dir: impl AsRef<Path>) -> Server {
        Self::start(
            holm()
                .args(["up", "--listen", "127.0.0.1:0"])
                .args(args)
                .dir(dir),
        )
    }

    /// Any command line that ends up serving.
    pub fn start(command: Command) -> Server {
        let mut child = command.spawn();
        drop(child.stdin.take());
        let stderr = lines(child.stderr.take());
        let stdout = lines(child.stdout.take());
        let began = Instant::now();
        let (tls, addr) = loop {
            let found = stdout.lock().unwrap().iter().find_map(|line| {
                let (scheme, addr) = line.strip_prefix("Serving ")?.split_once("://")?;
                Some((scheme == "https", addr.split('/').next()?.parse().unwrap()))
            });
            if let Some(found) = found {
                break found;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                std::thread::sleep(Duration::from_millis(50));
                panic!(
                    "it does not serve: {ended:?}\n{}",
                    stderr.lock().unwrap().join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Server {
            child: Some(child),
            addr,
            tls,
            stdout,
            stderr,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn tls(&self) -> bool {
        self.tls
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The lines that it has written to standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// The lines that it has written to standard error so far: the access log, guests' output.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for a line on standard error that has this in it, and returns it.
    #[track_caller]
    pub fn wait_for(&self, part: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(line) = self
                .stderr
                .lock()
                .unwrap()
                .iter()
                .find(|l| l.contains(part))
            {
                return line.clone();
            }
            let seen = || self.stderr().join("\n");
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "no {part:?} in\n{}",
                seen()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A GET over plain HTTP/1.1.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.request(http::Request::get(path).body(Vec::new()).unwrap())
    }

    /// Any request over plain HTTP/1.1, on a connection of its own. Works inside and outside of tokio.
    #[track_caller]
    pub fn request(&self, request: http::Request<Vec<u8>>) -> Reply {
        self.try_request(request)
            .unwrap_or_else(|e| panic!("{e}\n{}", self.stderr().join("\n")))
    }

    /// The same where it may fail: the connection, or the body half way.
    pub fn try_request(&self, request: http::Request<Vec<u8>>) -> Result<Reply, String> {
        let addr = self.addr;
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let send = async move {
            tokio::time::timeout(PATIENCE, exchange(addr, request))
                .await
                .unwrap_or(Err("no answer".into()))
        };
        std::thread::spawn(move || runtime().block_on(send))
            .join()
            .unwrap()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        signal(self.child.as_ref().unwrap(), number);
    }

    /// Waits so long for its end, and says with which exit code.
    #[track_caller]
    pub fn ends_within(&mut self, patience: Duration) -> i32 {
        let status = wait(self.child.as_mut().unwrap(), patience);
        let status =
            status.unwrap_or_else(|| panic!("it does not end\n{}", self.stderr().join("\n")));
        // The readers of its streams see the end a little later.
        std::thread::sleep(Duration::from_millis(50));
        code(status)
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        signal(&child, libc::SIGTERM);
        let status = wait(&mut child, Duration::from_secs(60));
        code(status.expect("it does not end after SIGTERM"))
    }

    /// SIGKILL: what a power failure looks like from inside.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("--- the server's stderr\n{}", self.stderr().join("\n"));
            }
        }
    }
}

async fn exchange(addr: SocketAddr, request: http::Request<Vec<u8>>) -> Result<Reply, String> {
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key("host") {
        parts
            .headers
            .insert("host", addr.to_string().parse().unwrap());
    }
    let stream = tokio::net::TcpStream::connect(addr)
        .await
        .map_err(|e| e.to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
        .await
        .map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let request = http::Request::from_parts(parts, Full::new(Bytes::from(body)));
    let response = sender
        .send_request(request)
        .await
        .map_err(|e| e.to_string())?;
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.map_err(|e| e.to_string())?;
    let trailers = collected.trailers().cloned();
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: collected.to_bytes().to_vec(),
        trailers,
    })
}

fn lines(stream: Option<impl Read + Send + 'static>) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let stream = stream.unwrap();
    std::thread::spawn({
        let lines = lines.clone();
        move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                lines
                    .lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&line).into_owned());
            }
        }
    });
    lines
}

/// What differs between machines and runs, and what stands for it in snapshots.
pub fn filters() -> Vec<(String, &'static str)> {
    let quoted = |path: &Path| path.display().to_string().replace('.', r"\.");
    let temp = quoted(&std::env::temp_dir());
    vec![
        (format!(r"(/private)?{temp}/holm-e2e-\w+"), "[TMP]"),
        (quoted(&guests_dir()), "[GUESTS]"),
        (quoted(&published_dir()), "[PUBLISHED]"),
        (quoted(&shared_cache()), "[CACHE]"),
        (quoted(&repo()), "[REPO]"),
        (r"sha256:[0-9a-f]+".into(), "sha256:[DIGEST]"),
        // Those that the system picks; the others are somebody's choice.
        (
            r"(127\.0\.0\.1|localhost|\[::1\]):([3-6]\d{4})".into(),
            "$1:[PORT]",
        ),
        (r"\+0x[0-9a-f]+\)".into(), "+[OFFSET])"),
        (r"\(at 0x[0-9a-f]+\)".into(), "(at [OFFSET])"),
        (r"\(at offset 0x[0-9a-f]+\)".into(), "(at offset [OFFSET])"),
        (r"\b\d+\.\d+ (ms|µs|us|s)\b".into(), "[TIME]"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z".into(), "[WHEN]"),
        (r"/\.tmp\w{6}\b".into(), "/.tmp[RANDOM]"),
    ]
}

/// Compares a text with its snapshot, named after the test; a second name where a test has several.
#[macro_export]
macro_rules! shot {
    ($text:expr) => {{
        let mut settings = insta::Settings::clone_current();
        for (pattern, by) in $crate::support::filters() {
            settings.add_filter(&pattern, by);
        }
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($text));
    }};
    ($name:expr, $text:expr) => {{
        let mut settings = insta::Settings::clone_current();
        for (pattern, by) in $crate::support::filters() {
            settings.add_filter(&pattern, by);
        }
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($name, $text));
    }};
}
pub use crate::shot;
