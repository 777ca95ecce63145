//! Resources of a session: named as they come out, found by their names.

use holm_runtime::values::{Resource, json};
use std::collections::HashMap;
use wasmtime::component::ResourceAny;

/// Resources by name: `cart-1`, `cart-2`, counted for each type of resource.
#[derive(Default)]
pub struct Named {
    resources: HashMap<String, (String, ResourceAny)>,
    made: HashMap<String, u32>,
}

impl Named {
    /// Takes a resource out, to give it back.
    pub fn remove(&mut self, name: &str) -> Option<ResourceAny> {
        self.resources.remove(name).map(|(_, resource)| resource)
    }

    /// The names of all that are held.
    pub fn names(&self) -> Vec<&str> {
        self.resources.keys().map(String::as_str).collect()
    }
}

impl json::Handles for Named {
    fn put(&mut self, resource: ResourceAny, ty: &Resource) -> String {
        let ty = ty.name.name.to_string();
        let made = self.made.entry(ty.clone()).or_default();
        *made += 1;
        let name = format!("{ty}-{made}");
        self.resources.insert(name.clone(), (ty, resource));
        name
    }

    fn get(&mut self, name: &str, ty: &Resource) -> Result<ResourceAny, String> {
        match self.resources.get(name) {
            Some((of, resource)) if **of == *ty.name.name => Ok(*resource),
            Some((of, _)) => Err(format!("expected a {}, `{name}` is a {of}", ty.name.name)),
            None => Err(format!("there is no {} `{name}`", ty.name.name)),
        }
    }
}
