//! PostgreSQL.

use crate::{nowhere, server, way};
use holm_capabilities::network::{Service, Unreached};
use holm_capabilities::postgres::session as postgres;
use holm_capabilities::postgres::types as pg;
use std::sync::Arc;
use std::time::Duration;

fn postgres_client() -> Arc<postgres::Client> {
    Arc::new(postgres::Client::new(way(Service::Postgres)))
}

fn postgres_session(client: &Arc<postgres::Client>) -> postgres::Session {
    postgres::Session::new(client, &server("HOLM_TEST_POSTGRES")).unwrap()
}

async fn pg_query(
    session: &mut postgres::Session,
    sql: &str,
) -> Result<pg::RowSet, postgres::Fault> {
    session.query(sql, Vec::new()).await.map(|(rows, _)| rows)
}

#[tokio::test]
async fn every_type_of_postgres_goes_there_and_back() {
    use pg::DbValue as D;
    use pg::ParameterValue as V;
    use pg::RangeBoundKind::{Exclusive, Inclusive};
    let client = postgres_client();
    let mut session = postgres_session(&client);
    let text = |text: &str| text.to_owned();
    let interval = pg::Interval {
        micros: -123_456,
        days: 10,
        months: 200,
    };
    let moment = (1999, 7, 12, 4, 3, 2, 1_000_000);
    for (ty, value, back) in [
        ("bool", V::Boolean(true), D::Boolean(true)),
        ("\"char\"", V::Int8(65), D::Int8(65)),
        ("int2", V::Int16(-7), D::Int16(-7)),
        ("int4", V::Int32(i32::MIN), D::Int32(i32::MIN)),
        ("int8", V::Int64(i64::MAX), D::Int64(i64::MAX)),
        ("float4", V::Floating32(19.2), D::Floating32(19.2)),
        ("float8", V::Floating64(f64::MAX), D::Floating64(f64::MAX)),
        (
            "float8",
            V::Floating64(f64::NEG_INFINITY),
            D::Floating64(f64::NEG_INFINITY),
        ),
        ("text", V::Str(text("grüße")), D::Str(text("grüße"))),
        ("varchar", V::Str(text("")), D::Str(text(""))),
        ("bytea", V::Binary(vec![0, 255]), D::Binary(vec![0, 255])),
        ("date", V::Date((-43, 3, 15)), D::Date((-43, 3, 15))),
        (
            "time",
            V::Time((14, 15, 16, 17_000)),
            D::Time((14, 15, 16, 17_000)),
        ),
        ("timestamp", V::Datetime(moment), D::Datetime(moment)),
        ("timestamptz", V::Datetime(moment), D::Datetime(moment)),
        (
            "timestamptz",
            V::Timestamp(1),
            D::Datetime((1970, 1, 1, 0, 0, 1, 0)),
        ),
        (
            "uuid",
            V::Uuid(text("fedcba98-fedc-fedc-fedc-fedcba987654")),
            D::Uuid(text("fedcba98-fedc-fedc-fedc-fedcba987654")),
        ),
        (
            "jsonb",
            V::Jsonb(b"{\"a\":1}".into()),
            D::Jsonb(b"{\"a\": 1}".into()),
        ),
        (
            "json",
            V::Jsonb(b"{\"a\":1}".into()),
            D::Jsonb(b"{\"a\":1}".into()),
        ),
        (
            "numeric",
            V::Decimal(text("-123456789012345678901234567890.0001000")),
            D::Decimal(text("-123456789012345678901234567890.0001000")),
        ),
        ("numeric", V::Decimal(text("NaN")), D::Decimal(text("NaN"))),
        (
            "int4range",
            V::RangeInt32((Some((30, Exclusive)), Some((40, Inclusive)))),
            D::RangeInt32((Some((31, Inclusive)), Some((41, Exclusive)))),
        ),
        (
            "int8range",
            V::RangeInt64((Some((1 << 40, Inclusive)), None)),
            D::RangeInt64((Some((1 << 40, Inclusive)), None)),
        ),
        (
            "numrange",
            V::RangeDecimal((None, Some((text("100"), Exclusive)))),
            D::RangeDecimal((None, Some((text("100"), Exclusive)))),
        ),
        (
            "int4[]",
            V::ArrayInt32(vec![Some(1), None]),
            D::ArrayInt32(vec![Some(1), None]),
        ),
        ("int8[]", V::ArrayInt64(vec![]), D::ArrayInt64(vec![])),
        (
            "numeric[]",
            V::ArrayDecimal(vec![Some(text("1.50")), None]),
            D::ArrayDecimal(vec![Some(text("1.50")), None]),
        ),
        (
            "text[]",
            V::ArrayStr(vec![Some(text("a\"\\,{}")), None, Some(text("NULL"))]),
            D::ArrayStr(vec![Some(text("a\"\\,{}")), None, Some(text("NULL"))]),
        ),
        ("interval", V::Interval(interval), D::Interval(interval)),
        ("point", V::DbNull, D::DbNull),
        // Text is taken for any type, by casting it where it goes.
        (
            "uuid",
            V::Str(text("fedcba98-fedc-fedc-fedc-fedcba987654")),
            D::Uuid(text("fedcba98-fedc-fedc-fedc-fedcba987654")),
        ),
    ] {
        let sql = format!("SELECT $1::{ty}");
        let (rows, _) = session
            .query(&sql, vec![value])
            .await
            .unwrap_or_else(|f| panic!("{ty}: {f:?}"));
        assert_eq!(rows.rows, [[back]], "{ty}");
    }
    let rows = pg_query(&mut session, "SELECT '[]'::json, 'x'::name, point '(1,2)'")
        .await
        .unwrap();
    let types: Vec<_> = rows
        .columns
        .into_iter()
        .map(|column| column.data_type)
        .collect();
    let point = pg::DbDataType::Other("point".to_owned());
    assert_eq!(types, [pg::DbDataType::Jsonb, pg::DbDataType::Str, point]);
}

