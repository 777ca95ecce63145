//! Calls to the outside, told to whoever traces them while they are made. What is told of a call, the
//! capability that makes it knows; what becomes of it, the host. Nobody traces unless asked to, and
//! then a call costs one branch.

use std::sync::Arc;

/// Takes note of the calls of one event.
pub trait Trace: Send + Sync {
    /// A call begins. `None`: nobody wants to know of this one.
    fn begin(&self, call: Call) -> Option<Box<dyn Span>>;

    /// Where calls belong that have no span of their own, in the form of the W3C's `traceparent`.
    fn traceparent(&self) -> Option<&str>;
}

/// One call that is being made. It ends when this is dropped.
pub trait Span: Send {
    /// Where what the other side does belongs, in the form of the W3C's `traceparent`.
    fn traceparent(&self) -> Option<&str>;

    /// Something more is known of it, by its name in OpenTelemetry's semantic conventions.
    fn is(&mut self, name: &'static str, value: Value);

    /// It has failed; the word for programs says over what.
    fn failed(&mut self, error: String);
}

/// A call as it begins.
pub struct Call {
    /// Its name: few different ones.
    pub name: String,
    /// Whether it leaves the machine's own process.
    pub remote: bool,
    /// What is known of it, by names of OpenTelemetry's semantic conventions.
    pub is: Vec<(&'static str, Value)>,
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Who traces the calls of an event; mostly nobody.
pub type Tracer = Option<Arc<dyn Trace>>;
