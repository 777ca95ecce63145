//! Provider `redis`: messages in streams of a server, a stream for each topic, which keep what nobody
//! has confirmed; and the server's channels, which keep nothing ([`channel`]).
//!
//! A stream's group begins with what the stream still has. What is confirmed is removed when there is
//! no other group that may want it.

pub mod channel;
mod entry;

use super::broker::{Answers, Broker, Delivery, Fault, Receipt, Source, Subscription};
use super::message::Message;
use async_trait::async_trait;
use entry::Entry;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, Script};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long one question to the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the server waits for a message before it says that there is none: so long may the end of
/// a listener take.
const WAIT: Duration = Duration::from_millis(500);

/// What the streams of answers begin with, and how long one is kept that nobody reads.
const ANSWERS: &str = "holm:answers:";
const ANSWERS_KEPT: Duration = Duration::from_secs(120);

/// Answers that the server is asked for at once.
const ANSWERS_AT_ONCE: usize = 16;

/// Where a look for what others have left behind begins, and what the server says at its end.
const FIRST: &str = "0-0";

/// Confirms, and removes what no other group may want.
const DONE: &str = "
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if #redis.call('XINFO', 'GROUPS', KEYS[1]) == 1 then redis.call('XDEL', KEYS[1], ARGV[2]) end
return 1";

/// A server.
#[derive(Clone)]
pub struct Redis {
    name: String,
    client: Client,
    connection: ConnectionManager,
    done: Script,
}

impl Redis {
    /// The broker `name` on the server at `url`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn open(name: &str, url: &str) -> Result<Self, Fault> {
        let wrong = |error: RedisError| {
            let told = format!("`url` of broker {name:?} is no address of Redis");
            Fault::because(told, error.category())
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1));
        let client = Client::open(url).map_err(wrong)?;
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config);
        Ok(Redis {
            name: name.to_owned(),
            client,
            connection: connection.map_err(wrong)?,
            done: Script::new(DONE),
        })
    }

    fn failed(&self, error: &RedisError) -> Fault {
        let name = &self.name;
        match (error.is_io_error() || error.is_timeout(), error.code()) {
            (true, _) => Fault::connection(format!("broker {name:?} cannot be reached"), error),
            (_, Some(code)) => Fault::because(format!("broker {name:?} refused: {code}"), error),
            (_, None) => Fault::because(format!("broker {name:?} refused"), error),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let mut connection = self.connection.clone();
        let asked = command.query_async(&mut connection);
        match timeout(PATIENCE, asked).await {
            Ok(answer) => answer.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> Fault {
        let told = format!("broker {:?} cannot be reached", self.name);
        Fault::connection(told, "no answer in time")
    }

    /// A connection for questions that the server answers when it has something.
    async fn patient(&self) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(WAIT + PATIENCE));
        let client = &self.client;
        let made = client.get_multiplexed_async_connection_with_config(&config);
        made.await.map_err(|error| self.failed(&error))
    }

    async fn add(&self, stream: &str, message: &Message) -> Result<(), Fault> {
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("*");
        for (field, value) in entry::fields(message) {
            command.arg(field).arg(value);
        }
        self.ask::<String>(&command).await.map(|_| ())
    }
}

#[async_trait]
impl Broker for Redis {
    async fn send(&self, topic: &str, message: Message) -> Result<(), Fault> {
        self.add(topic, &message).await?;
        if topic.starts_with(ANSWERS) {
            let mut expire = redis::cmd("EXPIRE");
            expire.arg(topic).arg(ANSWERS_KEPT.as_secs());
            let _: i64 = self.ask(&expire).await?;
        }
        Ok(())
    }

    async fn request(
        &self,
        topic: &str,
        mut message: Message,
        patience: Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        let reply_to = format!("{ANSWERS}{:032x}", super::random());
        message.reply_to = Some(reply_to.clone());
        let mut connection = self.patient().await?;
        self.add(topic, &message).await?;
        let until = Instant::now() + patience;
        let (mut came, mut last) = (Answers::wanted(answers), "0".to_owned());
        while came.missing() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(came.missing().min(ANSWERS_AT_ONCE));
            read.arg("BLOCK").arg(millis(left.min(WAIT)));
            read.arg("STREAMS").arg(&reply_to).arg(&last);
            let answer: redis::Value = match read.query_async(&mut connection).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.failed(&error)),
            };
            for Entry { id, message } in entry::of_streams(answer) {
                last = id;
                came.push(Message {
                    topic: Some(reply_to.clone()),
                    ..message
                });
            }
        }
        let mut forget = redis::cmd("DEL");
        let _ = self.ask::<i64>(forget.arg(&reply_to)).await;
        came.in_time()
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        let mut group = redis::cmd("XGROUP");
        group.arg("CREATE").arg(&to.topic).arg(&to.group);
        group.arg("0").arg("MKSTREAM");
        match self.ask::<redis::Value>(&group).await {
            Ok(_) => {}
            // It is there already.
            Err(fault) if fault.told.ends_with(" BUSYGROUP") => {}
            Err(fault) => return Err(fault),
        }
        let source = Listening {
            connection: self.patient().await?,
            redis: self.clone(),
            to: to.clone(),
            // Two of one process, as while one version takes another's place, are two to the server.
            member: format!("{}-{:08x}", to.member, super::random() as u32),
            looked: None,
            cursor: FIRST.to_owned(),
        };
        source.forget_the_dead().await?;
        Ok(Box::new(source))
    }
}

