//! What is ours in the rows: the code around a call, and functions that we do ourselves.

/// Functions that we do ourselves: table, function, path.
pub const OURS: &[(&str, &str, &str)] = &[
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

/// Of a table without notes.
pub fn nothing(_function: &str) -> Option<&'static str> {
    None
}

/// Of `wasi:cli/environment`.
pub fn environment(function: &str) -> Option<&'static str> {
    (function == "get-environment").then_some("super::noted")
}

/// Of `wasi:sockets`: bytes are counted.
pub fn sockets(function: &str) -> Option<&'static str> {
    Some(match function {
        "[method]tcp-socket.finish-connect" => "bytes::any => bytes::connected",
        "[method]tcp-socket.accept" => "bytes::any => bytes::accepted",
        "[method]incoming-datagram-stream.receive" => "bytes::any => bytes::received",
        "[method]outgoing-datagram-stream.send" => "bytes::sending => bytes::sent",
        _ => return None,
    })
}

/// Of `wasi:filesystem` 0.2.
pub fn files_0_2(function: &str) -> Option<&'static str> {
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

/// Of `wasi:filesystem` 0.3.
pub fn files_0_3(function: &str) -> Option<&'static str> {
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
        // What libc asks of every granted folder before main is no use of it.
        "[method]descriptor.get-type" | "[method]descriptor.get-flags" => return None,
        _ if function.starts_with("[method]descriptor.") => "watch::at => watch::looked",
        _ => return None,
    })
}
