//! Provider `memory`: messages within the process, gone with it. Topics are words between dots; `*` in a
//! pattern is any one word, `>` at its end is all that follow.

use super::broker::{Answers, Broker, Delivery, Fault, Receipt, Source, Subscription};
use super::message::Message;
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// What topics of answers begin with; no pattern sees them.
const ANSWERS: &str = "_answers.";

/// A queue that nobody has listened to for so long is given up: long enough for one version of an app
/// to take another's place.
const LEFT_FOR: Duration = Duration::from_secs(30);

/// Messages within the process.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    name: String,
    /// The most that waiting messages may take.
    limit: u64,
    used: AtomicU64,
    queues: Mutex<Vec<Arc<Queue>>>,
    answers: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    asked: AtomicU64,
}

/// What waits for the members of a group.
struct Queue {
    pattern: String,
    group: String,
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    listeners: usize,
    left: Option<Instant>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// A broker that keeps up to `limit` bytes of messages that nobody has taken yet.
    pub fn new(name: &str, limit: u64) -> Self {
        Memory(Arc::new(Inner {
            name: name.to_owned(),
            limit,
            used: AtomicU64::new(0),
            queues: Mutex::default(),
            answers: Mutex::default(),
            asked: AtomicU64::new(0),
        }))
    }

    /// Puts it into each queue that wants it, or into none; the number of those.
    fn put(&self, topic: &str, mut message: Message) -> Result<usize, Fault> {
        message.topic = Some(topic.to_owned());
        let size = message.size() as u64;
        let mut queues = held(&self.0.queues);
        queues.retain(|queue| {
            let mut waiting = held(&queue.waiting);
            let given_up = waiting.listeners == 0
                && waiting.left.is_some_and(|left| left.elapsed() > LEFT_FOR);
            if given_up {
                let bytes = waiting.messages.drain(..).map(|m| m.size() as u64).sum();
                self.0.used.fetch_sub(bytes, Relaxed);
            }
            !given_up
        });
        let wanted = queues.iter().filter(|queue| matches(&queue.pattern, topic));
        let wanted: Vec<&Arc<Queue>> = wanted.collect();
        let bytes = size * wanted.len() as u64;
        if self.0.used.load(Relaxed) + bytes > self.0.limit {
            let most = holm_manifest::ByteSize(self.0.limit);
            let name = &self.0.name;
            return Err(Fault::other(format!(
                "broker {name:?} is full: messages of {most} wait in it"
            )));
        }
        self.0.used.fetch_add(bytes, Relaxed);
        for queue in &wanted {
            held(&queue.waiting).messages.push_back(message.clone());
            queue.more.notify_one();
        }
        Ok(wanted.len())
    }

    /// The queue of a group, made where there is none. One that nobody listens to yet is kept for as long
    /// as one that was left.
    fn queue(&self, to: &Subscription, change: impl FnOnce(&mut Waiting)) -> Arc<Queue> {
        let mut queues = held(&self.0.queues);
        let same = |queue: &&Arc<Queue>| queue.pattern == to.topic && queue.group == to.group;
        let queue = match queues.iter().find(same) {
            Some(queue) => queue.clone(),
            None => {
                let queue = Arc::new(Queue {
                    pattern: to.topic.clone(),
                    group: to.group.clone(),
                    waiting: Mutex::new(Waiting {
                        left: Some(Instant::now()),
                        ..Waiting::default()
                    }),
                    more: Notify::new(),
                });
                queues.push(queue.clone());
                queue
            }
        };
        change(&mut held(&queue.waiting));
        queue
    }
}

/// Whether a pattern means a topic.
pub fn matches(pattern: &str, topic: &str) -> bool {
    let mut words = topic.split('.');
    let mut patterns = pattern.split('.');
    loop {
        match (patterns.next(), words.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return patterns.next().is_none(),
            (Some(pattern), Some(word)) if pattern == "*" || pattern == word => {}
            _ => return false,
        }
    }
}

