//! An event on its way, in whichever lane.

use super::task::Running;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// An event that runs; gives its result. Dropped, it lets the event go on.
pub struct Event<T>(Lane<T>);

enum Lane<T> {
    Fast(JoinHandle<T>),
    Slow(Running<T>),
}

impl<T> Event<T> {
    /// One that began in the fast lane.
    pub(super) fn fast(task: JoinHandle<T>) -> Self {
        Event(Lane::Fast(task))
    }

    /// One that began in the slow lane.
    pub(super) fn slow(running: Running<T>) -> Self {
        Event(Lane::Slow(running.kept()))
    }
}

impl<T> Future for Event<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Lane::Fast(task) => Pin::new(task)
                .poll(cx)
                .map_err(|error| Lost(error.to_string())),
            Lane::Slow(running) => running.poll_result(cx).map_err(|panic| Lost(said(&*panic))),
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match text {
        Some(text) => format!("its task panicked: {text}"),
        None => "its task panicked".to_owned(),
    }
}

/// Why an event has no result: it panicked, or the lanes were closed.
#[derive(Debug)]
pub struct Lost(String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}
