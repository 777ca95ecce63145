//! Values there and back, without a server.

use super::types::{DbDataType, DbValue, ParameterValue};
use super::value::{of_type, write};
use mysql_common::Value;
use proptest::prelude::*;

#[test]
fn what_a_guest_has_no_type_for_is_text() {
    for (value, text) in [
        (Value::Date(2024, 2, 29, 0, 0, 0, 0), "2024-02-29"),
        (Value::Date(2024, 2, 29, 1, 2, 3, 0), "2024-02-29 01:02:03"),
        (
            Value::Date(2024, 2, 29, 1, 2, 3, 4),
            "2024-02-29 01:02:03.000004",
        ),
        (Value::Time(true, 1, 2, 3, 4, 0), "-26:03:04"),
        (Value::Bytes(b"123.450".to_vec()), "123.450"),
    ] {
        assert_eq!(
            of_type(value, DbDataType::Str),
            Some(DbValue::Str(text.to_owned()))
        );
    }
}

#[test]
fn what_is_not_what_its_column_says_is_no_value() {
    assert_eq!(of_type(Value::Int(300), DbDataType::Int8), None);
    assert_eq!(of_type(Value::Int(-1), DbDataType::Uint64), None);
    assert_eq!(of_type(Value::Bytes(vec![0xff]), DbDataType::Str), None);
    assert_eq!(of_type(Value::NULL, DbDataType::Str), Some(DbValue::DbNull));
    // In text, where a statement cannot be prepared.
    assert_eq!(
        of_type(Value::Bytes(b"7".to_vec()), DbDataType::Int32),
        Some(DbValue::Int32(7))
    );
}

proptest! {
    #[test]
    fn values_are_read_as_they_were_written(
        a in any::<i64>(), b in any::<u64>(), c in any::<f64>(), d in ".*", e in any::<Vec<u8>>(),
    ) {
        use DbDataType as T;
        use ParameterValue as V;
        prop_assert_eq!(of_type(write(V::Int64(a)), T::Int64), Some(DbValue::Int64(a)));
        prop_assert_eq!(of_type(write(V::Uint64(b)), T::Uint64), Some(DbValue::Uint64(b)));
        if !c.is_nan() {
            let float = of_type(write(V::Floating64(c)), T::Floating64);
            prop_assert_eq!(float, Some(DbValue::Floating64(c)));
        }
        prop_assert_eq!(of_type(write(V::Str(d.clone())), T::Str), Some(DbValue::Str(d)));
        prop_assert_eq!(of_type(write(V::Binary(e.clone())), T::Binary), Some(DbValue::Binary(e)));
    }
}
