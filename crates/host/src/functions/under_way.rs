//! A call under way: what it holds, and how its account is opened and closed.

use super::call::{Call, Returned};
use super::exposed::Function;
use crate::component::{Component, Instance, Loaded};
use crate::event::{Account, fault};
use crate::queue::Turn;
use holm_capabilities::State;
use holm_runtime::call::close;
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::{Flows, Receipt};
use holm_runtime::values::{Misfit, Mismatch, Session};
use holm_runtime::{Error, InstanceState as _, PoolPermit};
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Store;

/// What a call ends with: what it gave, arguments that do not fit, or a failure.
pub(super) type Ended = Result<Result<Returned, Mismatch>, Box<Error>>;

/// What was written of a result, and whether it is an `err`.
pub(super) type Written = (Option<String>, bool);

/// A call under way. The order in which its parts are dropped is this one: the store before its place
/// in the pool, that before the call's turn.
pub(super) struct UnderWay<A> {
    pub session: Session<State>,
    _held: (PoolPermit, Arc<Loaded>, Turn),
    pub component: Arc<Component>,
    pub function: Arc<Function>,
    pub account: A,
    pub meter: Arc<Meter>,
    pub flows: Arc<Flows>,
    pub began: Instant,
}

impl<A: Account> UnderWay<A> {
    /// Opens the account of a call.
    pub fn begin(call: Call<A>, instance: Instance) -> Result<UnderWay<A>, Box<Error>> {
        let began = Instant::now();
        let Instance { store, place, .. } = instance;
        let mut session = call.loaded.session(store).map_err(Box::new)?;
        let state = session.store().data_mut();
        let (meter, flows) = opened(state, &call.component, &call.account);
        Ok(UnderWay {
            session,
            _held: (place, call.loaded, call.turn),
            component: call.component,
            function: call.function,
            account: call.account,
            meter,
            flows,
            began,
        })
    }

    /// Says what came of it, and closes its account.
    pub fn end(mut self, result: wasmtime::Result<Result<Written, Misfit>>) -> Ended {
        let name = &self.component.name;
        let result = match result {
            Ok(Ok((json, is_err))) => {
                let length = json.as_ref().map_or(0, String::len);
                let most = self.meter.allowance().response_body;
                match length as u64 > most {
                    true => Err(Box::new(self.meter.error(Limit::ResponseBody, name))),
                    false => {
                        Flows::add(&self.flows.response_out, length);
                        Ok(Ok((json, is_err)))
                    }
                }
            }
            Ok(Err(Misfit::Arguments(mismatch))) => {
                let error = mismatch.clone().of_arguments(&self.function.signature);
                self.account.error(&error);
                Ok(Err(mismatch))
            }
            Ok(Err(misfit)) => {
                let error = Error::from(misfit);
                let message = format!("{name} failed: {}", error.message);
                Err(Box::new(Error { message, ..error }))
            }
            Err(error) => match fault(error, name, self.session.store().data_mut().core()) {
                // A program may end so.
                Ok(()) if self.function.is_program() => Ok(Ok((None, false))),
                Ok(()) => Err(Box::new(Error::guest(format!(
                    "{name} exited before the function had ended"
                )))),
                Err(error) => Err(error),
            },
        };
        let store = self.session.store();
        let result = settled(store, &self.component, &self.account, self.began, result);
        Ok(match result? {
            (Ok((json, is_err)), receipt) => Ok(Returned {
                json,
                is_err,
                receipt,
            }),
            (Err(mismatch), _) => Err(mismatch),
        })
    }
}

/// Opens the account of an event in an instance: who is told of its calls, its clock and its bytes.
pub(super) fn opened<A: Account>(
    state: &mut State,
    component: &Component,
    account: &A,
) -> (Arc<Meter>, Arc<Flows>) {
    state.trace(account.tracer());
    state.chain(component.beside.at(0));
    let core = state.core();
    (core.budget.meter.clone(), core.flows.clone())
}

/// Closes the account of an event that ended so.
pub(super) fn settled<A: Account, T>(
    store: &mut Store<State>,
    component: &Component,
    account: &A,
    began: Instant,
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
