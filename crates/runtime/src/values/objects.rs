//! Resources that the embedder provides: things of its own, in a table of the instance that has handles
//! of them. A handle stands for a place in the table, and the engine alone makes handles: a guest can
//! name none that it was not given. The table is dropped with the instance.

use super::ty::TypeName;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};

/// Something of the embedder's that stands for a resource.
#[derive(Clone)]
pub struct Object(Arc<dyn Any + Send + Sync>);

impl Object {
    /// Makes a resource of it.
    pub fn new(it: impl Any + Send + Sync) -> Self {
        Object(Arc::new(it))
    }

    /// What it was made of, where that is its type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// Whether two are the same.
    pub fn is(&self, other: &Object) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

/// The objects that one instance has handles of.
pub(crate) struct Objects(ResourceTable);

impl Objects {
    /// A table for so many of them at a time.
    pub(crate) fn new(most: usize) -> Self {
        let mut table = ResourceTable::new();
        // The engine's own default stays where there is no limit.
        if most != usize::MAX {
            table.set_max_capacity(most);
        }
        Objects(table)
    }

    /// Puts one in, and says where.
    pub(crate) fn put(&mut self, object: Object) -> Result<u32> {
        Ok(self.0.push(object)?.rep())
    }

    /// The one in a place.
    pub(crate) fn get(&self, place: u32) -> Result<Object> {
        Ok(self.0.get(&Resource::<Object>::new_borrow(place))?.clone())
    }

    /// Takes one out.
    pub(crate) fn take(&mut self, place: u32) -> Result<Object> {
        Ok(self.0.delete(Resource::<Object>::new_own(place))?)
    }
}

/// The first number of a resource type that an embedder provides; those of links are below.
const FIRST: u32 = 1 << 31;

/// The resource types that the embedder provides for one component, each with the number that the engine
/// knows it by.
#[derive(Debug, Default)]
pub(crate) struct Kinds(Vec<TypeName>);

impl Kinds {
    pub(crate) fn new(names: impl Iterator<Item = TypeName>) -> Self {
        Kinds(names.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of a type, if it is one of them.
    pub(crate) fn of(&self, name: &TypeName) -> Option<u32> {
        let position = self.0.iter().position(|one| one == name)?;
        Some(FIRST + u32::try_from(position).ok()?)
    }

    /// The types with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TypeName, u32)> {
        self.0.iter().zip(FIRST..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_one_object_until_it_is_taken() {
        let mut objects = Objects::new(2);
        let a = Object::new("a");
        let (first, second) = (
            objects.put(a.clone()).unwrap(),
            objects.put(Object::new(2)).unwrap(),
        );
        assert!(objects.get(first).unwrap().is(&a));
        assert_eq!(objects.get(second).unwrap().get::<i32>(), Some(&2));
        assert_eq!(a.get::<i32>(), None);
        assert!(objects.take(first).unwrap().is(&a));
        assert!(objects.take(first).is_err());
        assert!(objects.get(first).is_err());
    }

    #[test]
    fn a_table_has_an_end() {
        let mut objects = Objects::new(1);
        let place = objects.put(Object::new(1)).unwrap();
        assert!(objects.put(Object::new(2)).is_err());
        objects.take(place).unwrap();
        objects.put(Object::new(3)).unwrap();
    }

    #[test]
    fn what_lives_in_a_table_ends_with_it() {
        let object = Object::new(1);
        let mut objects = Objects::new(usize::MAX);
        objects.put(object.clone()).unwrap();
        drop(objects);
        assert_eq!(Arc::strong_count(&object.0), 1);
    }
}
