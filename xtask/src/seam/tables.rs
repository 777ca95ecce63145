//! Which tables are written, from which bindings, and what is not as the bindings have it: notes
//! around a call, functions and resources that are ours.

/// One generated file.
pub(super) struct Table {
    pub(super) file: &'static str,
    pub(super) bindings: Bindings,
    /// The interfaces, in the order in which they are linked.
    pub(super) interfaces: &'static [&'static str],
    /// The `HasData` type and the function from `State` to its data, with what must be imported.
    pub(super) data: &'static str,
    pub(super) getter: &'static str,
    pub(super) uses: &'static [&'static str],
    /// What happens around a call: a function of the WIT, and what its row says after `note`.
    pub(super) notes: fn(&str) -> Option<&'static str>,
}

/// A `bindgen!` call in wasmtime's crates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bindings {
    pub(super) package: &'static str,
    /// Where its WIT lies in the package.
    pub(super) wit: &'static str,
    /// The file with the `bindgen!` call, and the text that precedes it there.
    pub(super) file: &'static str,
    pub(super) after: &'static str,
    /// The Rust path of the WIT package's module, before the package's name.
    pub(super) module: &'static str,
}

const IO: Bindings = Bindings {
    package: "wasmtime-wasi-io",
    wit: "wit",
    file: "src/bindings.rs",
    after: "",
    module: "wasmtime_wasi_io::bindings::wasi",
};
const P2: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p2/wit",
    file: "src/p2/bindings.rs",
    after: "mod async_io {",
    module: "wasmtime_wasi::p2::bindings",
};
const P3: Bindings = Bindings {
    package: "wasmtime-wasi",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi::p3::bindings",
};
const HTTP_P2: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "wit",
    file: "src/p2/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p2::bindings",
};
const HTTP_P3: Bindings = Bindings {
    package: "wasmtime-wasi-http",
    wit: "src/p3/wit",
    file: "src/p3/bindings.rs",
    after: "mod generated {",
    module: "wasmtime_wasi_http::p3::bindings",
};

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
const SOCKETS_P2: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &[
        "super::bytes",
        "wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}",
    ],
);
const SOCKETS_P3: (&str, &str, &[&str]) = (
    "WasiSockets",
    "State::sockets",
    &[
        "super::{bytes, tcp_0_3}",
        "wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _}",
    ],
);
const TABLE: (&str, &str, &[&str]) = ("Table", "Table::of", &["super::Table"]);
const HTTP: (&str, &str, &[&str]) = (
    "WasiHttp",
    "State::http",
    &["wasmtime_wasi_http::{WasiHttp, WasiHttpView as _}"],
);

const HTTP_P3_USES: (&str, &str, &[&str]) = (
    "WasiHttp",
    "State::http",
    &[
        "super::hooks",
        "wasmtime_wasi_http::{WasiHttp, WasiHttpView as _}",
    ],
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

pub(super) const TABLES: &[Table] = &[
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
        sockets_0_2,
    ),
    table(
        "sockets/wasi_0_3.rs",
        P3,
        &["sockets/types", "sockets/ip-name-lookup"],
        SOCKETS_P3,
        sockets_0_3,
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
        HTTP_P3_USES,
        http_0_3,
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

/// Functions that we do ourselves: table, function, path.
pub(super) const OURS: &[(&str, &str, &str)] = &[
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.read-via-stream",
        "streams_0_3::read_via_stream",
    ),
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.write-via-stream",
        "streams_0_3::write_via_stream",
    ),
    (
        "files/wasi_0_3.rs",
        "[method]descriptor.append-via-stream",
        "streams_0_3::append_via_stream",
    ),
];

/// Resources that are ours: table, resource, the module with its type and functions.
pub(super) const OUR_RESOURCES: &[(&str, &str, &str)] =
    &[("sockets/wasi_0_3.rs", "tcp-socket", "tcp_0_3")];

/// Functions whose rows are written by hand, because they need more of the state than the others of
/// their table: table, function.
pub(super) const BY_HAND: &[(&str, &str)] = &[("sockets/wasi_0_3.rs", "[static]tcp-socket.create")];

fn nothing(_function: &str) -> Option<&'static str> {
    None
}

fn environment(function: &str) -> Option<&'static str> {
    (function == "get-environment").then_some("super::noted")
}

/// Fields that grow past their limit; in 0.2 that is a trap, which says so itself.
fn http_0_3(function: &str) -> Option<&'static str> {
    let grows = [
        "[static]fields.from-list",
        "[method]fields.set",
        "[method]fields.append",
    ];
    grows
        .contains(&function)
        .then_some("hooks::any => hooks::grown")
}

fn sockets_0_2(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]tcp-socket.finish-connect" => "bytes::any => bytes::connected",
        "[method]tcp-socket.accept" => "bytes::any => bytes::accepted",
        "[method]incoming-datagram-stream.receive" => "bytes::any => bytes::received",
        "[method]outgoing-datagram-stream.send" => "bytes::sending => bytes::sent",
        _ => return None,
    })
}

fn sockets_0_3(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]udp-socket.receive" => "bytes::any => bytes::received_0_3",
        "[method]udp-socket.send" => "bytes::sending_0_3 => bytes::sent_0_3",
        _ => return None,
    })
}

fn files_0_2(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]descriptor.read" => "watch::at => watch::read",
        "[method]descriptor.write" => "watch::at => watch::written",
        "[method]descriptor.read-via-stream" => "watch::at => watch::reading",
        "[method]descriptor.write-via-stream" | "[method]descriptor.append-via-stream" => {
            "watch::at => watch::writing"
        }
        "[method]descriptor.open-at" => "watch::opening_0_2 => watch::opened",
        _ => return files(function),
    })
}

fn files_0_3(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]descriptor.write-via-stream" | "[method]descriptor.append-via-stream" => {
            "watch::at => watch::piped"
        }
        "[method]descriptor.open-at" => "watch::opening_0_3 => watch::opened",
        _ => return files(function),
    })
}

fn files(function: &str) -> Option<&'static str> {
    Some(match function {
        "get-directories" => "watch::listing => watch::listed",
        "[method]descriptor.link-at" => "watch::linking => watch::changed",
        "[method]descriptor.rename-at" => "watch::renaming => watch::changed",
        "[method]descriptor.set-size"
        | "[method]descriptor.set-times"
        | "[method]descriptor.set-times-at"
        | "[method]descriptor.create-directory-at"
        | "[method]descriptor.remove-directory-at"
        | "[method]descriptor.symlink-at"
        | "[method]descriptor.unlink-file-at" => "watch::at => watch::changed",
        "[method]descriptor.stat-at" => "watch::looking => watch::looked_at",
        // What libc asks of every granted folder before main is no use of it.
        "[method]descriptor.get-type" | "[method]descriptor.get-flags" => return None,
        _ if function.starts_with("[method]descriptor.") => "watch::at => watch::looked",
        _ => return None,
    })
}
