//! Stores in files of a scratch folder, and what a guest's SQL can and cannot do there.

use super::*;
use holm_manifest::Value as Written;
use proptest::prelude::*;
use std::time::Duration;
use tempfile::TempDir;

fn store(folder: &TempDir, access: Access, limits: Limits) -> Store {
    Store::new(
        "default",
        folder.path().join("sqlite/default.db"),
        access,
        limits,
    )
}

async fn run(connection: &Connection, sql: &str) -> Result<Rows, Error> {
    connection.execute(sql.to_owned(), Vec::new()).await
}

#[track_caller]
fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::Full => "full".to_owned(),
        Error::Other { told, .. } => told,
    }
}

#[tokio::test]
async fn what_was_written_is_there_for_the_next_connection() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    let first = store.connect().await.unwrap();
    run(&first, "CREATE TABLE t(a, b)").await.unwrap();
    let insert = "INSERT INTO t VALUES (?1, ?2)".to_owned();
    let values = vec![Value::Integer(1), Value::Text("x".to_owned())];
    first.execute(insert, values).await.unwrap();
    assert_eq!((first.last_insert_rowid(), first.changes()), (1, 1));
    // What is open is rolled back with its connection.
    run(&first, "BEGIN").await.unwrap();
    run(&first, "DELETE FROM t").await.unwrap();
    drop(first);
    let second = store.connect().await.unwrap();
    let rows = run(&second, "SELECT * FROM t").await.unwrap();
    assert_eq!(rows.columns, ["a", "b"]);
    assert_eq!(
        rows.rows,
        [[Value::Integer(1), Value::Text("x".to_owned())]]
    );
    assert_eq!(second.last_insert_rowid(), 0);
    let mode = run(&second, "PRAGMA journal_mode").await.unwrap();
    assert_eq!(mode.rows, [[Value::Text("wal".to_owned())]]);
}

#[tokio::test]
async fn sql_reaches_its_own_file_and_no_other() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    let connection = store.connect().await.unwrap();
    run(&connection, "CREATE TABLE t(a)").await.unwrap();
    let other = folder.path().join("other.db");
    for sql in [
        format!("ATTACH '{}' AS other", other.display()),
        "ATTACH ':memory:' AS other".to_owned(),
        format!("VACUUM INTO '{}'", other.display()),
        "VACUUM".to_owned(),
        "DETACH main".to_owned(),
    ] {
        let told = told(run(&connection, &sql).await);
        assert!(told.contains("cannot reach other files"), "{sql}: {told}");
    }
    for sql in [
        "PRAGMA journal_mode = DELETE",
        "PRAGMA max_page_count = 1000000000",
        "PRAGMA writable_schema = 1",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA data_store_directory",
        "PRAGMA query_only = 0",
        "PRAGMA synchronous = OFF",
        "PRAGMA mmap_size = 100000000",
        "SELECT * FROM pragma_database_list",
    ] {
        let told = told(run(&connection, sql).await);
        assert!(told.contains("pragma is refused"), "{sql}: {told}");
    }
    assert!(
        run(&connection, "SELECT load_extension('x')")
            .await
            .is_err()
    );
    assert!(
        run(&connection, "SELECT readfile('/etc/passwd')")
            .await
            .is_err()
    );
    assert!(run(&connection, "SELECT 1; SELECT 2").await.is_err());
    assert!(!other.exists());
    for sql in [
        "PRAGMA table_info(t)",
        "PRAGMA user_version = 3",
        "PRAGMA user_version",
        "PRAGMA foreign_keys = ON",
        "SELECT * FROM pragma_table_info('t')",
        "CREATE TEMP TABLE u(a)",
        "CREATE VIEW v AS SELECT a FROM t",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3) SELECT n FROM c",
    ] {
        run(&connection, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

#[tokio::test]
async fn a_grant_to_read_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let writer = store(&folder, Access::Write, Limits::default());
    let writer = writer.connect().await.unwrap();
    run(&writer, "CREATE TABLE t(a)").await.unwrap();
    run(&writer, "INSERT INTO t VALUES (1)").await.unwrap();
    let reader = store(&folder, Access::Read, Limits::default());
    let reader = reader.connect().await.unwrap();
    assert_eq!(run(&reader, "SELECT a FROM t").await.unwrap().rows.len(), 1);
    for sql in [
        "INSERT INTO t VALUES (2)",
        "UPDATE t SET a = 2",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u(a)",
        "CREATE TEMP TABLE u(a)",
        "PRAGMA user_version = 1",
    ] {
        match run(&reader, sql).await.unwrap_err() {
            Error::Other { write, told, .. } => {
                assert!(
                    write && told == "this store may only be read",
                    "{sql}: {told}"
                );
            }
            Error::Full => panic!("{sql}"),
        }
    }
    // Not even the lock of a writer.
    assert!(run(&reader, "BEGIN IMMEDIATE").await.is_err());
    assert_eq!(run(&reader, "SELECT a FROM t").await.unwrap().rows.len(), 1);
}

const FOREVER: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

#[tokio::test]
async fn what_is_over_a_limit_says_so() {
    let folder = TempDir::new().unwrap();
    let limits = Limits {
        size: 256 << 10,
        time: Duration::from_millis(100),
        rows: 3,
        result: 1000,
        connections: 1,
    };
    let store = store(&folder, Access::Write, limits);
    let connection = store.connect().await.unwrap();
    run(&connection, "CREATE TABLE t(a)").await.unwrap();
    let many =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 4) SELECT n FROM c";
    assert!(told(run(&connection, many).await).contains("more than 3 rows"));
    let large = "SELECT zeroblob(1001)";
    assert!(told(run(&connection, large).await).contains("returns more than 1 KB"));
    assert!(told(run(&connection, FOREVER).await).contains("longer than 100 ms"));
    let fill = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100) \
                INSERT INTO t SELECT zeroblob(10000) FROM c";
    assert_eq!(run(&connection, fill).await, Err(Error::Full));
    // And it works as before.
    assert_eq!(
        run(&connection, "SELECT * FROM t")
            .await
            .unwrap()
            .rows
            .len(),
        0
    );
    let told = told(store.connect().await.map(|_| ()));
    assert!(told.contains("all 1 connections"), "{told}");
}

