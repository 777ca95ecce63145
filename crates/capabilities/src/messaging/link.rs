//! The functions of `wasi:messaging` and of wasmCloud's `messaging`, linked through the seam.

use super::View;
use super::wasmcloud::consumer;
use super::wit::{Client, Handle, Options, producer, request_reply, types};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.messaging,
    }
}

/// `wasi:messaging@0.2.0-draft`.
pub(super) fn draft(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:messaging/types", "@0.2.0-draft", (), view, {
        drop async "client" Client = types::HostClient::drop;
        async value "[static]client.connect" = types::HostClient::connect { a };
        async value "[method]client.disconnect" = types::HostClient::disconnect { a };
        drop async "message" Handle = types::HostMessage::drop;
        async value "[constructor]message" = types::HostMessage::new { a };
        async value "[method]message.topic" = types::HostMessage::topic { a };
        async value "[method]message.content-type" = types::HostMessage::content_type { a };
        async unit "[method]message.set-content-type" = types::HostMessage::set_content_type { a, b };
        async value "[method]message.data" = types::HostMessage::data { a };
        async unit "[method]message.set-data" = types::HostMessage::set_data { a, b };
        async value "[method]message.metadata" = types::HostMessage::metadata { a };
        async unit "[method]message.add-metadata" = types::HostMessage::add_metadata { a, b, c };
        async unit "[method]message.set-metadata" = types::HostMessage::set_metadata { a, b };
        async unit "[method]message.remove-metadata" = types::HostMessage::remove_metadata { a, b };
    });
    cross!(linker, "wasi:messaging/producer", "@0.2.0-draft", (), view, {
        async value "send" = producer::Host::send { a, b, c };
    });
    cross!(linker, "wasi:messaging/request-reply", "@0.2.0-draft", (), view, {
        drop async "request-options" Options = request_reply::HostRequestOptions::drop;
        async value "[constructor]request-options" = request_reply::HostRequestOptions::new {};
        async unit "[method]request-options.set-timeout-ms" = request_reply::HostRequestOptions::set_timeout_ms { a, b };
        async unit "[method]request-options.set-expected-replies" = request_reply::HostRequestOptions::set_expected_replies { a, b };
        async value "request" = request_reply::Host::request { a, b, c, d };
        async value "reply" = request_reply::Host::reply { a, b };
    });
    Ok(())
}

/// `wasmcloud:messaging@0.2.0`.
pub(super) fn wasmcloud(linker: &mut Linker<State>) -> Result<()> {
    // It has types alone.
    linker.instance("wasmcloud:messaging/types@0.2.0")?;
    cross!(linker, "wasmcloud:messaging/consumer", "@0.2.0", (), view, {
        async value "request" = consumer::Host::request { a, b, c };
        async value "publish" = consumer::Host::publish { a };
    });
    Ok(())
}
