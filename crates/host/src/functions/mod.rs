//! Functions of components that are called from outside by name, with JSON: which of them, and how
//! one call goes, and how a program is run. The trigger `call` and the server of agents stand on this.

mod call;
mod exposed;
mod feeding;
pub mod pattern;
mod program;
mod streamed;
mod under_way;

pub use call::{Arguments, COLLECTED_MAX, Call, Made, Refused, Returned, call};
pub use exposed::{Exposed, Function, NotCallable, Streams};
pub use pattern::Selection;
pub use program::{Program, run_program};
pub use streamed::{Answer, Given, Input, call_streamed};

use sha2::{Digest as _, Sha256};

/// A few digits that tell a name from others that look like it.
pub(crate) fn digits(of: &str) -> String {
    let digest = Sha256::digest(of.as_bytes());
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
