//! SQLite's functions that take the product of their arguments' lengths in time, made anew so that they
//! take their sum: SQLite looks at the clock between two functions, and never within one.

use super::guard::VALUE_BYTES_MAX;
use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};
use std::borrow::Cow;
use std::collections::HashSet;

/// A character of UTF-8 has no more bytes.
const CHAR_BYTES_MAX: usize = 4;

/// Puts them in the place of SQLite's own.
pub(super) fn define(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, instr)?;
    connection.create_scalar_function("replace", 3, flags, replace)?;
    connection.create_scalar_function("unhex", 2, flags, unhex)?;
    for (name, left, right) in [
        ("trim", true, true),
        ("ltrim", true, false),
        ("rtrim", false, true),
    ] {
        connection.create_scalar_function(name, 2, flags, move |args| trim(args, left, right))?;
    }
    Ok(())
}

/// Text that may not be UTF-8: a guest can cast anything.
struct Text(Vec<u8>);

impl ToSql for Text {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// The bytes of an argument as text; `None` where it is null.
fn text(value: ValueRef<'_>) -> Result<Option<Cow<'_, [u8]>>> {
    Ok(Some(match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
        ValueRef::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
        ValueRef::Real(number) => Cow::Owned(real(number)?),
    }))
}

/// A number as SQLite writes it: nobody else has its rules.
fn real(number: f64) -> Result<Vec<u8>> {
    thread_local! {
        static WRITER: Result<Connection> = Connection::open_in_memory();
    }
    WRITER.with(|writer| {
        let failed = |_: &Error| Error::UserFunctionError("a number cannot be written".into());
        let writer = writer.as_ref().map_err(failed)?;
        let mut write = writer.prepare_cached("SELECT CAST(?1 AS TEXT)")?;
        write.query_row([number], |row| {
            row.get::<_, String>(0).map(String::into_bytes)
        })
    })
}

fn too_big() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)
}

/// Within a character, and not at its beginning.
fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

fn instr(args: &Context<'_>) -> Result<Option<i64>> {
    let (inside, sought) = (args.get_raw(0), args.get_raw(1));
    let bytes = matches!((inside, sought), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (Some(inside), Some(sought)) = (text(inside)?, text(sought)?) else {
        return Ok(None);
    };
    Ok(Some(position(&inside, &sought, bytes)))
}

/// Where `sought` begins in `inside`, counted from 1 in characters, or in bytes; 0 where it does not.
fn position(inside: &[u8], sought: &[u8], bytes: bool) -> i64 {
    // What begins within a character is nowhere but at the very beginning.
    let at = match sought.first() {
        Some(first) if !bytes && continues(*first) => inside.starts_with(sought).then_some(0),
        _ => memmem::find(inside, sought),
    };
    let before = |at: usize| match bytes || at == 0 {
        true => at,
        false => inside[1..=at].iter().filter(|b| !continues(**b)).count(),
    };
    at.map_or(0, |at| before(at) as i64 + 1)
}

fn replace(args: &Context<'_>) -> Result<Option<Text>> {
    let (Some(inside), Some(old)) = (text(args.get_raw(0))?, text(args.get_raw(1))?) else {
        return Ok(None);
    };
    if old.first().is_none_or(|first| *first == 0) {
        return Ok(Some(Text(inside.into_owned())));
    }
    let Some(new) = text(args.get_raw(2))? else {
        return Ok(None);
    };
    let finder = memmem::Finder::new(&*old);
    let many = finder.find_iter(&inside).count();
    // Before it is made: many small pieces may become large ones.
    let length = many
        .checked_mul(new.len())
        .and_then(|more| more.checked_add(inside.len() - many * old.len()));
    let length = length.filter(|length| *length <= VALUE_BYTES_MAX);
    let mut text = Vec::with_capacity(length.ok_or_else(too_big)?);
    let mut from = 0;
    for at in finder.find_iter(&inside) {
        text.extend_from_slice(&inside[from..at]);
        text.extend_from_slice(&new);
        from = at + old.len();
    }
    text.extend_from_slice(&inside[from..]);
    Ok(Some(Text(text)))
}

fn trim(args: &Context<'_>, left: bool, right: bool) -> Result<Option<Text>> {
    let (Some(inside), Some(set)) = (text(args.get_raw(0))?, text(args.get_raw(1))?) else {
        return Ok(None);
    };
    Ok(Some(Text(trimmed(&inside, &set, left, right).to_vec())))
}

fn trimmed<'a>(mut inside: &'a [u8], set: &[u8], left: bool, right: bool) -> &'a [u8] {
    let set = set.split(|b| *b == 0).next().unwrap_or_default();
    let set: HashSet<&[u8]> = characters(set).collect();
    let lengths = |inside: &[u8]| 1..=CHAR_BYTES_MAX.min(inside.len());
    while left {
        match lengths(inside).find(|n| set.contains(&inside[..*n])) {
            Some(n) => inside = &inside[n..],
            None => break,
        }
    }
    while right {
        match lengths(inside).find(|n| set.contains(&inside[inside.len() - n..])) {
            Some(n) => inside = &inside[..inside.len() - n],
            None => break,
        }
    }
    inside
}