#[async_trait]
impl Broker for Memory {
    async fn send(&self, topic: &str, mut message: Message) -> Result<(), Fault> {
        if topic.starts_with(ANSWERS) {
            let asked = held(&self.0.answers).get(topic).cloned();
            message.topic = Some(topic.to_owned());
            // Who has asked may have gone.
            if let Some(asked) = asked {
                let _ = asked.try_send(message);
            }
            return Ok(());
        }
        self.put(topic, message).map(|_| ())
    }

    async fn request(
        &self,
        topic: &str,
        mut message: Message,
        patience: Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        let number = self.0.asked.fetch_add(1, Relaxed);
        let reply_to = format!("{ANSWERS}{number}");
        let mut came = Answers::wanted(answers);
        let (send, mut receive) = mpsc::channel(came.missing());
        held(&self.0.answers).insert(reply_to.clone(), send);
        let _forget = Forget(&self.0.answers, &reply_to);
        message.reply_to = Some(reply_to.clone());
        if self.put(topic, message)? == 0 {
            let told = format!("nobody listens to {topic:?}");
            return Err(Fault::other(told));
        }
        let _ = tokio::time::timeout(patience, async {
            while came.missing() > 0 {
                let Some(answer) = receive.recv().await else {
                    break;
                };
                came.push(answer);
            }
        })
        .await;
        came.in_time()
    }

    fn reserve(&self, to: &Subscription) {
        self.queue(to, |_| {});
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        let queue = self.queue(to, |waiting| waiting.listeners += 1);
        Ok(Box::new(Listening {
            memory: self.clone(),
            queue,
        }))
    }
}

/// A request that is over.
struct Forget<'a>(&'a Mutex<HashMap<String, mpsc::Sender<Message>>>, &'a str);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        held(self.0).remove(self.1);
    }
}

struct Listening {
    memory: Memory,
    queue: Arc<Queue>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut waiting = held(&self.queue.waiting);
        waiting.listeners -= 1;
        waiting.left = Some(Instant::now());
    }
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        loop {
            // Known as one who waits before it looks, so that nothing comes in between unseen.
            let mut more = std::pin::pin!(self.queue.more.notified());
            more.as_mut().enable();
            if ended.is_cancelled() {
                return Ok(None);
            }
            let taken = held(&self.queue.waiting).messages.pop_front();
            if let Some(message) = taken {
                let bytes = message.size() as u64;
                self.memory.0.used.fetch_sub(bytes, Relaxed);
                let receipt = Box::new(Taken {
                    memory: self.memory.clone(),
                    queue: self.queue.clone(),
                    message: message.clone(),
                });
                return Ok(Some(Delivery { message, receipt }));
            }
            if ended.run_until_cancelled(more).await.is_none() {
                return Ok(None);
            }
        }
    }
}

struct Taken {
    memory: Memory,
    queue: Arc<Queue>,
    message: Message,
}

