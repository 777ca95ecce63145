//! `wasmcloud:secrets` for the guest. Version 1.0.0 is the draft by another name.

use super::{Instance, Secret};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource, ResourceTable};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasmcloud-secrets@0.1.0-draft",
        world: "wasmcloud:secrets/imports",
        imports: { default: trappable },
        with: { "wasmcloud:secrets/store.secret": crate::secrets::Secret },
    });
}
pub(super) use bindings::wasmcloud::secrets::store::{SecretValue, SecretsError};

/// The part beside the table that its resources lie in.
pub(super) struct View<'a> {
    pub part: &'a mut Instance,
    pub table: &'a mut ResourceTable,
}

impl View<'_> {
    pub(super) fn get(&mut self, key: String) -> Result<Result<Resource<Secret>, SecretsError>> {
        let Some(value) = self.part.values.get(&key) else {
            return Ok(Err(SecretsError::NotFound));
        };
        let secret = Secret(value.clone());
        if let Some(uses) = &self.part.uses {
            uses.note("secrets", &key, "");
        }
        Ok(Ok(self.table.push(secret)?))
    }

    pub(super) fn reveal(&mut self, secret: Resource<Secret>) -> Result<SecretValue> {
        let secret = self.table.get(&secret)?;
        Ok(SecretValue::String(secret.0.reveal().clone()))
    }

    pub(super) fn drop(&mut self, secret: Resource<Secret>) -> Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        part: &mut parts.secrets,
        table,
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasmcloud:secrets/store", "@0.1.0-draft", (), view, {
        drop "secret" Secret = View::drop;
        sync value "get" = View::get { a };
    });
    cross!(linker, "wasmcloud:secrets/reveal", "@0.1.0-draft", (), view, {
        sync value "reveal" = View::reveal { a };
    });
    cross!(linker, "wasmcloud:secrets/store", "@1.0.0", (), view, {
        drop "secret" Secret = View::drop;
        sync value "get" = View::get { a };
    });
    cross!(linker, "wasmcloud:secrets/reveal", "@1.0.0", (), view, {
        sync value "reveal" = View::reveal { a };
    });
    Ok(())
}