/// The characters of a text. What is longer than one can be is none.
fn characters(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let first = *text.first()?;
        let more = match first {
            0xC0.. => text[1..].iter().take_while(|b| continues(**b)).count(),
            _ => 0,
        };
        let (one, rest) = text.split_at(1 + more);
        text = rest;
        Some(one)
    })
    .filter(|one| one.len() <= CHAR_BYTES_MAX)
}

fn unhex(args: &Context<'_>) -> Result<Option<Value>> {
    let (Some(hex), Some(skipped)) = (text(args.get_raw(0))?, text(args.get_raw(1))?) else {
        return Ok(None);
    };
    Ok(bytes_of(&hex, &skipped).map(Value::Blob))
}

/// The bytes that are written in `hex`; characters in `skipped` may stand between them.
fn bytes_of(hex: &[u8], skipped: &[u8]) -> Option<Vec<u8>> {
    let skipped: HashSet<char> = String::from_utf8_lossy(skipped).chars().collect();
    let hex = hex.split(|b| *b == 0).next().unwrap_or_default();
    let hex = String::from_utf8_lossy(hex);
    let mut bytes = Vec::new();
    let mut chars = hex.chars();
    while let Some(c) = chars.next() {
        match c.to_digit(16) {
            Some(high) => bytes.push(((high << 4) | chars.next()?.to_digit(16)?) as u8),
            None if skipped.contains(&c) => {}
            None => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One function of ours and of SQLite's, on the same arguments.
    fn both(sql: &str, args: &[Value]) -> (Option<Value>, Option<Value>) {
        let ours = Connection::open_in_memory().unwrap();
        define(&ours).unwrap();
        let theirs = Connection::open_in_memory().unwrap();
        let ask = |connection: &Connection| {
            let args = rusqlite::params_from_iter(args);
            let read = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Value>(0).ok());
            connection.query_row(sql, args, read).unwrap()
        };
        (ask(&ours), ask(&theirs))
    }

    fn argument() -> impl Strategy<Value = Value> {
        let few = "[ab0Fé\u{1F600}-]{0,6}";
        prop_oneof![
            4 => few.prop_map(Value::Text),
            1 => few.prop_map(|text| Value::Blob(text.into_bytes())),
            1 => Just(Value::Null),
            1 => (-20_i64..200).prop_map(Value::Integer),
            1 => prop_oneof![Just(1.5), Just(-0.1), Just(1e300), Just(100.0)].prop_map(Value::Real),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn they_do_as_sqlite_s_own(a in argument(), b in argument(), c in argument()) {
            for sql in ["instr(?1, ?2)", "unhex(?1, ?2)", "trim(?1, ?2)", "ltrim(?1, ?2)",
                        "rtrim(?1, ?2)", "replace(?1, ?2, ?3)"] {
                let args = [a.clone(), b.clone(), c.clone()];
                let many = if sql.starts_with("replace") { 3 } else { 2 };
                let (ours, theirs) = both(&format!("SELECT {sql}"), &args[..many]);
                prop_assert_eq!(ours, theirs, "{} of {:?}", sql, args);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_stop_nobody() {
        for bytes in [
            &[0x80_u8, 0x61][..],
            &[0xC3, 0x80, 0x80, 0x80, 0x80, 0x80],
            &[0xFF],
        ] {
            assert_eq!(position(&[bytes, b"x"].concat(), bytes, false), 1);
            let _ = (trimmed(bytes, bytes, true, true), bytes_of(bytes, bytes));
        }
        // Half a character is not found within a whole one.
        assert_eq!(position("é".as_bytes(), &"é".as_bytes()[1..], false), 0);
    }
}
