//! The beginning and the end of an app: what is called before it is served, and after its last request.
//!
//! ```toml
//! [[start]]
//! component = "tool"
//! args = ["migrate"]
//!
//! [[stop]]
//! component = "registry"
//! function = "sign-off"
//! ```

use crate::component::Component;
use crate::functions::pattern::Pattern;
use crate::jobs::{Job, Retry, Target, When};
use holm_manifest::{Fragment, Problem, Trigger, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// One `[[start]]` or `[[stop]]` table: a function or a program.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookTable {
    /// Its name in logs, and for `holm trigger`; the default is `start-COMPONENT` or `stop-COMPONENT`.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The component.
    pub component: String,
    /// The function: `INTERFACE.FUNCTION`, or `FUNCTION` for one that the component exports itself. The
    /// default is `wasi:cli/run`, which programs export.
    pub function: Option<String>,
    /// The function's arguments: a table by the names of its parameters, or an array.
    pub arguments: Option<serde_json::Value>,
    /// The arguments of a program, without its name.
    pub args: Option<Vec<String>>,
    /// How often it is tried again after a failure.
    #[serde(default)]
    pub retry: Retry,
}

/// What the trigger adds to the manifest language.
pub fn fragments() -> [Fragment; 2] {
    [
        Fragment {
            name: "start",
            doc: "A function or a program that is called before a version of the app is served.",
            example: "[[start]]\ncomponent = \"tool\"\nargs = [\"migrate\"]\n",
            schema: schemars::schema_for!(HookTable),
            check,
        },
        Fragment {
            name: "stop",
            doc: "A function or a program that is called when the app is served no longer.",
            example: "[[stop]]\ncomponent = \"registry\"\nfunction = \"sign-off\"\n",
            schema: schemars::schema_for!(HookTable),
            check,
        },
    ]
}

/// What the schema cannot say: that the function can be read, and who gets which arguments.
fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let function = value.get("function");
    if let Some((at, text)) = function.and_then(|at| Some((at, at.as_str()?)))
        && !matches!(Pattern::parse(text), Ok(Pattern::One(_)))
    {
        let problem = Problem::error(format!("{text:?} names no function")).at(at.span);
        problems.push(problem.help("write \"INTERFACE.FUNCTION\" or \"FUNCTION\""));
    }
    let odd = match function {
        Some(_) => value
            .get("args")
            .map(|at| (at, "`args` are a program's", "arguments")),
        None => value
            .get("arguments")
            .map(|at| (at, "`arguments` are a function's", "args")),
    };
    if let Some((at, what, other)) = odd {
        let problem = Problem::error(what).at(at.span);
        problems.push(problem.help(format!("write `{other}`")));
    }
    problems
}

/// The job that a table makes; nothing if no component has its name, which the manifest's own check says.
pub(crate) fn job(
    trigger: &Trigger,
    components: &[Arc<Component>],
) -> Result<Option<Job>, Problem> {
    let table: HookTable = trigger.value.parse()?;
    let Some(component) = components.iter().find(|c| *c.name == *table.component) else {
        return Ok(None);
    };
    let when = match &*trigger.kind {
        "start" => When::Start,
        _ => When::Stop,
    };
    let usual = || format!("{}-{}", trigger.kind, table.component);
    let name = table.name.clone().unwrap_or_else(usual);
    let target = Target {
        component: component.clone(),
        words: table
            .args
            .or_else(|| table.function.is_none().then(Vec::new)),
        named: table.function,
        arguments: table.arguments,
    };
    let mut job = Job::new(name.into(), when, target, trigger.span);
    job.retry = table.retry;
    Ok(Some(job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked() {
        let problems = |entries: Vec<(&str, Value)>| -> Vec<String> {
            let all = check(&Value::table(entries)).into_iter();
            all.map(|problem| problem.message).collect()
        };
        let args = || ("args", Value::from(vec!["up"]));
        assert_eq!(problems(vec![args()]), [""; 0]);
        assert_eq!(
            problems(vec![("function", "a.*".into()), args()]),
            ["\"a.*\" names no function", "`args` are a program's"]
        );
        let arguments = ("arguments", Value::from(vec!["up"]));
        assert_eq!(problems(vec![arguments]), ["`arguments` are a function's"]);
    }
}
