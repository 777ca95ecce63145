//! One call that streams: a body that goes to the function as it comes, a result that is sent as it is
//! made. Neither is ever in memory as a whole.

use super::call::{Arguments, Call, Refused, Returned, came_to, values, write};
use super::exposed::Function;
use super::feeding;
use super::under_way::{Ended, UnderWay};
use crate::body::BoxError;
use crate::component::Instance;
use crate::event::{Account, left, taken};
use bytes::Bytes;
use futures::StreamExt as _;
use holm_runtime::call::event;
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::values::{Flow, Misfit, Mismatch, Numbers, Type, Value, json};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};

/// Pieces that may wait for a client before the function has to.
const PIECES_WAITING: usize = 2;

/// What a function is called with.
pub enum Input<B> {
    /// All of it is there.
    Whole(Arguments),
    /// The last argument is this body, as it comes; the others are there.
    Stream(Vec<Value>, B),
}

/// What it gives.
pub enum Given {
    /// All of it is there.
    Whole(Returned),
    /// A stream, as it is made.
    Stream(Answer),
}

/// A result as it is made; to drop it before its end is to leave.
pub struct Answer {
    /// The type of its items.
    pub item: Type,
    pieces: mpsc::Receiver<Bytes>,
    /// Set before the end of one that is not whole.
    broken: Arc<AtomicBool>,
    /// Dropped with it: then its client has left.
    _here: Option<oneshot::Sender<()>>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match ready!(self.pieces.poll_recv(cx)) {
            Some(piece) => Some(Ok(Frame::data(piece))),
            // A client must not take half an answer for a whole one.
            None if self.broken.swap(false, Ordering::AcqRel) => {
                Some(Err("the function failed before its end".into()))
            }
            None => None,
        })
    }
}

/// Calls a function whose arguments or result are a stream. To drop the future is to leave, and so it
/// is to drop the answer.
pub async fn call_streamed<A, B>(call: Call<A>, input: Input<B>) -> Result<Given, Refused>
where
    A: Account,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let instance = call.component.take_fresh(&call.loaded, &call.turn).await;
    let instance = taken(instance)?;
    let (here, client) = oneshot::channel();
    let (begin, mut begun) = oneshot::channel();
    let tenant = call.component.share.tenant.clone();
    let task = tenant.spawn(run(call, instance, input, begin, client));
    // What is short has perhaps begun and ended by the time that anybody looks.
    let ended = tokio::select! {
        biased;
        Ok(answer) = &mut begun => Ok(answer),
        ended = task => begun.try_recv().map_err(|_| ended),
    };
    match ended {
        Ok(mut answer) => {
            answer._here = Some(here);
            Ok(Given::Stream(answer))
        }
        Err(ended) => came_to(ended).map(Given::Whole),
    }
}

async fn run<A, B>(
    call: Call<A>,
    instance: Instance,
    input: Input<B>,
    begin: oneshot::Sender<Answer>,
    client: oneshot::Receiver<()>,
) -> Ended
where
    A: Account,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let mut under_way = UnderWay::begin(call, instance)?;
    let (send, pieces) = mpsc::channel(PIECES_WAITING);
    let broken = Arc::new(AtomicBool::new(false));
    let answer = |item: &Type| Answer {
        item: item.clone(),
        pieces,
        broken: broken.clone(),
        _here: None,
    };
    let UnderWay {
        function,
        component,
        session,
        meter,
        flows,
        ..
    } = &mut under_way;
    let called = event(meter, flows, async {
        let (values, _held, feed) = match input {
            Input::Whole(arguments) => {
                match values(
                    component,
                    function,
                    arguments,
                    (meter, flows),
                    session.store(),
                )? {
                    Ok((values, held)) => (values, Some(held), None),
                    Err(mismatch) => return Ok(Err(Misfit::Arguments(mismatch))),
                }
            }
            Input::Stream(mut values, body) => {
                let (sender, flow) = Flow::new();
                values.push(Value::Stream(flow));
                (values, None, Some((body, sender)))
            }
        };
        let feed = async {
            match feed.zip(function.signature.params.last()) {
                Some(((body, sender), param)) => {
                    feeding::feed(param, body, sender, (meter, flows), component.held()).await
                }
                None => std::future::pending().await,
            }
        };
        let (give, given) = futures::channel::oneshot::channel();
        let drive = session.call_open_only(&function.signature, values, |value| {
            let _ = give.send(value);
        });
        let pass_on = async {
            let Ok(value) = given.await else {
                // What went wrong, the other side says.
                return Ok(None);
            };
            meter.answered();
            match flowing(function, value) {
                Ok((item, flow)) => {
                    if begin.send(answer(item)).is_ok() {
                        pass_on(item, &flow, &send, meter, flows).await?;
                    }
                    Ok(None)
                }
                Err(value) => Ok(Some(value)),
            }
        };
        let both = async {
            let (driven, value) = futures::try_join!(drive, pass_on)?;
            Ok(match (driven, value) {
                (Err(misfit), _) => Err(misfit),
                (Ok(()), Some(value)) => write(function, value).map_err(Misfit::Result),
                (Ok(()), None) => Ok((None, false)),
            })
        };
        tokio::select! {
            result = both => result,
            stopped = feed => stopped,
        }
    });
    let result = tokio::select! {
        result = called => result,
        () = left(client) => Ok(Ok((None, false))),
    };
    let ended = under_way.end(result);
    broken.store(!matches!(ended, Ok(Ok(_))), Ordering::Release);
    // Only now, so that whoever reads the answer to its end knows whether it is whole.
    drop(send);
    ended
}

