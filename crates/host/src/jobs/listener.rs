//! A component that is given messages: taken from a broker, tried as often as it takes, and confirmed
//! when the handler has succeeded, never before.

use super::Retry;
use super::called::failed;
use super::counts::Counts;
use super::handler::Handler;
use super::identity;
use crate::app::App;
use crate::call_log::{CallLog, CallRecord, What};
use crate::component::Component;
use crate::event::Failure;
use crate::functions::{self, Call, Refused, Returned};
use crate::telemetry::{BeganBy, Event};
use holm_capabilities::keyvalue::{Store, watch};
use holm_capabilities::messaging::{
    Broker as _, Delivery, Fault, Message, Named, Receipt, Subscription,
};
use holm_manifest::{Problem, Span};
use holm_runtime::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The wait before the first try to reach a broker again, and the longest.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(10);

/// So often it is looked whether a drained app takes work again, or a busy component has a place.
const NAP: Duration = Duration::from_millis(500);

/// What a dead letter says of itself, beside what it said before.
const OF_TOPIC: &str = "holm-topic";
const OF_FAULT: &str = "holm-fault";

/// By which name a message carries the trace that it belongs to.
const TRACEPARENT: &str = "traceparent";

/// The longest fault that a dead letter tells, in bytes.
const FAULT_BYTES_MAX: usize = 1024;

/// A component that is given messages.
pub struct Listener {
    /// Its name: in logs, in metrics, and for `holm trigger`.
    pub name: Arc<str>,
    /// Who is called.
    pub component: Arc<Component>,
    /// Where the messages come from.
    pub broker: Arc<Named>,
    /// Which ones.
    pub subscription: Subscription,
    /// The store whose changes these are, where they are no messages.
    pub watched: Option<Arc<Store>>,
    /// The folder where the host keeps who it is to brokers.
    pub state: PathBuf,
    /// Messages that are handled at the same time.
    pub concurrency: u32,
    /// How often a message is tried.
    pub retry: Retry,
    /// Where those go that were tried in vain.
    pub dead_letter: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// What became of its messages.
    pub counts: Arc<Counts>,
}

/// How one try went.
enum Tried {
    Done,
    Failed(Box<Error>),
    /// Nobody had time for it: no try at all.
    Busy,
}

/// How the work on one message ended.
enum Outcome {
    Done,
    /// Tried in vain.
    Dead(Box<Error>),
    /// Its version or its app takes no more work.
    Ended,
}

impl Listener {
    /// It will listen soon; what comes until then is for it too, where that is in the host's hands.
    pub(super) fn reserve(&self) {
        self.broker.reserve(&self.subscription);
    }

    /// Listens until its version has `ended`; messages that are at work then go on in `work`, and are
    /// not tried again.
    pub(super) async fn listen(
        self: Arc<Self>,
        app: Arc<App>,
        work: TaskTracker,
        ended: CancellationToken,
    ) {
        let seats = Arc::new(Semaphore::new(self.concurrency as usize));
        let mut to = self.subscription.clone();
        to.member = self.member(&app).await;
        let mut wait = AGAIN;
        let mut told: Option<Fault> = None;
        while !ended.is_cancelled() {
            let listening = self.broker.listen(&to);
            let Some(listening) = ended.run_until_cancelled(listening).await else {
                return;
            };
            let fault = match listening {
                Ok(mut source) => {
                    self.connected(true);
                    if told.take().is_some() {
                        let (app, trigger) = (&*app.name, &*self.name);
                        tracing::info!(app, trigger, "listens again");
                    }
                    let since = Instant::now();
                    let fault = loop {
                        let seat = self.seat(&app, &seats, &ended).await;
                        let Some(seat) = seat else { break None };
                        match source.next(&ended).await {
                            Ok(Some(delivery)) => {
                                let (listener, app) = (self.clone(), app.clone());
                                let ended = ended.clone();
                                work.spawn(listener.take(app, delivery, seat, ended));
                            }
                            Ok(None) => break None,
                            Err(fault) => break Some(fault),
                        }
                    };
                    self.connected(false);
                    // What breaks at once each time is not tried at once each time.
                    if since.elapsed() > AGAIN_MAX {
                        wait = AGAIN;
                    }
                    fault
                }
                Err(fault) => Some(fault),
            };
            let Some(fault) = fault else { return };
            // Once, however long it takes.
            if told.as_ref() != Some(&fault) {
                let (app, trigger) = (&*app.name, &*self.name);
                tracing::warn!(app, trigger, "does not listen: {fault}");
                told = Some(fault);
            }
            let nap = tokio::time::sleep(wait);
            wait = (wait * 2).min(AGAIN_MAX);
            ended.run_until_cancelled(nap).await;
        }
    }

