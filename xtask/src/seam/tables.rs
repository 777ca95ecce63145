//! The tables: one for each generated file, with the interfaces in it.

use super::bindings::{Bindings, HTTP_P2, HTTP_P3, IO, P2, P3};
use super::notes::{environment, files_0_2, files_0_3, nothing, sockets};

/// One generated file.
pub struct Table {
    /// Where it lies, below the sources of the capabilities.
    pub file: &'static str,
    /// What its rows are linked to.
    pub bindings: Bindings,
    /// The interfaces, in the order in which they are linked.
    pub interfaces: &'static [&'static str],
    /// The `HasData` type.
    pub data: &'static str,
    /// The function from `State` to its data.
    pub getter: &'static str,
    /// What must be imported for both.
    pub uses: &'static [&'static str],
    /// What happens around a call: a function of the WIT, and what its row says after `note`.
    pub notes: fn(&str) -> Option<&'static str>,
}

const CLI: (&str, &str, &[&str]) = (
    "WasiCli",
    "State::cli",
    &["wasmtime_wasi::cli::{WasiCli, WasiCliView as _}"],
);
const CLOCKS: (&str, &str, &[&str]) = (
    "WasiClocks",
    "State::clocks",
    &["wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _}"],
);
const FILES: (&str, &str, &[&str]) = (
    "WasiFilesystem",
    "State::filesystem",
    &[
        "super::watch",
        "wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _}",
    ],
);
const FILES_P3: (&str, &str, &[&str]) = (
    "WasiFilesystem",
    "State::filesystem",
    &[
        "super::{streams_0_3, watch}",
        "wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _}",
    ],
);
const RANDOM: (&str, &str, &[&str]) = (
    "WasiRandom",
    "State::random",
    &["wasmtime_wasi::random::{WasiRandom, WasiRandomView as _}"],
);
const SOCKETS: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &["wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}"],
);
const SOCKETS_P2: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &[
        "super::bytes",
        "wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}",
    ],
);
const TABLE: (&str, &str, &[&str]) = ("Table", "Table::of", &["super::Table"]);
const HTTP: (&str, &str, &[&str]) = (
    "WasiHttp",
    "State::http",
    &["wasmtime_wasi_http::{WasiHttp, WasiHttpView as _}"],
);

const fn table(
    file: &'static str,
    bindings: Bindings,
    interfaces: &'static [&'static str],
    (data, getter, uses): (&'static str, &'static str, &'static [&'static str]),
    notes: fn(&str) -> Option<&'static str>,
) -> Table {
    Table {
        file,
        bindings,
        interfaces,
        data,
        getter,
        uses,
        notes,
    }
}

/// All of them.
pub const TABLES: &[Table] = &[
    table(
        "environment/wasi_0_2.rs",
        P2,
        &["cli/environment", "cli/exit"],
        CLI,
        environment,
    ),
    table(
        "environment/wasi_0_3.rs",
        P3,
        &["cli/environment", "cli/exit"],
        CLI,
        environment,
    ),
    table("stdio/wasi_0_2.rs", P2, STDIO, CLI, nothing),
    table("stdio/wasi_0_3.rs", P3, STDIO_P3, CLI, nothing),
    table(
        "stdio/wasi_io.rs",
        IO,
        &["io/error", "io/poll", "io/streams"],
        TABLE,
        nothing,
    ),
    table(
        "clocks/wasi_0_2.rs",
        P2,
        &["clocks/wall-clock", "clocks/monotonic-clock"],
        CLOCKS,
        nothing,
    ),
    table(
        "clocks/wasi_0_3.rs",
        P3,
        &[
            "clocks/types",
            "clocks/system-clock",
            "clocks/monotonic-clock",
        ],
        CLOCKS,
        nothing,
    ),
    table("random/wasi_0_2.rs", P2, RANDOMS, RANDOM, nothing),
    table("random/wasi_0_3.rs", P3, RANDOMS, RANDOM, nothing),
    table(
        "files/wasi_0_2.rs",
        P2,
        &["filesystem/types", "filesystem/preopens"],
        FILES,
        files_0_2,
    ),
    table(
        "files/wasi_0_3.rs",
        P3,
        &["filesystem/types", "filesystem/preopens"],
        FILES_P3,
        files_0_3,
    ),
    table(
        "sockets/wasi_0_2.rs",
        P2,
        &[
            "sockets/network",
            "sockets/instance-network",
            "sockets/ip-name-lookup",
            "sockets/tcp",
            "sockets/tcp-create-socket",
            "sockets/udp",
            "sockets/udp-create-socket",
        ],
        SOCKETS_P2,
        sockets,
    ),
    table(
        "sockets/wasi_0_3.rs",
        P3,
        &["sockets/types", "sockets/ip-name-lookup"],
        SOCKETS,
        nothing,
    ),
    table(
        "http/wasi_0_2.rs",
        HTTP_P2,
        &["http/types", "http/outgoing-handler"],
        HTTP,
        nothing,
    ),
    table(
        "http/wasi_0_3.rs",
        HTTP_P3,
        &["http/types", "http/client"],
        HTTP,
        nothing,
    ),
];

const RANDOMS: &[&str] = &["random/random", "random/insecure", "random/insecure-seed"];
const STDIO: &[&str] = &[
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
];
const STDIO_P3: &[&str] = &[
    "cli/types",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
];
