//! What a guest has opened.

use super::Address;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// A connection that a guest holds. Its calls come one after the other, while other calls of the same
/// guest go on.
pub struct Opened<S> {
    address: Address,
    session: Arc<Mutex<S>>,
}

impl<S> Clone for Opened<S> {
    fn clone(&self) -> Self {
        Opened {
            address: self.address.clone(),
            session: self.session.clone(),
        }
    }
}

impl<S> Opened<S> {
    /// A session with the server at this address.
    pub fn new(address: Address, session: S) -> Self {
        Opened {
            address,
            session: Arc::new(Mutex::new(session)),
        }
    }

    /// Where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The session, once the calls before this one have ended.
    pub async fn turn(&self) -> MutexGuard<'_, S> {
        self.session.lock().await
    }
}
