//! `holm.toml`: parsed and checked, with the place of every mistake kept.
//!
//! Plain data: this crate knows no wasmtime, no tokio, and never prints. What a
//! capability or a trigger adds to the language comes in from above, as a
//! [`Vocabulary`] of JSON schemas and checks; what the schema says is what is
//! enforced, so the published schema cannot drift from the program.
//!
//! The way of a manifest: [`find`] the file, [`Source::read`] it, [`parse`] it. One of Spin's is made
//! into the tree that a `holm.toml` would be, and goes the same way from there.
//! Whatever is wrong comes back at once as [`Problems`], which render themselves.

mod bytes;
mod de;
mod excerpt;
mod find;
#[cfg(test)]
#[path = "../../../tests/fuzz.rs"]
mod fuzz;
mod limits;
mod links;
mod manifest;
mod nearest;
mod or_none;
mod parse;
mod pattern;
mod problem;
mod problems;
mod proxies;
mod quantity;
mod redacted;
mod render;
mod schema;
mod serve;
mod source;
mod span;
mod spin;
mod syntax;
mod time;
mod validate;
mod value;
mod variables;
mod vocabulary;
mod write;

pub use bytes::ByteSize;
pub use find::{find, find_script};
pub use limits::{AppBounds, AppLimits, Limits};
pub use manifest::{
    Build, Component, ComponentSource, Fetched, Grant, Import, Manifest, Store, Trigger, is_script,
};
pub use nearest::nearest;
pub use or_none::OrNone;
pub use parse::{Parser, parse};
pub use problem::{Problem, Severity};
pub use problems::Problems;
pub use proxies::{Proxies, ProxyHeader};
pub use quantity::Unreadable;
pub use redacted::Redacted;
pub use schema::schema;
pub use serve::{Serve, Tls};
pub use source::{Position, Source};
pub use span::{Span, Spanned};
pub use spin::SPIN_FILE_NAME;
pub use time::Time;
pub use value::{Key, Table, Value, ValueKind};
pub use variables::Given;
pub use vocabulary::{Fragment, Vocabulary};
pub use write::to_toml;

/// The name of the manifest in an app's folder.
pub const FILE_NAME: &str = "holm.toml";
