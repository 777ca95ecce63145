//! The server's values on their way to a guest: read from their binary form, with their types kept.

use super::numeric;
use super::types::{DbDataType, DbValue, Interval, RangeBoundKind};
use crate::outbound::{Held, TooLarge};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use std::error::Error;
use std::mem::size_of;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Kind, Type};

/// A value as it came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Why a guest cannot be given a row.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It would make the answer too large.
    TooLarge,
    /// A value: which column it is in, and its type.
    Value { column: String, ty: String },
}

impl From<TooLarge> for Unreadable {
    fn from(_: TooLarge) -> Self {
        Unreadable::TooLarge
    }
}

/// What a guest calls a type of the server's.
pub(super) fn data_type(ty: &Type) -> DbDataType {
    match ty.kind() {
        Kind::Domain(inner) => return data_type(inner),
        Kind::Array(inner) => {
            return match *inner {
                Type::INT4 => DbDataType::ArrayInt32,
                Type::INT8 => DbDataType::ArrayInt64,
                Type::NUMERIC => DbDataType::ArrayDecimal,
                Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => DbDataType::ArrayStr,
                _ => DbDataType::Other(ty.name().to_owned()),
            };
        }
        _ => {}
    }
    match *ty {
        Type::BOOL => DbDataType::Boolean,
        Type::CHAR => DbDataType::Int8,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => DbDataType::Str,
        Type::BYTEA => DbDataType::Binary,
        Type::DATE => DbDataType::Date,
        Type::TIME => DbDataType::Time,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => DbDataType::Datetime,
        Type::UUID => DbDataType::Uuid,
        Type::JSON | Type::JSONB => DbDataType::Jsonb,
        Type::NUMERIC => DbDataType::Decimal,
        Type::INT4_RANGE => DbDataType::RangeInt32,
        Type::INT8_RANGE => DbDataType::RangeInt64,
        Type::NUM_RANGE => DbDataType::RangeDecimal,
        Type::INTERVAL => DbDataType::Interval,
        _ => DbDataType::Other(ty.name().to_owned()),
    }
}

/// The longest text that a value of a few bytes becomes, decimals apart: a UUID.
const TEXT_BYTES_MAX: usize = 36;

/// The values of a row.
pub(super) fn row(row: &Row, held: &mut Held) -> Result<Vec<DbValue>, Unreadable> {
    let value = size_of::<DbValue>() + TEXT_BYTES_MAX;
    held.add(size_of::<Vec<DbValue>>() + row.columns().len() * value)?;
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let raw = row.try_get::<_, Option<Raw<'_>>>(index);
            let value = match raw {
                Ok(None) => Some(DbValue::DbNull),
                Ok(Some(Raw(raw))) => {
                    held.add(size(column.type_(), raw))?;
                    read(column.type_(), raw)
                }
                Err(_) => None,
            };
            value.ok_or_else(|| Unreadable::Value {
                column: column.name().to_owned(),
                ty: column.type_().name().to_owned(),
            })
        })
        .collect()
}

/// What a value becomes in memory, at most: of few bytes may be made many.
fn size(ty: &Type, raw: &[u8]) -> usize {
    if let Kind::Domain(inner) = ty.kind() {
        return size(inner, raw);
    }
    // An item of an array has four bytes at least before it, and becomes a text at most.
    let items = || raw.len() / 4 * size_of::<Option<String>>() + raw.len();
    match data_type(ty) {
        DbDataType::Decimal => numeric::size(raw),
        DbDataType::RangeDecimal => numerics(raw, 1),
        DbDataType::ArrayDecimal => items() + numerics(raw, 20),
        DbDataType::ArrayInt32 | DbDataType::ArrayInt64 | DbDataType::ArrayStr => items(),
        _ => raw.len(),
    }
}

/// What the decimals become that stand in `raw` after so many bytes, each with its length before it.
fn numerics(raw: &[u8], head: usize) -> usize {
    let mut rest = raw.get(head..).unwrap_or_default();
    let mut bytes = 0_usize;
    while let Some(one) = item(&mut rest) {
        bytes = bytes.saturating_add(one.map_or(0, numeric::size));
    }
    bytes
}

