//! The tools that agents may call: functions of components, each under its component's grants and
//! limits, in an instance of its own for each call.

use super::adding::Adding;
use super::answer;
use super::config::McpTools;
use super::manage::{Permissions, names};
use crate::app::problem;
use crate::apps::Apps;
use crate::call_log::{CallLog, CallRecord, What};
use crate::component::Component;
use crate::event::Failure;
use crate::functions::{self, Arguments, Call, Function, Refused, Returned, Selection};
use crate::slot::Slot;
use holm_manifest::{ByteSize, Manifest, Problem, Problems, Span, Value};
use rmcp::model::CallToolResult;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// An app, and which functions of which of its components are tools.
#[derive(Clone)]
pub struct Offer {
    /// The app.
    pub manifest: Manifest,
    /// What is chosen of its components.
    pub chosen: Vec<Chosen>,
    /// An agent asked for it, and may ask to be rid of it.
    pub by_agent: bool,
}

/// Functions of one component.
#[derive(Clone)]
pub struct Chosen {
    /// Its name.
    pub component: String,
    /// Which functions.
    pub functions: Selection,
    /// Where they are listed; nowhere where each component has what it has of them.
    pub written: Option<Value>,
}

/// The tools that agents may call.
pub struct Toolbox {
    apps: Apps,
    state: Option<PathBuf>,
    permissions: Permissions,
    /// Longest result that is told whole.
    result_most: ByteSize,
    log: CallLog,
    /// Held while something is added or taken away.
    offered: Mutex<Vec<Offered>>,
    /// What calls see; swapped whole.
    table: Arc<Slot<Table>>,
    /// What is no tool, and why.
    refused: Arc<Slot<Vec<String>>>,
    changes: watch::Sender<()>,
}

/// Tools by their names.
pub(super) type Table = BTreeMap<String, Arc<Tool>>;

/// An offer whose components are loaded.
pub(super) struct Offered {
    pub offer: Offer,
    tools: Table,
    /// Functions that were meant and cannot be tools, each with the reason.
    refused: Vec<String>,
}

impl Offered {
    /// Its tools.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }
}

/// A function that agents may call.
pub(super) struct Tool {
    pub component: Arc<Component>,
    pub function: Arc<Function>,
    /// What agents see of it.
    pub shown: rmcp::model::Tool,
}

impl Offer {
    /// What the tables `[[mcp]]` of an app say; none where it has none.
    pub fn of_app(manifest: Manifest) -> Result<Option<Offer>, Problems> {
        let mut chosen = Vec::new();
        let mut problems = Vec::new();
        for trigger in manifest.triggers.iter().filter(|t| t.kind == "mcp") {
            let table: Result<McpTools, Problem> = trigger.value.parse();
            let selected = table.and_then(|table| {
                let written = trigger.value.get("functions").unwrap_or(&trigger.value);
                let functions = Selection::parse(table.functions.iter().map(String::as_str));
                let functions = functions
                    .map_err(|(_, bad)| Problem::error(bad.to_string()).at(written.span))?;
                Ok(Chosen {
                    component: table.component,
                    functions,
                    written: Some(written.clone()),
                })
            });
            match selected {
                Ok(selected) => chosen.push(selected),
                Err(problem) => problems.push(problem),
            }
        }
        match problems.is_empty() {
            false => Err(Problems::new(manifest.source, problems)),
            true if chosen.is_empty() => Ok(None),
            true => Ok(Some(Offer {
                manifest,
                chosen,
                by_agent: false,
            })),
        }
    }

    /// The same functions of all components of an app.
    pub fn of_all(manifest: Manifest, functions: &Selection) -> Offer {
        let chosen = manifest.components.iter().map(|component| Chosen {
            component: component.name.clone(),
            functions: functions.clone(),
            written: None,
        });
        Offer {
            chosen: chosen.collect(),
            manifest,
            by_agent: false,
        }
    }
}

impl Toolbox {
    /// No tools yet; `state` is where stores lie, if it is not beside each manifest.
    pub fn new(
        apps: Apps,
        state: Option<PathBuf>,
        permissions: Permissions,
        result_most: ByteSize,
        log: CallLog,
    ) -> Toolbox {
        Toolbox {
            apps,
            state,
            permissions,
            result_most,
            log,
            offered: Mutex::default(),
            table: Slot::new(Table::new()),
            refused: Slot::new(Vec::new()),
            changes: watch::Sender::new(()),
        }
    }

    /// What agents may ask for beside calls.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.table.get().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Loads what is offered and adds its tools, or says all that is wrong. Compiles, so not on a
    /// thread that others wait for.
    pub async fn add(self: &Arc<Self>, offer: Offer) -> Result<Vec<String>, Problems> {
        let mut offered = self.offered.lock().await;
        let new = self.clone().load(offer, names(&offered, None)).await?;
        let names = new.tools.keys().cloned().collect();
        offered.push(new);
        self.publish(&offered);
        Ok(names)
    }

