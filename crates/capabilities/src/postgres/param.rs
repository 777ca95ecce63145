//! A guest's values on their way to the server. Those that have a text which means the same to every
//! server go as that text: the server reads it as the type that the statement wants.

use super::numeric::is_decimal;
use super::types::{Interval, ParameterValue, RangeBoundKind};
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use std::error::Error;
use std::fmt;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// A value that the server is not given, and why.
#[derive(Debug)]
pub(super) struct Bad(pub String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Bad {}

/// A value that is ready to go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Param {
    /// What the guest calls it, for errors.
    name: &'static str,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Null,
    /// A number that one of the server's types takes as a byte.
    Small(i8),
    /// Text for a type of this family.
    Text(Family, String),
    /// A point in time: text that depends on whether the server's type has a zone.
    Moment(NaiveDateTime),
    Binary(Vec<u8>),
    Interval(Interval),
}

/// Types that read the same texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Boolean,
    Number,
    Text,
    Date,
    Time,
    Uuid,
    Json,
    Range,
    Numbers,
    Texts,
}

impl Family {
    fn takes(self, ty: &Type) -> bool {
        const NUMBERS: &[Type] = &[
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::OID,
        ];
        match (self, ty.kind()) {
            // A domain is what it is made of.
            (_, Kind::Domain(inner)) => return self.takes(inner),
            (Family::Range, Kind::Range(_)) => return true,
            (Family::Numbers, Kind::Array(inner)) => return NUMBERS.contains(inner),
            (Family::Texts, Kind::Array(inner)) => return Family::Text.takes(inner),
            _ => {}
        }
        match self {
            Family::Boolean => *ty == Type::BOOL,
            Family::Number => NUMBERS.contains(ty),
            // Every type can be read from its text; bytes would be taken for their escaped form.
            Family::Text => *ty != Type::BYTEA,
            Family::Date => [Type::DATE, Type::TIMESTAMP].contains(ty),
            Family::Time => *ty == Type::TIME,
            Family::Uuid => *ty == Type::UUID,
            Family::Json => [Type::JSON, Type::JSONB].contains(ty),
            Family::Range | Family::Numbers | Family::Texts => false,
        }
    }
}

/// Bytes of a guest's value on their way, about.
pub(super) fn size(value: &ParameterValue) -> usize {
    use ParameterValue as V;
    let texts = |items: &[Option<String>]| {
        let item = |item: &Option<String>| item.as_ref().map_or(4, |text| text.len() + 2);
        items.iter().map(item).sum()
    };
    match value {
        V::Str(text) | V::Uuid(text) | V::Decimal(text) => text.len(),
        V::Binary(bytes) | V::Jsonb(bytes) => bytes.len(),
        V::RangeDecimal(bounds) => [&bounds.0, &bounds.1]
            .into_iter()
            .flatten()
            .map(|(text, _)| text.len())
            .sum(),
        V::ArrayInt32(items) => items.len() * 4,
        V::ArrayInt64(items) => items.len() * 8,
        V::ArrayDecimal(items) | V::ArrayStr(items) => texts(items),
        _ => 16,
    }
}

impl Param {
    pub(super) fn new(value: ParameterValue) -> Result<Self, Bad> {
        use ParameterValue as V;
        let text = |family, text: String| Form::Text(family, text);
        let (name, form) = match value {
            V::Boolean(yes) => ("boolean", text(Family::Boolean, yes.to_string())),
            V::Int8(n) => ("int8", Form::Small(n)),
            V::Int16(n) => ("int16", text(Family::Number, n.to_string())),
            V::Int32(n) => ("int32", text(Family::Number, n.to_string())),
            V::Int64(n) => ("int64", text(Family::Number, n.to_string())),
            V::Floating32(n) => ("floating32", text(Family::Number, n.to_string())),
            V::Floating64(n) => ("floating64", text(Family::Number, n.to_string())),
            V::Str(s) if s.contains('\0') => {
                return Err(Bad("a text for PostgreSQL has no NUL".to_owned()));
            }
            V::Str(s) => ("str", text(Family::Text, s)),
            V::Binary(bytes) => ("binary", Form::Binary(bytes)),
            V::Date((y, m, d)) => ("date", text(Family::Date, date_text(date(y, m, d)?))),
            V::Time((h, m, s, n)) => ("time", text(Family::Time, time(h, m, s, n)?.to_string())),
            V::Datetime((y, mo, d, h, m, s, n)) => (
                "datetime",
                Form::Moment(date(y, mo, d)?.and_time(time(h, m, s, n)?)),
            ),
            V::Timestamp(seconds) => {
                let moment = DateTime::from_timestamp(seconds, 0);
                let moment = moment.ok_or_else(|| Bad(format!("{seconds} is no point in time")))?;
                ("timestamp", Form::Moment(moment.naive_utc()))
            }
            V::Uuid(text) => {
                let uuid = uuid::Uuid::parse_str(&text);
                let uuid = uuid.map_err(|_| Bad(format!("{text:?} is not a UUID")))?;
                ("uuid", Form::Text(Family::Uuid, uuid.to_string()))
            }
            V::Jsonb(bytes) => {
                let read = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
                read.map_err(|error| Bad(format!("no JSON: {error}")))?;
                let json = String::from_utf8(bytes).map_err(|error| Bad(error.to_string()))?;
                ("jsonb", Form::Text(Family::Json, json))
            }
            V::Decimal(number) => ("decimal", text(Family::Number, decimal(number)?)),
            V::RangeInt32((lower, upper)) => {
                ("range-int32", text(Family::Range, range(lower, upper)))
            }
            V::RangeInt64((lower, upper)) => {
                ("range-int64", text(Family::Range, range(lower, upper)))
            }
            V::RangeDecimal((lower, upper)) => {
                let checked = |bound: Option<(String, RangeBoundKind)>| match bound {
                    Some((number, kind)) => decimal(number).map(|number| Some((number, kind))),
                    None => Ok(None),
                };
                let text = range(checked(lower)?, checked(upper)?);
                ("range-decimal", Form::Text(Family::Range, text))
            }
            V::ArrayInt32(items) => ("array-int32", text(Family::Numbers, list(items)?)),
            V::ArrayInt64(items) => ("array-int64", text(Family::Numbers, list(items)?)),
            V::ArrayDecimal(items) => {
                let items: Result<Vec<_>, Bad> = items
                    .into_iter()
                    .map(|item| item.map(decimal).transpose())
                    .collect();
                ("array-decimal", text(Family::Numbers, list(items?)?))
            }
            V::ArrayStr(items) => {
                let quoted = items.into_iter().map(|item| item.map(|item| quote(&item)));
                ("array-str", text(Family::Texts, list(quoted)?))
            }
            V::Interval(interval) => ("interval", Form::Interval(interval)),
            V::DbNull => ("db-null", Form::Null),
        };
        Ok(Param { name, form })
    }

