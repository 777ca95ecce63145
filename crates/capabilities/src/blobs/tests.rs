//! What a guest meets: grants, denials, values, limits.

use super::limits::{HANDLES_MAX, NAMES_MAX, OUTGOING_MAX, WAITING_BYTES_MAX};
use super::wit::blobstore::Host as _;
use super::wit::container::{HostContainer, HostStreamObjectNames};
use super::wit::types::{HostIncomingValue, HostOutgoingValue, ObjectId};
use super::wit::{Handle, Told};
use super::{Blobs, Instance, View, store_fragment};
use crate::testing::{core, core_with};
use crate::{Capability, Place};
use bytes::Bytes;
use holm_manifest::{Span, Value};
use holm_runtime::limits::{Allowance, Limit};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Denial};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::{DynOutputStream, StreamError};

/// An instance whose component was granted `a` to write and `b` to read, both in memory.
struct Guest {
    table: ResourceTable,
    part: Instance,
    core: Core,
    uses: Uses,
}

fn memory(more: &[(&str, Value)]) -> Value {
    let mut table = vec![("type", "blobs".into()), ("provider", "memory".into())];
    table.extend(more.iter().map(|(key, value)| (*key, value.clone())));
    Value::table(table)
}

fn place(stores: &[(&str, Value)]) -> Place {
    let stores = stores.iter().map(|(name, value)| holm_manifest::Store {
        name: (*name).to_owned(),
        span: Span::default(),
        kind: "blobs".to_owned(),
        value: value.clone(),
    });
    Place {
        base: "/nowhere".into(),
        state: "/nowhere/.holm".into(),
        stores: stores.collect(),
        shared: Arc::default(),
    }
}

fn grant() -> Value {
    Value::array(vec![
        "a".into(),
        Value::table(vec![("store", "b".into()), ("access", "read".into())]),
    ])
}

impl Guest {
    fn new() -> Self {
        Guest::with(Allowance::UNLIMITED, &[])
    }

    fn with(allowance: Allowance, settings: &[(&str, Value)]) -> Self {
        let place = place(&[("a", memory(settings)), ("b", memory(&[]))]);
        let granted = Blobs::granted(Some(&grant()), &place).unwrap();
        let uses = Uses::default();
        let core = match allowance.bytes_written {
            u64::MAX => core(&uses),
            _ => core_with(allowance),
        };
        Guest {
            table: ResourceTable::new(),
            part: granted.instance(&core, &mut WasiCtxBuilder::new()).unwrap(),
            core,
            uses,
        }
    }

    fn view(&mut self) -> View<'_> {
        View {
            table: &mut self.table,
            part: &mut self.part,
        }
    }

    async fn open(&mut self, name: &str) -> Resource<Handle> {
        self.view()
            .get_container(name.into())
            .await
            .unwrap()
            .unwrap()
    }

    /// A value and the stream into it.
    async fn value(
        &mut self,
    ) -> (
        Resource<super::outgoing::Outgoing>,
        Resource<DynOutputStream>,
    ) {
        let value = self.view().new_outgoing_value().await.unwrap();
        let body = self.view().outgoing_value_write_body(again(&value)).await;
        (value, body.unwrap().unwrap())
    }

    /// Writes as a guest does: when there is a permit.
    async fn send(
        &mut self,
        body: &Resource<DynOutputStream>,
        bytes: &[u8],
    ) -> Result<(), StreamError> {
        let body = self.table.get_mut(body).unwrap();
        for piece in bytes.chunks(64 << 10) {
            body.write_ready().await?;
            body.write(Bytes::copy_from_slice(piece))?;
        }
        Ok(())
    }

    async fn write(&mut self, container: &Resource<Handle>, name: &str, bytes: &[u8]) -> Told<()> {
        let (value, body) = self.value().await;
        self.view()
            .write_data(again(container), name.into(), again(&value))
            .await
            .unwrap()?;
        // What failed is told when the value is finished.
        let _ = self.send(&body, bytes).await;
        self.view().finish(value).await.unwrap()
    }

    async fn read(&mut self, container: &Resource<Handle>, name: &str) -> Told<Vec<u8>> {
        let value = self
            .view()
            .get_data(again(container), name.into(), 0, u64::MAX)
            .await;
        let value = value.unwrap()?;
        self.view()
            .incoming_value_consume_sync(value)
            .await
            .unwrap()
    }
}

/// The handle once more: the engine hands one out for each call.
fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

fn id(container: &str, object: &str) -> ObjectId {
    ObjectId {
        container: container.into(),
        object: object.into(),
    }
}

