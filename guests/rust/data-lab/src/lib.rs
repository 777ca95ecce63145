//! A WASI 0.2 HTTP component that calls databases and brokers through Spin's interfaces.
//!
//! `/sqlite`, `/sqlite2`: `store`, statements `sql` one after the other on one connection, values `p` of
//! the last one. `/postgres`, `/postgres3`, `/postgres2`, `/mysql`: `address` in place of `store`.
//! `/redis`: `address`, the command `op` with its arguments `a`. `/mqtt`: `address`, `user`, `password`,
//! `topic`, `payload`, `qos`. `/llm`. A value is `TYPE:TEXT`, `null` without.
//! The answer is `{"ok": …}` or `{"error": "…"}`, values and errors as Rust prints them.
#[path = "../../http-lab/src/reply.rs"]
#[allow(dead_code)]
mod reply;

use reply::{Query, Reply};
use serde_json::{Value as Json, json};
use std::fmt::Debug;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package holm:data-lab;
        world lab {
            include fermyon:spin/data@2.0.0;
            include spin:sqlite/imports@3.0.0;
            import spin:postgres/postgres@3.0.0;
            import spin:postgres/postgres@4.0.0;
        }
    ",
    path: [
        "../../../wit/fermyon-spin@2.0.0",
        "../../../wit/spin-sqlite@3.0.0",
        "../../../wit/spin-postgres@3.0.0",
        "../../../wit/spin-postgres@4.0.0",
    ],
    world: "holm:data-lab/lab",
    generate_all,
});

use fermyon::spin as v2;
use spin::postgres3_0_0::postgres as pg3;
use spin::postgres4_0_0::postgres as pg4;
use spin::sqlite::sqlite as sqlite3;

struct Lab;
wasip2::http::proxy::export!(Lab);

type Answer = Result<Json, String>;

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query::parse(query);
        let answer = match path {
            "/sqlite" => sqlite(&query),
            "/sqlite2" => sqlite2(&query),
            "/redis" => redis(&query),
            "/mqtt" => mqtt(&query),
            "/postgres" => postgres(&query),
            "/postgres3" => postgres3(&query),
            "/postgres2" => postgres2(&query),
            "/mysql" => mysql(&query),
            "/llm" => v2::llm::infer("llama2-chat", "hello", None)
                .map(|result| json!(result.text))
                .map_err(said),
            _ => Err("no such route".to_owned()),
        };
        let answer = match answer {
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": error}),
        };
        Reply::new(out).json(200, &answer);
    }
}

fn said(error: impl Debug) -> String {
    format!("{error:?}")
}

fn all<'a>(query: &'a Query, name: &str) -> Vec<&'a str> {
    let pairs = query.pairs().iter().filter(|(n, _)| n == name);
    pairs.map(|(_, value)| value.as_str()).collect()
}

fn one<'a>(query: &'a Query, name: &str) -> &'a str {
    query.get(name).unwrap_or_default()
}

/// `TYPE:TEXT` of each value.
fn values<T>(query: &Query, read: impl Fn(&str, &str) -> T) -> Vec<T> {
    all(query, "p")
        .into_iter()
        .map(|value| {
            let (kind, text) = value.split_once(':').unwrap_or((value, ""));
            read(kind, text)
        })
        .collect()
}

/// Each statement, the values with the last.
fn each<V: Clone, T>(
    query: &Query,
    values: &[V],
    mut run: impl FnMut(&str, &[V]) -> Result<T, String>,
) -> Result<T, String> {
    let statements = all(query, "sql");
    let (last, before) = statements.split_last().ok_or("no sql")?;
    for statement in before {
        run(statement, &[])?;
    }
    run(last, values)
}

fn printed<T: Debug>(rows: &[Vec<T>]) -> Vec<Vec<String>> {
    let row = |row: &Vec<T>| row.iter().map(said).collect();
    rows.iter().map(row).collect()
}

fn sqlite(query: &Query) -> Answer {
    use sqlite3::{Connection, Value};
    let connection = Connection::open(one(query, "store")).map_err(said)?;
    let values = values(query, |kind, text| match kind {
        "int" => Value::Integer(text.parse().unwrap()),
        "real" => Value::Real(text.parse().unwrap()),
        "text" => Value::Text(text.to_owned()),
        "blob" => Value::Blob(text.as_bytes().to_vec()),
        _ => Value::Null,
    });
    let result = each(query, &values, |statement, values| {
        connection.execute(statement, values).map_err(said)
    })?;
    let rows: Vec<Vec<Value>> = result.rows.into_iter().map(|row| row.values).collect();
    Ok(json!({
        "columns": result.columns,
        "rows": printed(&rows),
        "rowid": connection.last_insert_rowid(),
        "changes": connection.changes(),
    }))
}

fn sqlite2(query: &Query) -> Answer {
    use v2::sqlite::Connection;
    let connection = Connection::open(one(query, "store")).map_err(said)?;
    let result = each(query, &[], |statement, values| {
        connection.execute(statement, values).map_err(said)
    })?;
    let rows: Vec<_> = result.rows.into_iter().map(|row| row.values).collect();
    Ok(json!({"columns": result.columns, "rows": printed(&rows)}))
}

