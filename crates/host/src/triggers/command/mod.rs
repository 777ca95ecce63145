//! Commands: programs of an app that are run once, when somebody asks for them.
//!
//! ```toml
//! [[command]]
//! name = "migrate"
//! component = "tool"
//! args = ["up"]
//! ```

use crate::component::Component;
use crate::jobs::{Job, Target, When};
use holm_manifest::{Fragment, Problem, Trigger};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// One `[[command]]` table: a program, and what it is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandTable {
    /// Its name for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The component, which exports `wasi:cli/run`, or a module of WASI 0.1.
    pub component: String,
    /// The program's arguments, without its name.
    #[serde(default)]
    pub args: Vec<String>,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "command",
        doc: "A program that is run once when somebody asks for it: holm trigger NAME.",
        example: "[[command]]\nname = \"migrate\"\ncomponent = \"tool\"\nargs = [\"up\"]\n",
        schema: schemars::schema_for!(CommandTable),
        check: |_| Vec::new(),
    }
}

/// The job that a table makes; nothing if no component has its name, which the manifest's own check says.
pub(crate) fn job(
    trigger: &Trigger,
    components: &[Arc<Component>],
) -> Result<Option<Job>, Problem> {
    let table: CommandTable = trigger.value.parse()?;
    let Some(component) = components.iter().find(|c| *c.name == *table.component) else {
        return Ok(None);
    };
    let name = table.name.as_deref().unwrap_or(&table.component);
    let target = Target {
        component: component.clone(),
        named: None,
        arguments: None,
        words: Some(table.args),
    };
    Ok(Some(Job::new(
        name.into(),
        When::Asked,
        target,
        trigger.span,
    )))
}
