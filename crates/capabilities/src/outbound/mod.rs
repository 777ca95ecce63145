//! What the capabilities share that hold connections to servers: Redis, MQTT, PostgreSQL, MySQL.
//!
//! The way of a connection: a guest names an [`Address`]; its instance's [`Caller`] admits it or
//! notes a denial; the component's [`Way`] resolves it once, dials what it checked, and counts the
//! bytes on the [`Wire`]; when the guest is done the [`Pool`] keeps it for the component's next event.

mod address;
mod caller;
mod failures;
mod held;
mod opened;
mod pool;
mod servers;
mod used;
mod way;
mod wire;

pub use address::Address;
pub use caller::Caller;
pub use failures::failures;
pub(crate) use failures::note;
pub use held::{Held, TooLarge};
pub use opened::Opened;
pub use pool::{Lease, Pool, Pooled};
pub use servers::{Instance, Kind, Servers, View};
pub use used::{LOST, Used};
pub use way::{Connected, Way};
pub use wire::{Counted, Moved, Tally, Wire};

use holm_manifest::ByteSize;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How long look-up, dial, handshake and log-in may take together.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long one call of a server may take.
pub const CALL_TIME: Duration = Duration::from_secs(30);
/// The most bytes that a server may answer one call with, and the most that the host holds of it.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The most rows that a server may answer one call with.
pub const ANSWER_ROWS_MAX: usize = 100_000;
/// The most statements that a connection keeps prepared.
pub const STATEMENTS_KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);
/// The longest of them, in bytes; a longer one is prepared each time.
pub const STATEMENT_BYTES_KEPT: usize = 4 << 10;
/// The most connections that a component may have, in use and idle, to all servers of one kind.
pub const CONNECTIONS_MAX: usize = 64;
/// The most open handles of one kind that an instance may have; its limit `outbound` may be less.
pub const HANDLES_MAX: usize = 64;

/// What a guest is told whose call took too long.
pub fn too_slow(time: Duration) -> String {
    format!("no answer within {}", holm_manifest::Time(time))
}

/// What a guest is told whose answer is too large.
pub fn too_large() -> String {
    format!("the answer is larger than {}", ByteSize(ANSWER_BYTES_MAX))
}

/// What a guest is told whose answer has too many rows.
pub fn too_many_rows() -> String {
    format!("the answer has more than {ANSWER_ROWS_MAX} rows")
}
