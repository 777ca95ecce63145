//! MySQL: MariaDB.

use crate::{nowhere, server, way};
use holm_capabilities::mysql::session as mysql;
use holm_capabilities::mysql::types as my;
use holm_capabilities::network::{Service, Unreached};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn mysql_client() -> Arc<mysql::Client> {
    Arc::new(mysql::Client::new(way(Service::Mysql)))
}

fn mysql_session(client: &Arc<mysql::Client>) -> mysql::Session {
    mysql::Session::new(client, &server("HOLM_TEST_MYSQL")).unwrap()
}

async fn my_query(session: &mut mysql::Session, sql: &str) -> Result<my::RowSet, mysql::Fault> {
    session.query(sql, Vec::new()).await
}

#[tokio::test]
async fn every_type_of_mysql_goes_there_and_back() {
    use my::DbValue as D;
    use my::ParameterValue as V;
    let client = mysql_client();
    let mut session = mysql_session(&client);
    let create = "CREATE TEMPORARY TABLE t(
        a TINYINT, b SMALLINT, c INT, d BIGINT, e TINYINT UNSIGNED, f SMALLINT UNSIGNED,
        g INT UNSIGNED, h BIGINT UNSIGNED, i FLOAT, j DOUBLE, k VARCHAR(20), l TEXT, m BLOB,
        n VARBINARY(20), o DECIMAL(10, 3), p DATETIME(6), q DATE, r TIME, s JSON, t ENUM('x', 'y'),
        u BOOLEAN, v INT)";
    my_query(&mut session, create).await.unwrap();
    let text = |text: &str| text.to_owned();
    let values = vec![
        V::Int8(-1),
        V::Int16(-2),
        V::Int32(-3),
        V::Int64(i64::MIN),
        V::Uint8(255),
        V::Uint16(65535),
        V::Uint32(u32::MAX),
        V::Uint64(u64::MAX),
        V::Floating32(1.5),
        V::Floating64(1e300),
        V::Str(text("grüße")),
        V::Str(text("text")),
        V::Binary(vec![0, 255]),
        V::Binary(vec![1]),
        V::Str(text("123.450")),
        V::Str(text("2024-02-29 01:02:03.5")),
        V::Str(text("2024-02-29")),
        V::Str(text("-26:03:04")),
        V::Str(text("{\"a\": 1}")),
        V::Str(text("y")),
        V::Boolean(true),
        V::DbNull,
    ];
    let marks = vec!["?"; values.len()].join(", ");
    let insert = format!("INSERT INTO t VALUES ({marks})");
    session.query(&insert, values).await.unwrap();
    let rows = my_query(&mut session, "SELECT * FROM t").await.unwrap();
    assert_eq!(
        rows.rows,
        [[
            D::Int8(-1),
            D::Int16(-2),
            D::Int32(-3),
            D::Int64(i64::MIN),
            D::Uint8(255),
            D::Uint16(65535),
            D::Uint32(u32::MAX),
            D::Uint64(u64::MAX),
            D::Floating32(1.5),
            D::Floating64(1e300),
            D::Str(text("grüße")),
            D::Str(text("text")),
            D::Binary(vec![0, 255]),
            D::Binary(vec![1]),
            D::Str(text("123.450")),
            D::Str(text("2024-02-29 01:02:03.500000")),
            D::Str(text("2024-02-29")),
            D::Str(text("-26:03:04")),
            D::Str(text("{\"a\": 1}")),
            D::Str(text("y")),
            D::Int8(1),
            D::DbNull,
        ]]
    );
    assert_eq!(rows.columns[0].name, "a");
}

