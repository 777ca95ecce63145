//! One route for each interface of Spin's. The guests in JavaScript and Python answer with the same
//! words, so that one test asks all three.
use anyhow::{Result, anyhow, bail};
use spin_sdk::key_value::Store;
use spin_sdk::{llm, mqtt, mysql, pg, pg3, pg4, redis, sqlite, sqlite3, variables};

/// What a route answers; nothing where there is no such route.
pub fn call(name: &str, query: &str) -> Option<Result<String>> {
    Some(match name {
        "kv" => kv(query),
        "variable" => Ok(or_said(variables::get(query))),
        "sqlite" => sqlite_of_3(),
        "sqlite-2" => sqlite_of_2(),
        "redis" => redis_of(&address("redis")),
        "mqtt" => publish(query),
        "postgres" => postgres_of_4(),
        "postgres-3" => postgres_of_3(),
        "postgres-2" => postgres_of_2(),
        "mysql" => mysql_rows(),
        "llm" => Ok(or_said(
            llm::infer(llm::InferencingModel::Llama2Chat, "hello").map(|said| said.text),
        )),
        _ => return None,
    })
}

fn address(of: &str) -> String {
    variables::get(of).unwrap_or_default()
}

/// The value, or the name of what went wrong.
fn or_said<E: std::fmt::Debug>(result: std::result::Result<String, E>) -> String {
    result.unwrap_or_else(|error| {
        let said = format!("{error:?}");
        let named = said.strip_prefix("Error::").unwrap_or(&said);
        let end = named.find(|c: char| !c.is_alphanumeric());
        named[..end.unwrap_or(named.len())].to_owned()
    })
}

fn kv(store: &str) -> Result<String> {
    let store = match Store::open(store) {
        Ok(store) => store,
        Err(error) => return Ok(or_said(Err(error))),
    };
    store.set("greeting", b"hello")?;
    let value = store.get("greeting")?.unwrap_or_default();
    let keys = store.get_keys()?;
    store.delete("greeting")?;
    let left = store.exists("greeting")?;
    Ok(format!("{} {} {left}", text(&value), keys.join(",")))
}

const SQL: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS t(a INTEGER, b TEXT, c REAL, d)",
    "INSERT INTO t VALUES (?1, ?2, ?3, ?4)",
];
const LAST: &str = "SELECT a, b, c, d FROM t ORDER BY rowid DESC LIMIT 1";

/// The two modules differ in the version of the interface, and not in a word of their own.
macro_rules! sqlite_of {
    ($sdk:ident) => {{
        use $sdk::{Connection, Value};
        let db = Connection::open_default()?;
        db.execute(SQL[0], &[])?;
        let text = Value::Text("seven".into());
        let values = [Value::Integer(7), text, Value::Real(1.5), Value::Null];
        db.execute(SQL[1], &values)?;
        let found = db.execute(LAST, &[])?;
        let row = found.rows().next().ok_or_else(|| anyhow!("no row"))?;
        let a = row.get::<i64>("a").unwrap_or_default();
        let b = row.get::<&str>("b").unwrap_or_default();
        let c = row.get::<f64>("c").unwrap_or_default();
        Ok(format!("{a} {b} {c} {}", found.columns.join(",")))
    }};
}

fn sqlite_of_3() -> Result<String> {
    sqlite_of!(sqlite3)
}

fn sqlite_of_2() -> Result<String> {
    sqlite_of!(sqlite)
}

fn redis_of(address: &str) -> Result<String> {
    let server = redis::Connection::open(address)?;
    let (key, count, set) = ("sdk-rust", "sdk-rust-count", "sdk-rust-set");
    server.del(&[key.into(), count.into(), set.into()])?;
    server.set(key, &b"hello".to_vec())?;
    let value = server.get(key)?.unwrap_or_default();
    server.incr(count)?;
    let counted = server.incr(count)?;
    let added = server.sadd(set, &["a".into(), "b".into()])?;
    let ping = match server.execute("PING", &[])?.as_slice() {
        [redis::RedisResult::Status(said)] => said.clone(),
        other => bail!("{other:?}"),
    };
    Ok(format!("{} {counted} {added} {ping}", text(&value)))
}

fn publish(topic: &str) -> Result<String> {
    let broker = mqtt::Connection::open(&address("mqtt"), "", "", 30)?;
    broker.publish(topic, &b"hello".to_vec(), mqtt::Qos::AtLeastOnce)?;
    Ok("published".into())
}

const POSTGRES: &str = "SELECT $1::text AS a, $2::int4 AS b, true AS c, NULL::text AS d";

macro_rules! postgres_of {
    ($sdk:ident) => {{
        use $sdk::{Connection, DbValue, ParameterValue};
        let db = Connection::open(&address("postgres"))?;
        let values = [ParameterValue::Str("hello".into()), ParameterValue::Int32(42)];
        let found = db.query(POSTGRES, &values)?;
        match found.rows.first().map(Vec::as_slice) {
            Some([DbValue::Str(a), DbValue::Int32(b), DbValue::Boolean(c), DbValue::DbNull]) => {
                Ok(format!("{a} {b} {c}"))
            }
            other => bail!("{other:?}"),
        }
    }};
}

fn postgres_of_4() -> Result<String> {
    postgres_of!(pg4)
}

fn postgres_of_3() -> Result<String> {
    postgres_of!(pg3)
}

fn postgres_of_2() -> Result<String> {
    postgres_of!(pg)
}

fn mysql_rows() -> Result<String> {
    use mysql::{Connection, DbValue, ParameterValue};
    let db = Connection::open(&address("mysql"))?;
    let table = "sdk_rust";
    db.execute(&format!("CREATE TABLE IF NOT EXISTS {table}(a TEXT, b INT)"), &[])?;
    db.execute(&format!("DELETE FROM {table}"), &[])?;
    let values = [ParameterValue::Str("hello".into()), ParameterValue::Int32(42)];
    db.execute(&format!("INSERT INTO {table} VALUES (?, ?)"), &values)?;
    let found = db.query(&format!("SELECT a, b, NULL FROM {table}"), &[])?;
    match found.rows.first().map(Vec::as_slice) {
        Some([DbValue::Str(a), DbValue::Int32(b), DbValue::DbNull]) => Ok(format!("{a} {b}")),
        other => bail!("{other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