#[async_trait]
impl Receipt for Taken {
    async fn done(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn give_back(&self) {
        let bytes = self.message.size() as u64;
        self.memory.0.used.fetch_add(bytes, Relaxed);
        let mut waiting = held(&self.queue.waiting);
        waiting.messages.push_front(self.message.clone());
        self.queue.more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(topic: &str, group: &str) -> Subscription {
        Subscription {
            topic: topic.to_owned(),
            group: group.to_owned(),
            member: "one".to_owned(),
            hold: Duration::from_secs(1),
        }
    }

    async fn text(source: &mut Box<dyn Source>) -> String {
        let next = source.next(&CancellationToken::new()).await;
        String::from_utf8(next.unwrap().unwrap().message.data).unwrap()
    }

    #[test]
    fn words_and_wildcards() {
        for (pattern, topic) in [
            ("a", "a"),
            ("a.*", "a.b"),
            ("*.b", "a.b"),
            (">", "a.b.c"),
            ("a.>", "a.b.c"),
        ] {
            assert!(matches(pattern, topic), "{pattern} {topic}");
        }
        for (pattern, topic) in [
            ("a", "b"),
            ("a", "a.b"),
            ("a.*", "a"),
            ("a.*", "a.b.c"),
            ("a.>", "a"),
            ("a.>.c", "a.b.c"),
        ] {
            assert!(!matches(pattern, topic), "{pattern} {topic}");
        }
    }

    #[test]
    fn a_topic_without_wildcards_means_itself() {
        crate::fuzz::text("topic-pattern", &[".", "*", ">", "a", "orders"], |text| {
            assert!(matches(text, text) || text.contains('>'), "{text:?}");
            assert!(matches(">", text));
        });
    }

    #[tokio::test]
    async fn groups_share_and_each_group_has_all() {
        let memory = Memory::new("events", 1 << 20);
        let mut first = memory.listen(&to("a.*", "one")).await.unwrap();
        let mut second = memory.listen(&to("a.*", "one")).await.unwrap();
        let mut other = memory.listen(&to("a.b", "two")).await.unwrap();
        for data in ["x", "y"] {
            let message = Message::new(data.into());
            memory.send("a.b", message).await.unwrap();
        }
        assert_eq!(text(&mut first).await, "x");
        assert_eq!(text(&mut second).await, "y");
        assert_eq!(text(&mut other).await, "x");
        assert_eq!(text(&mut other).await, "y");
    }

    #[tokio::test]
    async fn who_is_expected_has_what_came_before() {
        let memory = Memory::new("events", 1 << 20);
        memory.reserve(&to("a", "one"));
        let message = Message::new(b"early".to_vec());
        memory.send("a", message).await.unwrap();
        let mut source = memory.listen(&to("a", "one")).await.unwrap();
        assert_eq!(text(&mut source).await, "early");
    }

    #[tokio::test]
    async fn it_has_a_limit_and_what_is_taken_makes_room() {
        let memory = Memory::new("events", 10);
        let mut source = memory.listen(&to("a", "one")).await.unwrap();
        let message = || Message::new(vec![b'x'; 6]);
        memory.send("a", message()).await.unwrap();
        let full = memory.send("a", message()).await.unwrap_err();
        assert!(full.told.contains("is full"), "{full}");
        // Nobody wants it: it takes no room.
        memory.send("b", message()).await.unwrap();
        let taken = source.next(&CancellationToken::new()).await;
        let taken = taken.unwrap().unwrap();
        memory.send("a", message()).await.unwrap();
        taken.receipt.give_back().await;
        assert_eq!(memory.0.used.load(Relaxed), 12);
        assert_eq!(text(&mut source).await, "xxxxxx");
        assert_eq!(text(&mut source).await, "xxxxxx");
        assert_eq!(memory.0.used.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_request_has_its_answers_or_none_in_time() {
        let memory = Memory::new("events", 1 << 20);
        let ask = |patience, answers| {
            let memory = memory.clone();
            async move {
                let message = Message::new(b"?".to_vec());
                memory.request("ask", message, patience, answers).await
            }
        };
        let nobody = ask(Duration::from_secs(9), 1).await.unwrap_err();
        assert_eq!(nobody.told, "nobody listens to \"ask\"");
        let mut source = memory.listen(&to("ask", "one")).await.unwrap();
        let none = ask(Duration::from_millis(5), 1).await.unwrap_err();
        assert_eq!(none.kind, super::super::FaultKind::Timeout);
        assert_eq!(text(&mut source).await, "?");
        let asked = tokio::spawn(ask(Duration::from_secs(9), 2));
        let delivery = source.next(&CancellationToken::new()).await;
        let reply_to = delivery.unwrap().unwrap().message.reply_to.unwrap();
        for data in ["1", "2"] {
            let answer = Message::new(data.into());
            memory.send(&reply_to, answer).await.unwrap();
        }
        let came = asked.await.unwrap().unwrap();
        let data: Vec<_> = came.iter().map(|m| m.data.as_slice()).collect();
        assert_eq!(data, [b"1", b"2"]);
        assert!(held(&memory.0.answers).is_empty());
    }
}