fn redis(query: &Query) -> Answer {
    use v2::redis::{Connection, RedisParameter};
    let connection = Connection::open(one(query, "address")).map_err(said)?;
    let args: Vec<String> = all(query, "a").into_iter().map(str::to_owned).collect();
    let arg = |n: usize| args.get(n).map_or("", |arg| arg.as_str());
    let rest = args.get(1..).unwrap_or_default();
    let bytes = |bytes: Option<Vec<u8>>| {
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(match one(query, "op") {
        "publish" => json!(connection.publish(arg(0), arg(1).as_bytes()).map_err(said)?),
        "get" => json!(bytes(connection.get(arg(0)).map_err(said)?)),
        "set" => json!(connection.set(arg(0), arg(1).as_bytes()).map_err(said)?),
        "incr" => json!(connection.incr(arg(0)).map_err(said)?),
        "del" => json!(connection.del(&args).map_err(said)?),
        "sadd" => json!(connection.sadd(arg(0), rest).map_err(said)?),
        "smembers" => json!(connection.smembers(arg(0)).map_err(said)?),
        "srem" => json!(connection.srem(arg(0), rest).map_err(said)?),
        command => {
            let args: Vec<_> = args
                .iter()
                .map(|arg| match arg.parse() {
                    Ok(number) => RedisParameter::Int64(number),
                    Err(_) => RedisParameter::Binary(arg.clone().into_bytes()),
                })
                .collect();
            let results = connection.execute(command, &args).map_err(said)?;
            json!(results.iter().map(said).collect::<Vec<_>>())
        }
    })
}

fn mqtt(query: &Query) -> Answer {
    use v2::mqtt::{Connection, Qos};
    let connection = Connection::open(
        one(query, "address"),
        one(query, "user"),
        one(query, "password"),
        30,
    );
    let qos = match one(query, "qos") {
        "2" => Qos::ExactlyOnce,
        "1" => Qos::AtLeastOnce,
        _ => Qos::AtMostOnce,
    };
    let payload = one(query, "payload").as_bytes();
    let connection = connection.map_err(said)?;
    connection
        .publish(one(query, "topic"), payload, qos)
        .map_err(said)?;
    Ok(Json::Null)
}

/// The rows of a query, or how many rows were changed, with `exec`.
fn postgres(query: &Query) -> Answer {
    use pg4::{Connection, ParameterValue as V};
    let connection = Connection::open(one(query, "address")).map_err(said)?;
    let values = values(query, |kind, text| match kind {
        "bool" => V::Boolean(text == "true"),
        "int32" => V::Int32(text.parse().unwrap()),
        "int64" => V::Int64(text.parse().unwrap()),
        "float" => V::Floating64(text.parse().unwrap()),
        "str" => V::Str(text.to_owned()),
        "binary" => V::Binary(text.as_bytes().to_vec()),
        "uuid" => V::Uuid(text.to_owned()),
        "jsonb" => V::Jsonb(text.as_bytes().to_vec()),
        "decimal" => V::Decimal(text.to_owned()),
        _ => V::DbNull,
    });
    each(query, &values, |statement, values| {
        if query.get("exec").is_some() {
            return Ok(json!(connection.execute(statement, values).map_err(said)?));
        }
        let rows = connection.query(statement, values).map_err(said)?;
        let columns: Vec<_> = rows.columns.iter().map(said).collect();
        Ok(json!({"columns": columns, "rows": printed(&rows.rows)}))
    })
}

fn postgres3(query: &Query) -> Answer {
    let connection = pg3::Connection::open(one(query, "address")).map_err(said)?;
    each(query, &[], |statement, values| {
        let rows = connection.query(statement, values).map_err(said)?;
        Ok(json!(printed(&rows.rows)))
    })
}

fn postgres2(query: &Query) -> Answer {
    use v2::rdbms_types::ParameterValue as V;
    let connection = v2::postgres::Connection::open(one(query, "address")).map_err(said)?;
    let values = values(query, |kind, text| match kind {
        "uint64" => V::Uint64(text.parse().unwrap()),
        _ => V::Str(text.to_owned()),
    });
    each(query, &values, |statement, values| {
        let rows = connection.query(statement, values).map_err(said)?;
        Ok(json!(printed(&rows.rows)))
    })
}

fn mysql(query: &Query) -> Answer {
    use v2::rdbms_types::ParameterValue as V;
    let connection = v2::mysql::Connection::open(one(query, "address")).map_err(said)?;
    let values = values(query, |kind, text| match kind {
        "bool" => V::Boolean(text == "true"),
        "int64" => V::Int64(text.parse().unwrap()),
        "uint64" => V::Uint64(text.parse().unwrap()),
        "float" => V::Floating64(text.parse().unwrap()),
        "str" => V::Str(text.to_owned()),
        "binary" => V::Binary(text.as_bytes().to_vec()),
        _ => V::DbNull,
    });
    each(query, &values, |statement, values| {
        if query.get("exec").is_some() {
            connection.execute(statement, values).map_err(said)?;
            return Ok(Json::Null);
        }
        let rows = connection.query(statement, values).map_err(said)?;
        let columns: Vec<_> = rows.columns.iter().map(said).collect();
        Ok(json!({"columns": columns, "rows": printed(&rows.rows)}))
    })
}
