//! The admin API: apps are listed, added, replaced, removed and drained, and tell what they used.
//! JSON over HTTP/1.1, at a socket that only its owner may open, or at a loopback port with a token.
//!
//! Whoever reaches it may grant an app anything: it is as powerful as the account that Holm runs
//! under, and is never to be reached from a network.

pub mod address;
mod answer;
mod calls;
mod guard;
mod jobs;
mod listener;
mod metrics;
mod token;
mod upload;
mod versions;

pub use address::Address;
pub use calls::Admin;
pub use listener::Listener;
pub use token::{Token, VARIABLE as TOKEN_VARIABLE};
