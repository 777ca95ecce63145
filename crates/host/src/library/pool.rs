//! Instances of one component, kept between calls.

use super::instance::{Instance, Kept};
use holm_capabilities::State;
use holm_runtime::Prepared;
use holm_runtime::call::MakeState;
use std::sync::{Arc, Mutex, PoisonError};

/// The most instances that wait for a call: each holds its memory.
const IDLE_MOST: usize = 64;

/// Instances of one component. Who calls takes one that waits, or a fresh one.
/// What waits is dropped with the last clone of it.
#[derive(Clone)]
pub struct Pool(Arc<Owner>);

/// The pool in the hands of those who call. Its instances hold [`Shared`] alone: they would keep
/// each other alive otherwise.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let idle = self.0.idle().take();
        // Dropping them takes a while: not under the lock.
        drop(idle);
    }
}

pub(super) struct Shared {
    pub(super) prepared: Prepared<State>,
    pub(super) make: MakeState<State>,
    pub(super) reuse: Option<u32>,
    /// Nothing, where nobody can take one any more.
    idle: Mutex<Option<Vec<Arc<Instance>>>>,
}

impl Pool {
    pub(super) fn new(
        prepared: Prepared<State>,
        make: MakeState<State>,
        reuse: Option<u32>,
    ) -> Self {
        let shared = Shared {
            prepared,
            make,
            reuse,
            idle: Mutex::new(Some(Vec::new())),
        };
        Pool(Arc::new(Owner(Arc::new(shared))))
    }

    /// An instance of the pool, for as long as this is held, and then for as long as resources in
    /// it are.
    pub fn take(&self) -> Taken {
        let idle = self.shared().idle().as_mut().and_then(Vec::pop);
        let instance =
            idle.unwrap_or_else(|| Arc::new(Instance::new(self.shared().clone(), Kept::ByPool)));
        instance.taken();
        Taken(instance)
    }

    /// An instance of one's own.
    pub fn own(&self) -> Arc<Instance> {
        Arc::new(Instance::new(self.shared().clone(), Kept::ByOwner))
    }

    /// Lets go of the instances that wait.
    pub fn drop_idle(&self) {
        let idle = self.shared().idle().as_mut().map(std::mem::take);
        drop(idle);
    }

    fn shared(&self) -> &Arc<Shared> {
        let Owner(shared) = &*self.0;
        shared
    }
}

/// An instance that is held for a call; one of a pool goes back when this is dropped and nobody
/// else holds it.
pub struct Taken(Arc<Instance>);

impl Taken {
    /// The same for an instance that is out of its pool already: a resource in it is given away
    /// with the call, and would be the last that holds it.
    pub fn of(instance: &Arc<Instance>) -> Taken {
        instance.hold();
        Taken(instance.clone())
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Arc<Instance>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an instance back that nobody uses.
    pub(super) fn give_back(&self, instance: Arc<Instance>) {
        let mut idle = self.idle();
        if let Some(idle) = &mut *idle
            && idle.len() < IDLE_MOST
        {
            idle.push(instance);
            return;
        }
        // Dropping it takes a while: not under the lock.
        drop(idle);
        drop(instance);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Library, Options, Outside, Reply};
    use super::*;
    use holm_manifest::Value as Setting;
    use holm_runtime::Runtime;
    use holm_runtime::artifact::{Cache, Loader};
    use holm_runtime::engines::Engines;
    use holm_runtime::pools::PoolSize;
    use holm_runtime::provide::Imports;
    use holm_runtime::values::{Signature, Value};

    const COMPONENT: &str = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "f") (canon lift (core func $i "f"))))"#;

    struct Nobody;

    impl Outside for Nobody {
        fn answer(&mut self, _: usize, _: Vec<Value>, reply: Reply) {
            reply.give(Err(wasmtime::Error::msg("nothing is provided")));
        }

        fn go_on(&mut self) -> bool {
            true
        }
    }

    fn pool() -> (Pool, Signature) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.wat");
        std::fs::write(&path, COMPONENT).unwrap();
        let cache = Cache::at(&folder.path().join("cache"));
        let loader = Loader::new(Engines::new(PoolSize::of_one_app()), cache);
        let nothing = || Setting::table(Vec::<(&str, Setting)>::new());
        let options = Options {
            path,
            name: "f".into(),
            grants: nothing(),
            limits: nothing(),
            base: folder.path().to_owned(),
            state: None,
            wit: None,
            reuse: None,
        };
        let Ok(library) = Library::load(Arc::new(Runtime::new(loader)), options) else {
            panic!("it does not load");
        };
        let signature = library.signatures().exports[0].clone();
        (library.link(Imports::default()).unwrap(), signature)
    }

    /// Calls the function: an instance that was never called does not go back to the pool.
    fn call(instance: &Arc<Instance>, signature: &Signature) {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let called = instance.call(threads.handle(), signature, Vec::new(), &mut Nobody);
        assert!(matches!(called, Ok(None)));
    }

    #[test]
    fn instances_end_with_their_pool() {
        let (pool, signature) = pool();
        let (idle, held) = (pool.take(), pool.take());
        call(idle.instance(), &signature);
        call(held.instance(), &signature);
        let was_idle = Arc::downgrade(idle.instance());
        let was_held = Arc::downgrade(held.instance());
        drop(idle);
        assert_eq!(was_idle.strong_count(), 1, "it waits in the pool");
        let clone = pool.clone();
        drop(pool);
        assert_eq!(was_idle.strong_count(), 1, "a clone holds the pool");
        drop(clone);
        assert_eq!(was_idle.strong_count(), 0);
        assert_eq!(was_held.strong_count(), 1, "somebody holds it");
        drop(held);
        assert_eq!(was_held.strong_count(), 0);
    }

    #[test]
    fn one_that_is_held_for_a_call_stays_out_of_the_pool() {
        let (pool, signature) = pool();
        let taken = pool.take();
        call(taken.instance(), &signature);
        let again = Taken::of(taken.instance());
        drop(taken);
        assert!(!Arc::ptr_eq(pool.take().instance(), again.instance()));
        let was = again.instance().clone();
        drop(again);
        assert!(Arc::ptr_eq(pool.take().instance(), &was));
    }
}
