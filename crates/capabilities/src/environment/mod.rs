//! Environment variables; also the arguments and the working directory, which the caller sets.
//!
//! ```toml
//! [component.web.grants]
//! env = { GREETING = "hello", LANG = { inherit = true } }
//! ```

#[cfg(test)]
mod tests;
pub mod wasi_0_2;
pub mod wasi_0_3;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::InstanceState;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// The `env` grant.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Grant(BTreeMap<String, Variable>);

/// A variable's value, or that it is Holm's own.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Variable {
    /// The value.
    Value(String),
    /// The value that the variable has in Holm's own environment; none where Holm has none.
    Inherited(Inherited),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inherited {
    /// `true`: take the value from Holm's own environment.
    inherit: bool,
}

/// What one component sees of the world when it asks for its environment.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
    /// The command line, the program's name first.
    pub arguments: Vec<String>,
    /// The working directory, as a path of the guest.
    pub directory: Option<String>,
}

impl Environment {
    /// Sets a variable, also one that the manifest sets: what `--env K=V` does.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        check(name, value)?;
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Sets a variable to what it is in Holm's own environment, if it is there: `--env K`.
    pub fn inherit(&mut self, name: &str) -> Result<(), String> {
        check(name, "")?;
        if is_own_secret(name) {
            return Err(format!(
                "`{name}` is Holm's own secret, and is given to no guest"
            ));
        }
        match std::env::var(name) {
            Ok(value) => self.set(name, &value),
            Err(std::env::VarError::NotPresent) => Ok(()),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!(
                "the value of `{name}` in Holm's environment is not Unicode"
            )),
        }
    }

    /// The variables, in order.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

/// Whether it is a token by which people and programs show that they may steer Holm itself.
fn is_own_secret(name: &str) -> bool {
    name.starts_with("HOLM_") && name.ends_with("TOKEN")
}

/// What can be a variable at all.
fn check(name: &str, value: &str) -> Result<(), String> {
    match (name, value) {
        ("", _) => Err("an environment variable needs a name".to_owned()),
        (name, _) if name.contains(['=', '\0']) => Err(format!(
            "`{}` cannot name an environment variable",
            name.escape_debug()
        )),
        (_, value) if value.contains('\0') => {
            Err(format!("the value of `{name}` contains a NUL byte"))
        }
        _ => Ok(()),
    }
}

/// What [`noted`] needs; empty unless somebody asked which grants are used.
pub struct Names(Arc<[String]>);

impl Capability for Environment {
    const ABOUT: About = About {
        name: "environment",
        doc: "Environment variables, arguments, the working directory.",
        grant: Some("env"),
        example: Some(r#"env = { GREETING = "hello" }"#),
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:cli/environment",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/exit",
                versions: &["0.2.12", "0.3.0"],
            },
        ],
    };
    type Instance = Names;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "env",
            doc: "Environment variables: a value, or `{ inherit = true }` for Holm's own.",
            example: "[component.web.grants]\n\
                      env = { GREETING = \"hello\", LANG = { inherit = true } }",
            schema: schemars::schema_for!(Grant),
            check: |value| value.as_table().map(problems).unwrap_or_default(),
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let mut environment = Environment::default();
        let Some(value) = value else {
            return Ok(environment);
        };
        for (name, variable) in value.parse::<Grant>()?.0 {
            let set = match variable {
                Variable::Value(text) => environment.set(&name, &text),
                Variable::Inherited(Inherited { inherit: true }) => environment.inherit(&name),
                Variable::Inherited(Inherited { inherit: false }) => Ok(()),
            };
            let span = value.get(&name).map_or(value.span, |v| v.span);
            set.map_err(|message| Problem::error(message).at(span))?;
        }
        Ok(environment)
    }

    fn instance(
        &self,
        core: &holm_runtime::Core,
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<Names> {
        wasi.envs(&self.variables).args(&self.arguments);
        if let Some(directory) = &self.directory {
            wasi.initial_cwd(directory);
        }
        let names = core
            .seam
            .uses()
            .map(|_| self.variables.iter().map(|(name, _)| name.clone()));
        Ok(Names(names.into_iter().flatten().collect()))
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_0_2::link(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => wasi_0_3::link(linker),
        }
    }
}

/// What the schema cannot say about the grant.
fn problems(table: &holm_manifest::Table) -> Vec<Problem> {
    let wrong = table.iter().filter_map(|(key, value)| {
        let message = check(&key.name, value.as_str().unwrap_or_default()).err()?;
        Some(Problem::error(message).at(key.span))
    });
    wrong.collect()
}

/// The guest asked for its environment. It gets all variables at once, so all count as used.
pub(crate) fn noted(state: &mut State, (): ()) {
    let names = state.parts.environment.0.clone();
    if let Some(uses) = state.core().seam.uses() {
        for name in names.iter() {
            uses.note("env", name.as_str(), "");
        }
    }
}
