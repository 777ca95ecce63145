//! Calls: one in a fresh instance, or several in one that is kept.

use super::check::check;
use super::mismatch::{Misfit, Mismatch};
use super::opened::{self, Opener};
use super::signature::Signature;
use super::straight::Straight;
use super::ty::Type;
use super::value::Value;
use crate::call::{MakeState, Outcome, cannot_start, close, metered, renew};
use crate::core::InstanceState;
use crate::error::{Error, Result};
use crate::fault::{Ended, explain};
use crate::limits::Meter;
use crate::link::{Pre, Prepared};
use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::stream::AbortHandle;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use wasmtime::component::{Accessor, Instance, InstancePre, ResourceAny};
use wasmtime::{AsContextMut as _, Store};

/// What is collected of the streams of one result, in bytes.
const COLLECTED_BYTES_MAX: usize = 256 << 20;

/// An instance that is kept from call to call, so that resources can live in it. It is made by the
/// first call. A trap, a limit that was hit or a call that was cut off ends it: every further call
/// is refused then.
pub struct Session<S: 'static> {
    store: Store<S>,
    pre: InstancePre<S>,
    concurrency: bool,
    instance: Option<Instance>,
    /// The functions that were called, by their position among the exports.
    functions: Vec<Option<Known>>,
    /// How the flows of the call that is made are ended, should it fail.
    ends: Vec<AbortHandle>,
    called: bool,
    over: bool,
}

/// A function of the instance, and what is known of it from then on.
#[derive(Clone, Copy)]
struct Known {
    /// How values go straight into the guest and out of it.
    straight: Straight,
    /// Something is to be opened in its arguments or in what it gives.
    flows: bool,
}

impl<S: InstanceState> Prepared<S> {
    /// Makes one call in a fresh instance, within its limits. Streams and futures of the result are
    /// collected: a stream is given as a list, a future as its item.
    pub async fn call(
        &self,
        signature: &Signature,
        arguments: Vec<Value>,
        make: MakeState<S>,
    ) -> Outcome<Option<Value>> {
        match self.session(&make) {
            Ok(mut session) => session.call(signature, arguments).await,
            Err(error) => Outcome::failed(error),
        }
    }

    /// A session over a store of the caller's, who keeps its clocks and its account and so makes its
    /// calls by [`Session::call_only`].
    ///
    /// # Errors
    /// It is no component.
    pub fn session_in(&self, store: Store<S>) -> Result<Session<S>> {
        let Pre::Component(pre) = &self.pre else {
            return Err(Error::yours("a core module has no typed functions")
                .help("call one with `holm run --invoke 'name(1, 2)' FILE`"));
        };
        Ok(Session {
            store,
            pre: pre.clone(),
            concurrency: self.artifact.key.concurrency,
            instance: None,
            functions: Vec::new(),
            ends: Vec::new(),
            called: false,
            over: false,
        })
    }

    /// Makes ready an instance to be kept; the first call makes it.
    ///
    /// # Errors
    /// It is no component, or no store can be made.
    pub fn session(&self, make: &MakeState<S>) -> Result<Session<S>> {
        let store = make()
            .and_then(|state| self.store(state))
            .map_err(|e| cannot_start(&e))?;
        self.session_in(store)
    }
}

/// What a call came to: what it gave, or what did not fit.
pub type Called<T> = wasmtime::Result<std::result::Result<T, Misfit>>;

impl<S: InstanceState> Session<S> {
    /// Calls an exported function; `signature` is one of this component's exports. Streams and
    /// futures of the result are collected. The receipt is of this call alone.
    pub async fn call(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
    ) -> Outcome<Option<Value>> {
        let Some(result) = signature.result.as_ref().filter(|ty| ty.flows()) else {
            return self.account(signature, arguments, Session::dispatch).await;
        };
        let left = AtomicUsize::new(COLLECTED_BYTES_MAX);
        let (send, receive) = futures::channel::oneshot::channel();
        let drive = self.call_open(signature, arguments, |value| {
            let _ = send.send(value);
        });
        let collect = async {
            match receive.await {
                Ok(Some(value)) => opened::collected(result, value, &left).await.map(Some),
                _ => Ok(None),
            }
        };
        let (outcome, value) = futures::join!(drive, collect);
        match (outcome.result.is_ok(), value) {
            (true, Err(mismatch)) => Outcome {
                result: Err(Misfit::Result(mismatch).into()),
                ..outcome.map(|()| None)
            },
            (_, value) => outcome.map(|()| value.ok().flatten()),
        }
    }