#[tokio::test]
async fn what_is_not_granted_does_not_exist() {
    let mut guest = Guest::new();
    for _ in 0..2 {
        let told = guest.view().get_container("c".into()).await.unwrap();
        assert_eq!(told.unwrap_err(), "container \"c\" is not granted");
    }
    let exists = guest.view().container_exists("c".into()).await.unwrap();
    assert_eq!(exists, Ok(false));
    let denial = Denial {
        asked: "open container \"c\"".into(),
        grant: "blobs",
        line: "blobs = [\"c\"]".into(),
        flag: "--blobs c".into(),
    };
    assert_eq!(guest.core.denials.list(), [denial]);
    // What cannot be a name is no denial: nothing could be granted.
    let told = guest.view().create_container("../a".into()).await.unwrap();
    assert!(
        told.unwrap_err()
            .starts_with("a container's name is 1 to 63")
    );
    assert_eq!(guest.core.denials.list().len(), 1);
}

#[tokio::test]
async fn a_grant_to_read_changes_nothing() {
    let mut guest = Guest::new();
    let b = guest.open("b").await;
    let (value, _body) = guest.value().await;
    let name = || "x".to_owned();
    let refused = [
        guest
            .view()
            .write_data(again(&b), name(), again(&value))
            .await
            .unwrap(),
        guest.view().delete_object(again(&b), name()).await.unwrap(),
        guest
            .view()
            .delete_objects(again(&b), vec![name()])
            .await
            .unwrap(),
        guest.view().clear(again(&b)).await.unwrap(),
        guest.view().delete_container("b".into()).await.unwrap(),
        guest
            .view()
            .move_object(id("b", "x"), id("a", "x"))
            .await
            .unwrap(),
        guest
            .view()
            .copy_object(id("a", "x"), id("b", "x"))
            .await
            .unwrap(),
    ];
    for told in refused {
        assert_eq!(told, Err("container \"b\" may only be read".to_owned()));
    }
    let denials = guest.core.denials.list();
    let asked: Vec<_> = denials
        .iter()
        .map(|denial| (&*denial.asked, &*denial.line))
        .collect();
    assert_eq!(asked, [("write to container \"b\"", "blobs = [\"b\"]")]);
    // And reads what is there.
    assert_eq!(guest.view().has_object(b, name()).await.unwrap(), Ok(false));
}

#[tokio::test]
async fn values_may_be_written_before_their_place_is_said() {
    let mut guest = Guest::new();
    let a = guest.open("a").await;
    let (value, body) = guest.value().await;
    assert!(
        guest
            .view()
            .outgoing_value_write_body(again(&value))
            .await
            .unwrap()
            .is_err()
    );
    guest.send(&body, b"before ").await.unwrap();
    guest
        .view()
        .write_data(again(&a), "x".into(), again(&value))
        .await
        .unwrap()
        .unwrap();
    let twice = guest
        .view()
        .write_data(again(&a), "y".into(), again(&value))
        .await
        .unwrap();
    assert_eq!(twice, Err("the value has a place already".into()));
    guest.send(&body, b"and after").await.unwrap();
    assert_eq!(
        guest
            .view()
            .has_object(again(&a), "x".into())
            .await
            .unwrap(),
        Ok(false)
    );
    guest.view().finish(value).await.unwrap().unwrap();
    assert_eq!(guest.read(&a, "x").await.unwrap(), b"before and after");
    // The stream outlives the value, and takes nothing more.
    let after = guest.send(&body, b"more").await;
    assert!(matches!(after, Err(StreamError::Closed)), "{after:?}");
    let flows = &guest.core.flows;
    assert_eq!(
        (flows.blobs_out.load(Relaxed), flows.blobs_in.load(Relaxed)),
        (16, 16)
    );
    let used: Vec<_> = guest
        .uses
        .list()
        .into_iter()
        .map(|used| (used.scope, used.access))
        .collect();
    assert_eq!(used, [("a".to_owned(), "read"), ("a".to_owned(), "write")]);
}

#[tokio::test]
async fn what_is_not_finished_is_not_there() {
    let mut guest = Guest::new();
    let a = guest.open("a").await;
    guest.write(&a, "x", b"old").await.unwrap();
    let (value, body) = guest.value().await;
    guest
        .view()
        .write_data(again(&a), "x".into(), again(&value))
        .await
        .unwrap()
        .unwrap();
    guest.send(&body, &vec![1; 20 << 20]).await.unwrap();
    HostOutgoingValue::drop(&mut guest.view(), value)
        .await
        .unwrap();
    // Its room is given back when the upload has ended.
    while guest.write(&a, "y", &vec![2; 60 << 20]).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(guest.read(&a, "x").await.unwrap(), b"old");
    let (nowhere, _body) = guest.value().await;
    let told = guest.view().finish(nowhere).await.unwrap().unwrap_err();
    assert!(
        told.contains("`write-data` comes before `finish`"),
        "{told}"
    );
}

