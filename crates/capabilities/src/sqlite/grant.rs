//! The grant `sqlite` as a manifest writes it: names of stores, each alone or with its access.

pub use crate::granted::Access;
pub(super) use crate::granted::{Granted, is_name, schema};
use holm_manifest::{Problem, Value};

/// The stores in a grant.
pub(super) fn read(value: &Value) -> Result<Vec<Granted>, Problem> {
    crate::granted::read("sqlite", value)
}
