//! The components whose code is in memory: those that were used longest ago are let go when they
//! take more than the operator gave them. Taking one up again costs less than a millisecond.

use crate::component::Component;
use crate::machine;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What is kept in memory, and how much of it.
pub struct Shelf {
    bytes_most: u64,
    items: Mutex<Items>,
}

#[derive(Default)]
struct Items {
    list: Vec<Item>,
    bytes: u64,
}

struct Item {
    component: Weak<Component>,
    bytes: u64,
}

impl Shelf {
    /// A shelf for so many bytes of code.
    pub fn new(bytes_most: u64) -> Self {
        Shelf {
            bytes_most,
            items: Mutex::default(),
        }
    }

    /// A quarter of the machine's memory.
    pub fn of_this_machine() -> Self {
        Shelf::new(machine::memory() / 4)
    }

    /// What it may hold, in bytes.
    pub fn bytes_most(&self) -> u64 {
        self.bytes_most
    }

    /// How many components are loaded, and their bytes.
    pub fn holds(&self) -> (usize, u64) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.forget_gone();
        (items.list.len(), items.bytes)
    }

    /// Notes that a component was loaded, and lets others go if there is no room for it; `most` is
    /// how many the machine's mappings allow.
    pub(crate) fn add(&self, component: &Arc<Component>, bytes: u64, most: usize) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.list.push(Item {
            component: Arc::downgrade(component),
            bytes,
        });
        items.bytes += bytes;
        if items.bytes > self.bytes_most || items.list.len() > most {
            items.forget_gone();
            // Somewhat more than there must be, so that the next one finds room.
            let (bytes, count) = (self.bytes_most / 10 * 9, most / 10 * 9);
            items.let_go(component, bytes, count);
        }
    }

    /// Lets go of the instances that wait to be reused, for when the pools are full.
    pub(crate) fn drop_idle(&self) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.forget_gone();
        for component in items.list.iter().filter_map(|i| i.component.upgrade()) {
            if let Some(loaded) = component.ready() {
                loaded.drop_idle();
            }
        }
    }
}

impl Items {
    fn forget_gone(&mut self) {
        self.list.retain(|item| {
            let component = item.component.upgrade();
            component.is_some_and(|component| component.ready().is_some())
        });
        self.bytes = self.list.iter().map(|item| item.bytes).sum();
    }

    /// Lets go of what was used longest ago until the rest fits; never of the newest, nor of what is
    /// at work, because that would free nothing.
    fn let_go(&mut self, newest: &Arc<Component>, bytes: u64, count: usize) {
        self.list
            .sort_by_cached_key(|item| item.component.upgrade().map(|c| c.used()));
        let mut list = std::mem::take(&mut self.list).into_iter();
        let mut kept = Vec::with_capacity(list.len());
        let mut rest = list.len();
        while self.bytes > bytes || rest > count {
            let Some(item) = list.next() else { break };
            let Some(component) = item.component.upgrade() else {
                continue;
            };
            if Arc::ptr_eq(&component, newest) || !component.let_go() {
                kept.push(item);
                continue;
            }
            self.bytes -= item.bytes;
            rest -= 1;
        }
        kept.extend(list);
        self.list = kept;
    }
}