    /// Those that are offered, to be changed; [`publish`](Self::publish) puts the change in place.
    pub(super) async fn offered(&self) -> tokio::sync::MutexGuard<'_, Vec<Offered>> {
        self.offered.lock().await
    }

    /// Loads what is offered; nothing changes for anybody yet. `taken` are names of others' tools.
    pub(super) async fn load(
        self: Arc<Self>,
        offer: Offer,
        taken: BTreeSet<String>,
    ) -> Result<Offered, Problems> {
        let source = offer.manifest.source.clone();
        let loading = tokio::task::spawn_blocking(move || self.load_now(offer, &taken));
        loading.await.unwrap_or_else(|error| {
            let problem = Problem::error(format!("loading failed: {error}"));
            Err(Problems::new(source, vec![problem]))
        })
    }

    fn load_now(&self, offer: Offer, taken: &BTreeSet<String>) -> Result<Offered, Problems> {
        let app = self.apps.resolve(
            offer.manifest.clone(),
            state_of(self.state.as_deref(), &offer).as_deref(),
        )?;
        let mut problems = Vec::new();
        let mut adding = Adding::new(&app, taken);
        for chosen in &offer.chosen {
            problems.extend(adding.add(chosen));
        }
        if problems.is_empty() {
            problems.extend(adding.meant_nothing(&offer.chosen));
        }
        if problems.iter().any(Problem::is_error) {
            return Err(Problems::new(offer.manifest.source.clone(), problems));
        }
        let (tools, refused) = adding.finish();
        for not in &refused {
            tracing::warn!("no tool: {not}");
        }
        // From now on a new version of it goes on with its open stores.
        let put = self.apps.put(app).map_err(|error| {
            let problem = problem(&error, Span::default());
            Problems::new(offer.manifest.source.clone(), vec![problem])
        });
        put.map(|_| Offered {
            offer,
            tools,
            refused,
        })
    }

    /// Functions that were meant and cannot be tools, each with the reason.
    pub(super) fn refused(&self) -> Arc<Vec<String>> {
        self.refused.get()
    }

    /// Longest result that is told whole.
    pub(super) fn result_most(&self) -> ByteSize {
        self.result_most
    }

    /// Puts a change in place, and tells agents that the list is another.
    pub(super) fn publish(&self, offered: &[Offered]) {
        let tools = offered.iter().flat_map(|o| &o.tools);
        self.table
            .swap(tools.map(|(n, t)| (n.clone(), t.clone())).collect());
        let refused = offered.iter().flat_map(|o| o.refused.iter().cloned());
        self.refused.swap(refused.collect());
        self.changes.send_replace(());
    }

    /// Forgets an app: its stores are closed when its last call has ended.
    pub(super) fn forget(&self, app: &str) {
        self.apps.remove(app);
    }

    /// Tells when the list of tools is another.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What agents see.
    pub(super) fn list(&self) -> Vec<rmcp::model::Tool> {
        let table = self.table.get();
        let tools = table.values().map(|tool| tool.shown.clone());
        tools.chain(self.permissions.tools()).collect()
    }

    /// A tool by its name.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Tool>> {
        self.table.get().get(name).cloned()
    }

    /// Calls a tool; to drop the future stops its guest.
    pub(super) async fn call(
        &self,
        name: &str,
        tool: &Tool,
        arguments: serde_json::Value,
    ) -> CallToolResult {
        let account = self.log.begin(What::Tool, name);
        let result = call(tool, arguments, account.clone()).await;
        if let Some(error) = result.as_ref().err().and_then(answer::unmade) {
            account.unmade(error);
        }
        let result = answer::answer(result, self.result_most);
        account.ended(match result.is_error {
            Some(true) => "error",
            _ => "ok",
        });
        result
    }
}

async fn call(
    tool: &Tool,
    arguments: serde_json::Value,
    account: CallRecord,
) -> Result<Returned, Refused> {
    let component = tool.component.clone();
    let turn = component.queue.enter().await.map_err(Failure::Busy)?;
    let loaded = component.loaded().await.map_err(Failure::Error)?;
    let call = Call {
        component,
        loaded,
        turn,
        function: tool.function.clone(),
        account,
    };
    functions::call(call, Arguments::Read(arguments)).await
}

/// Where an offer's stores lie: those of what agents load apart from the operator's.
fn state_of(state: Option<&Path>, offer: &Offer) -> Option<PathBuf> {
    match offer.by_agent {
        false => state.map(Path::to_owned),
        true => {
            let state = state.map_or_else(|| offer.manifest.dir.join(".holm"), Path::to_owned);
            Some(state.join(&offer.manifest.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manage::{app_of, loose};
    use super::*;

    #[test]
    fn what_agents_load_has_stores_of_its_own() {
        let offer = |name: &str, by_agent| Offer {
            by_agent,
            ..Offer::of_all(loose(name, Vec::new()), &Selection::all())
        };
        let place = |state: Option<&str>, offer: &Offer| state_of(state.map(Path::new), offer);
        let own = offer("tools", false);
        assert_eq!(place(None, &own), None);
        assert_eq!(place(Some("/state"), &own), Some("/state".into()));
        // By the name of the operator's own app, too.
        let loaded = offer(&app_of("tools"), true);
        let apart = Some("/state/agents/tools".into());
        assert_eq!(place(Some("/state"), &loaded), apart);
        let beside = loaded.manifest.dir.join(".holm/agents/tools");
        assert_eq!(place(None, &loaded), Some(beside));
        assert_ne!(loaded.manifest.name, own.manifest.name);
    }
}
