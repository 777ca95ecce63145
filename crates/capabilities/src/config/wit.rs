//! `wasi:config` for the guest: one interface that went by several names and versions.

use super::Instance;
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-config@0.2.0-rc.1",
        world: "wasi:config/imports",
        imports: { default: trappable },
    });
}
use bindings::wasi::config::store::Error;
pub(super) use bindings::wasi::config::store::Host;

/// The part of the state that the functions of this folder work on.
pub(super) fn instance(state: &mut State) -> &mut Instance {
    &mut state.parts.config
}

impl Instance {
    /// The value of a key, if it was granted.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        let value = self.values.get(key)?;
        if let Some(uses) = &self.uses {
            uses.note("config", key, "");
        }
        Some(value.reveal().clone())
    }
}

impl Host for Instance {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, Error>> {
        Ok(Ok(self.value(&key)))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, Error>> {
        if let Some(uses) = &self.uses {
            self.values
                .keys()
                .for_each(|key| uses.note("config", key, ""));
        }
        Ok(Ok(self
            .values
            .iter()
            .map(|(key, value)| (key.clone(), value.reveal().clone()))
            .collect()))
    }
}

/// Links all of them: what they call their error type makes no difference to a guest.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:config/store", "@0.2.0-rc.1", (), instance, {
        sync value "get" = Host::get { a };
        sync value "get-all" = Host::get_all {};
    });
    cross!(linker, "wasi:config/store", "@0.2.0-draft-2024-09-27", (), instance, {
        sync value "get" = Host::get { a };
        sync value "get-all" = Host::get_all {};
    });
    cross!(linker, "wasi:config/store", "@0.2.0-draft", (), instance, {
        sync value "get" = Host::get { a };
        sync value "get-all" = Host::get_all {};
    });
    cross!(linker, "wasi:config/runtime", "@0.2.0-draft", (), instance, {
        sync value "get" = Host::get { a };
        sync value "get-all" = Host::get_all {};
    });
    Ok(())
}
