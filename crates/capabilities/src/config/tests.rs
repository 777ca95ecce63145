//! What a guest reads: what was granted, and nothing else.

use super::wit::Host as _;
use super::{Config, Instance};
use crate::testing::core;
use crate::{Capability, Place};
use holm_manifest::Value;
use holm_runtime::seam::{Use, Uses};
use std::sync::Arc;
use wasmtime_wasi::WasiCtxBuilder;

fn granted(value: Option<&Value>) -> Result<Config, holm_manifest::Problem> {
    let place = Place {
        base: "/nowhere".into(),
        state: "/nowhere/.holm".into(),
        stores: Arc::default(),
        shared: Arc::default(),
    };
    Config::granted(value, &place)
}

fn instance(value: Option<&Value>, uses: &Uses) -> Instance {
    granted(value)
        .unwrap()
        .instance(&core(uses), &mut WasiCtxBuilder::new())
        .unwrap()
}

#[test]
fn what_is_granted_is_there_and_nothing_else() {
    let uses = Uses::default();
    let value = Value::table(vec![("b", "2".into()), ("a", "1".into())]);
    let mut guest = instance(Some(&value), &uses);
    assert_eq!(
        guest.get("a".into()).unwrap().unwrap().as_deref(),
        Some("1")
    );
    assert_eq!(guest.get("c".into()).unwrap().unwrap(), None);
    // What is not there is no use of a grant.
    assert_eq!(
        uses.list(),
        [Use {
            grant: "config",
            scope: "a".into(),
            access: ""
        }]
    );
    let all = guest.get_all().unwrap().unwrap();
    assert_eq!(
        all,
        [
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "2".to_owned())
        ]
    );
    assert_eq!(uses.list().len(), 2);
}

#[test]
fn without_a_grant_there_is_nothing_and_no_error() {
    let mut guest = instance(None, &Uses::default());
    assert_eq!(guest.get("a".into()).unwrap().unwrap(), None);
    assert!(guest.get_all().unwrap().unwrap().is_empty());
}

#[test]
fn values_are_strings() {
    let value = Value::table(vec![("retries", 3.into())]);
    assert!(granted(Some(&value)).unwrap_err().is_error());
}

#[test]
fn spins_guests_get_values_and_its_errors() {
    use super::spin::{config, variables};
    let value = Value::table(vec![("variable", "value".into()), ("no-name", "1".into())]);
    let mut guest = instance(Some(&value), &Uses::default());
    let mut get = |name: &str| variables::Host::get(&mut guest, name.into()).unwrap();
    assert_eq!(get("variable").unwrap(), "value");
    assert!(matches!(
        get("non_existent"),
        Err(variables::Error::Undefined(_))
    ));
    for name in [
        "invalid-name",
        "no-name",
        "invalid!name",
        "4invalidname",
        "",
        "a_",
        "a__b",
        "A",
    ] {
        let got = get(name);
        assert!(
            matches!(got, Err(variables::Error::InvalidName(_))),
            "{name}: {got:?}"
        );
    }
    let mut get = |name: &str| config::Host::get_config(&mut guest, name.into()).unwrap();
    assert_eq!(get("variable").unwrap(), "value");
    assert!(matches!(get("other"), Err(config::Error::Provider(_))));
    assert!(matches!(get("in-valid"), Err(config::Error::InvalidKey(_))));
}

#[test]
fn values_are_not_printed() {
    let value = Value::table(vec![("token", "hunter2".into())]);
    let shown = format!("{:?}", granted(Some(&value)).unwrap());
    assert!(
        shown.contains("token") && !shown.contains("hunter2"),
        "{shown}"
    );
}
