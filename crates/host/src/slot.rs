//! The place where the current version of something stands, exchanged whole while it is used.

use std::sync::{Arc, PoisonError, RwLock};

/// Holds the current version. A request takes it once and keeps what it took, so it sees one
/// version from beginning to end; the old one is gone when its last request is.
#[derive(Debug)]
pub struct Slot<T>(RwLock<Arc<T>>);

impl<T> Slot<T> {
    /// A slot with its first version.
    pub fn new(first: T) -> Arc<Self> {
        Arc::new(Slot(RwLock::new(Arc::new(first))))
    }

    /// The current version. Nobody holds the lock for longer than it takes to copy a pointer.
    pub fn get(&self) -> Arc<T> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a new version in place in one step and hands back the old one.
    pub fn swap(&self, next: T) -> Arc<T> {
        let next = Arc::new(next);
        std::mem::replace(
            &mut *self.0.write().unwrap_or_else(PoisonError::into_inner),
            next,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_the_old_version_keeps_it() {
        let slot = Slot::new(1);
        let taken = slot.get();
        let old = slot.swap(2);
        assert_eq!((*taken, *old, *slot.get()), (1, 1, 2));
        drop(old);
        assert_eq!(Arc::strong_count(&taken), 1);
    }
}