#[tokio::test]
async fn mysql_says_what_a_server_says() {
    let client = mysql_client();
    let mut session = mysql_session(&client);
    match my_query(&mut session, "SELECT * FROM holm_no_such_table")
        .await
        .unwrap_err()
    {
        mysql::Fault::Query(told) => assert!(told.starts_with("1146"), "{told}"),
        other => panic!("{other:?}"),
    }
    let two = vec![my::ParameterValue::Int32(1), my::ParameterValue::Int32(2)];
    match session.query("SELECT ?", two).await.unwrap_err() {
        mysql::Fault::Query(told) => {
            assert_eq!(told, "the statement wants 1 values and was given 2");
        }
        other => panic!("{other:?}"),
    }
    let file = "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE holm.none";
    assert!(my_query(&mut mysql_session(&client), file).await.is_err());
    let many = "SELECT seq FROM seq_1_to_100001";
    match my_query(&mut session, many).await.unwrap_err() {
        mysql::Fault::Other(told) => assert_eq!(told, "the answer has more than 100000 rows"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        my_query(&mut session, "SELECT 1").await.unwrap().rows.len(),
        1
    );
}

async fn connection_id(session: &mut mysql::Session) -> my::DbValue {
    let rows = my_query(session, "SELECT CONNECTION_ID()").await.unwrap();
    rows.rows[0][0].clone()
}

#[tokio::test]
async fn a_session_of_mysql_leaves_nothing_to_the_next() {
    let client = mysql_client();
    let mut first = mysql_session(&client);
    let id = connection_id(&mut first).await;
    for sql in [
        "SET @holm = 1",
        "CREATE TEMPORARY TABLE holm_temp(a INT)",
        "BEGIN",
    ] {
        my_query(&mut first, sql).await.unwrap();
    }
    drop(first);
    let mut again = None;
    for _ in 0..100 {
        let mut session = mysql_session(&client);
        if connection_id(&mut session).await == id {
            again = Some(session);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut again = again.expect("the connection comes back");
    assert!(
        my_query(&mut again, "SELECT * FROM holm_temp")
            .await
            .is_err()
    );
    let set = my_query(&mut again, "SELECT @holm").await.unwrap();
    assert_eq!(set.rows, [[my::DbValue::DbNull]]);
}

#[tokio::test]
async fn a_statement_of_mysql_has_an_end_and_a_connection_that_dies_is_replaced() {
    let patience = Duration::from_millis(300);
    let client = Arc::new(mysql::Client::new(way(Service::Mysql)).patient(patience));
    let mut session = mysql_session(&client);
    let mark = format!("holm-end-{}", std::process::id());
    match my_query(&mut session, &format!("SELECT SLEEP(1000), '{mark}'"))
        .await
        .unwrap_err()
    {
        mysql::Fault::Other(told) => assert_eq!(told, "no answer within 300 ms"),
        other => panic!("{other:?}"),
    }
    let running = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP%{mark}%' \
         AND id <> CONNECTION_ID()"
    );
    let mut left = None;
    for _ in 0..100 {
        let rows = my_query(&mut session, &running).await.unwrap();
        left = Some(rows.rows[0][0].clone());
        if left == Some(my::DbValue::Int64(0)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        left,
        Some(my::DbValue::Int64(0)),
        "the server is still at it"
    );

    let id = match connection_id(&mut session).await {
        my::DbValue::Int64(id) => id.to_string(),
        my::DbValue::Uint64(id) => id.to_string(),
        my::DbValue::Uint32(id) => id.to_string(),
        other => panic!("a connection has a number, not {other:?}"),
    };
    let mut killer = mysql_session(&client);
    my_query(&mut killer, &format!("KILL {id}")).await.unwrap();
    let dead = my_query(&mut session, "SELECT 1").await.unwrap_err();
    assert!(
        matches!(dead, mysql::Fault::Other(_) | mysql::Fault::Query(_)),
        "{dead:?}"
    );
    my_query(&mut session, "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn mysql_only_goes_where_it_is_granted() {
    let client = Arc::new(mysql::Client::new(nowhere(Service::Mysql)));
    let refused = mysql_session(&client).connect().await.unwrap_err();
    assert!(
        matches!(refused, mysql::Fault::Unreached(Unreached::Closed(..))),
        "{refused:?}"
    );
    let client = mysql_client();
    let wrong = server("HOLM_TEST_MYSQL").replace("holm:holm@", "holm:wrong@");
    let mut session = mysql::Session::new(&client, &wrong).unwrap();
    assert!(matches!(
        session.connect().await,
        Err(mysql::Fault::Refused(_))
    ));
}

#[tokio::test]
async fn a_database_that_was_chosen_is_not_the_next_one_s() {
    let client = mysql_client();
    let mut first = mysql_session(&client);
    let id = connection_id(&mut first).await;
    my_query(&mut first, "USE information_schema")
        .await
        .unwrap();
    drop(first);
    let mut again = mysql_session(&client);
    for _ in 0..100 {
        if connection_id(&mut again).await == id {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = mysql_session(&client);
    }
    assert_eq!(connection_id(&mut again).await, id);
    let chosen = my_query(&mut again, "SELECT DATABASE()").await.unwrap();
    assert_eq!(chosen.rows, [[my::DbValue::Str("holm".to_owned())]]);
}

#[tokio::test]
async fn a_transaction_of_mysql_that_was_lost_is_an_error_for_good() {
    let client = mysql_client();
    let mut session = mysql_session(&client);
    my_query(&mut session, "BEGIN").await.unwrap();
    let id = match connection_id(&mut session).await {
        my::DbValue::Int64(id) => id.to_string(),
        my::DbValue::Uint64(id) => id.to_string(),
        my::DbValue::Uint32(id) => id.to_string(),
        other => panic!("a connection has a number, not {other:?}"),
    };
    let mut killer = mysql_session(&client);
    my_query(&mut killer, &format!("KILL {id}")).await.unwrap();
    assert!(my_query(&mut session, "SELECT 1").await.is_err());
    for _ in 0..2 {
        let lost = my_query(&mut session, "SELECT 1").await.unwrap_err();
        assert!(matches!(lost, mysql::Fault::Lost), "{lost:?}");
    }
    // Another session is whole.
    my_query(&mut mysql_session(&client), "SELECT 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn answers_of_mysql_count_as_what_they_take_in_memory() {
    let client = mysql_client();
    let mut session = mysql_session(&client);
    let nulls = vec!["NULL"; 100].join(", ");
    let many = format!("SELECT {nulls} FROM seq_1_to_50000");
    match my_query(&mut session, &many).await.unwrap_err() {
        mysql::Fault::Other(told) => assert_eq!(told, "the answer is larger than 64 MiB"),
        other => panic!("{other:?}"),
    }
    // The bytes of a call that failed count too.
    let (read, written) = session.moved();
    assert!(read > 100_000 && written > many.len(), "{read} {written}");
}

#[tokio::test]
async fn a_procedure_s_later_answers_are_nobody_s() {
    let client = mysql_client();
    let mut session = mysql_session(&client);
    let name = format!("holm_two_{}", std::process::id());
    let create = format!("CREATE PROCEDURE {name}() BEGIN SELECT 1; SELECT 2, 3; END");
    my_query(&mut session, &create).await.unwrap();
    for _ in 0..2 {
        let rows = my_query(&mut session, &format!("CALL {name}()"))
            .await
            .unwrap();
        let rows = format!("{:?}", rows.rows);
        assert!(rows.contains("(1)") && !rows.contains("(2)"), "{rows}");
    }
    my_query(&mut session, &format!("DROP PROCEDURE {name}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_value_of_twenty_megabytes_goes_in_pieces() {
    let client = mysql_client();
    let mut session = mysql_session(&client);
    // More than the server takes at once is its own error, and none of the connection's.
    my_query(
        &mut session,
        "SET GLOBAL max_allowed_packet = 64 * 1024 * 1024",
    )
    .await
    .unwrap();
    let mut session = mysql_session(&client);
    let large = my::ParameterValue::Binary(vec![7; 20 << 20]);
    let values = vec![large, my::ParameterValue::Binary(Vec::new())];
    let rows = session.query("SELECT LENGTH(?), LENGTH(?)", values).await;
    let rows = format!("{:?}", rows.unwrap().rows);
    assert!(rows.contains("20971520") && rows.contains("(0)"), "{rows}");
}

/// A packet of a server's.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(number);
    packet.extend_from_slice(payload);
    packet
}

/// Waits until something comes.
async fn heard(stream: &mut TcpStream) -> std::io::Result<()> {
    match stream.read(&mut [0; 4096]).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// A server that lets everybody in, and answers each statement with these bytes.
async fn hostile(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut hello = vec![10];
                hello.extend_from_slice(b"8.0.0\0");
                hello.extend_from_slice(&[1, 0, 0, 0]);
                hello.extend_from_slice(b"12345678\0");
                hello.extend_from_slice(&[0xff, 0xf7, 45, 2, 0, 0x08, 0x01, 21]);
                hello.extend_from_slice(&[0; 10]);
                hello.extend_from_slice(b"123456789012\0mysql_native_password\0");
                stream.write_all(&packet(0, &hello)).await?;
                heard(&mut stream).await?;
                stream.write_all(&packet(2, &[0, 0, 0, 2, 0, 0, 0])).await?;
                // What it is asked, it is told: a statement of one column and no values.
                heard(&mut stream).await?;
                stream
                    .write_all(&packet(1, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
                    .await?;
                heard(&mut stream).await?;
                stream.write_all(&answer).await?;
                // And nobody hangs up.
                heard(&mut stream).await
            });
        }
    });
    format!("mysql://a:b@{address}/x")
}

#[tokio::test]
async fn a_server_that_lies_is_an_error() {
    let patience = Duration::from_millis(300);
    let client = Arc::new(mysql::Client::new(way(Service::Mysql)).patient(patience));
    for (lie, told) in [
        // So many columns that no memory could hold a list of them.
        (
            packet(1, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            "the server answered out of turn",
        ),
        (
            packet(1, &[0xfd, 0xff, 0xff, 0xff]),
            "the server answered out of turn",
        ),
        // It asks for a file.
        (
            packet(1, b"\xfb/etc/passwd"),
            "the server answered out of turn",
        ),
        (packet(1, &[]), "the server answered out of turn"),
        (packet(9, &[1]), "the server answered out of turn"),
        // A packet that never ends, and one that is not there.
        (vec![0xff, 0xff, 0xff, 1, 1], "no answer within 300 ms"),
        (Vec::new(), "no answer within 300 ms"),
    ] {
        let mut session = mysql::Session::new(&client, &hostile(lie.clone()).await).unwrap();
        match my_query(&mut session, "SELECT 1").await.unwrap_err() {
            mysql::Fault::Other(said) => assert_eq!(said, told, "{lie:?}"),
            other => panic!("{other:?}"),
        }
    }
}
