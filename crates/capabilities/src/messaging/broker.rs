//! What a broker does: takes messages, and gives them to those who listen.

use super::message::Message;
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Why a broker did not do it. Neither text has an address or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What a guest is told.
    pub told: String,
    /// What the log is told besides.
    pub detail: Option<String>,
}

/// The kinds of faults that a guest can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing came in time.
    Timeout,
    /// The broker cannot be reached.
    Connection,
    /// It was reached, and refused.
    Other,
}

impl Fault {
    /// Nothing came in time.
    pub fn timeout(told: impl Into<String>) -> Self {
        Self::new(FaultKind::Timeout, told)
    }

    /// The broker cannot be reached, for this reason of the library's.
    pub fn connection(told: impl Into<String>, detail: impl fmt::Display) -> Self {
        Fault {
            detail: Some(detail.to_string()),
            ..Self::new(FaultKind::Connection, told)
        }
    }

    /// Anything else.
    pub fn other(told: impl Into<String>) -> Self {
        Self::new(FaultKind::Other, told)
    }

    /// Anything else, with what the log is told besides.
    pub fn because(told: impl Into<String>, detail: impl fmt::Display) -> Self {
        Fault {
            detail: Some(detail.to_string()),
            ..Self::other(told)
        }
    }

    fn new(kind: FaultKind, told: impl Into<String>) -> Self {
        Fault {
            kind,
            told: told.into(),
            detail: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// What somebody wants to hear.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The topic, or a pattern where the broker has them.
    pub topic: String,
    /// Those of one group share the messages among them.
    pub group: String,
    /// Who this is among those of its group; the same after a restart.
    pub member: String,
    /// A message that nobody has confirmed for so long is given to another.
    pub hold: Duration,
}

/// The most answers to one message, and what they may take together.
const ANSWERS_MAX: usize = 1024;
const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// Answers to one message, as they come.
pub struct Answers {
    came: Vec<Message>,
    most: usize,
    bytes: usize,
}

impl Answers {
    /// None yet; so many are wanted.
    pub fn wanted(number: usize) -> Self {
        Answers {
            came: Vec::new(),
            most: number.clamp(1, ANSWERS_MAX),
            bytes: 0,
        }
    }

    /// How many may still come.
    pub fn missing(&self) -> usize {
        match self.bytes < ANSWERS_BYTES_MAX {
            true => self.most.saturating_sub(self.came.len()),
            false => 0,
        }
    }

    /// One more, unless there are enough.
    pub fn push(&mut self, answer: Message) {
        if self.missing() > 0 {
            self.bytes += answer.size();
            self.came.push(answer);
        }
    }

    /// What came in time.
    ///
    /// # Errors
    /// Nothing did.
    pub fn in_time(self) -> Result<Vec<Message>, Fault> {
        match self.came.is_empty() {
            true => Err(Fault::timeout("nobody answered in time")),
            false => Ok(self.came),
        }
    }
}

/// A broker. Its connection is made when it is first needed, and made anew when it breaks.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Hands a message over. Where the broker keeps messages, it has this one when this returns.
    async fn send(&self, topic: &str, message: Message) -> Result<(), Fault>;

    /// Hands a message over and waits for answers: for so many, or for so long. What came in time is
    /// given; nothing at all is a timeout.
    async fn request(
        &self,
        topic: &str,
        message: Message,
        patience: Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault>;

    /// Somebody will listen soon: what comes until then is for him too, where the broker is in this
    /// process.
    fn reserve(&self, _to: &Subscription) {}

    /// Begins to listen.
    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault>;
}

/// Where messages come from. When it fails it is over, and whoever listens does so anew.
#[async_trait]
pub trait Source: Send {
    /// The next message. Nothing once it has `ended`: soon after, and without losing one on the way.
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault>;
}

/// A message that arrived.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// What the broker wants to know of it.
    pub receipt: Box<dyn Receipt>,
}

/// What a broker wants to know of a message that it gave. One that is dropped without a word is given
/// to somebody again, where the broker keeps messages.
#[async_trait]
pub trait Receipt: Send + Sync {
    /// It is done with, and will not come again.
    async fn done(&self) -> Result<(), Fault>;

    /// Somebody is still at work on it. To be said more often than the subscription's `hold`.
    async fn at_work(&self) {}

    /// Nobody here will be done with it: it is another's, or comes again.
    async fn give_back(&self) {}
}

/// Of a broker that wants to know nothing.
pub struct Unasked;

#[async_trait]
impl Receipt for Unasked {
    async fn done(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_a_number_and_a_size() {
        let mut answers = Answers::wanted(usize::MAX);
        assert_eq!(answers.missing(), ANSWERS_MAX);
        answers.push(Message::new(vec![0; ANSWERS_BYTES_MAX]));
        answers.push(Message::new(vec![0]));
        assert_eq!(answers.in_time().unwrap().len(), 1);
        let mut answers = Answers::wanted(0);
        answers.push(Message::new(vec![0]));
        answers.push(Message::new(vec![0]));
        assert_eq!((answers.missing(), answers.came.len()), (0, 1));
        let none = Answers::wanted(1).in_time().unwrap_err();
        assert_eq!(none.kind, FaultKind::Timeout);
    }
}