#[tokio::test]
async fn limits_are_told_and_cost_nothing_that_is_there() {
    let mut guest = Guest::with(
        Allowance::UNLIMITED,
        &[("limit", "1 MiB".into()), ("object_size", "512 KiB".into())],
    );
    let a = guest.open("a").await;
    guest.write(&a, "x", &vec![1; 500 << 10]).await.unwrap();
    let told = guest.write(&a, "y", &vec![1; 600 << 10]).await.unwrap_err();
    assert_eq!(
        told,
        "the object is larger than container \"a\" takes: 512 KiB"
    );
    guest.write(&a, "y", &vec![1; 500 << 10]).await.unwrap();
    let told = guest.write(&a, "z", &vec![1; 100 << 10]).await.unwrap_err();
    assert_eq!(told, "container \"a\" is full: its limit is 1 MiB");
    // What takes its place counts no more.
    guest.write(&a, "z", &vec![1; 10 << 10]).await.unwrap();
    guest
        .view()
        .delete_object(again(&a), "x".into())
        .await
        .unwrap()
        .unwrap();
    for _ in 0..3 {
        guest.write(&a, "x", &vec![2; 240 << 10]).await.unwrap();
    }
    let copy = |to: &str| (id("a", "x"), id("a", to));
    let (from, to) = copy("w");
    guest.view().copy_object(from, to).await.unwrap().unwrap();
    let (from, to) = copy("v");
    let told = guest.view().copy_object(from, to).await.unwrap();
    assert_eq!(
        told,
        Err("container \"a\" is full: its limit is 1 MiB".into())
    );
    let (from, to) = copy("v");
    guest.view().move_object(from, to).await.unwrap().unwrap();
    assert_eq!(guest.read(&a, "v").await.unwrap().len(), 240 << 10);
    guest.view().clear(again(&a)).await.unwrap().unwrap();
    guest.write(&a, "all", &vec![1; 512 << 10]).await.unwrap();
}

#[tokio::test]
async fn an_event_writes_no_more_bytes_than_its_limit() {
    let allowance = Allowance {
        bytes_written: 100,
        ..Allowance::UNLIMITED
    };
    let mut guest = Guest::with(allowance, &[]);
    let a = guest.open("a").await;
    guest.write(&a, "x", &[1; 60]).await.unwrap();
    let (_value, body) = guest.value().await;
    guest.send(&body, &[1; 40]).await.unwrap();
    let error = guest.send(&body, &[1]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the bytes_written limit of 100 B was reached"),
        "{error}"
    );
    assert_eq!(
        guest.core.budget.meter.limit_hit(),
        Some(Limit::BytesWritten)
    );
}

#[tokio::test]
async fn what_an_instance_holds_has_an_end() {
    let mut guest = Guest::new();
    let mut values = Vec::new();
    for _ in 0..OUTGOING_MAX {
        values.push(guest.value().await);
    }
    assert!(guest.view().new_outgoing_value().await.is_err());
    // All that wait together.
    let (first, second) = (again(&values[0].1), again(&values[1].1));
    guest
        .send(&first, &vec![0; WAITING_BYTES_MAX - 1])
        .await
        .unwrap();
    guest.send(&second, &[0]).await.unwrap();
    assert!(guest.send(&second, &[0]).await.is_err());
    for (value, _) in values {
        HostOutgoingValue::drop(&mut guest.view(), value)
            .await
            .unwrap();
    }
    let (_, body) = guest.value().await;
    guest
        .send(&body, &vec![0; WAITING_BYTES_MAX])
        .await
        .unwrap();
    let a = guest.open("a").await;
    let mut handles = vec![again(&a)];
    while let Ok(handle) = guest.view().get_container("a".into()).await.unwrap() {
        handles.push(handle);
    }
    assert_eq!(handles.len(), HANDLES_MAX - 1, "and one value");
    let last = handles.pop().unwrap();
    HostContainer::drop(&mut guest.view(), last).await.unwrap();
    guest.open("a").await;
    let names = vec!["x".to_owned(); NAMES_MAX + 1];
    let told = guest.view().delete_objects(a, names).await.unwrap();
    assert_eq!(
        told,
        Err("1001 names in one call are over the limit of 1000".into())
    );
}