/// One value; `None`: it is not what its type says, or beyond what a guest's type can hold.
pub(super) fn read(ty: &Type, raw: &[u8]) -> Option<DbValue> {
    if let Kind::Domain(inner) = ty.kind() {
        return read(inner, raw);
    }
    let whole = |raw: &[u8]| String::from_utf8(raw.to_vec()).ok();
    Some(match data_type(ty) {
        DbDataType::Boolean => DbValue::Boolean(*raw.first()? != 0),
        DbDataType::Int8 => DbValue::Int8(i8::from_be_bytes(raw.try_into().ok()?)),
        DbDataType::Int16 => DbValue::Int16(i16::from_be_bytes(raw.try_into().ok()?)),
        DbDataType::Int32 => DbValue::Int32(int32(raw)?),
        DbDataType::Int64 => DbValue::Int64(int64(raw)?),
        DbDataType::Floating32 => DbValue::Floating32(f32::from_be_bytes(raw.try_into().ok()?)),
        DbDataType::Floating64 => DbValue::Floating64(f64::from_be_bytes(raw.try_into().ok()?)),
        DbDataType::Str => DbValue::Str(whole(raw)?),
        DbDataType::Binary => DbValue::Binary(raw.to_vec()),
        DbDataType::Date => {
            let day = date(int32(raw)?)?;
            DbValue::Date((day.year(), small(day.month())?, small(day.day())?))
        }
        DbDataType::Time => {
            let micros = u64::try_from(int64(raw)?).ok()?;
            let (seconds, nanos) = (micros / 1_000_000, micros % 1_000_000 * 1000);
            let (hour, rest) = (seconds / 3600, seconds % 3600);
            let part = |n: u64| u8::try_from(n).ok();
            DbValue::Time((
                part(hour)?,
                part(rest / 60)?,
                part(rest % 60)?,
                nanos as u32,
            ))
        }
        DbDataType::Datetime => {
            let moment = moment(int64(raw)?)?;
            let (date, time) = (moment.date(), moment.time());
            DbValue::Datetime((
                date.year(),
                small(date.month())?,
                small(date.day())?,
                small(time.hour())?,
                small(time.minute())?,
                small(time.second())?,
                time.nanosecond(),
            ))
        }
        DbDataType::Timestamp => return None,
        DbDataType::Uuid => DbValue::Uuid(uuid::Uuid::from_slice(raw).ok()?.to_string()),
        DbDataType::Jsonb => match (ty == &Type::JSONB, raw) {
            (true, [1, json @ ..]) | (false, json) => DbValue::Jsonb(json.to_vec()),
            (true, _) => return None,
        },
        DbDataType::Decimal => DbValue::Decimal(numeric::read(raw)?),
        DbDataType::RangeInt32 => DbValue::RangeInt32(range(raw, int32)?),
        DbDataType::RangeInt64 => DbValue::RangeInt64(range(raw, int64)?),
        DbDataType::RangeDecimal => DbValue::RangeDecimal(range(raw, numeric::read)?),
        DbDataType::ArrayInt32 => {
            array(raw, int32)?.map_or_else(|| other(raw), DbValue::ArrayInt32)
        }
        DbDataType::ArrayInt64 => {
            array(raw, int64)?.map_or_else(|| other(raw), DbValue::ArrayInt64)
        }
        DbDataType::ArrayDecimal => {
            array(raw, numeric::read)?.map_or_else(|| other(raw), DbValue::ArrayDecimal)
        }
        DbDataType::ArrayStr => array(raw, whole)?.map_or_else(|| other(raw), DbValue::ArrayStr),
        DbDataType::Interval => {
            let (micros, rest) = raw.split_at_checked(8)?;
            let (days, months) = rest.split_at_checked(4)?;
            DbValue::Interval(Interval {
                micros: int64(micros)?,
                days: int32(days)?,
                months: int32(months)?,
            })
        }
        DbDataType::Other(_) => other(raw),
    })
}

