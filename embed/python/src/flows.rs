//! Streams and futures between Python and components.

use crate::decode::decode;
use crate::encode::encode;
use crate::errors;
use crate::handle::{Home, Met};
use crate::numbers;
use crate::outside::Caller;
use crate::process::{self, Kept};
use crate::shape::Shape;
use crate::unfit::Unfit;
use futures::StreamExt as _;
use holm_host::library::drive;
use holm_runtime::Error;
use holm_runtime::values::{Flow, FlowSender, Numbers, Pieces, Type, Value};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What Python sends as a stream or a future: what is there at once, or what comes by and by.
pub fn send(
    of: Option<&Arc<Shape>>,
    ty: &Type,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    let py = object.py();
    let Some(of) = of else {
        return Err(Unfit::value(format!("Python has nothing for `{ty}`")));
    };
    let stream = matches!(ty, Type::Stream(_));
    let word = match stream {
        true => pyo3::intern!(py, "__aiter__"),
        false => pyo3::intern!(py, "__await__"),
    };
    if object.hasattr(word).map_err(Unfit::Raised)? {
        let (sender, flow) = Flow::new();
        let sender = Sender {
            sender: End::new(Some(sender)),
            of: of.clone(),
            stream,
        };
        let sender = Py::new(py, sender).map_err(Unfit::Raised)?;
        met.pumps.push((sender, object.clone().unbind()));
        return Ok(match stream {
            true => Value::Stream(flow),
            false => Value::Future(flow),
        });
    }
    match stream {
        true => pieces(of, ty, object),
        false => encode(of, object, &mut Met::default()),
    }
}

/// Items that are there at once.
fn pieces(of: &Shape, ty: &Type, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    if let Shape::Plain(element) = of
        && Numbers::of(element).is_some()
    {
        return match are_many(object) {
            true => Ok(Value::Numbers(numbers::read(element, object)?)),
            false => Err(Unfit::expected(ty, object)),
        };
    }
    let mut met = Met::default();
    let items = object.try_iter().map_err(|_| Unfit::expected(ty, object))?;
    let values = items.enumerate().map(|(at, item)| {
        let item = item.map_err(Unfit::Raised)?;
        encode(of, &item, &mut met).map_err(|e| e.at(at))
    });
    Ok(Value::List(values.collect::<Result<_, _>>()?))
}

/// Whether an object may be numbers, and is not one or text.
fn are_many(object: &Bound<'_, PyAny>) -> bool {
    !object.is_instance_of::<PyString>() && object.try_iter().is_ok()
}

/// Where Python puts what a stream or a future of a call brings.
#[pyclass(frozen, module = "holm._holm")]
pub struct Sender {
    sender: End<FlowSender>,
    of: Arc<Shape>,
    stream: bool,
}

#[pymethods]
impl Sender {
    /// Sends an item, or (of numbers) a buffer of them; waits for room. False where the component
    /// reads no more.
    fn send(&self, py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let piece = self.piece(object).map_err(|why| errors::unfit(py, why))?;
        let threads = process::threads()?;
        let Some(mut sender) = self.sender.take("sends to")? else {
            return Ok(false);
        };
        let mut caller = Caller::nobody();
        let (sent, sender) = process::detached(py, || {
            let sent = drive(threads, sender.send(piece), &mut caller);
            (sent, sender)
        });
        self.sender.put_back(sender);
        sent.map_err(|_| caller.raised().unwrap_or_else(interrupted))
    }

    /// There is no more to come.
    fn close(&self) {
        self.sender.close();
    }

    /// Whether it is of a stream, not of a future.
    #[getter]
    fn stream(&self) -> bool {
        self.stream
    }
}

impl Sender {
    fn piece(&self, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
        let mut met = Met::default();
        if !self.stream {
            return encode(&self.of, object, &mut met);
        }
        if let Shape::Plain(element) = &*self.of
            && let Some(mut one) = Numbers::of(element)
        {
            return match encode(&self.of, object, &mut met) {
                Ok(value) => {
                    one.push(&value);
                    Ok(Value::Numbers(one))
                }
                Err(_) if are_many(object) => Ok(Value::Numbers(numbers::read(element, object)?)),
                Err(wrong) => Err(wrong),
            };
        }
        Ok(Value::List(vec![encode(&self.of, object, &mut met)?]))
    }
}

/// What a component gives as a stream or a future.
pub fn receive<'py>(
    py: Python<'py>,
    of: Option<&Arc<Shape>>,
    ty: &Type,
    value: Value,
    home: &Home,
) -> PyResult<Bound<'py, PyAny>> {
    let streams = py.import("holm._streams")?;
    let (class, flow) = match (ty, value) {
        (Type::Stream(_), Value::Stream(flow)) => ("Stream", flow),
        (Type::Stream(_), list) => ("Stream", Flow::of(list)),
        (_, Value::Future(flow)) => ("Future", flow),
        (_, value) => ("Future", Flow::of(value)),
    };
    let reader = Reader {
        pieces: End::new(flow.pieces()),
        of: of.cloned(),
        stream: class == "Stream",
        home: Kept::new(home.clone()),
    };
    streams.getattr(class)?.call1((Py::new(py, reader)?,))
}

