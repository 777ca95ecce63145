//! What a server answered, as the types that a guest is given.

use super::wit::redis::{Error, RedisResult};
use redis::Value;

/// The bytes of a value; `None` where there is none.
pub(super) fn bytes(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        _ => Err(Error::TypeError),
    }
}

/// A whole number.
pub(super) fn number<T: TryFrom<i64>>(value: Value) -> Result<T, Error> {
    match value {
        Value::Int(number) => T::try_from(number).map_err(|_| Error::TypeError),
        _ => Err(Error::TypeError),
    }
}

/// Texts.
pub(super) fn texts(value: Value) -> Result<Vec<String>, Error> {
    let (Value::Array(items) | Value::Set(items)) = value else {
        return Err(Error::TypeError);
    };
    items
        .into_iter()
        .map(|item| match bytes(item)? {
            Some(bytes) => String::from_utf8(bytes).map_err(|_| Error::TypeError),
            None => Err(Error::TypeError),
        })
        .collect()
}

/// Whatever came, the lists in it laid out one after the other.
pub(super) fn results(value: Value) -> Result<Vec<RedisResult>, Error> {
    let mut results = Vec::new();
    lay_out(value, &mut results)?;
    Ok(results)
}

fn lay_out(value: Value, results: &mut Vec<RedisResult>) -> Result<(), Error> {
    let one = match value {
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(number),
        Value::Boolean(yes) => RedisResult::Int64(i64::from(yes)),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => RedisResult::Binary(bytes),
        Value::VerbatimString { text, .. } => RedisResult::Binary(text.into_bytes()),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::SimpleString(text) => RedisResult::Status(text),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::Array(items) | Value::Set(items) => {
            return items
                .into_iter()
                .try_for_each(|item| lay_out(item, results));
        }
        Value::Map(pairs) => {
            return pairs.into_iter().try_for_each(|(key, value)| {
                lay_out(key, results)?;
                lay_out(value, results)
            });
        }
        Value::Attribute { data, .. } => return lay_out(*data, results),
        Value::ServerError(error) => {
            return Err(Error::Other(redis::RedisError::from(error).to_string()));
        }
        _ => return Err(Error::TypeError),
    };
    results.push(one);
    Ok(())
}