#[tokio::test]
async fn one_function_over_large_values_is_soon_done() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    let connection = store.connect().await.unwrap();
    let large = 4_000_000;
    // Each of them compares every place of one with every byte of the other, where it is done plainly.
    let zeros = format!("hex(zeroblob({}))", large / 2);
    let half = format!("hex(zeroblob({})) || '1'", large / 4);
    for (sql, value) in [
        (format!("SELECT instr({zeros}, {half})"), 0),
        (
            format!("SELECT length(replace({zeros}, {half}, ''))"),
            large,
        ),
        (
            format!("SELECT length(trim({zeros}, replace({half}, '0', 'a')))"),
            large,
        ),
        (
            format!(
                "SELECT length(unhex(replace({zeros}, '0', 'z'), replace({half}, '0', 'y') || 'z'))"
            ),
            0,
        ),
    ] {
        let rows = run(&connection, &sql).await.map(|rows| rows.rows);
        assert_eq!(rows, Ok(vec![vec![Value::Integer(value)]]), "{sql}");
    }
    for sql in [
        "SELECT json_patch('{}', '{}')",
        "SELECT jsonb_patch('{}', '{}')",
    ] {
        let told = told(run(&connection, sql).await);
        assert!(told.contains("not authorized to use function"), "{told}");
    }
    let pattern = format!("SELECT 'a' LIKE '{}'", "%a".repeat(129));
    assert!(told(run(&connection, &pattern).await).contains("too complex"));
    for sql in [
        "SELECT zeroblob(5000000)",
        "SELECT replace(hex(zeroblob(2000)), '0', hex(zeroblob(2000)))",
        "SELECT printf('%5000000d', 1)",
    ] {
        assert!(
            told(run(&connection, sql).await).contains("too big"),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn an_answer_counts_as_what_it_takes_in_memory() {
    let folder = TempDir::new().unwrap();
    let limits = Limits {
        result: 1 << 20,
        ..Limits::default()
    };
    let store = store(&folder, Access::Write, limits);
    let connection = store.connect().await.unwrap();
    let nulls = vec!["NULL"; 100].join(", ");
    let many = format!(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000) SELECT {nulls} FROM c"
    );
    assert!(told(run(&connection, &many).await).contains("returns more than 1 MiB"));
}

/// Fills a table until it is refused, with so many rows of 64 KiB at most.
async fn fill(connection: &Connection, table: &str, rows: usize) -> Result<(), Error> {
    let insert = format!("INSERT INTO {table} VALUES (zeroblob(65536))");
    for _ in 0..rows {
        run(connection, &insert).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_log_grows_no_further_while_somebody_reads() {
    let folder = TempDir::new().unwrap();
    let limits = Limits {
        time: Duration::from_millis(200),
        ..Limits::default()
    };
    let limits = Limits {
        size: 64 << 20,
        ..limits
    };
    let store = store(&folder, Access::Write, limits);
    let (reader, writer) = (
        store.connect().await.unwrap(),
        store.connect().await.unwrap(),
    );
    run(&writer, "CREATE TABLE t(a)").await.unwrap();
    run(&reader, "BEGIN").await.unwrap();
    run(&reader, "SELECT * FROM t").await.unwrap();
    let full = told(fill(&writer, "t", 1000).await);
    assert!(full.contains("write-ahead log is full"), "{full}");
    let log = store.path().with_extension("db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() < 20 << 20);
    // What only reads goes on, and so do writes when nobody reads any more.
    run(&writer, "SELECT count(*) FROM t").await.unwrap();
    run(&reader, "COMMIT").await.unwrap();
    fill(&writer, "t", 1).await.unwrap();
    assert!(std::fs::metadata(&log).unwrap().len() < 4 << 20);
}

#[tokio::test]
async fn temporary_tables_are_in_memory_and_small() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    let connection = store.connect().await.unwrap();
    run(&connection, "CREATE TEMP TABLE u(a)").await.unwrap();
    assert_eq!(fill(&connection, "u", 200).await, Err(Error::Full));
    // The memory of all is bounded too.
    let other = rusqlite::Connection::open_in_memory().unwrap();
    let most: i64 = other
        .pragma_query_value(None, "hard_heap_limit", |row| row.get(0))
        .unwrap();
    assert_eq!(most, 1 << 30);
}

#[tokio::test]
async fn who_waits_for_a_write_keeps_nobody_s_thread() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(store(&folder, Access::Write, Limits::default()));
    let holder = store.connect().await.unwrap();
    run(&holder, "CREATE TABLE t(a)").await.unwrap();
    run(&holder, "BEGIN IMMEDIATE").await.unwrap();
    // More than may run at once.
    let waiting: Vec<_> = (0..2 * turns::COMPONENT_TURNS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let connection = store.connect().await.unwrap();
                run(&connection, "INSERT INTO t VALUES (1)").await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    run(&holder, "COMMIT").await.unwrap();
    for done in waiting {
        done.await.unwrap().unwrap();
    }
    let rows = run(&holder, "SELECT count(*) FROM t").await.unwrap().rows;
    assert_eq!(rows, [[Value::Integer(2 * turns::COMPONENT_TURNS as i64)]]);
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_given_up() {
    let folder = TempDir::new().unwrap();
    let limits = Limits {
        time: Duration::from_secs(1000),
        ..Limits::default()
    };
    let store = store(&folder, Access::Write, limits);
    let connection = store.connect().await.unwrap();
    let running = run(&connection, FOREVER);
    assert!(
        tokio::time::timeout(Duration::from_millis(20), running)
            .await
            .is_err()
    );
    // The connection is free again, long before the statement's own time.
    run(&connection, "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    std::fs::create_dir_all(folder.path().join("sqlite")).unwrap();
    std::fs::write(store.path(), "?".repeat(10_000)).unwrap();
    match store.connect().await.unwrap_err() {
        Error::Other { told, detail, .. } => {
            assert_eq!(told, "store \"default\" cannot be opened");
            assert!(detail.unwrap().contains("default.db"));
        }
        Error::Full => panic!("full"),
    }
    assert_eq!(
        std::fs::read_to_string(store.path()).unwrap(),
        "?".repeat(10_000)
    );
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        // SQLite has no NaN: it is a null there.
        any::<f64>()
            .prop_filter("a number", |n| !n.is_nan())
            .prop_map(Value::Real),
        // A text ends at a NUL for SQLite's own functions only; it is kept whole.
        ".*".prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

#[test]
fn values_come_back_as_they_went() {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = store(&folder, Access::Write, Limits::default());
    let connection = runtime.block_on(store.connect()).unwrap();
    runtime
        .block_on(run(&connection, "CREATE TABLE t(a, b)"))
        .unwrap();
    proptest!(ProptestConfig::with_cases(64), |(a in value(), b in value())| {
        let back = runtime.block_on(async {
            let insert = "INSERT INTO t VALUES (?1, ?2) RETURNING a, b, typeof(a)".to_owned();
            connection.execute(insert, vec![a.clone(), b.clone()]).await.unwrap()
        });
        prop_assert_eq!(&back.rows[0][..2], &[a, b][..]);
    });
    let _inside = runtime.enter();
    drop(connection);
}

fn list(items: Vec<Written>) -> Written {
    Written::array(items)
}

#[test]
fn a_grant_names_stores() {
    let read_only = Written::table(vec![
        ("store", Written::string("reports")),
        ("access", Written::string("read")),
    ]);
    let granted = grant::read(&list(vec![Written::string("default"), read_only])).unwrap();
    let found: Vec<_> = granted
        .iter()
        .map(|g| (g.name.as_str(), g.access))
        .collect();
    assert_eq!(
        found,
        [("default", Access::Write), ("reports", Access::Read)]
    );
    let wrong = |value| grant::read(&list(vec![value])).unwrap_err().message;
    assert_eq!(
        wrong(Written::string("../x")),
        "\"../x\" cannot be the name of a store"
    );
    assert_eq!(wrong(Written::integer(1)), "expected a store's name");
    assert_eq!(
        wrong(Written::table(vec![("access", Written::string("read"))])),
        "`store` is missing"
    );
    assert_eq!(
        wrong(Written::table(vec![("acess", Written::string("read"))])),
        "unknown key `acess`"
    );
    assert_eq!(
        wrong(Written::table(vec![
            ("store", Written::string("a")),
            ("access", Written::string("all"))
        ])),
        "`access` is \"read\" or \"write\""
    );
    assert!(grant::read(&Written::string("default")).is_err());
}