struct Listening {
    redis: Redis,
    connection: MultiplexedConnection,
    to: Subscription,
    member: String,
    /// When it last looked for what others have left behind.
    looked: Option<Instant>,
    /// How far it has looked.
    cursor: String,
}

impl Listening {
    /// Removes members of the group that hold nothing and have not been heard of for long: each start
    /// of a process is a member of its own.
    async fn forget_the_dead(&self) -> Result<(), Fault> {
        let (topic, group) = (&self.to.topic, &self.to.group);
        let mut list = redis::cmd("XINFO");
        list.arg("CONSUMERS").arg(topic).arg(group);
        let long = millis((self.to.hold * 10).max(Duration::from_secs(600)));
        let all: Vec<std::collections::HashMap<String, redis::Value>> =
            self.redis.ask(&list).await?;
        for member in all {
            let number = |key: &str| match member.get(key) {
                Some(redis::Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
                _ => 0,
            };
            let name = member.get("name").cloned();
            let name = name.and_then(|name| redis::from_redis_value::<String>(name).ok());
            if let Some(name) = name.filter(|_| number("pending") == 0 && number("idle") > long) {
                let mut remove = redis::cmd("XGROUP");
                remove.arg("DELCONSUMER").arg(topic).arg(group).arg(name);
                self.redis.ask::<i64>(&remove).await?;
            }
        }
        Ok(())
    }

    /// What somebody of the group has taken and not confirmed for as long as it may be held.
    async fn left_behind(&mut self) -> Result<Option<Entry>, Fault> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(&self.to.topic).arg(&self.to.group);
        claim.arg(&self.member).arg(millis(self.to.hold));
        claim.arg(&self.cursor).arg("COUNT").arg(1);
        let answer: redis::Value = self.redis.ask(&claim).await?;
        let (cursor, found) = entry::of_claim(answer);
        self.cursor = cursor.unwrap_or_else(|| FIRST.to_owned());
        Ok(found)
    }

    async fn fresh(&mut self) -> Result<Option<Entry>, Fault> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.to.group).arg(&self.member);
        read.arg("COUNT").arg(1).arg("BLOCK").arg(millis(WAIT));
        read.arg("STREAMS").arg(&self.to.topic).arg(">");
        let answer = read.query_async(&mut self.connection).await;
        let answer: redis::Value = answer.map_err(|error| self.redis.failed(&error))?;
        Ok(entry::of_streams(answer).into_iter().next())
    }
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        while !ended.is_cancelled() {
            let due = |looked: Instant| looked.elapsed() > self.to.hold / 4;
            let found = match self.looked.is_none_or(due) {
                true => {
                    let left = self.left_behind().await?;
                    // The server looks at some at a time, and says when those were all.
                    self.looked = (self.cursor == FIRST).then(Instant::now);
                    left
                }
                false => self.fresh().await?,
            };
            if let Some(Entry { id, message }) = found {
                let receipt = Box::new(Pending {
                    redis: self.redis.clone(),
                    stream: self.to.topic.clone(),
                    group: self.to.group.clone(),
                    member: self.member.clone(),
                    id,
                });
                let topic = Some(self.to.topic.clone());
                let message = Message { topic, ..message };
                return Ok(Some(Delivery { message, receipt }));
            }
        }
        Ok(None)
    }
}

/// An entry that the server holds for one member of the group.
struct Pending {
    redis: Redis,
    stream: String,
    group: String,
    member: String,
    id: String,
}

impl Pending {
    /// Sets how long the server takes it to be held already.
    async fn claim(&self, idle: u64) -> Result<(), Fault> {
        let mut claim = redis::cmd("XCLAIM");
        claim.arg(&self.stream).arg(&self.group).arg(&self.member);
        claim
            .arg(0)
            .arg(&self.id)
            .arg("IDLE")
            .arg(idle)
            .arg("JUSTID");
        self.redis.ask::<redis::Value>(&claim).await.map(|_| ())
    }
}

#[async_trait]
impl Receipt for Pending {
    async fn done(&self) -> Result<(), Fault> {
        let mut done = self.redis.done.prepare_invoke();
        done.key(&self.stream).arg(&self.group).arg(&self.id);
        let mut connection = self.redis.connection.clone();
        match timeout(PATIENCE, done.invoke_async::<i64>(&mut connection)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.redis.failed(&error)),
            Err(_) => Err(self.redis.late()),
        }
    }

    async fn at_work(&self) {
        let _ = self.claim(0).await;
    }

    async fn give_back(&self) {
        // As if it had been held for ever: whoever looks next takes it.
        let _ = self.claim(millis(Duration::from_secs(365 * 86400))).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
