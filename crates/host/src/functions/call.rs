//! One call: a fresh instance, arguments in, the function, its result out, the account closed.

use super::exposed::Function;
use crate::component::{Component, Instance, Loaded};
use crate::event::{Account, Failure, fault, left, taken};
use crate::queue::Turn;
use bytes::Bytes;
use holm_capabilities::State;
use holm_runtime::call::{close, event};
use holm_runtime::limits::Limit;
use holm_runtime::receipt::{Flows, Receipt};
use holm_runtime::values::{Mismatch, Type, Value, json};
use holm_runtime::{Error, InstanceState as _};
use std::sync::Arc;
use std::time::Instant;
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

/// What a function is called with: an object by the names of its parameters, or an array.
pub enum Arguments {
    /// As text; nothing at all where it takes nothing.
    Text(Bytes),
    /// As it was read.
    Read(serde_json::Value),
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
    let tenant = call.component.tenant.clone();
    let task = tenant.spawn(run(call, instance, arguments, client));
    match task.await {
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
) -> Result<Result<Returned, Mismatch>, Box<Error>> {
    let Call {
        component,
        loaded,
        turn,
        function,
        account,
    } = call;
    let began = Instant::now();
    let Instance { store, place, .. } = instance;
    let mut session = loaded.session(store).map_err(Box::new)?;
    let state = session.store().data_mut();
    state.trace(account.tracer());
    let core = state.core();
    let (meter, flows) = (core.budget.meter.clone(), core.flows.clone());
    if let Arguments::Text(text) = &arguments {
        Flows::add(&flows.request_in, text.len());
    }
    let called = event(&meter, &flows, async {
        // Reading and writing JSON is work too: it is done on the event's clock.
        let values = match read(&function, &arguments) {
            Ok(values) => values,
            Err(mismatch) => return Ok(Err(mismatch)),
        };
        drop(arguments);
        let result = session.call_only(&function.signature, values).await?;
        meter.answered();
        let written = result.map(|value| write(&function, value));
        written.map_or_else(|mismatch| Ok(Err(mismatch)), |written| Ok(Ok(written?)))
    });
    let result = tokio::select! {
        result = called => result,
        () = left(client) => Ok(Ok((None, false))),
    };
    let store = session.store();
    let result = match result {
        Ok(Ok((json, is_err))) => {
            let length = json.as_ref().map_or(0, String::len);
            let most = meter.allowance().response_body;
            match length as u64 > most {
                true => Err(Box::new(meter.error(Limit::ResponseBody, &component.name))),
                false => {
                    Flows::add(&flows.response_out, length);
                    Ok(Ok((json, is_err)))
                }
            }
        }
        Ok(Err(mismatch)) => Ok(Err(mismatch)),
        Err(error) => {
            let core = store.data_mut().core();
            match fault(error, &component.name, core) {
                Ok(()) => Err(Box::new(Error::guest(format!(
                    "{} exited before the function had ended",
                    component.name
                )))),
                Err(error) => Err(error),
            }
        }
    };
    Ok(match settle(&component, store, began, &account, result)? {
        (Ok((json, is_err)), receipt) => {
            drop((session, place, loaded, turn));
            Ok(Returned {
                json,
                is_err,
                receipt,
            })
        }
        (Err(mismatch), _) => Err(mismatch),
    })
}

/// Closes the account.
fn settle<A: Account, T>(
    component: &Component,
    store: &mut Store<State>,
    began: Instant,
    account: &A,
    result: Result<T, Box<Error>>,
) -> Result<(T, Receipt), Box<Error>> {
    let core = store.data_mut().core();
    component.usage().event(core, began.elapsed());
    account.reached(core.budget.meter.reached());
    account.denials(&core.denials.list());
    let receipt = close(store, began);
    if let Err(error) = &result {
        account.error(error);
    }
    account.receipt(receipt.clone());
    result.map(|value| (value, receipt))
}

/// The arguments as values, in the order of the parameters.
fn read(function: &Function, arguments: &Arguments) -> Result<Vec<Value>, Mismatch> {
    let signature = &function.signature;
    match arguments {
        Arguments::Text(text) if text.is_empty() && signature.params.is_empty() => Ok(Vec::new()),
        Arguments::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| Mismatch::new("it is not UTF-8"))?;
            json::arguments_from_str(signature, text, &mut json::NoHandles)
        }
        Arguments::Read(value) => {
            json::arguments_from_value(signature, value, &mut json::NoHandles)
        }
    }
}

/// The result as JSON text, and whether it is an `err`.
fn write(function: &Function, result: Option<Value>) -> Result<(Option<String>, bool), Mismatch> {
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
