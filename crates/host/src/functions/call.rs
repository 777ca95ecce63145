//! One call: a fresh instance, arguments in, the function, its result out, the account closed.

use super::exposed::Function;
use super::under_way::{Ended, UnderWay};
use crate::component::{Component, Instance, Loaded};
use crate::event::{Account, Failure, left, taken};
use crate::queue::Turn;
use bytes::Bytes;
use holm_capabilities::State;
use holm_runtime::Error;
use holm_runtime::call::event;
use holm_runtime::lanes::Lost;
use holm_runtime::limits::{HeldMemory, Limit, Meter};
use holm_runtime::receipt::{Flows, Receipt};
use holm_runtime::values::{Misfit, Mismatch, Type, Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;
use wasmtime::Store;

/// A call that has its turn.
pub struct Call<A> {
    /// Whose function it is.
    pub component: Arc<Component>,
    /// Its code.
    pub loaded: Arc<Loaded>,
    /// Its turn among the component's calls.
    pub turn: Turn,
    /// The function.
    pub function: Arc<Function>,
    /// Who is told what came of it.
    pub account: A,
}

/// Largest arguments that are collected before a call, whatever `limits.request_body` allows: 16 MiB.
/// What is larger is sent as a stream.
pub const COLLECTED_MAX: u64 = 16 << 20;

/// What a function is called with: an object by the names of its parameters, or an array.
pub enum Arguments {
    /// As text, and the memory that it has; nothing at all where it takes nothing.
    Text(Bytes, HeldMemory),
    /// As it was read.
    Read(serde_json::Value),
    /// As values that whoever calls makes himself.
    Made {
        /// How many bytes came in for them.
        length: u64,
        /// Makes them, where the function runs.
        make: Made,
    },
}

/// Makes the arguments of a function in the instance's store.
pub type Made = Box<dyn FnOnce(&mut Store<State>) -> wasmtime::Result<Vec<Value>> + Send>;

impl Arguments {
    /// How many bytes they were, as they were sent.
    fn len(&self) -> u64 {
        match self {
            Arguments::Text(text, _) => text.len() as u64,
            Arguments::Read(value) => length(value),
            Arguments::Made { length, .. } => *length,
        }
    }
}

/// How long a value is as JSON.
fn length(value: &serde_json::Value) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // It counts, and so cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// What it gave.
#[derive(Debug)]
pub struct Returned {
    /// The value as JSON text; of a `result` what is in it. Nothing where there is none.
    pub json: Option<String>,
    /// It was the `err` of a `result`.
    pub is_err: bool,
    /// What the call cost.
    pub receipt: Receipt,
}

/// Why there is no result.
pub enum Refused {
    /// The arguments do not fit.
    Arguments(Mismatch),
    /// The guest has no answer.
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Failure(failure)
    }
}

/// Calls a function. To drop the future is to leave: the guest is dropped where it stands.
pub async fn call<A: Account>(call: Call<A>, arguments: Arguments) -> Result<Returned, Refused> {
    let instance = call.component.take_fresh(&call.loaded, &call.turn).await;
    let instance = taken(instance)?;
    let (_here, client) = oneshot::channel();
    // A task of its own, so that it is the tenant's, and ends its account when its client has left.
    let tenant = call.component.share.tenant.clone();
    came_to(tenant.spawn(run(call, instance, arguments, client)).await)
}

/// What the task of a call came to.
pub(super) fn came_to(ended: Result<Ended, Lost>) -> Result<Returned, Refused> {
    match ended {
        Ok(Ok(result)) => result.map_err(Refused::Arguments),
        Ok(Err(error)) => Err(Failure::Error(error).into()),
        Err(error) => {
            let failed = Error::ours("the task of a call failed").caused_by(error.to_string());
            Err(Failure::from(failed).into())
        }
    }
}

async fn run<A: Account>(
    call: Call<A>,
    instance: Instance,
    arguments: Arguments,
    client: oneshot::Receiver<()>,
) -> Ended {
    let mut under_way = UnderWay::begin(call, instance)?;
    let UnderWay {
        function,
        component,
        session,
        meter,
        flows,
        ..
    } = &mut under_way;
    let called = event(meter, flows, async {
        let store = session.store();
        let values = match values(component, function, arguments, (meter, flows), store)? {
            Ok(values) => values,
            Err(mismatch) => return Ok(Err(Misfit::Arguments(mismatch))),
        };
        let (values, held) = values;
        let result = session.call_only(&function.signature, values).await?;
        drop(held);
        meter.answered();
        Ok(result.and_then(|value| write(function, value).map_err(Misfit::Result)))
    });
    let result = tokio::select! {
        result = called => result,
        () = left(client) => Ok(Ok((None, false))),
    };
    under_way.end(result)
}

/// The arguments as values, and the memory that they have. Reading them is work too: it is done on the
/// event's clock.
pub(super) fn values(
    component: &Component,
    function: &Function,
    arguments: Arguments,
    (meter, flows): (&Meter, &Flows),
    store: &mut Store<State>,
) -> wasmtime::Result<Result<(Vec<Value>, HeldMemory), Mismatch>> {
    let length = arguments.len();
    Flows::add(
        &flows.request_in,
        usize::try_from(length).unwrap_or(usize::MAX),
    );
    if length > meter.allowance().request_body {
        return Err(meter.reach(Limit::RequestBody).into());
    }
    let values = match arguments {
        Arguments::Made { make, .. } => Ok(make(store)?),
        arguments => read(function, &arguments),
    };
    let values = match values {
        Ok(values) => values,
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    let mut held = component.held();
    if let Err(limit) = held.take(values.iter().map(Value::bytes).sum()) {
        return Err(meter.reach(limit).into());
    }
    Ok(Ok((values, held)))
}

/// The arguments as values, in the order of the parameters.
fn read(function: &Function, arguments: &Arguments) -> Result<Vec<Value>, Mismatch> {
    let signature = &function.signature;
    match arguments {
        Arguments::Text(text, _) if text.is_empty() && signature.params.is_empty() => {
            Ok(Vec::new())
        }
        Arguments::Text(text, _) => {
            let text = std::str::from_utf8(text).map_err(|_| Mismatch::new("it is not UTF-8"))?;
            json::arguments_from_str(signature, text, &mut json::NoHandles)
        }
        Arguments::Read(value) => {
            json::arguments_from_value(signature, value, &mut json::NoHandles)
        }
        Arguments::Made { .. } => Err(Mismatch::new("they are made where the function runs")),
    }
}

/// The result as JSON text, and whether it is an `err`.
pub(super) fn write(
    function: &Function,
    result: Option<Value>,
) -> Result<(Option<String>, bool), Mismatch> {
    let (Some(value), Some(ty)) = (result, &function.signature.result) else {
        return Ok((None, false));
    };
    let text = |ty: &Type, value: &Value| {
        json::to_string(ty, value, json::Options::default(), &mut json::NoHandles)
    };
    Ok(match (ty, value) {
        (Type::Result(ok, err), Value::Result(value)) => {
            let (ty, value, is_err) = match value {
                Ok(value) => (ok, value, false),
                Err(value) => (err, value, true),
            };
            let json = ty.as_deref().zip(value.as_deref());
            let json = json.map(|(ty, value)| text(ty, value)).transpose()?;
            (json, is_err)
        }
        (ty, value) => (Some(text(ty, &value)?), false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_arguments_are_as_long_as_they_were_sent() {
        let value = serde_json::json!({"a": [1, 2], "b": "ä"});
        assert_eq!(length(&value), value.to_string().len() as u64);
    }
}