#[tokio::test]
async fn postgres_says_what_a_server_says() {
    let client = postgres_client();
    let mut session = postgres_session(&client);
    match pg_query(&mut session, "SELECT * FROM holm_no_such_table")
        .await
        .unwrap_err()
    {
        postgres::Fault::Query(error) => assert_eq!(error.code().unwrap().code(), "42P01"),
        other => panic!("{other:?}"),
    }
    let two = vec![pg::ParameterValue::Int32(1), pg::ParameterValue::Int32(2)];
    assert!(session.query("SELECT $1::int4", two).await.is_err());
    let wrong = vec![pg::ParameterValue::Str("x".to_owned())];
    assert!(matches!(
        session.query("SELECT $1::bytea", wrong).await,
        Err(postgres::Fault::BadParameter(_))
    ));
    let many = "SELECT * FROM generate_series(1, 100001)";
    match pg_query(&mut session, many).await.unwrap_err() {
        postgres::Fault::Other(told) => assert_eq!(told, "the answer has more than 100000 rows"),
        other => panic!("{other:?}"),
    }
    let large = "SELECT repeat('x', 70000000)";
    match pg_query(&mut session, large).await.unwrap_err() {
        postgres::Fault::Other(told) => assert_eq!(told, "the answer is larger than 64 MiB"),
        other => panic!("{other:?}"),
    }
    assert_eq!(session.execute("SELECT 1", Vec::new()).await.unwrap().0, 1);
}

async fn backend(session: &mut postgres::Session) -> pg::DbValue {
    let rows = pg_query(session, "SELECT pg_backend_pid()").await.unwrap();
    rows.rows[0][0].clone()
}

