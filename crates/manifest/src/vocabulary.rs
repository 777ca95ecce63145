//! What the rest of Holm adds to the manifest language.

use schemars::Schema;

use crate::{Problem, Value};

/// What the rest of Holm adds to the manifest language: each capability its grant,
/// each trigger its table, each kind of store and broker its settings.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Keys of `[component.X.grants]`.
    pub grants: Vec<Fragment>,
    /// Arrays of tables at the top level: `[[http]]`.
    pub triggers: Vec<Fragment>,
    /// Values of `type` in `[store.X]`.
    pub stores: Vec<Fragment>,
    /// Values of `type` in `[broker.X]`.
    pub brokers: Vec<Fragment>,
}

/// One word of the language: its shape, what it means, how it is checked.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The key: `keyvalue`, `http`.
    pub name: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
    /// A snippet of TOML, as a user would write it in the manifest.
    pub example: &'static str,
    /// The JSON schema of the value: of the grant's value, of one table of a trigger, or
    /// of the whole table of a store or broker (its `type` is added if the schema lacks it).
    pub schema: Schema,
    /// What the schema cannot say; called with a value that passed the schema. A store's
    /// table comes with its `type` key.
    pub check: fn(&Value) -> Vec<Problem>,
}
