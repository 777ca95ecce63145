//! Sources of events that call components. To add one: a folder here, and a line in the list.

pub mod call;
pub mod command;
pub mod cron;
pub mod http;
pub mod lifecycle;
pub mod mcp;
pub mod message;
pub mod mqtt;
pub mod redis;
pub mod watch;

use holm_manifest::Fragment;

/// What the triggers add to the manifest: one table each.
pub fn fragments() -> Vec<Fragment> {
    let [start, stop] = lifecycle::fragments();
    vec![
        http::config::fragment(),
        call::config::fragment(),
        mcp::config::fragment(),
        cron::config::fragment(),
        command::fragment(),
        start,
        stop,
        message::fragment(),
        redis::fragment(),
        mqtt::fragment(),
        watch::fragment(),
    ]
}
