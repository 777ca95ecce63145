//! Which function of a component a job calls.

use crate::component::{Component, Loaded};
use crate::functions::{Exposed, Function, Selection};
use holm_runtime::Error;
use std::sync::Arc;

/// What a program exports.
const RUN: &str = "wasi:cli/run.run";

/// What components for Spin's cron trigger export; it takes a record with the time.
const SPIN_CRON: &str = "handle-cron-event";

/// A function of a component, and what it is called with.
pub struct Target {
    /// The component.
    pub component: Arc<Component>,
    /// The function, where the manifest says which.
    pub named: Option<String>,
    /// Its arguments, where the manifest has any.
    pub arguments: Option<serde_json::Value>,
    /// It is a program, which gets these.
    pub words: Option<Vec<String>>,
}

/// The function of a target, found in the component's code.
#[derive(Debug)]
pub struct CalledTarget {
    /// The function.
    pub function: Arc<Function>,
    /// It is the one of Spin's cron trigger.
    of_spin: bool,
}

impl CalledTarget {
    /// What it is called with where nobody says.
    pub fn arguments(&self) -> serde_json::Value {
        match self.of_spin {
            true => serde_json::json!([{ "timestamp": chrono::Utc::now().timestamp() }]),
            false => serde_json::json!([]),
        }
    }
}

impl Target {
    /// The function that is meant.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be called without holding something.
    pub fn function(&self, loaded: &Loaded) -> Result<CalledTarget, Box<Error>> {
        let signatures = loaded.signatures()?;
        let name = &self.component.name;
        let named = self.named.as_deref();
        let tried: &[&str] = match &named {
            Some(named) => std::slice::from_ref(named),
            None if self.words.is_some() => &[RUN],
            None => &[RUN, SPIN_CRON],
        };
        for wanted in tried {
            let selection = Selection::parse([*wanted]);
            let Ok(selection) = selection else { continue };
            let exposed = Exposed::new(&signatures, &selection);
            if let Some(function) = exposed.functions.into_iter().next() {
                let of_spin = named.is_none() && *wanted == SPIN_CRON;
                return Ok(CalledTarget { function, of_spin });
            }
            if let Some(refused) = exposed.refused.first() {
                let what = format!(
                    "`{wanted}` of `{name}` cannot be called: {}",
                    refused.reason
                );
                return Err(Box::new(Error::yours(what)));
            }
        }
        let error = match named {
            Some(named) => {
                Error::yours(format!("component `{name}` exports no function `{named}`"))
            }
            None => Error::yours(format!(
                "component `{name}` is no program: it exports no wasi:cli/run"
            ))
            .help(match self.words {
                None => "say which function is called: function = \"INTERFACE.FUNCTION\"",
                Some(_) => {
                    "[[start]], [[stop]] and [[cron]] may say which other `function` is called"
                }
            }),
        };
        let all = signatures.exports.iter().map(|s| s.name());
        let all: Vec<String> = all.take(8).collect();
        Err(Box::new(match all.is_empty() {
            true => error.help("it exports no functions at all"),
            false => error.help(format!("it exports {}", all.join(", "))),
        }))
    }
}
