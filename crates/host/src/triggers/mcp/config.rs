//! `[[mcp]]` in the manifest.

use crate::functions::pattern;
use holm_manifest::{Fragment, Problem, Value};
use schemars::JsonSchema;
use serde::Deserialize;

/// One `[[mcp]]` table: which functions of a component agents may call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpTools {
    /// The component whose functions they are.
    pub component: String,
    /// Which of its functions: `example:payments/processor.charge` is one of an interface,
    /// `example:payments/processor.*` all of it, `greet` one that the component exports itself, `*`
    /// all of them but those of WASI's interfaces. What is not listed is not there.
    #[schemars(length(min = 1))]
    pub functions: Vec<String>,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "mcp",
        doc: "Functions of a component that are tools of agents, under `holm mcp`.",
        example: "[[mcp]]\ncomponent = \"payments\"\n\
                  functions = [\"example:payments/processor.*\"]\n",
        schema: schemars::schema_for!(McpTools),
        check,
    }
}

fn check(value: &Value) -> Vec<Problem> {
    value.get("functions").map_or(Vec::new(), pattern::check)
}