/// The stream that a function gave, or what it gave in its place.
fn flowing(function: &Function, value: Option<Value>) -> Result<(&Type, Flow), Option<Value>> {
    let Some(item) = &function.streams.output else {
        return Err(value);
    };
    match value {
        Some(Value::Stream(flow)) => Ok((item, flow)),
        Some(Value::Result(Ok(Some(value)))) => match *value {
            Value::Stream(flow) => Ok((item, flow)),
            value => Err(Some(Value::Result(Ok(Some(Box::new(value)))))),
        },
        value => Err(value),
    }
}

/// Passes a stream on to the client, as fast as it reads.
async fn pass_on(
    item: &Type,
    flow: &Flow,
    to: &mpsc::Sender<Bytes>,
    meter: &Meter,
    flows: &Flows,
) -> wasmtime::Result<()> {
    let Some(mut pieces) = flow.pieces() else {
        return Ok(());
    };
    let mut size = 0_u64;
    while let Some(piece) = pieces.next().await {
        let bytes = encoded(item, piece)?;
        size = size.saturating_add(bytes.len() as u64);
        if size > meter.allowance().response_body {
            return Err(meter.reach(Limit::ResponseBody).into());
        }
        let length = bytes.len();
        if to.send(bytes).await.is_err() {
            // It has left, and the call is about to end.
            std::future::pending::<()>().await;
        }
        Flows::add(&flows.response_out, length);
    }
    Ok(())
}

/// A piece of a stream as it is sent: bytes as they are, other items as a line of JSON each.
fn encoded(item: &Type, piece: Value) -> wasmtime::Result<Bytes> {
    let mut text = String::new();
    let mut line = |value: &Value| {
        let written = json::to_string(item, value, json::Options::default(), &mut json::NoHandles);
        text.push_str(&written?);
        text.push('\n');
        Ok::<_, Mismatch>(())
    };
    let written = match piece {
        Value::Numbers(Numbers::U8(bytes)) => return Ok(bytes.into()),
        Value::Numbers(numbers) => numbers.iter().try_for_each(|value| line(&value)),
        Value::List(values) => values.iter().try_for_each(line),
        other => line(&other),
    };
    written.map_err(wasmtime::Error::from)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_as_they_are_and_other_items_as_lines() {
        let bytes = Value::Numbers(Numbers::U8(vec![0, 255]));
        assert_eq!(encoded(&Type::U8, bytes).unwrap(), &[0_u8, 255][..]);
        let numbers = Value::Numbers(Numbers::U64(vec![1, u64::MAX]));
        let lines = encoded(&Type::U64, numbers).unwrap();
        assert_eq!(lines, "1\n\"18446744073709551615\"\n");
        let words = Value::List(vec![Value::String("a\nb".into())]);
        assert_eq!(encoded(&Type::String, words).unwrap(), "\"a\\nb\"\n");
    }
}
