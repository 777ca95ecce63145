//! The protocol's side: what is asked for, handed to the tools.

use super::lines::Lines;
use super::manage;
use super::toolbox::Toolbox;
use crate::shutdown::Shutdown;
use holm_runtime::Error;
use rmcp::ServiceExt as _;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{
    NotificationContext, RequestContext, RoleServer, ServerInitializeError, SubscriptionContext,
};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task;

/// How often a client that wants to know is told that its call still runs.
const PROGRESS: Duration = Duration::from_secs(1);

/// How often it is looked whether a client that is to be told of changes is still there.
const STILL_THERE: Duration = Duration::from_secs(60);

/// So many subscriptions may be accepted and not begun.
const ACCEPTED_MOST: usize = 64;

/// One conversation with an agent; all of them share the tools.
#[derive(Clone)]
pub struct McpServer {
    tools: Arc<Toolbox>,
    /// Of subscriptions that were accepted and have not begun: the client is told of the first before
    /// the second, and may see to a change in between. Each with the task that answers it, which is the
    /// same in both: two that swapped theirs would miss what changed in between.
    accepted: Arc<Mutex<VecDeque<Accepted>>>,
}

type Accepted = (Option<task::Id>, watch::Receiver<()>);

impl McpServer {
    /// A server of these tools.
    pub fn new(tools: Arc<Toolbox>) -> McpServer {
        McpServer {
            tools,
            accepted: Arc::default(),
        }
    }
}

impl McpServer {
    /// The changes since the subscription that this task answers was accepted.
    fn begun(&self) -> watch::Receiver<()> {
        let mut accepted = self.accepted();
        let me = task::try_id();
        // The last, should the number be that of a task before whose client has left.
        let own = accepted.iter().rposition(|(task, _)| *task == me);
        match own.and_then(|at| accepted.remove(at)) {
            Some((_, changes)) => changes,
            None => self.tools.changes(),
        }
    }

    fn accepted(&self) -> MutexGuard<'_, VecDeque<Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Speaks over standard input and output, until the input ends or the server is asked to. Calls that are
/// under way then have a few seconds. Nobody else may write to the output.
pub async fn serve_stdio(server: McpServer, shutdown: &Shutdown) -> Result<(), Error> {
    let (read, write) = rmcp::transport::stdio();
    let serving = match server
        .serve(Lines::new(read, write, shutdown.clone()))
        .await
    {
        Ok(serving) => serving,
        // It said goodbye before it said hello, and that is its right.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(error) => {
            let what = Error::yours("the conversation with the agent has not begun");
            return Err(what.caused_by(begun_wrongly(&error)));
        }
    };
    let cancel = serving.cancellation_token();
    let ended = tokio::select! {
        ended = serving.waiting() => ended,
        () = shutdown.stopping() => {
            cancel.cancel();
            return Ok(());
        }
    };
    ended
        .map(|_| ())
        .map_err(|error| Error::ours("the conversation's task failed").caused_by(error.to_string()))
}

/// What an agent did wrong, in a few words: what it sent may be long.
fn begun_wrongly(error: &ServerInitializeError) -> String {
    match error {
        ServerInitializeError::ExpectedInitializeRequest(_) => {
            "its first message is not `initialize`".into()
        }
        error => error.to_string(),
    }
}

/// Functions that cannot be tools, as agents are told of them; no more than these.
const NOT_TOOLS_MAX: usize = 20;

fn not_tools(refused: &[String]) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let mut text = String::from(" These functions cannot be tools:");
    for not in refused.iter().take(NOT_TOOLS_MAX) {
        let _ = write!(text, "\n- {not}");
    }
    if refused.len() > NOT_TOOLS_MAX {
        let _ = write!(text, "\n- and {} more", refused.len() - NOT_TOOLS_MAX);
    }
    text
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder().enable_tools();
        let capabilities = match self.tools.permissions().any() {
            true => tools.enable_tool_list_changed().build(),
            false => tools.build(),
        };
        let version = env!("CARGO_PKG_VERSION");
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("holm", version))
            .with_instructions(format!(
                "Each tool is a function of a sandboxed WebAssembly component and runs in a fresh \
                 instance, so nothing is kept between calls but what its stores keep.{}",
                not_tools(&self.tools.refused())
            ))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        if let Some(tool) = manage::named(&request.name, self.tools.permissions()) {
            return Ok(self.tools.manage(tool, &arguments).await.into());
        }
        let Some(tool) = self.tools.get(&request.name) else {
            let what = format!("there is no tool `{}`", request.name.escape_debug());
            return Err(ErrorData::invalid_params(what, None));
        };
        let call = self.tools.call(&request.name, &tool, arguments);
        tokio::select! {
            result = call => Ok(result.into()),
            // To drop the call is what stops its guest.
            () = context.ct.cancelled() => {
                Err(ErrorData::internal_error("the call was cancelled", None))
            }
            never = progress(&context) => match never {},
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if !self.tools.permissions().any() {
            return;
        }
        let mut changes = self.tools.changes();
        tokio::spawn(async move {
            while !context.peer.is_transport_closed() {
                let changed = tokio::time::timeout(STILL_THERE, changes.changed()).await;
                let told = match changed {
                    Ok(Ok(())) => context.peer.notify_tool_list_changed().await.is_ok(),
                    Ok(Err(_)) => false,
                    Err(_) => true,
                };
                if !told {
                    return;
                }
            }
        });
    }

    fn accepted_subscription_filter(
        &self,
        asked: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = self.accepted();
        // One that never began, because its client left.
        if accepted.len() == ACCEPTED_MOST {
            accepted.pop_front();
        }
        accepted.push_back((task::try_id(), self.tools.changes()));
        Some(asked.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.begun();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = changes.changed() => {
                    let told = context.sink().notify_tool_list_changed();
                    if changed.is_err() || told.await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Tells a client that asked for it how long its call has run.
async fn progress(context: &RequestContext<RoleServer>) -> std::convert::Infallible {
    let Some(token) = context.meta.get_progress_token() else {
        return std::future::pending().await;
    };
    let began = Instant::now();
    loop {
        tokio::time::sleep(PROGRESS).await;
        let seconds = began.elapsed().as_secs_f64();
        let told = ProgressNotificationParam::new(token.clone(), seconds)
            .with_message(format!("running for {seconds:.0} s"));
        // A client that does not listen any more cancels by itself.
        let _ = context.peer.notify_progress(told).await;
    }
}
