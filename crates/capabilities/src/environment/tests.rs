//! The `env` grant and the flags beside it.

use super::Environment;
use crate::{Capability, Place};
use holm_manifest::{Problem, Value};

fn granted(variables: Vec<(&str, Value)>) -> Result<Environment, Problem> {
    let place = Place {
        base: "/".into(),
        state: "/".into(),
        stores: [].into(),
        shared: Default::default(),
        brokers: Default::default(),
    };
    Environment::granted(Some(&Value::table(variables)), &place)
}

fn inherited() -> Value {
    Value::table(vec![("inherit", Value::bool(true))])
}

#[test]
fn values_and_inherited_values() {
    // Set by cargo for every test.
    let own = std::env::var("CARGO_PKG_NAME").unwrap();
    let environment = granted(vec![
        ("GREETING", "hello".into()),
        ("CARGO_PKG_NAME", inherited()),
        ("HOLM_TEST_IS_NOT_SET", inherited()),
        ("OFF", Value::table(vec![("inherit", Value::bool(false))])),
    ])
    .unwrap();
    let expected = [("CARGO_PKG_NAME", own.as_str()), ("GREETING", "hello")];
    assert_eq!(
        environment.variables(),
        expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}

#[test]
fn a_flag_replaces_what_the_manifest_says() {
    let mut environment = granted(vec![("GREETING", "hello".into())]).unwrap();
    environment.set("GREETING", "good morning").unwrap();
    assert_eq!(
        environment.variables(),
        [("GREETING".to_owned(), "good morning".to_owned())]
    );
}

#[test]
fn what_cannot_be_a_variable_is_refused() {
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0")] {
        assert!(
            granted(vec![(name, value.into())]).is_err(),
            "{name:?}={value:?}"
        );
        assert!(
            Environment::default().set(name, value).is_err(),
            "{name:?}={value:?}"
        );
    }
    assert!(granted(vec![("A", Value::integer(1))]).is_err());
    assert!(granted(vec![("A", Value::table(vec![("inherit", "yes".into())]))]).is_err());
}

#[test]
fn holms_own_tokens_are_given_to_no_guest() {
    for name in ["HOLM_MCP_TOKEN", "HOLM_ADMIN_TOKEN", "HOLM_TOKEN"] {
        let refused = granted(vec![(name, inherited())]).err().unwrap();
        assert!(
            refused.message.contains("own secret"),
            "{}",
            refused.message
        );
    }
    // A value of the manifest's own is what it says.
    assert!(granted(vec![("HOLM_MCP_TOKEN", "x".into())]).is_ok());
}

#[test]
fn the_check_of_the_manifest_says_the_same() {
    let check = Environment::fragment().unwrap().check;
    assert!(check(&Value::table(vec![("A", "x".into())])).is_empty());
    let problems = check(&Value::table(vec![("A=B", "x".into())]));
    assert_eq!(
        problems[0].message,
        "`A=B` cannot name an environment variable"
    );
}
