//! Values there and back, without a server: what it would send is made here.

use super::param::{Param, quote};
use super::types::{DbValue, Interval, ParameterValue, RangeBoundKind};
use super::{numeric, value};
use bytes::BytesMut;
use proptest::prelude::*;
use tokio_postgres::types::{IsNull, ToSql, Type};

/// What a value is on its way to a parameter of this type.
fn sent(value: ParameterValue, ty: &Type) -> Result<String, String> {
    let param = Param::new(value).map_err(|bad| bad.to_string())?;
    let mut out = BytesMut::new();
    match param.to_sql(ty, &mut out) {
        Ok(IsNull::Yes) => Ok("null".to_owned()),
        Ok(IsNull::No) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn values_go_as_the_type_that_the_statement_wants() {
    use ParameterValue as V;
    use RangeBoundKind::{Exclusive, Inclusive};
    for (value, ty, text) in [
        (V::Int64(5), Type::INT4, "5"),
        (V::Floating32(19.2), Type::FLOAT8, "19.2"),
        (V::Str("a".into()), Type::UUID, "a"),
        (V::Binary(b"ab".into()), Type::BYTEA, "ab"),
        (V::Date((2024, 2, 29)), Type::DATE, "2024-02-29"),
        (V::Date((0, 1, 1)), Type::DATE, "0001-01-01 BC"),
        (V::Time((1, 2, 3, 4_000_000)), Type::TIME, "01:02:03.004"),
        (
            V::Datetime((1999, 7, 12, 4, 3, 2, 1_000_000)),
            Type::TIMESTAMP,
            "1999-07-12 04:03:02.001",
        ),
        (V::Timestamp(0), Type::TIMESTAMPTZ, "1970-01-01 00:00:00+00"),
        (V::Jsonb(b"{ }".into()), Type::JSONB, "{ }"),
        (V::Decimal(" 1.50".into()), Type::NUMERIC, "1.50"),
        (
            V::RangeInt32((Some((1, Inclusive)), Some((5, Exclusive)))),
            Type::INT4_RANGE,
            "[1,5)",
        ),
        (
            V::RangeInt64((None, Some((5, Inclusive)))),
            Type::INT8_RANGE,
            "(,5]",
        ),
        (
            V::ArrayInt32(vec![Some(1), None]),
            Type::INT4_ARRAY,
            "{1,NULL}",
        ),
        (
            V::ArrayStr(vec![Some("a\"b\\,{}".into()), None]),
            Type::TEXT_ARRAY,
            r#"{"a\"b\\,{}",NULL}"#,
        ),
        (V::DbNull, Type::POINT, "null"),
    ] {
        let shown = format!("{value:?}");
        assert_eq!(sent(value, &ty).as_deref(), Ok(text), "{shown}");
    }
}

#[test]
fn what_does_not_fit_is_said() {
    use ParameterValue as V;
    for (value, ty, wrong) in [
        (
            V::Int32(1),
            Type::TEXT,
            "the statement wants a value of type text, which int32 is not",
        ),
        (
            V::Str("a".into()),
            Type::BYTEA,
            "the statement wants a value of type bytea, which str is not",
        ),
        (
            V::Date((2023, 2, 29)),
            Type::DATE,
            "there is no day 2023-02-29",
        ),
        (
            V::Time((25, 0, 0, 0)),
            Type::TIME,
            "there is no time 25:00:00",
        ),
        (V::Uuid("x".into()), Type::UUID, "\"x\" is not a UUID"),
        (
            V::Decimal("1,5".into()),
            Type::NUMERIC,
            "\"1,5\" is not a decimal number",
        ),
        (
            V::RangeDecimal((Some(("1,2)".into(), RangeBoundKind::Inclusive)), None)),
            Type::NUM_RANGE,
            "\"1,2)\" is not a decimal number",
        ),
        (
            V::Str("a\0".into()),
            Type::TEXT,
            "a text for PostgreSQL has no NUL",
        ),
    ] {
        let shown = format!("{value:?}");
        assert_eq!(sent(value, &ty).unwrap_err(), wrong, "{shown}");
    }
    assert!(
        sent(V::Jsonb(b"{".into()), &Type::JSONB)
            .unwrap_err()
            .starts_with("no JSON")
    );
}

#[test]
fn what_is_beyond_a_guest_s_types_is_no_value() {
    assert_eq!(value::read(&Type::DATE, &i32::MAX.to_be_bytes()), None);
    assert_eq!(value::read(&Type::TIMESTAMP, &i64::MIN.to_be_bytes()), None);
    assert_eq!(value::read(&Type::INT4, b"abc"), None);
    assert_eq!(value::read(&Type::TEXT, &[0xff]), None);
    let point = [0; 16];
    assert_eq!(
        value::read(&Type::POINT, &point),
        Some(DbValue::Unsupported(point.to_vec()))
    );
    let empty = value::read(&Type::INT4_RANGE, &[1]);
    let zero = Some((0, RangeBoundKind::Exclusive));
    assert_eq!(empty, Some(DbValue::RangeInt32((zero, zero))));
}

fn decimal() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?".prop_filter("no negative zero", |text| {
        !text.starts_with('-') || text.bytes().any(|b| (b'1'..=b'9').contains(&b))
    })
}