    fn mismatch(&self, ty: &Type) -> Box<dyn Error + Sync + Send> {
        Box::new(Bad(format!(
            "the statement wants a value of type {}, which {} is not",
            ty.name(),
            self.name
        )))
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.form {
            Form::Null => return Ok(IsNull::Yes),
            Form::Text(family, text) if family.takes(ty) => out.put_slice(text.as_bytes()),
            Form::Small(number) if is(ty, &[Type::CHAR]) => out.put_i8(*number),
            Form::Small(number) if Family::Number.takes(ty) => {
                out.put_slice(number.to_string().as_bytes());
            }
            Form::Binary(bytes) if is(ty, &[Type::BYTEA]) => out.put_slice(bytes),
            Form::Interval(interval) if is(ty, &[Type::INTERVAL]) => {
                out.put_i64(interval.micros);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            Form::Moment(moment) if is(ty, &[Type::TIMESTAMP, Type::TIMESTAMPTZ, Type::DATE]) => {
                // Without a zone the session's own would be taken.
                let zone = if is(ty, &[Type::TIMESTAMPTZ]) {
                    "+00"
                } else {
                    ""
                };
                let (date, era) = date_parts(moment.date());
                out.put_slice(format!("{date} {}{zone}{era}", moment.time()).as_bytes());
            }
            _ => return Err(self.mismatch(ty)),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        // It depends on the value.
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match self.form {
            Form::Small(_) if is(ty, &[Type::CHAR]) => Format::Binary,
            Form::Text(..) | Form::Moment(_) | Form::Small(_) => Format::Text,
            Form::Null | Form::Binary(_) | Form::Interval(_) => Format::Binary,
        }
    }
}

fn is(ty: &Type, wanted: &[Type]) -> bool {
    match ty.kind() {
        Kind::Domain(inner) => is(inner, wanted),
        _ => wanted.contains(ty),
    }
}

fn date(year: i32, month: u8, day: u8) -> Result<NaiveDate, Bad> {
    NaiveDate::from_ymd_opt(year, month.into(), day.into())
        .ok_or_else(|| Bad(format!("there is no day {year}-{month:02}-{day:02}")))
}

fn time(hour: u8, minute: u8, second: u8, nanos: u32) -> Result<NaiveTime, Bad> {
    let time = NaiveTime::from_hms_nano_opt(hour.into(), minute.into(), second.into(), nanos);
    time.ok_or_else(|| {
        Bad(format!(
            "there is no time {hour:02}:{minute:02}:{second:02}"
        ))
    })
}

/// A date and its era: the year 0 is 1 BC.
fn date_parts(date: NaiveDate) -> (String, &'static str) {
    let (year, era) = match date.year() {
        year @ 1.. => (year, ""),
        year => (1 - year, " BC"),
    };
    (
        format!("{year:04}-{:02}-{:02}", date.month(), date.day()),
        era,
    )
}

fn date_text(date: NaiveDate) -> String {
    let (date, era) = date_parts(date);
    date + era
}

fn decimal(text: String) -> Result<String, Bad> {
    match is_decimal(&text) {
        true => Ok(text.trim().to_owned()),
        false => Err(Bad(format!("{text:?} is not a decimal number"))),
    }
}

fn range<T: fmt::Display>(
    lower: Option<(T, RangeBoundKind)>,
    upper: Option<(T, RangeBoundKind)>,
) -> String {
    let inclusive = |kind| matches!(kind, RangeBoundKind::Inclusive);
    let (open, from) = match lower {
        Some((from, kind)) if inclusive(kind) => ('[', from.to_string()),
        Some((from, _)) => ('(', from.to_string()),
        None => ('(', String::new()),
    };
    let (close, to) = match upper {
        Some((to, kind)) if inclusive(kind) => (']', to.to_string()),
        Some((to, _)) => (')', to.to_string()),
        None => (')', String::new()),
    };
    format!("{open}{from},{to}{close}")
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = Option<T>>) -> Result<String, Bad> {
    let mut text = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item {
            Some(item) => text.push_str(&item.to_string()),
            None => text.push_str("NULL"),
        }
    }
    text.push('}');
    match text.contains('\0') {
        true => Err(Bad("a text for PostgreSQL has no NUL".to_owned())),
        false => Ok(text),
    }
}

/// An item of an array in quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
