//! What of a component a job calls: a function, or the program that it is.

use crate::component::{Component, Loaded};
use crate::functions::{Exposed, Function, Selection};
use holm_runtime::Error;
use std::sync::Arc;

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

/// What of a target is called, found in the component's code.
#[derive(Debug)]
pub enum CalledTarget {
    /// The program that the component or the module is.
    Program,
    /// This function.
    Function(Arc<Function>),
    /// That of Spin's cron trigger, which is told the time.
    SpinCron(Arc<Function>),
}

impl Target {
    /// The function or the program that is meant.
    ///
    /// # Errors
    /// There is no function of that name, or it cannot be called without holding something; the
    /// program has threads.
    pub fn called(&self, loaded: &Loaded) -> Result<CalledTarget, Box<Error>> {
        let name = &self.component.name;
        let named = self.named.as_deref();
        if named.is_none() && loaded.is_program() {
            if loaded.prepared().has_threads() {
                let what = format!("component `{name}` is a program with threads");
                let help = "holm run alone starts those: they share one memory";
                return Err(Box::new(Error::yours(what).help(help)));
            }
            return Ok(CalledTarget::Program);
        }
        let signatures = loaded.signatures()?;
        let tried: &[&str] = match &named {
            Some(named) => std::slice::from_ref(named),
            None if self.words.is_some() => &[],
            None => &[SPIN_CRON],
        };
        for wanted in tried {
            let selection = Selection::parse([*wanted]);
            let Ok(selection) = selection else { continue };
            let exposed = Exposed::new(&signatures, &selection);
            if let Some(function) = exposed.functions.into_iter().next() {
                return Ok(match named {
                    Some(_) => CalledTarget::Function(function),
                    None => CalledTarget::SpinCron(function),
                });
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