    /// Who this listener is to its broker: the same after a restart, and nobody else's.
    async fn member(&self, app: &App) -> String {
        let state = self.state.clone();
        let host = tokio::task::spawn_blocking(move || identity::of_host(&state)).await;
        let host = host.unwrap_or_else(|_| identity::fresh());
        identity::of_listener(&host, &app.name, &self.name)
    }

    fn connected(&self, is: bool) {
        let stand = &self.counts.connected;
        match is {
            true => {
                Counts::add(stand);
                Counts::add(&self.counts.connections);
            }
            false => _ = stand.fetch_sub(1, Relaxed),
        }
    }

    /// A place among the messages at work; nothing once it has `ended`. A drained app takes none.
    async fn seat(
        &self,
        app: &App,
        seats: &Arc<Semaphore>,
        ended: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        let seat = seats.clone().acquire_owned();
        let seat = ended.run_until_cancelled(seat).await?.ok()?;
        while app.standing.is_drained() {
            ended.run_until_cancelled(tokio::time::sleep(NAP)).await?;
        }
        Some(seat)
    }

    /// Does what is to be done for one message, and tells the broker what came of it.
    async fn take(
        self: Arc<Self>,
        app: Arc<App>,
        delivery: Delivery,
        _seat: OwnedSemaphorePermit,
        ended: CancellationToken,
    ) {
        let Delivery { message, receipt } = delivery;
        let outcome = {
            let mut work = std::pin::pin!(self.work(&app, &message, &ended));
            let mut tick = tokio::time::interval(self.subscription.hold / 3);
            tick.tick().await;
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = tick.tick() => receipt.at_work().await,
                }
            }
        };
        let (app_name, trigger) = (&*app.name, &*self.name);
        match outcome {
            Outcome::Done => self.confirm(&app, &*receipt, &self.counts.done).await,
            Outcome::Ended => {
                receipt.give_back().await;
                Counts::add(&self.counts.given_back);
            }
            Outcome::Dead(_) if self.dead_letter.is_none() => {
                tracing::warn!(app = app_name, trigger, "a message was given up");
                self.confirm(&app, &*receipt, &self.counts.dropped).await;
            }
            Outcome::Dead(error) => match self.bury(&message, &error, &*receipt, &ended).await {
                true => self.confirm(&app, &*receipt, &self.counts.dead).await,
                false => {
                    receipt.give_back().await;
                    Counts::add(&self.counts.given_back);
                }
            },
        }
    }

    async fn confirm(
        &self,
        app: &App,
        receipt: &dyn Receipt,
        counter: &std::sync::atomic::AtomicU64,
    ) {
        match receipt.done().await {
            Ok(()) => Counts::add(counter),
            Err(fault) => {
                Counts::add(&self.counts.untold);
                let (app, trigger) = (&*app.name, &*self.name);
                tracing::warn!(app, trigger, "a message may come again: {fault}");
            }
        }
    }

    /// Tries a message as often as it may be tried.
    async fn work(&self, app: &App, message: &Message, ended: &CancellationToken) -> Outcome {
        let mut number = 0;
        loop {
            let Some(_in_flight) = app.standing.enter() else {
                return Outcome::Ended;
            };
            // What came when everything was over already has not begun.
            if ended.is_cancelled() {
                return Outcome::Ended;
            }
            let wait = match self.once(message).await {
                Tried::Done => return Outcome::Done,
                Tried::Busy => NAP,
                Tried::Failed(error) => {
                    Counts::add(&self.counts.failed);
                    if number >= self.retry.times {
                        return Outcome::Dead(error);
                    }
                    number += 1;
                    self.retry.delay(number)
                }
            };
            drop(_in_flight);
            let wait = tokio::time::sleep(wait);
            if ended.run_until_cancelled(wait).await.is_none() {
                return Outcome::Ended;
            }
        }
    }

    async fn once(&self, message: &Message) -> Tried {
        let record = self.begin(message);
        let tried = self.called(message, record.clone()).await;
        match &tried {
            Ok(_) => {
                record.ended("ok");
                Tried::Done
            }
            Err((error, busy)) => {
                record.unmade((**error).clone());
                record.ended("error");
                match busy {
                    true => Tried::Busy,
                    false => Tried::Failed(error.clone()),
                }
            }
        }
    }

    /// Calls the handler once. An error says whether it is only that nobody had time.
    async fn called(
        &self,
        message: &Message,
        account: CallRecord,
    ) -> Result<Returned, (Box<Error>, bool)> {
        let component = &self.component;
        let ours = |error: Box<Error>| (error, false);
        let turn = component.queue.enter().await.map_err(|busy| (busy, true))?;
        let loaded = match component.called() {
            Some(loaded) => loaded,
            None => component.loaded().await.map_err(ours)?,
        };
        let name = &component.name;
        let handler = match &self.watched {
            None => Handler::of_messages(&loaded, name),
            Some(_) => Handler::of_changes(&loaded, name, is_set(message)),
        };
        let handler = handler.map_err(ours)?;
        let arguments = handler.arguments(message, &self.broker, self.watched.as_ref());
        let function = handler.function;
        let call = Call {
            component: component.clone(),
            loaded,
            turn,
            function: function.clone(),
            account,
        };
        let result = functions::call(call, arguments).await;
        let busy = matches!(
            result,
            Err(Refused::Failure(Failure::Full(_) | Failure::Busy(_)))
        );
        failed(result, &component.label, &function).map_err(|error| (error, busy))
    }

    /// Sends a message that was tried in vain to where those go; again and again until the broker has
    /// it, or until all is over.
    async fn bury(
        &self,
        message: &Message,
        error: &Error,
        receipt: &dyn Receipt,
        ended: &CancellationToken,
    ) -> bool {
        let Some(topic) = &self.dead_letter else {
            return false;
        };
        let mut letter = Message {
            topic: None,
            reply_to: None,
            ..message.clone()
        };
        if self.broker.carries_metadata() {
            let of = message.topic.as_deref().unwrap_or(&self.subscription.topic);
            letter.set(OF_TOPIC, of);
            letter.set(OF_FAULT, &one_line(&error.to_string()));
            // The server has a limit too: what it took without our words it takes without them again.
            if letter.size() as u64 > self.broker.message_size() {
                letter.metadata.clone_from(&message.metadata);
            }
        }
        let mut wait = AGAIN;
        loop {
            match self.broker.hand_on(topic, letter.clone()).await {
                Ok(()) => return true,
                Err(fault) => {
                    let trigger = &*self.name;
                    tracing::warn!(trigger, topic, "a dead letter was not taken: {fault}");
                }
            }
            let nap = tokio::time::sleep(wait);
            if ended.run_until_cancelled(nap).await.is_none() {
                return false;
            }
            receipt.at_work().await;
            wait = (wait * 2).min(AGAIN_MAX).min(self.subscription.hold / 3);
        }
    }

    /// Handles a message that somebody made by hand, who waits for what comes of it.
    ///
    /// # Errors
    /// Why the handler did not succeed, or what its `err` was.
    pub async fn by_hand(&self, data: Vec<u8>) -> Result<Returned, Box<Error>> {
        let message = self.made_up(data).await?;
        let record = CallLog::off().begin(What::Job, &self.name);
        let called = self.called(&message, record).await;
        called.map_err(|(error, _)| error)
    }

    /// The same for somebody who asks a host that serves its app; the log is told.
    ///
    /// # Errors
    /// Why the handler did not succeed, or what its `err` was.
    pub async fn asked(&self, data: Vec<u8>) -> Result<Returned, Box<Error>> {
        let message = self.made_up(data).await?;
        let record = self.begin(&message);
        let result = self.called(&message, record.clone()).await;
        let result = result.map_err(|(error, _)| error);
        match &result {
            Ok(_) => record.ended("ok"),
            Err(error) => {
                record.unmade((**error).clone());
                record.ended("error");
            }
        }
        result
    }

    /// The account of one try, and its span: a part of the trace that the message names, if it names one.
    fn begin(&self, message: &Message) -> CallRecord {
        let component = &self.component;
        let named = message.metadata.iter().find(|(key, _)| key == TRACEPARENT);
        component.setting.log.calls().begin_event(&Event {
            name: &self.name,
            began_by: match self.watched {
                None => BeganBy::Message,
                Some(_) => BeganBy::Change,
            },
            app: &component.manifest.name,
            component: &component.name,
            topic: message.topic.as_deref().filter(|_| self.watched.is_none()),
            traceparent: named.map(|(_, value)| value.as_str()),
        })
    }

    /// A message of its topic, or a change of its store.
    async fn made_up(&self, data: Vec<u8>) -> Result<Message, Box<Error>> {
        match &self.watched {
            None => Ok(Message {
                topic: Some(self.subscription.topic.clone()),
                ..Message::new(data)
            }),
            Some(store) => {
                let opened = store.open_now().await;
                opened.map_err(|error| Box::new(Error::yours(error.to_string())))?;
                change(&data)
            }
        }
    }

    /// What is wrong with it, once its component's code is known.
    pub fn check(&self) -> Option<Problem> {
        // What does not load is told elsewhere.
        let loaded = self.component.load().ok()?;
        let name = &self.component.name;
        let handler = match &self.watched {
            None => Handler::of_messages(&loaded, name),
            Some(_) => Handler::of_changes(&loaded, name, true),
        };
        let reason = handler.err()?;
        let problem = Problem::error(reason.message).at(self.span);
        Some(reason.help.into_iter().fold(problem, Problem::help))
    }
}

/// Whether a change is a value that was written.
fn is_set(change: &Message) -> bool {
    let is = change.metadata.iter().find(|(key, _)| key == watch::CHANGE);
    is.is_none_or(|(_, word)| word == watch::SET)
}

/// A change that somebody made up: a key, and its value unless it was removed.
fn change(text: &[u8]) -> Result<Message, Box<Error>> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        key: String,
        value: Option<String>,
    }
    let read: Change = serde_json::from_slice(text).map_err(|error| {
        Error::yours("the payload is no change of a store")
            .caused_by(error.to_string())
            .help("--payload '{\"key\": \"a\", \"value\": \"b\"}'; without a value the key was removed")
    })?;
    let word = match read.value {
        Some(_) => watch::SET,
        None => watch::DELETE,
    };
    Ok(Message {
        topic: Some(read.key),
        metadata: vec![(watch::CHANGE.to_owned(), word.to_owned())],
        ..Message::new(read.value.unwrap_or_default().into_bytes())
    })
}

/// A text as a header can hold it.
fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| {
            if c.is_control() || !c.is_ascii() {
                ' '
            } else {
                c
            }
        })
        .collect();
    line.truncate(FAULT_BYTES_MAX);
    line
}
