//! PostgreSQL.

use crate::{nowhere, server, way};
use holm_capabilities::network::{OriginPolicy, Service, System, Unreached};
use holm_capabilities::outbound::Way;
use holm_capabilities::postgres::session as postgres;
use holm_capabilities::postgres::types as pg;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    session.query(sql, Vec::new()).await
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
        let rows = session
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
    assert_eq!(session.execute("SELECT 1", Vec::new()).await.unwrap(), 1);
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
    until_idle(&mut session, &mark).await;
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

#[tokio::test]
async fn a_transaction_of_postgres_that_was_lost_is_an_error_for_good() {
    let client = postgres_client();
    let (mut session, mut killer) = (postgres_session(&client), postgres_session(&client));
    session.execute("BEGIN", Vec::new()).await.unwrap();
    let pg::DbValue::Int32(pid) = backend(&mut session).await else {
        panic!("a process has a number");
    };
    let kill = format!("SELECT pg_terminate_backend({pid}, 5000)");
    pg_query(&mut killer, &kill).await.unwrap();
    let _ = pg_query(&mut session, "SELECT 1").await;
    for _ in 0..2 {
        let lost = pg_query(&mut session, "SELECT 1").await.unwrap_err();
        assert!(matches!(lost, postgres::Fault::Lost), "{lost:?}");
    }
    pg_query(&mut postgres_session(&client), "SELECT 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn answers_of_postgres_count_as_what_they_take_in_memory() {
    let client = postgres_client();
    let mut session = postgres_session(&client);
    let nulls = vec!["NULL::int4"; 100].join(", ");
    for many in [
        format!("SELECT {nulls} FROM generate_series(1, 50000)"),
        // Eight bytes each, and a hundred thousand digits.
        "SELECT 1e100000::numeric FROM generate_series(1, 2000)".to_owned(),
        "SELECT array_agg(1e100000::numeric) FROM generate_series(1, 2000)".to_owned(),
        "SELECT array_agg(NULL::text) FROM generate_series(1, 5000000)".to_owned(),
    ] {
        match pg_query(&mut session, &many).await.unwrap_err() {
            postgres::Fault::Other(told) => assert_eq!(told, "the answer is larger than 64 MiB"),
            other => panic!("{many}: {other:?}"),
        }
        let (read, written) = session.moved();
        assert!(read > 0 && written > many.len(), "{read} {written}");
    }
}

/// Statements that the server runs for others and that have `mark` in them.
async fn running(session: &mut postgres::Session, mark: &str) -> pg::DbValue {
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{mark}%' \
         AND pid <> pg_backend_pid()"
    );
    pg_query(session, &running).await.unwrap().rows[0][0].clone()
}

async fn until_idle(session: &mut postgres::Session, mark: &str) {
    for _ in 0..100 {
        if running(session, mark).await == pg::DbValue::Int64(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server is still at it");
}

#[tokio::test]
async fn rows_beyond_the_limit_are_cancelled() {
    let client = postgres_client();
    let mut session = postgres_session(&client);
    let mark = format!("holm-rows-{}", std::process::id());
    // After the first rows it sends nothing, and so does not notice that nobody reads.
    let many = format!(
        "SELECT n FROM generate_series(1, 102000) n UNION ALL SELECT length(pg_sleep(1000)::text) /* {mark} */"
    );
    match pg_query(&mut session, &many).await.unwrap_err() {
        postgres::Fault::Other(told) => assert_eq!(told, "the answer has more than 100000 rows"),
        other => panic!("{other:?}"),
    }
    until_idle(&mut session, &mark).await;
}

#[tokio::test]
async fn long_statements_are_not_kept() {
    let client = postgres_client();
    let mut session = postgres_session(&client);
    let long = format!("SELECT 1 /* {} */", "x".repeat(5000));
    for sql in [&long, "SELECT 2"] {
        pg_query(&mut session, sql).await.unwrap();
    }
    let kept = "SELECT count(*) FROM pg_prepared_statements WHERE length(statement) > 4096";
    let kept = pg_query(&mut session, kept).await.unwrap();
    assert_eq!(kept.rows, [[pg::DbValue::Int64(0)]]);
}

/// What stands before a server that has no TLS of its own: it speaks TLS to clients, and says so as the
/// protocol wants it.
async fn behind_tls() -> (u16, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = url::Url::parse(&server("HOLM_TEST_POSTGRES")).unwrap();
    let to = format!("127.0.0.1:{}", to.port().unwrap());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                // A client that does not ask for TLS is sent away.
                let mut asked = [0; 8];
                near.read_exact(&mut asked).await?;
                if asked != [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f] {
                    return Ok(());
                }
                near.write_all(b"S").await?;
                let mut near = acceptor.accept(near).await?;
                let mut far = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await?;
                std::io::Result::Ok(())
            });
        }
    });
    (port, client)
}

#[tokio::test]
async fn a_statement_over_tls_is_cancelled_over_tls() {
    let (port, config) = behind_tls().await;
    let mut policy = OriginPolicy::of(Service::Postgres);
    policy.add("all").unwrap();
    policy.add("private").unwrap();
    let way = Way::new(policy, Arc::new(System::default())).trusting(config);
    let patience = Duration::from_millis(500);
    let client = Arc::new(postgres::Client::new(Arc::new(way)).patient(patience));
    let address = format!("postgres://postgres:postgres@localhost:{port}/postgres?sslmode=require");
    let mut session = postgres::Session::new(&client, &address).unwrap();
    let mark = format!("holm-tls-{}", std::process::id());
    let sleep = format!("SELECT pg_sleep(1000) /* {mark} */");
    match pg_query(&mut session, &sleep).await.unwrap_err() {
        postgres::Fault::Other(told) => assert_eq!(told, "no answer within 500 ms"),
        other => panic!("{other:?}"),
    }
    until_idle(&mut postgres_session(&postgres_client()), &mark).await;
}