fn other(raw: &[u8]) -> DbValue {
    DbValue::Unsupported(raw.to_vec())
}

fn int32(raw: &[u8]) -> Option<i32> {
    raw.try_into().ok().map(i32::from_be_bytes)
}

fn int64(raw: &[u8]) -> Option<i64> {
    raw.try_into().ok().map(i64::from_be_bytes)
}

fn small(number: u32) -> Option<u8> {
    u8::try_from(number).ok()
}

/// The server counts from here.
const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// So many days after the epoch; infinite dates are beyond what a guest's type can hold.
fn date(days: i32) -> Option<NaiveDate> {
    let many = Days::new(days.unsigned_abs().into());
    match days {
        i32::MIN | i32::MAX => None,
        0.. => EPOCH.checked_add_days(many),
        _ => EPOCH.checked_sub_days(many),
    }
}

fn moment(micros: i64) -> Option<NaiveDateTime> {
    if matches!(micros, i64::MIN | i64::MAX) {
        return None;
    }
    let begin = EPOCH.and_hms_opt(0, 0, 0)?;
    begin.checked_add_signed(TimeDelta::microseconds(micros))
}

type Bound<T> = Option<(T, RangeBoundKind)>;

/// A range. One without any values has the same bound twice, exclusive.
fn range<T: FromZero>(
    raw: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<(Bound<T>, Bound<T>)> {
    const EMPTY: u8 = 0x01;
    const LOWER_INCLUSIVE: u8 = 0x02;
    const UPPER_INCLUSIVE: u8 = 0x04;
    const LOWER_INFINITE: u8 = 0x08;
    const UPPER_INFINITE: u8 = 0x10;
    let (&flags, mut rest) = raw.split_first()?;
    if flags & EMPTY != 0 {
        let bound = || Some((T::zero(), RangeBoundKind::Exclusive));
        return Some((bound(), bound()));
    }
    let mut bound = |infinite: u8, inclusive: u8| -> Option<Bound<T>> {
        if flags & infinite != 0 {
            return Some(None);
        }
        let kind = match flags & inclusive {
            0 => RangeBoundKind::Exclusive,
            _ => RangeBoundKind::Inclusive,
        };
        Some(Some((read(item(&mut rest)??)?, kind)))
    };
    let lower = bound(LOWER_INFINITE, LOWER_INCLUSIVE)?;
    let upper = bound(UPPER_INFINITE, UPPER_INCLUSIVE)?;
    Some((lower, upper))
}

trait FromZero {
    fn zero() -> Self;
}

impl FromZero for i32 {
    fn zero() -> Self {
        0
    }
}

impl FromZero for i64 {
    fn zero() -> Self {
        0
    }
}

impl FromZero for String {
    fn zero() -> Self {
        "0".to_owned()
    }
}

/// The next item with its length before it; `Some(None)` is a null.
fn item<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, after) = rest.split_at_checked(4)?;
    let Ok(length) = usize::try_from(int32(length)?) else {
        *rest = after;
        return Some(None);
    };
    let (item, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(Some(item))
}

/// An array; `Some(None)`: it has more than one dimension, which a guest has no type for.
fn array<T>(raw: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<Option<Vec<Option<T>>>> {
    let (head, mut rest) = raw.split_at_checked(12)?;
    let dimensions = int32(head.get(..4)?)?;
    let count = match dimensions {
        0 => return Some(Some(Vec::new())),
        1 => {
            let (dimension, after) = rest.split_at_checked(8)?;
            rest = after;
            usize::try_from(int32(dimension.get(..4)?)?).ok()?
        }
        _ => return Some(None),
    };
    // Each has four bytes at least: a false count cannot make us hold more than came.
    let mut items = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        items.push(match item(&mut rest)? {
            Some(raw) => Some(read(raw)?),
            None => None,
        });
    }
    Some(Some(items))
}
