//! A program that is run once: a component with `wasi:cli/run`, or a core module of WASI 0.1.

use super::call::Returned;
use super::under_way::{opened, settled};
use crate::component::{Component, Instance, Loaded};
use crate::event::{Account, Failure, fault, left, taken};
use crate::queue::Turn;
use holm_runtime::call::event;
use holm_runtime::{Error, InstanceState as _};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A program that has its turn.
pub struct Program<A> {
    /// Whose it is.
    pub component: Arc<Component>,
    /// Its code.
    pub loaded: Arc<Loaded>,
    /// Its turn among the component's calls.
    pub turn: Turn,
    /// Who is told what came of it.
    pub account: A,
}

/// Runs a program with these words as its arguments. To drop the future is to leave: the guest is
/// dropped where it stands.
///
/// # Errors
/// It could not start, failed, or exited with a code other than 0, which the error has.
pub async fn run_program<A: Account>(
    program: Program<A>,
    words: &[String],
) -> Result<Returned, Failure> {
    let Program {
        component,
        loaded,
        turn,
        ..
    } = &program;
    let instance = component.take_worded(loaded, turn, words).await;
    let instance = taken(instance)?;
    let (_here, client) = oneshot::channel();
    let tenant = program.component.share.tenant.clone();
    match tenant.spawn(run(program, instance, client)).await {
        Ok(ended) => ended.map_err(Failure::Error),
        Err(error) => {
            let failed = Error::ours("the task of a program failed");
            Err(failed.caused_by(error.to_string()).into())
        }
    }
}

async fn run<A: Account>(
    program: Program<A>,
    instance: Instance,
    client: oneshot::Receiver<()>,
) -> Result<Returned, Box<Error>> {
    let began = Instant::now();
    // What is declared last is dropped first: the store before its place in the pool, that before the
    // program's turn.
    let Program {
        component,
        account,
        turn: _turn,
        loaded,
    } = program;
    let Instance {
        place: _place,
        mut store,
        ..
    } = instance;
    let (meter, flows) = opened(store.data_mut(), &component, &account);
    let ran = tokio::select! {
        ran = event(&meter, &flows, loaded.prepared().start(&mut store)) => ran,
        () = left(client) => Ok(()),
    };
    let ended = ran.or_else(|error| fault(error, &component.name, store.data_mut().core()));
    let ((), receipt) = settled(&mut store, &component, &account, began, ended)?;
    Ok(Returned {
        json: None,
        is_err: false,
        receipt,
    })
}
