//! What a guest may reveal: what was granted, and nothing else.

use super::wit::{SecretValue, SecretsError, View};
use super::{Instance, Secrets};
use crate::testing::core;
use crate::{Capability as _, Place};
use holm_manifest::Value;
use holm_runtime::seam::Uses;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtxBuilder;

fn granted(value: Option<&Value>) -> Result<Secrets, holm_manifest::Problem> {
    let place = Place {
        base: "/nowhere".into(),
        state: "/nowhere/.holm".into(),
        stores: Arc::default(),
        brokers: Arc::default(),
        shared: Arc::default(),
    };
    Secrets::granted(value, &place)
}

fn instance(value: Option<&Value>, uses: &Uses) -> Instance {
    let granted = granted(value).unwrap();
    granted
        .instance(&core(uses), &mut WasiCtxBuilder::new())
        .unwrap()
}

#[test]
fn a_secret_is_looked_up_and_then_revealed() {
    let uses = Uses::default();
    let value = Value::table(vec![("token", "hunter2".into())]);
    let (mut part, mut table) = (instance(Some(&value), &uses), ResourceTable::new());
    let mut view = View {
        part: &mut part,
        table: &mut table,
    };
    let none = view.get("other".into()).unwrap();
    assert!(matches!(none, Err(SecretsError::NotFound)));
    assert!(uses.list().is_empty());
    let secret = view.get("token".into()).unwrap().unwrap();
    assert_eq!(uses.list()[0].scope, "token");
    let again = wasmtime::component::Resource::new_borrow(secret.rep());
    let revealed = view.reveal(again).unwrap();
    assert!(matches!(revealed, SecretValue::String(value) if value == "hunter2"));
    view.drop(secret).unwrap();
}

#[test]
fn without_a_grant_there_is_none_and_no_error() {
    let (mut part, mut table) = (instance(None, &Uses::default()), ResourceTable::new());
    let mut view = View {
        part: &mut part,
        table: &mut table,
    };
    let none = view.get("token".into()).unwrap();
    assert!(matches!(none, Err(SecretsError::NotFound)));
}

#[test]
fn values_are_strings_and_are_not_printed() {
    let value = Value::table(vec![("token", "hunter2".into())]);
    let shown = format!("{:?}", granted(Some(&value)).unwrap());
    assert!(
        shown.contains("token") && !shown.contains("hunter2"),
        "{shown}"
    );
    let number = Value::table(vec![("token", 3.into())]);
    assert!(granted(Some(&number)).unwrap_err().is_error());
}