    /// The same without an account of it, for who makes millions of calls: what it gave, within the
    /// same limits.
    ///
    /// # Errors
    /// Those of [`Session::call`].
    pub async fn value(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let known = self.functions.get(signature.position).copied().flatten();
        let Some(Known {
            straight,
            flows: false,
        }) = known
        else {
            return self.call(signature, arguments).await.result;
        };
        self.ready(signature, arguments.len())?;
        checked(signature, &arguments)?;
        let (meter, timeout) = self.clocks();
        let result = {
            // Pinned here: it is large, and would be copied from one future into the next.
            let call = pin!(straight.call(&mut self.store, arguments));
            metered(&meter, timeout, call).await
        };
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The same on clocks and an account that are the caller's.
    pub async fn call_only(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
    ) -> Called<Option<Value>> {
        let Some(result) = signature.result.as_ref().filter(|ty| ty.flows()) else {
            let function = match self.function(signature).await? {
                Ok(function) => function,
                Err(mismatch) => return Ok(Err(Misfit::Arguments(mismatch))),
            };
            return self.dispatch(function, signature, arguments).await;
        };
        let left = AtomicUsize::new(COLLECTED_BYTES_MAX);
        let (send, receive) = futures::channel::oneshot::channel();
        let drive = self.call_open_only(signature, arguments, |value| {
            let _ = send.send(value);
        });
        let collect = async {
            match receive.await {
                Ok(Some(value)) => opened::collected(result, value, &left).await.map(Some),
                _ => Ok(None),
            }
        };
        let (driven, value) = futures::join!(drive, collect);
        Ok(driven?.and(value.map_err(Misfit::Result)))
    }

    /// [`Session::call_open`] on clocks and an account that are the caller's.
    pub async fn call_open_only(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
        on_result: impl FnOnce(Option<Value>) + Send,
    ) -> Called<()> {
        let function = match self.function(signature).await? {
            Ok(function) => function,
            Err(mismatch) => return Ok(Err(Misfit::Arguments(mismatch))),
        };
        let driven = self
            .dispatch_open(function, signature, arguments, on_result)
            .await;
        if !matches!(driven, Ok(Ok(()))) {
            self.end_flows();
        }
        driven
    }

    /// Its store.
    pub fn store(&mut self) -> &mut Store<S> {
        &mut self.store
    }

    /// Calls an exported function and hands its result on at once, its streams and futures open
    /// ([`Value::Stream`]): they flow until this is done, which is when all have ended or are
    /// dropped.
    pub async fn call_open(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
        on_result: impl FnOnce(Option<Value>) + Send,
    ) -> Outcome<()> {
        self.account(
            signature,
            arguments,
            async |session: &mut Self, function, signature, arguments| {
                session
                    .dispatch_open(function, signature, arguments, on_result)
                    .await
            },
        )
        .await
    }

    /// Gives a resource back: its destructor runs.
    ///
    /// # Errors
    /// The destructor fails, which ends the session, or the resource is gone already.
    pub async fn drop_resource(&mut self, resource: ResourceAny) -> Result<()> {
        if self.over {
            return Err(self.ended());
        }
        let (meter, timeout) = self.clocks();
        let dropped = resource.resource_drop_async(&mut self.store);
        match metered(&meter, timeout, dropped).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Whether a trap or a limit has ended it.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// One call on its account: a fresh budget, its clocks, its receipt.
    async fn account<T>(
        &mut self,
        signature: &Signature,
        arguments: Vec<Value>,
        dispatch: impl AsyncFnOnce(&mut Self, Known, &Signature, Vec<Value>) -> Called<T>,
    ) -> Outcome<T> {
        let began = Instant::now();
        if let Err(error) = self.ready(signature, arguments.len()) {
            return Outcome::failed(error);
        }
        let (meter, timeout) = self.clocks();
        let call = async {
            match self.function(signature).await? {
                Ok(function) => dispatch(self, function, signature, arguments).await,
                Err(mismatch) => Ok(Err(Misfit::Arguments(mismatch))),
            }
        };
        let result = match metered(&meter, timeout, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(misfit)) => {
                self.end_flows();
                Err(misfit.into())
            }
            Err(error) => Err(self.failed(error)),
        };
        // They have ended; what fails later is none of theirs.
        self.ends.clear();
        Outcome {
            result,
            receipt: Some(close(&mut self.store, began)),
            denials: self.store.data_mut().core().denials.list(),
        }
    }

    /// Makes it ready for a call.
    fn ready(&mut self, signature: &Signature, arguments: usize) -> Result<()> {
        if self.over {
            return Err(self.ended());
        }
        if std::mem::replace(&mut self.called, true) {
            renew(&mut self.store).map_err(|error| cannot_start(&error))?;
        }
        match arguments == signature.params.len() {
            true => Ok(()),
            false => Err(Mismatch::count(signature, arguments).into()),
        }
    }

    /// What a call is measured by, and how long it may take.
    fn clocks(&mut self) -> (Arc<Meter>, Option<Duration>) {
        let meter = self.store.data_mut().core().budget.meter.clone();
        let timeout = meter.allowance().timeout;
        (meter, timeout)
    }

    /// The function, the instance made where there is none yet.
    async fn function(
        &mut self,
        signature: &Signature,
    ) -> wasmtime::Result<std::result::Result<Known, Mismatch>> {
        let instance = match self.instance {
            Some(instance) => instance,
            None => {
                let instance = self.pre.instantiate_async(&mut self.store).await?;
                *self.instance.insert(instance)
            }
        };
        if let Some(Some(known)) = self.functions.get(signature.position) {
            return Ok(Ok(*known));
        }
        let component = self.pre.component();
        let outer = match &signature.interface {
            Some(interface) => match component.get_export_index(None, &**interface) {
                Some(outer) => Some(outer),
                None => return Ok(Err(no_function(signature))),
            },
            None => None,
        };
        let index = component.get_export_index(outer.as_ref(), &*signature.function);
        let Some(function) = index.and_then(|index| instance.get_func(&mut self.store, index))
        else {
            return Ok(Err(no_function(signature)));
        };
        let straight = Straight::of(&self.store, function, signature, self.concurrency)?;
        let Some(straight) = straight else {
            let what = "the engine knows no way for an error-context to the outside";
            return Ok(Err(Mismatch::new(what)));
        };
        let known = Known {
            straight,
            flows: signature.types().any(Type::flows),
        };
        if self.functions.len() <= signature.position {
            self.functions.resize(signature.position + 1, None);
        }
        self.functions[signature.position] = Some(known);
        Ok(Ok(known))
    }

    /// Calls, where nothing in the result is left to flow.
    async fn dispatch(
        &mut self,
        known: Known,
        signature: &Signature,
        arguments: Vec<Value>,
    ) -> Called<Option<Value>> {
        let checked = match known.flows {
            false => checked(signature, &arguments).map(|()| arguments),
            true => {
                let (open, _) = mpsc::channel(0);
                let mut opener = Opener {
                    store: self.store.as_context_mut(),
                    open,
                    ends: &mut self.ends,
                };
                opened_in(signature, arguments, &mut opener)
            }
        };
        match checked {
            Ok(arguments) => Ok(Ok(known.straight.call(&mut self.store, arguments).await?)),
            Err(mismatch) => Ok(Err(Misfit::Arguments(mismatch))),
        }
    }

    /// Calls, hands the result on, and stays until what flows out of the guest has ended.
    async fn dispatch_open(
        &mut self,
        Known { straight, .. }: Known,
        signature: &Signature,
        arguments: Vec<Value>,
        on_result: impl FnOnce(Option<Value>) + Send,
    ) -> Called<()> {
        let (open, mut ended) = mpsc::channel::<()>(0);
        let ends = &mut self.ends;
        let call = async |store: &Accessor<S>| -> Called<()> {
            let arguments = store.with(|mut store| {
                let mut opener = Opener {
                    store: store.as_context_mut(),
                    open: open.clone(),
                    ends: &mut *ends,
                };
                opened_in(signature, arguments, &mut opener)
            });
            let arguments = match arguments {
                Ok(arguments) => arguments,
                Err(mismatch) => return Ok(Err(Misfit::Arguments(mismatch))),
            };
            let value = straight.call_within(store, arguments).await?;
            let value = match (&signature.result, value) {
                (Some(ty), Some(value)) => store.with(|mut store| {
                    let mut opener = Opener {
                        store: store.as_context_mut(),
                        open,
                        ends: &mut *ends,
                    };
                    opener.out_of_guest(ty, value).map(Some)
                }),
                _ => Ok(None),
            };
            match value {
                Ok(value) => on_result(value),
                Err(mismatch) => return Ok(Err(Misfit::Result(mismatch))),
            }
            while ended.next().await.is_some() {}
            Ok(Ok(()))
        };
        self.store.run_concurrent(call).await?
    }

    /// Whoever reads the flows of a call that failed would wait for ever.
    fn end_flows(&self) {
        self.ends.iter().for_each(AbortHandle::abort);
    }

    fn ended(&self) -> Error {
        Error::guest("the instance has ended: a trap, a limit or a call that was cut off ends it")
            .help("begin a new session")
    }

    fn failed(&mut self, error: wasmtime::Error) -> Error {
        self.over = true;
        self.end_flows();
        match explain(error, self.store.data_mut().core()) {
            Ended::Exit(code) => Error::guest(format!(
                "the function ended the program with exit code {code}"
            )),
            Ended::Fault(error) => *error,
        }
    }
}

fn no_function(signature: &Signature) -> Mismatch {
    Mismatch::new(format!(
        "the component exports no function `{}`",
        signature.full_name()
    ))
}

/// Whether the arguments are of their types.
fn checked(signature: &Signature, arguments: &[Value]) -> std::result::Result<(), Mismatch> {
    for (param, value) in signature.params.iter().zip(arguments) {
        check(&param.ty, value).map_err(|mismatch| mismatch.within(&param.name))?;
    }
    Ok(())
}

/// Arguments that are of their types, their flows opened.
fn opened_in<S: Send + 'static>(
    signature: &Signature,
    arguments: Vec<Value>,
    opener: &mut Opener<'_, S>,
) -> std::result::Result<Vec<Value>, Mismatch> {
    checked(signature, &arguments)?;
    let each = signature.params.iter().zip(arguments);
    let each = each.map(|(param, value)| {
        let opened = opener.into_guest(&param.ty, value);
        opened.map_err(|mismatch| mismatch.within(&param.name))
    });
    each.collect()
}
