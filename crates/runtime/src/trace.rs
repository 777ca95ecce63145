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

    /// Where what the guest does now belongs: to the span of its own that it began last and has not
    /// ended, else to the event's.
    fn place(&self) -> Place;

    /// The guest has begun a span of its own.
    fn entered(&self, span: SpanId);

    /// The guest has ended a span of its own, which it says lies below `parent`. What comes back is
    /// where it lies: never outside of the event's trace. `None`: nobody wants to know of it.
    fn left(&self, span: SpanId, parent: SpanId) -> Option<Place>;
}

/// What a span is called within its trace.
pub type SpanId = [u8; 8];

/// A place in a trace: where something may be put below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace: [u8; 16],
    /// The span in it.
    pub span: SpanId,
    /// Whether it is recorded.
    pub sampled: bool,
    /// What tracing systems on the way have added, in order.
    pub state: Vec<(String, String)>,
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
