//! Servers of a test's own, which it may kill: Redis, NATS and Mosquitto, as somebody else made them.

use crate::app::*;
use crate::support::*;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Nats,
    Mosquitto,
}

/// A server that writes down what it acknowledges.
pub struct Daemon {
    kind: Kind,
    dir: Scratch,
    pub port: u16,
    tls: bool,
    child: Child,
}

impl Daemon {
    pub fn start(kind: Kind) -> Daemon {
        Self::begin(kind, false)
    }

    /// One that speaks TLS alone, and shows a certificate that it has made itself.
    pub fn start_tls(kind: Kind) -> Daemon {
        Self::begin(kind, true)
    }

    fn begin(kind: Kind, tls: bool) -> Daemon {
        // Free until it was found; another that takes it meanwhile is told apart below.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = Scratch::new();
        if tls {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            dir.write("cert.pem", made.cert.pem());
            dir.write("key.pem", made.signing_key.serialize_pem());
        }
        let child = Self::run(kind, &dir, port, tls);
        Daemon {
            kind,
            dir,
            port,
            tls,
            child,
        }
    }

    fn run(kind: Kind, dir: &Scratch, port: u16, tls: bool) -> Child {
        let folder = dir.path().display().to_string();
        let text = match (kind, tls) {
            (Kind::Redis, false) => format!("--port {port}"),
            (Kind::Redis, true) => format!(
                "--port 0 --tls-port {port} --tls-cert-file cert.pem --tls-key-file key.pem \
                 --tls-ca-cert-file cert.pem --tls-auth-clients no"
            ),
            (Kind::Nats, false) => format!("-p {port}"),
            (Kind::Nats, true) => {
                format!("-p {port} --tls --tlscert cert.pem --tlskey key.pem")
            }
            (Kind::Mosquitto, _) => "-c mosquitto.conf".to_owned(),
        };
        let mut args: Vec<&str> = text.split_whitespace().collect();
        let program = match kind {
            Kind::Redis => {
                args.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
                args.extend(["--appendfsync", "always", "--dir", &folder]);
                "redis-server".into()
            }
            Kind::Nats => {
                args.extend(["-a", "127.0.0.1", "-js", "-sd", &folder]);
                let tools = std::env::var_os("HOLM_TEST_TOOLS");
                let tools =
                    tools.expect("HOLM_TEST_TOOLS is not set: eval \"$(scripts/servers start)\"");
                Path::new(&tools).join("bin/nats-server")
            }
            Kind::Mosquitto => {
                let files = match tls {
                    true => "certfile cert.pem\nkeyfile key.pem\n",
                    false => "",
                };
                dir.write(
                    "mosquitto.conf",
                    format!(
                        "listener {port} 127.0.0.1\n{files}allow_anonymous true\nuser root\n\
                         persistence true\npersistence_location {folder}/\n\
                         autosave_interval 1\nautosave_on_changes true\n"
                    ),
                );
                // Debian keeps it where only root looks.
                let found = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
                let found = found.iter().find(|path| Path::new(path).exists());
                found.map_or("mosquitto".into(), Into::into)
            }
        };
        let child = Command::new(&program)
            .args(args)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; scripts/servers says what it is of",
                program.display()
            )
        });
        until("the server answers", || {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{} has ended: {ended:?}",
                program.display()
            );
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        child
    }

    /// It takes connections from now on, and answers nothing.
    pub fn hang(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// It answers again.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: it takes two numbers; the process is our child, which is not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.child = Self::run(self.kind, &self.dir, self.port, self.tls);
    }

    /// Whether a message that it has acknowledged is in its file.
    pub fn has_written(&self, data: &str) -> bool {
        let file = match self.kind {
            Kind::Redis | Kind::Nats => return true,
            Kind::Mosquitto => self.dir.join("mosquitto.db"),
        };
        let kept = std::fs::read(file).unwrap_or_default();
        kept.windows(data.len()).any(|part| part == data.as_bytes())
    }

    pub fn url(&self) -> String {
        let (plain, tls) = match self.kind {
            Kind::Redis => ("redis", "rediss"),
            Kind::Nats => ("nats", "tls"),
            Kind::Mosquitto => ("mqtt", "mqtts"),
        };
        match self.tls {
            true => format!("{tls}://localhost:{}", self.port),
            false => format!("{plain}://127.0.0.1:{}", self.port),
        }
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        assert!(self.tls);
        self.dir.join("cert.pem")
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    /// One command of Redis; the first line of the answer.
    pub fn redis(&self, words: &[&str]) -> String {
        let mut stream = self.stream();
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(command.as_bytes()).unwrap();
        let mut answer = String::new();
        let mut byte = [0];
        while !answer.ends_with("\r\n") {
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0].into());
        }
        answer.trim_end().to_owned()
    }

    /// Publishes on a channel of Redis, once somebody listens to it.
    pub fn publish_when_heard(&self, channel: &str, data: &str) {
        until("somebody listens", || {
            let heard = self.redis(&["PUBSUB", "NUMSUB", channel]);
            assert_eq!(heard, "*2");
            (self.redis(&["PUBLISH", channel, data]) == ":1").then_some(())
        });
    }

    /// Publishes to a topic of MQTT, and waits until the broker has it.
    pub fn publish_mqtt(&self, topic: &str, data: &str) {
        fn text(text: &str) -> Vec<u8> {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            [&length, text.as_bytes()].concat()
        }
        fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
            let length = u8::try_from(body.len()).unwrap();
            assert!(length < 128);
            [&[kind, length], body].concat()
        }
        let mut stream = self.stream();
        let hello = [text("MQTT"), vec![4, 2, 0, 60], text("holm-test")].concat();
        stream.write_all(&packet(0x10, &hello)).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
        let publish = [text(topic), vec![0, 1], data.as_bytes().to_vec()].concat();
        stream.write_all(&packet(0x32, &publish)).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x40, 2, 0, 1]);
        stream.write_all(&[0xe0, 0]).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// How often the guest has printed this line.
    pub fn printed(&self, line: &str) -> usize {
        self.log("log").iter().filter(|l| l["line"] == line).count()
    }

    /// Waits until it has.
    #[track_caller]
    pub fn prints(&self, line: &str) {
        self.logged("log", |l| l["line"] == line);
    }

    /// A sample of the metrics, of a server that was told `--admin unix:admin.sock`.
    pub fn metric(&self, dir: &Scratch, sample: &str) -> Option<f64> {
        let mut stream = std::os::unix::net::UnixStream::connect(dir.join("admin.sock")).ok()?;
        let request = "GET /metrics HTTP/1.1\r\nhost: holm\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(sample))?;
        line.trim().parse().ok()
    }
}
