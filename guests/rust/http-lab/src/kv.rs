//! `/kv/<operation>?...` over wasi:keyvalue; `store` names the store, `default` if it is left out.
//! Answers `{"ok": value}` or `{"error": "<name of the error>"}`.
use crate::reply::Query;
use crate::wasi::keyvalue::atomics::{self, Cas, CasError};
use crate::wasi::keyvalue::batch;
use crate::wasi::keyvalue::store::{self, Error};
use serde_json::{Map, Value, json};

pub fn run(operation: &str, query: &Query) -> Value {
    match try_run(operation, query) {
        Ok(value) => json!({"ok": value}),
        Err(Error::NoSuchStore) => json!({"error": "no-such-store"}),
        Err(Error::AccessDenied) => json!({"error": "access-denied"}),
        Err(Error::Other(detail)) => json!({"error": "other", "detail": detail}),
    }
}

fn text(bytes: Option<Vec<u8>>) -> Value {
    bytes
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .into()
}

fn try_run(operation: &str, query: &Query) -> Result<Value, Error> {
    let bucket = store::open(query.get("store").unwrap_or("default"))?;
    let key = query.get("key").unwrap_or_default();
    let value = query.get("value").unwrap_or_default().as_bytes();
    let keys: Vec<String> = query
        .get("keys")
        .unwrap_or_default()
        .split(',')
        .map(str::to_owned)
        .collect();
    Ok(match operation {
        "open" => Value::Null,
        // `n` times, one after another
        "get" => {
            for _ in 1..query.number("n", 1) {
                bucket.get(key)?;
            }
            text(bucket.get(key)?)
        }
        "set" => {
            // `bytes` instead of `value`: that many zeros
            match query.get("bytes").and_then(|n| n.parse().ok()) {
                Some(n) => bucket.set(key, &vec![0; n])?,
                None => bucket.set(key, value)?,
            }
            Value::Null
        }
        "delete" => {
            bucket.delete(key)?;
            Value::Null
        }
        "exists" => bucket.exists(key)?.into(),
        "incr" => {
            let by = query.get("by").and_then(|by| by.parse().ok()).unwrap_or(1);
            atomics::increment(&bucket, key, by)?.into()
        }
        // Swaps if the value is `expect` (left out: if there is none); with `race` the key is
        // set to that in between, so that the swap must fail once.
        "cas" => {
            let cas = Cas::new(&bucket, key)?;
            let current = cas.current()?;
            if current.as_deref() != query.get("expect").map(str::as_bytes) {
                return Ok(json!({"swapped": false, "current": text(current)}));
            }
            if let Some(other) = query.get("race") {
                bucket.set(key, other.as_bytes())?;
            }
            match atomics::swap(cas, value) {
                Ok(()) => json!({"swapped": true}),
                Err(CasError::StoreError(error)) => return Err(error),
                Err(CasError::CasFailed(newer)) => {
                    json!({"swapped": false, "current": text(newer.current()?)})
                }
            }
        }
        // one page from `cursor` on with `page`, else all pages
        "list" => {
            let mut page = bucket.list_keys(query.get("cursor"))?;
            if query.get("page").is_some() {
                return Ok(json!({"keys": page.keys, "cursor": page.cursor}));
            }
            let mut keys = Vec::new();
            let mut pages = 1;
            loop {
                keys.append(&mut page.keys);
                let Some(cursor) = page.cursor else { break };
                page = bucket.list_keys(Some(&cursor))?;
                pages += 1;
            }
            keys.sort();
            json!({"keys": keys, "pages": pages})
        }
        "get-many" => batch::get_many(&bucket, &keys)?
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(key, value)| (key, text(value)))
            .collect::<Map<_, _>>()
            .into(),
        // /kv/set-many?a=1&b=2
        "set-many" => {
            let pairs: Vec<(String, Vec<u8>)> = query
                .pairs()
                .iter()
                .filter(|(name, _)| name != "store")
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect();
            batch::set_many(&bucket, &pairs)?;
            Value::Null
        }
        "delete-many" => {
            batch::delete_many(&bucket, &keys)?;
            Value::Null
        }
        _ => return Err(Error::Other("no such operation".into())),
    })
}
