//! Values on their way to a server and to a guest, with their types kept. What a guest has no type for
//! and a text tells in full (decimals, dates, JSON) is that text.

use super::types::{DbDataType, DbValue, ParameterValue};
use mysql_common::Value;
use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::packets::Column;

/// The server's number for text that is none.
const BINARY: u16 = 63;

/// A guest's value for the server.
pub(super) fn write(value: ParameterValue) -> Value {
    use ParameterValue as V;
    match value {
        V::Boolean(yes) => Value::Int(i64::from(yes)),
        V::Int8(n) => Value::Int(n.into()),
        V::Int16(n) => Value::Int(n.into()),
        V::Int32(n) => Value::Int(n.into()),
        V::Int64(n) => Value::Int(n),
        V::Uint8(n) => Value::UInt(n.into()),
        V::Uint16(n) => Value::UInt(n.into()),
        V::Uint32(n) => Value::UInt(n.into()),
        V::Uint64(n) => Value::UInt(n),
        V::Floating32(n) => Value::Float(n),
        V::Floating64(n) => Value::Double(n),
        V::Str(text) => Value::Bytes(text.into_bytes()),
        V::Binary(bytes) => Value::Bytes(bytes),
        V::DbNull => Value::NULL,
    }
}

/// Bytes of a guest's value on their way, about.
pub(super) fn size(value: &ParameterValue) -> usize {
    match value {
        ParameterValue::Str(text) => text.len(),
        ParameterValue::Binary(bytes) => bytes.len(),
        _ => 8,
    }
}

/// What a guest calls the type of a column.
pub(super) fn data_type(column: &Column) -> DbDataType {
    use ColumnType as T;
    let signed = !column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let either = |one, other| if signed { one } else { other };
    match column.column_type() {
        T::MYSQL_TYPE_TINY => either(DbDataType::Int8, DbDataType::Uint8),
        T::MYSQL_TYPE_SHORT => either(DbDataType::Int16, DbDataType::Uint16),
        T::MYSQL_TYPE_INT24 | T::MYSQL_TYPE_LONG => either(DbDataType::Int32, DbDataType::Uint32),
        T::MYSQL_TYPE_LONGLONG => either(DbDataType::Int64, DbDataType::Uint64),
        T::MYSQL_TYPE_YEAR => DbDataType::Uint16,
        T::MYSQL_TYPE_FLOAT => DbDataType::Floating32,
        T::MYSQL_TYPE_DOUBLE => DbDataType::Floating64,
        T::MYSQL_TYPE_BIT | T::MYSQL_TYPE_GEOMETRY => DbDataType::Binary,
        T::MYSQL_TYPE_DECIMAL
        | T::MYSQL_TYPE_NEWDECIMAL
        | T::MYSQL_TYPE_DATE
        | T::MYSQL_TYPE_NEWDATE
        | T::MYSQL_TYPE_TIME
        | T::MYSQL_TYPE_TIME2
        | T::MYSQL_TYPE_DATETIME
        | T::MYSQL_TYPE_DATETIME2
        | T::MYSQL_TYPE_TIMESTAMP
        | T::MYSQL_TYPE_TIMESTAMP2
        | T::MYSQL_TYPE_JSON
        | T::MYSQL_TYPE_ENUM
        | T::MYSQL_TYPE_SET
        | T::MYSQL_TYPE_NULL => DbDataType::Str,
        T::MYSQL_TYPE_STRING
        | T::MYSQL_TYPE_VAR_STRING
        | T::MYSQL_TYPE_VARCHAR
        | T::MYSQL_TYPE_BLOB
        | T::MYSQL_TYPE_TINY_BLOB
        | T::MYSQL_TYPE_MEDIUM_BLOB
        | T::MYSQL_TYPE_LONG_BLOB => match column.character_set() {
            BINARY => DbDataType::Binary,
            _ => DbDataType::Str,
        },
        _ => DbDataType::Other,
    }
}

/// A server's value for the guest; `None`: it is not what its column says.
pub(super) fn read(value: Value, column: &Column) -> Option<DbValue> {
    of_type(value, data_type(column))
}

pub(super) fn of_type(value: Value, ty: DbDataType) -> Option<DbValue> {
    if value == Value::NULL {
        return Some(DbValue::DbNull);
    }
    Some(match ty {
        DbDataType::Boolean => DbValue::Boolean(whole::<i64>(value)? != 0),
        DbDataType::Int8 => DbValue::Int8(whole(value)?),
        DbDataType::Int16 => DbValue::Int16(whole(value)?),
        DbDataType::Int32 => DbValue::Int32(whole(value)?),
        DbDataType::Int64 => DbValue::Int64(whole(value)?),
        DbDataType::Uint8 => DbValue::Uint8(whole(value)?),
        DbDataType::Uint16 => DbValue::Uint16(whole(value)?),
        DbDataType::Uint32 => DbValue::Uint32(whole(value)?),
        DbDataType::Uint64 => DbValue::Uint64(whole(value)?),
        DbDataType::Floating32 => DbValue::Floating32(match value {
            Value::Float(number) => number,
            Value::Bytes(text) => number(&text)?,
            _ => return None,
        }),
        DbDataType::Floating64 => DbValue::Floating64(match value {
            Value::Float(number) => number.into(),
            Value::Double(number) => number,
            Value::Bytes(text) => number(&text)?,
            _ => return None,
        }),
        DbDataType::Str => DbValue::Str(text(value)?),
        DbDataType::Binary => match value {
            Value::Bytes(bytes) => DbValue::Binary(bytes),
            _ => return None,
        },
        DbDataType::Other => DbValue::Unsupported,
    })
}

fn whole<T: TryFrom<i64> + TryFrom<u64> + std::str::FromStr>(value: Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(number).ok(),
        Value::UInt(number) => T::try_from(number).ok(),
        // A statement that cannot be prepared is answered in text.
        Value::Bytes(text) => number(&text),
        _ => None,
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn text(value: Value) -> Option<String> {
    let micros = |micros: u32| match micros {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    Some(match value {
        Value::Bytes(bytes) => String::from_utf8(bytes).ok()?,
        Value::Date(year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        Value::Date(year, month, day, hour, minute, second, part) => format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{}",
            micros(part)
        ),
        Value::Time(negative, days, hours, minutes, seconds, part) => {
            let sign = if negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", micros(part))
        }
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::NULL => return None,
    })
}