/// What a server would send of it in its binary form.
fn raw(ty: &Type, value: &dyn ToSql) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.to_sql_checked(ty, &mut out).unwrap();
    out.to_vec()
}

proptest! {
    #[test]
    fn decimals_keep_every_digit(text in decimal()) {
        prop_assert_eq!(numeric::read(&numeric::write(&text)), Some(text.clone()));
        prop_assert!(numeric::is_decimal(&text));
        prop_assert!(numeric::size(&numeric::write(&text)) >= text.len());
    }

    #[test]
    fn values_are_read_as_they_were_sent(
        a in any::<i64>(), b in any::<f64>(), c in ".*", d in any::<Vec<Option<i32>>>(),
        e in proptest::collection::vec(proptest::option::of(".*"), 0..5),
    ) {
        prop_assert_eq!(value::read(&Type::INT8, &raw(&Type::INT8, &a)), Some(DbValue::Int64(a)));
        if !b.is_nan() {
            let float = value::read(&Type::FLOAT8, &raw(&Type::FLOAT8, &b));
            prop_assert_eq!(float, Some(DbValue::Floating64(b)));
        }
        prop_assert_eq!(value::read(&Type::TEXT, &raw(&Type::TEXT, &c)), Some(DbValue::Str(c)));
        let array = value::read(&Type::INT4_ARRAY, &raw(&Type::INT4_ARRAY, &d));
        prop_assert_eq!(array, Some(DbValue::ArrayInt32(d)));
        let texts = value::read(&Type::TEXT_ARRAY, &raw(&Type::TEXT_ARRAY, &e));
        prop_assert_eq!(texts, Some(DbValue::ArrayStr(e)));
    }

    #[test]
    fn whatever_comes_is_a_value_or_none(bytes in any::<Vec<u8>>()) {
        for ty in [
            Type::BOOL, Type::CHAR, Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8,
            Type::TEXT, Type::BYTEA, Type::DATE, Type::TIME, Type::TIMESTAMP, Type::UUID, Type::JSONB,
            Type::NUMERIC, Type::INT4_RANGE, Type::NUM_RANGE, Type::INT4_ARRAY, Type::NUMERIC_ARRAY,
            Type::TEXT_ARRAY, Type::INTERVAL, Type::POINT,
        ] {
            let _ = value::read(&ty, &bytes);
            if let Some(DbValue::Decimal(text)) = value::read(&Type::NUMERIC, &bytes) {
                prop_assert!(numeric::size(&bytes) >= text.len());
            }
        }
    }

    #[test]
    fn quotes_end_where_the_text_does(text in ".*") {
        let quoted = quote(&text);
        let inner = &quoted[1..quoted.len() - 1];
        let mut back = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            prop_assert_ne!(c, '"');
            back.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        prop_assert_eq!(back, text);
    }
}

#[test]
fn an_interval_is_its_three_parts() {
    let interval = Interval {
        micros: -123_456,
        days: 10,
        months: -200,
    };
    let param = Param::new(ParameterValue::Interval(interval)).unwrap();
    let mut out = BytesMut::new();
    param.to_sql(&Type::INTERVAL, &mut out).unwrap();
    let back = value::read(&Type::INTERVAL, &out);
    assert_eq!(back, Some(DbValue::Interval(interval)));
}

#[test]
fn a_certificate_of_the_guests_is_one() {
    use crate::http::Identity;
    let own = rcgen::generate_simple_self_signed(["db.test".to_owned()]).unwrap();
    let trusting = Identity::trusting(&own.cert.pem()).map(|identity| identity.config().is_ok());
    assert_eq!(trusting, Ok(true));
    let none = Identity::trusting("none").map(|_| ());
    assert_eq!(none, Err("no certificate in it".to_owned()));
    let broken = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let broken = Identity::trusting(broken).map(|identity| identity.config().is_ok());
    assert_eq!(broken, Ok(false));
}
