//! The functions of `wasi:blobstore`, linked through the seam.

use super::View;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::wit::{Handle, Listing, blobstore, container, types};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.blobs,
    }
}

/// `0.2.0-draft`: wasmCloud, and the home of WASI's packages.
pub(super) fn draft(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:blobstore/types", "@0.2.0-draft", (), view, {
        drop async "outgoing-value" Outgoing = types::HostOutgoingValue::drop;
        async value "[static]outgoing-value.new-outgoing-value" = types::HostOutgoingValue::new_outgoing_value {};
        async value "[method]outgoing-value.outgoing-value-write-body" = types::HostOutgoingValue::outgoing_value_write_body { a };
        async value "[static]outgoing-value.finish" = types::HostOutgoingValue::finish { a };
        drop async "incoming-value" Incoming = types::HostIncomingValue::drop;
        async value "[static]incoming-value.incoming-value-consume-sync" = types::HostIncomingValue::incoming_value_consume_sync { a };
        async value "[static]incoming-value.incoming-value-consume-async" = types::HostIncomingValue::incoming_value_consume_async { a };
        async value "[method]incoming-value.size" = types::HostIncomingValue::size { a };
    });
    cross!(linker, "wasi:blobstore/container", "@0.2.0-draft", (), view, {
        drop async "container" Handle = container::HostContainer::drop;
        async value "[method]container.name" = container::HostContainer::name { a };
        async value "[method]container.info" = container::HostContainer::info { a };
        async value "[method]container.get-data" = container::HostContainer::get_data { a, b, c, d };
        async value "[method]container.write-data" = container::HostContainer::write_data { a, b, c };
        async value "[method]container.list-objects" = container::HostContainer::list_objects { a };
        async value "[method]container.delete-object" = container::HostContainer::delete_object { a, b };
        async value "[method]container.delete-objects" = container::HostContainer::delete_objects { a, b };
        async value "[method]container.has-object" = container::HostContainer::has_object { a, b };
        async value "[method]container.object-info" = container::HostContainer::object_info { a, b };
        async value "[method]container.clear" = container::HostContainer::clear { a };
        drop async "stream-object-names" Listing = container::HostStreamObjectNames::drop;
        async value "[method]stream-object-names.read-stream-object-names" = container::HostStreamObjectNames::read_stream_object_names { a, b };
        async value "[method]stream-object-names.skip-stream-object-names" = container::HostStreamObjectNames::skip_stream_object_names { a, b };
    });
    cross!(linker, "wasi:blobstore/blobstore", "@0.2.0-draft", (), view, {
        async value "create-container" = blobstore::Host::create_container { a };
        async value "get-container" = blobstore::Host::get_container { a };
        async value "delete-container" = blobstore::Host::delete_container { a };
        async value "container-exists" = blobstore::Host::container_exists { a };
        async value "copy-object" = blobstore::Host::copy_object { a, b };
        async value "move-object" = blobstore::Host::move_object { a, b };
    });
    Ok(())
}
