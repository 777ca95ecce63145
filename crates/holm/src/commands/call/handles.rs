//! Resources of a session: named as they come out, found by their names.

use holm_runtime::values::{Mismatch, Resource, Signature, Type, Value, json};
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

    /// Forgets what the arguments of a call give away.
    pub fn give_away(
        &mut self,
        signature: &Signature,
        arguments: &[Value],
    ) -> Result<(), Mismatch> {
        let mut given = Vec::new();
        for (param, value) in signature.params.iter().zip(arguments) {
            owned(&param.ty, value, &mut given);
        }
        for (at, resource) in given.iter().enumerate() {
            if given[..at].contains(resource) {
                return Err(Mismatch::new("one resource is given away twice"));
            }
        }
        self.resources
            .retain(|_, (_, resource)| !given.contains(resource));
        Ok(())
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

/// The resources in a value that are given away with it.
fn owned(ty: &Type, value: &Value, given: &mut Vec<ResourceAny>) {
    let mut inner = |ty: Option<&Type>, value: Option<&Value>| {
        if let (Some(ty), Some(value)) = (ty, value) {
            owned(ty, value, given);
        }
    };
    match (ty, value) {
        (Type::Own(_), Value::Resource(resource)) => given.push(*resource),
        (Type::List(of) | Type::FixedList(of, _), Value::List(list)) => {
            list.iter().for_each(|value| inner(Some(of), Some(value)));
        }
        (Type::Tuple(types), Value::Tuple(values)) => {
            types
                .iter()
                .zip(values)
                .for_each(|(ty, value)| inner(Some(ty), Some(value)));
        }
        (Type::Record(of), Value::Record(values)) => {
            let each = of.fields.iter().zip(values);
            each.for_each(|(field, value)| inner(Some(&field.ty), Some(value)));
        }
        (Type::Variant(of), Value::Variant(at, value)) => {
            let case = of.cases.get(*at as usize).and_then(|case| case.ty.as_ref());
            inner(case, value.as_deref());
        }
        (Type::Option(of), Value::Option(value)) => inner(Some(of), value.as_deref()),
        (Type::Result(of, _), Value::Result(Ok(value))) => inner(of.as_deref(), value.as_deref()),
        (Type::Result(_, of), Value::Result(Err(value))) => inner(of.as_deref(), value.as_deref()),
        _ => {}
    }
}
