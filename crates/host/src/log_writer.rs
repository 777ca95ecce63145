//! The thread that writes log lines, so that a slow terminal or disk never holds up a request.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people, with colours or without.
    Human {
        /// Whether escape sequences for colours are written.
        color: bool,
    },
    /// An object of JSON on each line.
    Json,
}

/// Something that becomes a line, or several; made on the writer's thread.
pub trait Entry: Send {
    /// Appends its lines, each with its end.
    fn write(&self, form: Form, out: &mut String);
}

/// Lines that may wait for the writer; more are dropped and counted.
const WAITING_MAX: usize = 4096;
/// Lines are written together up to this size.
const BATCH_BYTES: usize = 64 * 1024;

enum Message {
    Entry(Box<dyn Entry>),
    Flush(SyncSender<()>),
}

/// Takes entries from any thread and never blocks. The thread ends with the last clone.
#[derive(Clone)]
pub struct LogWriter {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl LogWriter {
    /// Starts the thread. Errors of `out` are ignored: a log that cannot be written must not
    /// stop the server.
    pub fn start(out: impl Write + Send + 'static, form: Form) -> std::io::Result<LogWriter> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            out,
            form,
            receiver,
            dropped: dropped.clone(),
        };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        Ok(LogWriter { sender, dropped })
    }

    /// Hands over an entry; dropped and counted if too many wait already.
    pub fn submit(&self, entry: impl Entry + 'static) {
        if self
            .sender
            .try_send(Message::Entry(Box::new(entry)))
            .is_err()
        {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits until everything handed over so far is written, or for so long.
    pub fn flush(&self, most: Duration) {
        let until = Instant::now() + most;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => message = back,
            }
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

struct Writer<W> {
    out: W,
    form: Form,
    receiver: Receiver<Message>,
    dropped: Arc<AtomicU64>,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        let mut lines = String::new();
        let mut flushes = Vec::new();
        while let Ok(message) = self.receiver.recv() {
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Entry(entry) => entry.write(self.form, &mut lines),
                    Message::Flush(done) => flushes.push(done),
                }
                let room = lines.len() < BATCH_BYTES;
                next = if room {
                    self.receiver.try_recv().ok()
                } else {
                    None
                };
            }
            match self.dropped.swap(0, Relaxed) {
                0 => {}
                count => Dropped(count).write(self.form, &mut lines),
            }
            let _ = self.out.write_all(lines.as_bytes());
            let _ = self.out.flush();
            lines.clear();
            for done in flushes.drain(..) {
                let _ = done.try_send(());
            }
        }
    }
}

/// Lines that were lost because the log was not read fast enough.
struct Dropped(u64);

impl Entry for Dropped {
    fn write(&self, form: Form, out: &mut String) {
        let count = self.0;
        out.push_str(&match form {
            Form::Human { .. } => format!("… {count} log lines dropped: they came too fast\n"),
            Form::Json => format!("{{\"type\":\"dropped\",\"lines\":{count}}}\n"),
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A place that keeps what is written and can be made to block.
    #[derive(Clone, Default)]
    pub(crate) struct Page {
        pub text: Arc<Mutex<Vec<u8>>>,
        pub gate: Arc<Mutex<()>>,
    }

    impl Page {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Number(usize);

    impl Entry for Number {
        fn write(&self, _: Form, out: &mut String) {
            out.push_str(&format!("{}\n", self.0));
        }
    }

    #[test]
    fn a_stuck_terminal_costs_lines_and_nobody_waits() {
        let page = Page::default();
        let log = LogWriter::start(page.clone(), Form::Human { color: false }).unwrap();
        let closed = page.gate.lock().unwrap();
        let began = Instant::now();
        for number in 0..3 * WAITING_MAX {
            log.submit(Number(number));
        }
        log.flush(Duration::from_millis(20));
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(closed);
        log.flush(Duration::from_secs(10));
        log.submit(Number(0));
        log.flush(Duration::from_secs(10));
        let text = page.text();
        let dropped: usize = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("… ")?
                    .split(' ')
                    .next()?
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        let written = text.lines().filter(|line| !line.starts_with('…')).count();
        assert_eq!(dropped + written, 3 * WAITING_MAX + 1);
        assert!(dropped > 0);
    }
}
