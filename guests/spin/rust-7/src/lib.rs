//! A component as Spin's users write one with version 7 of the SDK: one route for each interface, with
//! the answers of guests/spin/rust.
use anyhow::{Result, anyhow, bail};
use http_body_util::BodyExt as _;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::key_value::Store;
use spin_sdk::{http_service, llm, mqtt, mysql, pg, redis, sqlite, variables};

#[http_service]
async fn answer(request: Request) -> impl IntoResponse {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default().to_owned();
    let name = uri.path().strip_prefix("/sdk/").unwrap_or_default().to_owned();
    call(&name, &query).await.unwrap_or_else(|error| format!("{error:#}"))
}

async fn call(name: &str, query: &str) -> Result<String> {
    match name {
        "kv" => kv(query).await,
        "variable" => Ok(or_said(variables::get(query).await)),
        "sqlite" => sqlite_row().await,
        "redis" => redis_values().await,
        "mqtt" => publish(query).await,
        "postgres" => postgres_row().await,
        "mysql" => mysql_row().await,
        "llm" => Ok(or_said(
            llm::infer(llm::InferencingModel::Llama2Chat, "hello").map(|said| said.text),
        )),
        "fetch" => fetch(query).await,
        _ => bail!("no such route"),
    }
}

async fn address(of: &str) -> Result<String> {
    Ok(variables::get(of).await?)
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

async fn kv(store: &str) -> Result<String> {
    let store = match Store::open(store).await {
        Ok(store) => store,
        Err(error) => return Ok(or_said(Err(error))),
    };
    store.set("greeting", b"hello").await?;
    let value = store.get("greeting").await?.unwrap_or_default();
    let keys = store.get_keys().await.collect().await?;
    store.delete("greeting").await?;
    let left = store.exists("greeting").await?;
    Ok(format!("{} {} {left}", text(&value), keys.join(",")))
}

async fn sqlite_row() -> Result<String> {
    use sqlite::{Connection, Value};
    let db = Connection::open_default().await?;
    let create = "CREATE TABLE IF NOT EXISTS t(a INTEGER, b TEXT, c REAL, d)";
    db.execute(create, []).await?.result().await?;
    let values = [Value::Integer(7), Value::Text("seven".into()), Value::Real(1.5), Value::Null];
    let insert = "INSERT INTO t VALUES (?1, ?2, ?3, ?4)";
    db.execute(insert, values).await?.result().await?;
    let select = "SELECT a, b, c, d FROM t ORDER BY rowid DESC LIMIT 1";
    let found = db.execute(select, []).await?;
    let columns = found.columns().join(",");
    let rows = found.collect().await?;
    let row = rows.first().ok_or_else(|| anyhow!("no row"))?;
    let a = row.get::<i64>(0).unwrap_or_default();
    let b = row.get::<&str>(1).unwrap_or_default();
    let c = row.get::<f64>(2).unwrap_or_default();
    Ok(format!("{a} {b} {c} {columns}"))
}

async fn redis_values() -> Result<String> {
    let server = redis::Connection::open(address("redis").await?).await?;
    let (key, count, set) = ("sdk-rust-7", "sdk-rust-7-count", "sdk-rust-7-set");
    server.del([key, count, set]).await?;
    server.set(key, b"hello").await?;
    let value = server.get(key).await?.unwrap_or_default();
    server.incr(count).await?;
    let counted = server.incr(count).await?;
    let added = server.sadd(set, ["a", "b"]).await?;
    let ping = match server.execute("PING", []).await?.as_slice() {
        [redis::RedisResult::Status(said)] => said.clone(),
        other => bail!("{other:?}"),
    };
    Ok(format!("{} {counted} {added} {ping}", text(&value)))
}

async fn publish(topic: &str) -> Result<String> {
    let broker = mqtt::Connection::open(address("mqtt").await?, "", "", 30).await?;
    let qos = mqtt::Qos::AtLeastOnce;
    broker.publish(topic, b"hello".to_vec(), qos).await?;
    Ok("published".into())
}

async fn postgres_row() -> Result<String> {
    use pg::{Connection, ParameterValue};
    let db = Connection::open(address("postgres").await?).await?;
    let sql = "SELECT $1::text AS a, $2::int4 AS b, true AS c";
    let values = [ParameterValue::Str("hello".into()), ParameterValue::Int32(42)];
    let rows = db.query(sql, values).await?.collect().await?;
    let row = rows.first().ok_or_else(|| anyhow!("no row"))?;
    let a = row.get::<String>("a").unwrap_or_default();
    let b = row.get::<i32>("b").unwrap_or_default();
    let c = row.get::<bool>("c").unwrap_or_default();
    Ok(format!("{a} {b} {c}"))
}

async fn mysql_row() -> Result<String> {
    use mysql::{Connection, ParameterValue};
    let db = Connection::open(address("mysql").await?).await?;
    let create = "CREATE TABLE IF NOT EXISTS sdk_rust_7(a TEXT, b INT)";
    db.execute(create, []).await?;
    db.execute("DELETE FROM sdk_rust_7", []).await?;
    let values = [ParameterValue::Str("hello".into()), ParameterValue::Int32(42)];
    db.execute("INSERT INTO sdk_rust_7 VALUES (?, ?)", values).await?;
    let rows = db.query("SELECT a, b FROM sdk_rust_7", []).await?.collect().await?;
    let row = rows.first().ok_or_else(|| anyhow!("no row"))?;
    let a = row.get::<String>("a").unwrap_or_default();
    let b = row.get::<i32>("b").unwrap_or_default();
    Ok(format!("{a} {b}"))
}

async fn fetch(url: &str) -> Result<String> {
    let answer = spin_sdk::http::get(url).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(format!("{status} {}", text(&body)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