#[tokio::test]
async fn names_come_as_they_are_asked_for() {
    let mut guest = Guest::new();
    let a = guest.open("a").await;
    for n in 0..5 {
        guest.write(&a, &format!("n{n}"), b"").await.unwrap();
    }
    let names = guest.view().list_objects(again(&a)).await.unwrap().unwrap();
    let skipped = guest
        .view()
        .skip_stream_object_names(again(&names), 1)
        .await
        .unwrap();
    assert_eq!(skipped, Ok((1, false)));
    let some = guest
        .view()
        .read_stream_object_names(again(&names), 2)
        .await
        .unwrap();
    let (some, end) = some.unwrap();
    assert_eq!((some.len(), end), (2, false));
    let rest = guest
        .view()
        .read_stream_object_names(again(&names), u64::MAX)
        .await
        .unwrap();
    let (rest, end) = rest.unwrap();
    assert_eq!((rest.len(), end), (2, true));
    let after = guest
        .view()
        .skip_stream_object_names(again(&names), 9)
        .await
        .unwrap();
    assert_eq!(after, Ok((0, true)));
    HostStreamObjectNames::drop(&mut guest.view(), names)
        .await
        .unwrap();
}

#[test]
fn settings_that_cannot_be_are_told() {
    let check = |pairs: &[(&str, &str)]| {
        let table = pairs.iter().map(|(key, value)| (*key, Value::from(*value)));
        let table = [("type", Value::from("blobs"))].into_iter().chain(table);
        let problems = (store_fragment().check)(&Value::table(table.collect()));
        problems.into_iter().map(|problem| problem.message).next()
    };
    for good in [
        &[][..],
        &[
            ("path", "assets"),
            ("limit", "1 GiB"),
            ("object_size", "64 GiB"),
        ],
        &[("provider", "memory"), ("limit", "1 KiB")],
        &[("provider", "s3")],
        &[
            ("provider", "s3"),
            ("url", "http://127.0.0.1:9000/objects"),
            ("bucket", "my.bucket-1"),
            ("prefix", "some/folder/"),
            ("region", "eu-central-1"),
            ("access_key_id", "id"),
            ("secret_access_key", "secret"),
            ("session_token", "token"),
            ("timeout", "5 s"),
        ],
    ] {
        assert_eq!(check(good), None, "{good:?}");
    }
    let address = "this is not the address of such a server";
    for (bad, told) in [
        (&[("provider", "gcs")][..], "unknown provider `gcs`"),
        (&[("url", "https://x")], "`url` is for the provider `s3`"),
        (
            &[("provider", "s3"), ("limit", "1 GiB")],
            "`limit` is for the providers `folder` and `memory`",
        ),
        (
            &[("provider", "s3"), ("path", "x")],
            "`path` is for the provider `folder`",
        ),
        (
            &[("object_size", "65 GiB")],
            "`object_size` can be at most 64 GiB",
        ),
        (&[("provider", "s3"), ("url", "ftp://x")], address),
        (
            &[("provider", "s3"), ("url", "https://user:hunter2@x")],
            address,
        ),
        (&[("provider", "s3"), ("url", "https://x/?a=b")], address),
        (
            &[("provider", "s3"), ("bucket", "a/b")],
            "this cannot be the name of a bucket",
        ),
        (
            &[("provider", "s3"), ("region", "a.b")],
            "this cannot be the name of a region",
        ),
        (
            &[("provider", "s3"), ("prefix", "a/../b")],
            "this cannot stand before a name",
        ),
        (
            &[("provider", "s3"), ("access_key_id", "a")],
            "a key has an id and a secret",
        ),
        (
            &[("provider", "s3"), ("session_token", "a")],
            "a key has an id and a secret",
        ),
        (
            &[("provider", "s3"), ("timeout", "0 s")],
            "a time of nothing",
        ),
    ] {
        let problem = check(bad).unwrap_or_else(|| panic!("{bad:?}"));
        assert_eq!(problem, told);
    }
}

#[test]
fn any_name_is_a_name_or_told() {
    let words = [
        "/", "..", ".", "a", "#1", "%2F", "\\", "\0", "ä", "//", "~", "C:",
    ];
    crate::fuzz::text("object-name", &words, |name| {
        let Ok(()) = super::limits::name(name) else {
            return;
        };
        // What the library makes of it is the same name.
        let path = object_store::path::Path::parse(name).unwrap();
        assert_eq!(path.as_ref(), name);
    });
}
