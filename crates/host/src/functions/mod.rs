//! Functions of components that are called from outside by name, with JSON: which of them, and how
//! one call goes. The trigger `call` and the server of agents stand on this.

mod call;
mod exposed;
pub mod pattern;

pub use call::{Arguments, Call, Refused, Returned, call};
pub use exposed::{Exposed, Function, NotCallable};
pub use pattern::Selection;
