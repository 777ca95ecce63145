//! The `holm` command as a user meets it: the real binary, real programs, whole outputs.
//!
//! `cargo test --release --workspace --test e2e -- FILTER`. Snapshots lie beside, in `snapshots/`;
//! `INSTA_UPDATE=always` writes them anew, and the diff is then read like code.

mod app;
mod client;
mod collector;
mod origin;
mod python;
mod support;

mod bad_input;
mod build;
mod cache;
mod call;
mod call_bad;
mod completion;
mod compose;
mod cron;
mod errors;
mod help;
mod inspect;
mod limits_each;
mod published;
mod run_backtraces;
mod run_features;
mod run_files;
mod run_http;
mod run_invoke;
mod run_keyvalue;
mod run_limits;
mod run_receipt;
mod run_sockets;
mod run_sockets_0_3;
mod run_streams;

mod apps;
mod apps_admin;
mod apps_swap;

mod browser;
mod examples;
mod from_python;
mod guestbook;
mod mcp;
mod mcp_changes;
mod mcp_http;
mod mcp_lines;
mod mcp_rules;
mod polyglot;
mod up_app_limits;
mod up_apps;
mod up_calls;
mod up_calls_bodies;
mod up_capabilities;
mod up_data;
mod up_drain;
mod up_limits;
mod up_links;
mod up_logs;
mod up_machine;
mod up_outbound;
mod up_reuse;
mod up_routes;
mod up_servers;
mod up_signals;
mod up_slow_clients;
mod up_snapshot;
mod up_spin;
mod up_spin_interfaces;
mod up_spin_sdks;
mod up_static;
mod up_streams;
mod up_telemetry;
mod up_tls;
mod up_variables;
mod up_wasmcloud;
mod up_watch;
