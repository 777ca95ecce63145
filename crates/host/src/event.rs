//! What the events of all triggers have in common: why there is no answer, what an end means, and who
//! is told of it.

use crate::component::Instance;
use holm_runtime::fault::{Ended, explain};
use holm_runtime::limits::Reached;
use holm_runtime::receipt::Receipt;
use holm_runtime::trace::Tracer;
use holm_runtime::{Core, Denial, Error, PoolFull};
use std::future::pending;
use tokio::sync::oneshot;

/// Why there is no answer of the guest's.
pub enum Failure {
    /// As many calls of the component as may be are at work, and this one cannot wait, or has waited
    /// for long enough.
    Busy(Box<Error>),
    /// As many instances as the machine may have are at work.
    Full(PoolFull),
    /// It answered with an error code, or with nothing.
    NoAnswer(Box<Error>),
    /// It failed, or could not start.
    Error(Box<Error>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(Box::new(error))
    }
}

/// What came of taking an instance.
pub fn taken(instance: Result<wasmtime::Result<Instance>, PoolFull>) -> Result<Instance, Failure> {
    let instance = instance.map_err(Failure::Full)?;
    instance.map_err(|error| Failure::from(holm_runtime::call::cannot_start(&error)))
}

/// Waits until the client has left before there was an answer; for ever if it stays.
pub async fn left(client: oneshot::Receiver<()>) {
    if client.await.is_ok() {
        pending::<()>().await;
    }
}

/// What an end with an error means: nothing where the guest exited with success.
pub fn fault(error: wasmtime::Error, name: &str, core: &mut Core) -> Result<(), Box<Error>> {
    match explain(error, core) {
        Ended::Exit(0) => Ok(()),
        Ended::Exit(code) => {
            let what = format!("{name} exited with code {code}");
            Err(Box::new(Error::guest(what).exited(code)))
        }
        Ended::Fault(error) => Err(error),
    }
}

/// The account of one event, kept by whoever called; told of its end even where its client has left.
pub trait Account: Clone + Send + Sync + 'static {
    /// Who the guest's calls to the outside are told to.
    fn tracer(&self) -> Tracer;
    /// Whether somebody will read a receipt.
    fn is_kept(&self) -> bool;
    /// What the guest asked for and was refused, whether or not it minded.
    fn denials(&self, denials: &[Denial]);
    /// Which limits it met.
    fn reached(&self, limits: &Reached);
    /// What went wrong.
    fn error(&self, error: &Error);
    /// What it cost.
    fn receipt(&self, receipt: Receipt);
}
