//! Databases and brokers as a guest behind HTTP meets them: SQLite in the app's state folder, and the
//! real servers that `scripts/servers` starts.

use crate::app::*;
use crate::support::*;
use serde_json::{Value, json};

/// Where a server is that `scripts/servers` has started.
pub fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/servers start)\""))
}

/// The origin of an address, as a grant writes it.
pub fn origin(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    format!("{scheme}://{host}")
}

fn encoded(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric();
    text.bytes()
        .map(|b| match plain(&b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

pub fn lab(grants: &str) -> App {
    App::of("data-lab", grants)
}

#[track_caller]
pub fn ask(server: &Server, path: &str, query: &[(&str, &str)]) -> Value {
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let reply = server.get(&format!("{path}?{}", query.join("&")));
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

#[test]
fn sqlite_is_kept_and_its_types_are() {
    let app = lab("grants.sqlite = [\"default\", { store = \"readable\", access = \"read\" }]");
    let create = "CREATE TABLE t(a INTEGER, b REAL, c TEXT, d BLOB, e)";
    let insert = "INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5)";
    {
        let server = app.up();
        let values = [
            ("store", "default"),
            ("sql", create),
            ("sql", insert),
            ("p", "int:7"),
            ("p", "real:1.5"),
            ("p", "text:grüße"),
            ("p", "blob:x"),
            ("p", "null"),
        ];
        let answer = ask(&server, "/sqlite", &values);
        assert_eq!(answer["ok"]["rowid"], 1, "{answer}");
        assert_eq!(answer["ok"]["changes"], 1, "{answer}");
    }
    assert!(app.dir().join(".holm/sqlite/default.db").exists());
    // The next process reads it, through either version of the interface.
    let server = app.up();
    let select = [("store", "default"), ("sql", "SELECT * FROM t")];
    let rows = json!([[
        "Value::Integer(7)",
        "Value::Real(1.5)",
        "Value::Text(\"grüße\")",
        "Value::Blob([120])",
        "Value::Null",
    ]]);
    for route in ["/sqlite", "/sqlite2"] {
        let answer = ask(&server, route, &select);
        assert_eq!(
            answer["ok"]["columns"],
            json!(["a", "b", "c", "d", "e"]),
            "{answer}"
        );
        assert_eq!(answer["ok"]["rows"], rows, "{route}");
    }
    // What is only to be read is not written.
    let write = [("store", "readable"), ("sql", "CREATE TABLE t(a)")];
    let answer = ask(&server, "/sqlite", &write);
    assert_eq!(
        answer,
        json!({"error": "Error::Io(\"this store may only be read\")"})
    );
    let attach = [("store", "default"), ("sql", "ATTACH 'other.db' AS o")];
    let answer = ask(&server, "/sqlite", &attach);
    assert!(
        answer["error"].as_str().unwrap().contains("other files"),
        "{answer}"
    );
    // And what is not granted is not there.
    let other = [("store", "other"), ("sql", "SELECT 1")];
    let answer = ask(&server, "/sqlite", &other);
    assert_eq!(answer, json!({"error": "Error::AccessDenied"}));
    server.wait_for("sqlite = [\\\"other\\\"]");
}

#[test]
fn sqlite_within_its_limits() {
    let app = lab("grants.sqlite = [\"default\"]")
        .and("[store.default]\ntype = \"sqlite\"\ntime = \"100 ms\"\nrows = 2\nlimit = \"64 KiB\"");
    let server = app.up();
    let run = |sql: &str| {
        let answer = ask(&server, "/sqlite", &[("store", "default"), ("sql", sql)]);
        answer["error"].as_str().unwrap_or("none").to_owned()
    };
    let forever =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
    assert!(run(forever).contains("longer than 100 ms"));
    assert!(run("VALUES (1), (2), (3)").contains("more than 2 rows"));
    assert_eq!(
        run("CREATE TABLE t AS SELECT zeroblob(100000) AS a"),
        "Error::DatabaseFull"
    );
    assert_eq!(run("SELECT 1"), "none");
}

#[test]
fn redis_through_every_function() {
    let address = server("HOLM_TEST_REDIS");
    let app = lab(&format!("grants.redis = [{:?}]", origin(&address)));
    let server = app.up();
    let key = |name: &str| format!("holm:{}:{name}", std::process::id());
    let run = |op: &str, args: &[&str]| {
        let mut query = vec![("address", address.as_str()), ("op", op)];
        query.extend(args.iter().map(|arg| ("a", *arg)));
        ask(&server, "/redis", &query)
    };
    let (text, number, set) = (key("text"), key("number"), key("set"));
    for (op, args, answer) in [
        ("get", vec![text.as_str()], json!({"ok": null})),
        ("set", vec![&text, "grüße"], json!({"ok": null})),
        ("get", vec![&text], json!({"ok": "grüße"})),
        ("incr", vec![&number], json!({"ok": 1})),
        ("incr", vec![&text], json!({"error": "Error::TypeError"})),
        ("sadd", vec![&set, "a", "b"], json!({"ok": 2})),
        ("srem", vec![&set, "b", "c"], json!({"ok": 1})),
        ("smembers", vec![&set], json!({"ok": ["a"]})),
        (
            "smembers",
            vec![&text],
            json!({"error": "Error::TypeError"}),
        ),
        ("publish", vec!["holm:channel", "x"], json!({"ok": null})),
        (
            "append",
            vec![&text, "!"],
            json!({"ok": ["RedisResult::Int64(8)"]}),
        ),
        (
            "ping",
            vec![],
            json!({"ok": ["RedisResult::Status(\"PONG\")"]}),
        ),
        ("del", vec![&text, &number, &set, "none"], json!({"ok": 3})),
        ("del", vec![], json!({"ok": 0})),
    ] {
        assert_eq!(run(op, &args), answer, "{op} {args:?}");
    }
    let answer = run("nonsense", &[]);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("unknown command"),
        "{answer}"
    );
    let elsewhere = [
        ("address", "redis://localhost:1"),
        ("op", "get"),
        ("a", "x"),
    ];
    let answer = ask(&server, "/redis", &elsewhere);
    assert_eq!(answer, json!({"error": "Error::InvalidAddress"}));
}

#[test]
fn mqtt_at_each_quality_of_service() {
    let address = server("HOLM_TEST_MQTT");
    let app = lab(&format!("grants.mqtt = [{:?}]", origin(&address)));
    let server = app.up();
    for qos in ["0", "1", "2"] {
        let message = [
            ("address", address.as_str()),
            ("topic", "holm/e2e"),
            ("payload", "hello"),
            ("qos", qos),
        ];
        assert_eq!(
            ask(&server, "/mqtt", &message),
            json!({"ok": null}),
            "{qos}"
        );
    }
    let elsewhere = "mqtt://localhost:1?client_id=me";
    let answer = ask(&server, "/mqtt", &[("address", elsewhere), ("topic", "a")]);
    let told = format!("Error::ConnectionFailed(\"address {elsewhere} is not permitted\")");
    assert_eq!(answer, json!({"error": told}));
}

#[test]
fn postgres_through_its_three_versions() {
    let address = server("HOLM_TEST_POSTGRES");
    let app = lab(&format!("grants.postgres = [{:?}]", origin(&address)));
    let server = app.up();
    let typed = [
        ("address", address.as_str()),
        (
            "sql",
            "SELECT $1::int8 AS a, $2::uuid AS b, $3::numeric AS c, $4::jsonb AS d, $5::text AS e",
        ),
        ("p", "int64:7"),
        ("p", "uuid:fedcba98-fedc-fedc-fedc-fedcba987654"),
        ("p", "decimal:1.50"),
        ("p", "jsonb:{}"),
        ("p", "null"),
    ];
    let answer = ask(&server, "/postgres", &typed);
    assert_eq!(
        answer["ok"]["rows"],
        json!([[
            "DbValue::Int64(7)",
            "DbValue::Uuid(\"fedcba98-fedc-fedc-fedc-fedcba987654\")",
            "DbValue::Decimal(\"1.50\")",
            "DbValue::Jsonb([123, 125])",
            "DbValue::DbNull",
        ]]),
        "{answer}"
    );
    let sql = ("sql", "SELECT 1::int4, date '2024-02-29', 1.5::numeric");
    let at = ("address", address.as_str());
    assert_eq!(
        ask(&server, "/postgres3", &[at, sql]),
        json!({"ok": [["DbValue::Int32(1)", "DbValue::Date((2024, 2, 29))", "DbValue::Unsupported"]]})
    );
    let unsigned = [at, ("sql", "SELECT $1::int8 + 1"), ("p", "uint64:4711")];
    assert_eq!(
        ask(&server, "/postgres2", &unsigned),
        json!({"ok": [["DbValue::Int64(4712)"]]})
    );
    // A session is the guest's own for as long as it is open.
    let session = [
        at,
        ("sql", "CREATE TEMP TABLE t(a int)"),
        ("sql", "BEGIN"),
        ("sql", "INSERT INTO t VALUES (1), (2)"),
        ("sql", "COMMIT"),
        ("sql", "UPDATE t SET a = a + 1"),
        ("exec", "yes"),
    ];
    assert_eq!(ask(&server, "/postgres", &session), json!({"ok": 2}));
    let wrong = ask(
        &server,
        "/postgres",
        &[at, ("sql", "SELECT * FROM nothing_here")],
    );
    let told = wrong["error"].as_str().unwrap();
    assert!(
        told.contains("42P01") && told.contains("nothing_here"),
        "{told}"
    );
    let elsewhere = ("address", "host=localhost port=1 user=me password=secret");
    let answer = ask(&server, "/postgres", &[elsewhere, ("sql", "SELECT 1")]);
    let told = "Error::ConnectionFailed(\"address postgres://localhost:1 is not permitted\")";
    assert_eq!(answer, json!({"error": told}));
}

#[test]
fn mysql_as_spin_s_guests_call_it() {
    let address = server("HOLM_TEST_MYSQL");
    let app = lab(&format!("grants.mysql = [{:?}]", origin(&address)));
    let server = app.up();
    let typed = [
        ("address", address.as_str()),
        (
            "sql",
            "CREATE TEMPORARY TABLE t(a BIGINT UNSIGNED, b DOUBLE, c TEXT, d BLOB, e INT)",
        ),
        (
            "sql",
            "INSERT INTO t VALUES (18446744073709551615, 1.5, 'grüße', 'x', NULL)",
        ),
        ("sql", "SELECT * FROM t WHERE b = ?"),
        ("p", "float:1.5"),
    ];
    let answer = ask(&server, "/mysql", &typed);
    assert_eq!(
        answer["ok"]["rows"],
        json!([[
            "DbValue::Uint64(18446744073709551615)",
            "DbValue::Floating64(1.5)",
            "DbValue::Str(\"grüße\")",
            "DbValue::Binary([120])",
            "DbValue::DbNull",
        ]]),
        "{answer}"
    );
    let elsewhere = ("address", "mysql://me:secret@localhost:1/x");
    let answer = ask(&server, "/mysql", &[elsewhere, ("sql", "SELECT 1")]);
    let told = "Error::ConnectionFailed(\"address mysql://localhost:1 is not permitted\")";
    assert_eq!(answer, json!({"error": told}));
}

#[test]
fn without_a_grant_everything_links_and_nothing_is_reached() {
    let server = lab("").up();
    let answer = ask(
        &server,
        "/sqlite",
        &[("store", "default"), ("sql", "SELECT 1")],
    );
    assert_eq!(answer, json!({"error": "Error::AccessDenied"}));
    let redis = [("address", "redis://localhost"), ("op", "get"), ("a", "x")];
    assert_eq!(
        ask(&server, "/redis", &redis),
        json!({"error": "Error::InvalidAddress"})
    );
    server.wait_for("redis = [\\\"redis://localhost\\\"]");
    let postgres = [("address", "postgres://db.internal/x"), ("sql", "SELECT 1")];
    ask(&server, "/postgres", &postgres);
    server.wait_for("postgres = [\\\"postgres://db.internal\\\"]");
    let llm = ask(&server, "/llm", &[]);
    assert_eq!(llm, json!({"error": "Error::ModelNotSupported"}));
    ask(&server, "/llm", &[]);
    server.wait_for("inference is not supported yet");
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_a_line_in_the_log() {
    // Nobody listens at port 1.
    let app = lab(
        "grants.redis = [\"redis://localhost:1\"]\ngrants.postgres = [\"postgres://localhost:1\"]",
    );
    let server = app.up();
    let redis = [
        ("address", "redis://localhost:1"),
        ("op", "get"),
        ("a", "x"),
    ];
    let told = "Error::Other(\"there is no connection: it was refused\")";
    assert_eq!(ask(&server, "/redis", &redis), json!({"error": told}));
    let postgres = [
        ("address", "host=localhost port=1 user=me"),
        ("sql", "SELECT 1"),
    ];
    let told = "Error::ConnectionFailed(\"there is no connection: it was refused\")";
    assert_eq!(ask(&server, "/postgres", &postgres), json!({"error": told}));
    server.wait_for("there is no connection");
}
