//! A callee in a task of its own, where async functions, streams or futures are linked: both sides
//! then go on at once, and the engine runs the event loop of one store alone at a time on a thread.
//!
//! The caller's host functions send commands; the task runs the callee's event loop and answers. It
//! ends when the caller's event does, which drops the sender.

use super::callee::{Callee, Crossing, Inner};
use super::fault::failed;
use super::plan::{Function, Target};
use super::values::Handle;
use super::{MakeFresh, Provide};
use crate::call::metered;
use crate::core::InstanceState;
use crate::limits::Limit;
use futures::StreamExt as _;
use futures::channel::{mpsc, oneshot};
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{Accessor, Val};
use wasmtime::{AsContextMut as _, Result, bail};

/// The caller's end of a callee in a task of its own.
pub(super) struct Apart<S: 'static>(mpsc::UnboundedSender<Command<S>>);

impl<S> Clone for Apart<S> {
    fn clone(&self) -> Self {
        Apart(self.0.clone())
    }
}

/// What a caller asks of it.
enum Command<S: 'static> {
    Call(Arc<Call<S>>, Crossing<S>),
    /// Its handle of a resource is gone. Nobody waits for it: the callee drops it between calls.
    Drop(Handle, String),
}

/// A call, and where its end is to be told.
struct Call<S: 'static> {
    function: Arc<Function>,
    answer: Mutex<Option<oneshot::Sender<Result<Crossing<S>>>>>,
}

impl<S: 'static> Call<S> {
    fn answer(&self, result: Result<Crossing<S>>) {
        let to = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(to) = to {
            // A caller that does not wait any more needs no answer.
            let _ = to.send(result);
        }
    }
}

impl<S: InstanceState> Apart<S> {
    /// Starts the task; `fresh` makes the callee's store.
    pub(super) fn start(target: &Arc<Target<S>>, fresh: MakeFresh<S>) -> Self {
        let (commands, arriving) = mpsc::unbounded();
        let of = target.clone();
        let task = Box::pin(async move {
            let callee = match fresh.await {
                Ok(fresh) => Callee::new(&of, fresh).await,
                Err(error) => Err(error),
            };
            match callee {
                Ok(callee) => run(callee, arriving).await,
                Err(error) => refuse(arriving, error).await,
            }
        });
        Provide::spawn(&*target.callee, task);
        Apart(commands)
    }

    /// Calls a function of it; the answer comes when it is awaited.
    pub(super) fn call(
        &self,
        function: &Arc<Function>,
        crossing: Crossing<S>,
    ) -> oneshot::Receiver<Result<Crossing<S>>> {
        let (answer, answered) = oneshot::channel();
        let call = Arc::new(Call {
            function: function.clone(),
            answer: Mutex::new(Some(answer)),
        });
        // One that has ended drops the answer's sender, and that is seen there.
        let _ = self.0.unbounded_send(Command::Call(call, crossing));
        answered
    }

    /// Tells it that a handle is gone.
    pub(super) fn drop_resource(&self, handle: Handle, shown: &str) {
        let _ = self
            .0
            .unbounded_send(Command::Drop(handle, shown.to_owned()));
    }
}

/// What a call is told whose callee has ended before.
pub(super) fn gone(function: &Function) -> wasmtime::Error {
    wasmtime::Error::msg(format!(
        "{}: the other component has failed before",
        function.shown
    ))
}

/// There is no instance: the first call is told why.
async fn refuse<S: 'static>(
    mut commands: mpsc::UnboundedReceiver<Command<S>>,
    error: wasmtime::Error,
) {
    while let Some(command) = commands.next().await {
        if let Command::Call(call, _) = command {
            return call.answer(Err(error));
        }
    }
}

/// What the event loop is left for.
enum Pause {
    /// The caller's event is over.
    Over,
    /// Resources are to be dropped, which needs the whole store.
    Drops(VecDeque<(Handle, String)>),
}

async fn run<S: InstanceState>(
    mut callee: Box<Callee<S>>,
    mut commands: mpsc::UnboundedReceiver<Command<S>>,
) {
    let under_way: Mutex<Vec<Arc<Call<S>>>> = Mutex::default();
    let error = loop {
        let (meter, _) = callee.clocks();
        let inner = callee.inner.clone();
        let serving = callee.store.run_concurrent(async |accessor| {
            serve(accessor, &inner, &mut commands, &under_way).await
        });
        let drops = match metered(&meter, None, serving).await {
            Ok(Ok(Pause::Over)) => return,
            Ok(Ok(Pause::Drops(drops))) => drops,
            Ok(Err(error)) | Err(error) => break error,
        };
        let mut dropped = Ok(());
        for (handle, shown) in drops {
            dropped = callee.drop_resource(handle, &shown).await;
            if dropped.is_err() {
                break;
            }
        }
        if let Err(error) = dropped {
            break error;
        }
    };
    let mut calls = under_way
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    // The oldest is told what happened; to the others it is one that has failed before.
    if !calls.is_empty() {
        let first = calls.remove(0);
        let core = callee.store.data_mut().core();
        first.answer(Err(failed(error, core, &first.function.shown)));
    } else {
        refuse(commands, error).await;
    }
}

/// Takes commands and answers calls, as many at once as there are.
async fn serve<S: InstanceState>(
    accessor: &Accessor<S>,
    inner: &Inner,
    commands: &mut mpsc::UnboundedReceiver<Command<S>>,
    under_way: &Mutex<Vec<Arc<Call<S>>>>,
) -> Result<Pause> {
    let mut calls = FuturesUnordered::new();
    let mut drops = VecDeque::new();
    loop {
        if calls.is_empty() && !drops.is_empty() {
            return Ok(Pause::Drops(drops));
        }
        tokio::select! {
            biased;
            Some(ended) = calls.next(), if !calls.is_empty() => ended?,
            command = commands.next() => match command {
                None => return Ok(Pause::Over),
                Some(Command::Drop(handle, shown)) => drops.push_back((handle, shown)),
                Some(Command::Call(call, crossing)) => {
                    let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(call.clone());
                    drop(all);
                    calls.push(async move {
                        let result = one(accessor, inner, &call.function, crossing).await?;
                        let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
                        all.retain(|other| !Arc::ptr_eq(other, &call));
                        drop(all);
                        call.answer(Ok(result));
                        wasmtime::error::Ok(())
                    });
                }
            },
        }
    }
}

async fn one<S: InstanceState>(
    accessor: &Accessor<S>,
    inner: &Inner,
    function: &Function,
    crossing: Crossing<S>,
) -> Result<Crossing<S>> {
    let (func, arguments) = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let arguments = inner.arguments(crossing, &mut store)?;
        match inner.instance.get_func(&mut store, function.export) {
            Some(func) => wasmtime::error::Ok((func, arguments)),
            None => bail!("{} does not export {}", inner.name, function.shown),
        }
    })?;
    let meter = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        store.data_mut().core().budget.meter.clone()
    });
    let mut results = vec![Val::Bool(false); function.results];
    let call = func.call_concurrent(accessor, &arguments, &mut results);
    match meter.allowance().timeout {
        None => call.await?,
        Some(timeout) => match tokio::time::timeout(timeout, call).await {
            Ok(result) => result?,
            Err(_) => return Err(meter.reach(Limit::Timeout).into()),
        },
    }
    accessor.with(|mut access| inner.results(results, function, &mut access.as_context_mut()))
}
