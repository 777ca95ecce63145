//! Spin's variables: the same values in its words. They are those of the component, which its
//! grant `config` names; the app's own `[variables]` are seen only as far as that uses them.

use super::Instance;
use super::wit::instance;
use crate::{Era, State};
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::{Accessor, HasData, Linker};

mod v2 {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin@2.0.0",
        interfaces: "import fermyon:spin/variables@2.0.0;",
        imports: { default: trappable },
    });
}
mod legacy {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/config;",
        imports: { default: trappable },
    });
}
mod v3 {
    wasmtime::component::bindgen!({
        path: "../../wit/spin-variables@3.0.0",
        interfaces: "import spin:variables/variables@3.0.0;",
        imports: { default: trappable },
    });
}
pub(super) use legacy::fermyon::spin::config;
pub(super) use v2::fermyon::spin::variables;
pub(super) use v3::spin::variables::variables as variables_3;

/// Why there is no value.
enum Missing {
    /// No variable can have that name, and why.
    BadName(String),
    /// None has it.
    Undefined(String),
}

impl Instance {
    fn variable(&self, name: &str) -> Result<String, Missing> {
        if let Some(rule) = broken_rule(name) {
            return Err(Missing::BadName(format!("{name:?} {rule}")));
        }
        let none = || Missing::Undefined(format!("no value for {name:?} is granted"));
        self.value(name).ok_or_else(none)
    }
}

/// Which of Spin's rules for names this one breaks.
fn broken_rule(name: &str) -> Option<&'static str> {
    let of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() {
        Some("is empty")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("does not begin with a lower case letter")
    } else if !name.chars().all(of_names) {
        Some("has other characters than lower case letters, digits and `_`")
    } else if name.ends_with('_') || name.contains("__") {
        Some("has a `_` that stands between no letters or digits")
    } else {
        None
    }
}

impl variables::Host for Instance {
    fn get(&mut self, name: String) -> Result<Result<String, variables::Error>> {
        Ok(self.variable(&name).map_err(|missing| match missing {
            Missing::BadName(text) => variables::Error::InvalidName(text),
            Missing::Undefined(text) => variables::Error::Undefined(text),
        }))
    }
}

impl config::Host for Instance {
    fn get_config(&mut self, key: String) -> Result<Result<String, config::Error>> {
        Ok(self.variable(&key).map_err(|missing| match missing {
            Missing::BadName(text) => config::Error::InvalidKey(text),
            // It has no word for it, and this is the one that Spin takes.
            Missing::Undefined(text) => config::Error::Provider(text),
        }))
    }
}

struct Part;

impl HasData for Part {
    type Data<'a> = &'a mut Instance;
}

async fn get(
    host: &Accessor<State, Part>,
    name: String,
) -> Result<Result<String, variables_3::Error>> {
    let value = host.with(|mut cx| cx.get().variable(&name));
    Ok(value.map_err(|missing| match missing {
        Missing::BadName(text) => variables_3::Error::InvalidName(text),
        Missing::Undefined(text) => variables_3::Error::Undefined(text),
    }))
}

/// Links all versions; the one with async functions only where the engine has concurrency.
pub(super) fn link(linker: &mut Linker<State>, era: Era) -> Result<()> {
    cross!(linker, "fermyon:spin/variables", "@2.0.0", (), instance, {
        sync value "get" = variables::Host::get { a };
    });
    cross!(linker, "fermyon:spin/config", "", (), instance, {
        sync value "get-config" = config::Host::get_config { a };
    });
    if era == Era::P3 {
        cross!(linker, "spin:variables/variables", "@3.0.0", Part, instance, {
            concurrent value "get" = get { a };
        });
    }
    Ok(())
}