#[tokio::test]
async fn a_session_of_postgres_leaves_nothing_to_the_next() {
    let client = postgres_client();
    let mut first = postgres_session(&client);
    let pid = backend(&mut first).await;
    for sql in [
        "CREATE TEMP TABLE holm_temp(a int)",
        "SET search_path = nowhere",
        "BEGIN",
        "SELECT pg_advisory_lock(4711)",
    ] {
        first.execute(sql, Vec::new()).await.unwrap();
    }
    drop(first);
    // It is made fresh while nobody waits; then it is the one that is taken.
    let mut again = None;
    for _ in 0..100 {
        let mut session = postgres_session(&client);
        if backend(&mut session).await == pid {
            again = Some(session);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut again = again.expect("the connection comes back");
    assert!(
        pg_query(&mut again, "SELECT * FROM holm_temp")
            .await
            .is_err()
    );
    let path = pg_query(&mut again, "SHOW search_path").await.unwrap();
    assert_eq!(
        path.rows,
        [[pg::DbValue::Str("\"$user\", public".to_owned())]]
    );
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711";
    let locks = pg_query(&mut again, locks).await.unwrap();
    assert_eq!(locks.rows, [[pg::DbValue::Int64(0)]]);
}

#[tokio::test]
async fn a_table_that_changes_is_read_anew() {
    let client = postgres_client();
    let mut session = postgres_session(&client);
    let table = format!("holm_changes_{}", std::process::id());
    let select = format!("SELECT * FROM {table}");
    for sql in [
        format!("CREATE TABLE {table}(a int)"),
        select.clone(),
        format!("ALTER TABLE {table} ADD COLUMN b text"),
    ] {
        pg_query(&mut session, &sql).await.unwrap();
    }
    assert_eq!(
        pg_query(&mut session, &select).await.unwrap().columns.len(),
        2
    );
    pg_query(&mut session, &format!("DROP TABLE {table}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_statement_of_postgres_has_an_end() {
    let patience = Duration::from_millis(200);
    let client = Arc::new(postgres::Client::new(way(Service::Postgres)).patient(patience));
    let mut session = postgres_session(&client);
    let mark = format!("holm-end-{}", std::process::id());
    let sleep = format!("SELECT pg_sleep(1000) /* {mark} */");
    match pg_query(&mut session, &sleep).await.unwrap_err() {
        postgres::Fault::Other(told) => assert_eq!(told, "no answer within 200 ms"),
        other => panic!("{other:?}"),
    }
    // And the server does not go on with it.
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{mark}%' \
         AND pid <> pg_backend_pid()"
    );
    for _ in 0..100 {
        let rows = pg_query(&mut session, &running).await.unwrap();
        if rows.rows == [[pg::DbValue::Int64(0)]] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server is still at it");
}

#[tokio::test]
async fn a_backend_that_dies_in_a_call_is_an_error_and_the_next_call_works() {
    let client = postgres_client();
    let (mut victim, mut killer) = (postgres_session(&client), postgres_session(&client));
    let pg::DbValue::Int32(pid) = backend(&mut victim).await else {
        panic!("a process has a number");
    };
    let sleep = pg_query(&mut victim, "SELECT pg_sleep(1000)");
    let kill = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let kill = format!("SELECT pg_terminate_backend({pid})");
        pg_query(&mut killer, &kill).await.unwrap();
    };
    let (answer, ()) = tokio::join!(sleep, kill);
    assert!(
        matches!(answer, Err(postgres::Fault::Query(_))),
        "{answer:?}"
    );
    assert_ne!(backend(&mut victim).await, pg::DbValue::Int32(pid));
}

#[tokio::test]
async fn postgres_only_goes_where_it_is_granted() {
    let client = Arc::new(postgres::Client::new(nowhere(Service::Postgres)));
    let refused = postgres_session(&client).connect().await.unwrap_err();
    assert!(
        matches!(refused, postgres::Fault::Unreached(Unreached::Closed(..))),
        "{refused:?}"
    );
    let client = postgres_client();
    let wrong = format!("{}_none", server("HOLM_TEST_POSTGRES"));
    let mut session = postgres::Session::new(&client, &wrong).unwrap();
    let refused = session.connect().await.unwrap_err();
    assert!(
        matches!(refused, postgres::Fault::Refused(_)),
        "{refused:?}"
    );
    // Who insists on TLS is not served without.
    let insists = format!("{}?sslmode=require", server("HOLM_TEST_POSTGRES"));
    let mut session = postgres::Session::new(&client, &insists).unwrap();
    assert!(matches!(
        session.connect().await,
        Err(postgres::Fault::Refused(_))
    ));
}
