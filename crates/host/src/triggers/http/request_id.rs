//! A name for each request: it orders by time, nobody can guess it, and it costs no system call.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// 128 bits in the layout of UUID version 7: 48 of milliseconds, the rest random. Written as
/// `req_` and 32 hexadecimal digits; the digits alone are a valid W3C trace id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// A new one. An id that a client sends is never taken over: it could be anybody's.
    pub fn new(now: SystemTime) -> RequestId {
        let millis = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let random = u128::from(random()) << 64 | u128::from(random());
        let bits = (millis << 80) | (random >> 48);
        RequestId(bits & !(0xf << 76) & !(0x3 << 62) | (0x7 << 76) | (0x2 << 62))
    }
}

/// A keyed hash of a counter; the key is the thread's own, from the system's source of randomness.
fn random() -> u64 {
    thread_local! {
        static STATE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    STATE.with(|(key, count)| {
        count.set(count.get().wrapping_add(1));
        key.hash_one((count.get(), std::ptr::from_ref(count) as usize))
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn different_and_in_order() {
        let now = SystemTime::now();
        let make = move || (0..10_000).map(|_| RequestId::new(now)).collect::<Vec<_>>();
        let other = std::thread::spawn(make);
        let mut all: HashSet<RequestId> = make().into_iter().collect();
        all.extend(other.join().unwrap());
        assert_eq!(all.len(), 20_000);
        let later = RequestId::new(now + Duration::from_millis(1));
        assert!(all.iter().all(|id| *id < later));
        let text = later.to_string();
        assert_eq!((text.len(), &text[16..17]), (36, "7"));
    }
}
