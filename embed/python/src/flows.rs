//! Streams and futures between Python and components.

use crate::course::Course;
use crate::decode::decode;
use crate::encode::encode;
use crate::errors;
use crate::handle::{Home, Met};
use crate::known;
use crate::numbers;
use crate::outside::Caller;
use crate::process::{self, Kept};
use crate::shape::Shape;
use crate::unfit::Unfit;
use futures::{FutureExt as _, StreamExt as _};
use holm_host::library::drive;
use holm_runtime::Error;
use holm_runtime::values::{Flow, FlowSender, Numbers, Pieces, Type, Value};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
            left: AtomicBool::new(false),
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

/// Whether an object may be numbers, and is not one or text. A buffer may be, whose own items Python cannot
/// give: it knows the order of bytes of this machine alone.
fn are_many(object: &Bound<'_, PyAny>) -> bool {
    !object.is_instance_of::<PyString>()
        && (object.try_iter().is_ok() || PyUntypedBuffer::get(object).is_ok())
}

/// Where Python puts what a stream or a future of a call brings.
#[pyclass(frozen, module = "holm._holm")]
pub struct Sender {
    sender: End<FlowSender>,
    /// Nobody waits for room any more.
    left: AtomicBool,
    of: Arc<Shape>,
    stream: bool,
}

#[pymethods]
impl Sender {
    /// Sends an item, or (of numbers) a buffer of them; waits for room. False where the component
    /// reads no more.
    fn send(&self, py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let _inside = process::Inside::enter(py);
        let piece = self.piece(object).map_err(|why| errors::unfit(py, why))?;
        let threads = process::threads()?;
        let Some(mut sender) = self.sender.take("sends to")? else {
            return Ok(false);
        };
        let mut caller = Caller::nobody_until(&self.left);
        let (sent, sender) = process::detached(py, || {
            let sent = drive(threads, sender.send(piece), &mut caller);
            (sent, sender)
        });
        self.sender.put_back(sender);
        match (sent, caller.raised(py)) {
            (Ok(sent), _) => Ok(sent),
            (Err(_), None) if self.left.load(SeqCst) => Ok(false),
            (Err(_), raised) => Err(raised.unwrap_or_else(interrupted)),
        }
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
    /// Whoever sends gives up; the component is not told that this is the end.
    pub fn leave(&self) {
        self.left.store(true, SeqCst);
    }

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
        home: Kept::new(home.clone_ref(py)),
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
        let _inside = process::Inside::enter(py);
        let threads = process::threads()?;
        let Some(mut pieces) = self.pieces.take("reads")? else {
            return Ok(None);
        };
        let mut caller = Caller::nobody_until(&self.pieces.closed);
        let course = self.home.course.as_ref().map(Py::get);
        let (piece, pieces, why) = process::detached(py, || {
            let piece = match pieces.next().now_or_never() {
                Some(piece) => Read::Piece(piece),
                // The thread that drives the component is this one.
                None if self.home.instance.is_called_here() => Read::Never,
                None => match drive(threads, pieces.next(), &mut caller) {
                    Ok(piece) => Read::Piece(piece),
                    Err(_) => Read::Stopped,
                },
            };
            let cut = matches!(piece, Read::Piece(None)) && pieces.is_cut();
            let told_by_another = !self.home.instance.is_called_here();
            if let Some(course) = course.filter(|_| cut && told_by_another) {
                // Just now: why is told in a moment, by the thread of the call.
                course.wait();
            }
            let why = course.and_then(Course::error);
            (
                piece,
                pieces,
                if cut { Why::Cut(why) } else { Why::Ended(why) },
            )
        });
        match piece {
            Read::Never => {
                self.pieces.put_back(pieces);
                let message =
                    "the component that writes this waits for the function that reads it".into();
                let help = "read it in an `async def` of what is async in WIT, or when the function has returned";
                Err(errors::plain(
                    py,
                    known::reentry_error(py),
                    message,
                    &[help],
                ))
            }
            Read::Stopped => {
                self.pieces.put_back(pieces);
                match caller.raised(py) {
                    None if self.pieces.is_closed() => Ok(None),
                    raised => Err(raised.unwrap_or_else(interrupted)),
                }
            }
            Read::Piece(Some(piece)) => {
                self.pieces.put_back(pieces);
                self.object(py, piece).map(Some)
            }
            Read::Piece(None) => {
                self.pieces.close();
                match why {
                    Why::Cut(None) => {
                        let message =
                            "the instance is closed, and with it what it was writing".into();
                        Err(errors::plain(py, known::closed(py), message, &[]))
                    }
                    Why::Cut(Some(error)) | Why::Ended(Some(error)) => {
                        let raised = course.and_then(|course| course.raised(py));
                        Err(raised.unwrap_or_else(|| errors::exception(py, error, false)))
                    }
                    Why::Ended(None) => Ok(None),
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

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.home.course)
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

/// What came of reading.
enum Read {
    Piece(Option<Value>),
    /// Whoever reads gave up.
    Stopped,
    /// There will be none for as long as this thread waits for one.
    Never,
}

/// How a flow came to its end, and why the call that it is of failed.
enum Why<'a> {
    Cut(Option<&'a Error>),
    Ended(Option<&'a Error>),
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