/// Where Python takes what comes out of a stream or a future.
#[pyclass(frozen, module = "holm._holm")]
pub struct Reader {
    pieces: End<Pieces>,
    of: Option<Arc<Shape>>,
    stream: bool,
    home: Kept<Home>,
}

#[pymethods]
impl Reader {
    /// The next piece, waiting for it: of a stream some items, of a future the one; nothing where
    /// it has ended.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let threads = process::threads()?;
        let Some(mut pieces) = self.pieces.take("reads")? else {
            return Ok(None);
        };
        let mut caller = Caller::nobody_until(&self.pieces.closed);
        let failure = self.home.failure.as_ref();
        let (piece, pieces, failure) = process::detached(py, || {
            let piece = drive(threads, pieces.next(), &mut caller);
            let at_its_end = matches!(piece, Ok(None));
            let failure = failure.filter(|_| at_its_end);
            let failure = failure.and_then(|failure| match pieces.is_cut() {
                // Just now: why is told in a moment, by the thread of the call.
                true => Some(failure.error.wait()),
                false => failure.error.get(),
            });
            (piece, pieces, failure)
        });
        match piece {
            Err(_) => {
                self.pieces.put_back(pieces);
                match caller.raised() {
                    None if self.pieces.is_closed() => Ok(None),
                    raised => Err(raised.unwrap_or_else(interrupted)),
                }
            }
            Ok(Some(piece)) => {
                self.pieces.put_back(pieces);
                self.object(py, piece).map(Some)
            }
            Ok(None) => {
                self.pieces.close();
                match failure {
                    Some(error) => {
                        let raised = self.home.failure.as_ref().and_then(|f| f.raised(py));
                        Err(raised.unwrap_or_else(|| errors::exception(py, error, false)))
                    }
                    None => Ok(None),
                }
            }
        }
    }

    /// Nobody wants what is left; who waits for it on another thread sees the end.
    fn close(&self) {
        self.pieces.close();
    }

    /// The type of the items, where they are bytes.
    #[getter]
    fn is_bytes(&self) -> bool {
        matches!(self.of.as_deref(), Some(Shape::Plain(Type::U8)))
    }
}

impl Reader {
    fn object(&self, py: Python<'_>, piece: Value) -> PyResult<Py<PyAny>> {
        let Some(of) = &self.of else {
            return Ok(py.None());
        };
        if !self.stream {
            return Ok(decode(py, of, piece, &self.home)?.unbind());
        }
        match piece {
            Value::List(values) => {
                let items: PyResult<Vec<_>> = values
                    .into_iter()
                    .map(|value| decode(py, of, value, &self.home))
                    .collect();
                Ok(items?.into_pyobject(py)?.unbind())
            }
            numbers => Ok(decode(py, of, numbers, &self.home)?.unbind()),
        }
    }
}

/// An end of a flow: a thread takes it out while it sends or reads.
struct End<T> {
    here: Mutex<Option<T>>,
    closed: AtomicBool,
}

impl<T> End<T> {
    fn new(end: Option<T>) -> Self {
        End {
            closed: AtomicBool::new(end.is_none()),
            here: Mutex::new(end),
        }
    }

    /// Takes it out; nothing where it is closed.
    fn take(&self, does: &str) -> PyResult<Option<T>> {
        let mut here = self.here();
        if self.is_closed() {
            return Ok(None);
        }
        let wrong = || PyRuntimeError::new_err(format!("another thread {does} it"));
        here.take().map(Some).ok_or_else(wrong)
    }

    fn put_back(&self, end: T) {
        let mut here = self.here();
        if !self.is_closed() {
            *here = Some(end);
        }
    }

    /// Drops it: at once, or when it is put back.
    fn close(&self) {
        let mut here = self.here();
        self.closed.store(true, SeqCst);
        drop(here.take());
    }

    fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    fn here(&self) -> MutexGuard<'_, Option<T>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interrupted() -> PyErr {
    PyKeyboardInterrupt::new_err(())
}

/// Why a call failed after its result was handed on, or while Python still sent to it.
#[derive(Clone, Default)]
pub struct Failure {
    /// What the call came to.
    pub error: Arc<OnceLock<Error>>,
    /// What raised in Python, where that is why.
    pub raised: Arc<OnceLock<Py<PyAny>>>,
}

impl Failure {
    /// What raised in Python.
    pub fn raised(&self, py: Python<'_>) -> Option<PyErr> {
        let raised = self.raised.get()?;
        Some(PyErr::from_value(raised.bind(py).clone()))
    }
}
