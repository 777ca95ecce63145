//! Which grants were used.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The grants that a run really used, shared with streams and socket checks that outlive a call.
#[derive(Clone, Default)]
pub struct Uses(Arc<Mutex<BTreeSet<Use>>>);

/// One use of a grant: the grant's name in the manifest and the scope that would have been enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// `dirs`, `env`, `net`, `http`, `keyvalue`, …
    pub grant: &'static str,
    /// The scope within it, as the manifest writes it: `https://api.example.com`, `default`, …
    pub scope: String,
    /// For grants with degrees: the degree (`read`, `write`), else empty.
    pub access: &'static str,
}

impl Uses {
    /// Notes a use; the same use twice is one.
    pub fn note(&self, grant: &'static str, scope: impl Into<String>, access: &'static str) {
        let mut set = self.0.lock().unwrap_or_else(|e| e.into_inner());
        set.insert(Use {
            grant,
            scope: scope.into(),
            access,
        });
    }

    /// All uses, sorted.
    pub fn list(&self) -> Vec<Use> {
        self.0
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .iter()
            .cloned()
            .collect()
    }
}
