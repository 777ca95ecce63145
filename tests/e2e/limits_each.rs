//! Every limit of the manifest: a guest written for it reaches it, the log says which and how much
//! it is, a counter counts it, the client learns nothing, and another app on the same host is
//! served without one failure. A limit of the schema without a case here is a failure too.

use crate::app::*;
use crate::apps_admin::metrics;
use crate::client::*;
use crate::origin::origin;
use crate::support::*;
use crate::tenants::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

/// How a guest is brought to its limit.
enum Ask {
    /// A GET for a path.
    Get(&'static str),
    /// A PUT or POST of so many bytes, whose number it says at once.
    Send(&'static str, &'static str, usize),
    /// A POST of so many KiB that does not say how many they are.
    Stream(&'static str, usize),
    /// So many GETs at once; one of them meets the limit.
    Crowd(&'static str, usize),
    /// Lines without end.
    Print,
}
use Ask::*;

/// A component: its name, its guest, the limit that its settings begin with and that it reaches (but
/// see [`named`]), how, and the status of what it then answers; none where the answer is cut.
struct Case(&'static str, &'static str, &'static str, Ask, Option<u16>);

/// In paths: an HTTP server, TCP servers that read and write without end, the same for UDP.
const ADDRESSES: [&str; 5] = ["{http}", "{sink}", "{source}", "{udp-sink}", "{udp-source}"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    // What an instance is made of.
    Case("memory", "http-lab", "memory = \"4 MiB\"", Get("/grow"), Some(500)),
    Case("memory-3", "greedy-p3", "memory = \"4 MiB\"", Get("/grow"), Some(500)),
    Case("memory-bytes", "growing-by-bytes", "memory = \"4 MiB\"", Get("/"), Some(500)),
    Case("memories", "three-memories", "memories = 2", Get("/"), Some(500)),
    Case("elements", "large-table", "table_elements = 1000", Get("/"), Some(500)),
    Case("elements-grown", "growing-table", "table_elements = 1000", Get("/"), Some(500)),
    Case("elements-sudden", "suddenly-large-table", "table_elements = 1000", Get("/"), Some(500)),
    Case("tables", "three-tables", "tables = 2", Get("/"), Some(500)),
    Case("instances", "forty-instances", "instances = 39", Get("/"), Some(500)),
    Case("stack", "greedy", "stack = \"512 KiB\"", Get("/stack?n=100000"), Some(500)),
    Case("stack-3", "greedy-p3", "stack = \"512 KiB\"", Get("/stack?n=100000"), Some(500)),
    Case("stack-small", "greedy", "stack = \"128 KiB\"", Get("/stack?n=10000"), Some(500)),
    // Time.
    Case("cpu", "http-lab", "cpu = \"100 ms\"", Get("/spin"), Some(504)),
    Case("cpu-3", "greedy-p3", "cpu = \"100 ms\"", Get("/spin"), Some(504)),
    Case("cpu-start", "endless-start", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-realloc", "endless-realloc", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-post-return", "endless-post-return", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-start-3", "endless-start-async", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-realloc-3", "endless-realloc-async", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-post-return-3", "endless-post-return-async", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-now", "endless-now", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-now-3", "greedy-p3", "cpu = \"100 ms\"", Get("/now"), Some(504)),
    Case("cpu-fill", "endless-fill", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-fill-3", "greedy-p3", "cpu = \"100 ms\"", Get("/fill"), Some(504)),
    Case("cpu-copy", "endless-copy", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("cpu-table", "endless-table-fill", "cpu = \"100 ms\"", Get("/"), Some(504)),
    Case("fuel-start", "endless-start", "fuel = 5000000", Get("/"), Some(504)),
    Case("fuel-now", "endless-now", "fuel = 5000000", Get("/"), Some(504)),
    Case("fuel", "http-lab", "fuel = 50000000", Get("/spin"), Some(504)),
    Case("fuel-3", "greedy-p3", "fuel = 50000000", Get("/spin"), Some(504)),
    Case("timeout", "http-lab", "timeout = \"200 ms\"", Get("/hang"), Some(504)),
    Case("timeout-3", "http-lab-p3", "timeout = \"200 ms\"", Get("/hang"), Some(504)),
    Case("first", "http-lab", "first_byte = \"200 ms\"", Get("/hang"), Some(504)),
    Case("first-3", "http-lab-p3", "first_byte = \"200 ms\"", Get("/hang"), Some(504)),
    Case("duration", "http-lab", "duration = \"200 ms\"", Get("/hang"), Some(504)),
    Case("duration-3", "http-lab-p3", "duration = \"200 ms\"", Get("/sse?n=100000&ms=5"), None),
    // Calls at once.
    Case("crowd", "http-lab", "concurrency = 1\nlimits.queue = 0",
        Crowd("/sleep?ms=2500", 2), Some(503)),
    Case("queue", "http-lab", "queue = 1\nlimits.concurrency = 1\nlimits.queue_time = \"1 min\"",
        Crowd("/sleep?ms=2500", 3), Some(503)),
    Case("patience", "http-lab", "queue_time = \"50 ms\"\nlimits.concurrency = 1",
        Crowd("/sleep?ms=2500", 2), Some(503)),
    // HTTP.
    Case("body", "http-lab", "request_body = \"1 KiB\"", Send("POST", "/sink", 1025), Some(413)),
    Case("stream", "http-lab", "request_body = \"100 KiB\"", Stream("/sink", 200), Some(413)),
    Case("stream-3", "http-lab-p3", "request_body = \"100 KiB\"", Stream("/sink", 200), Some(413)),
    Case("answer", "http-lab", "response_body = \"1 KiB\"", Get("/big?bytes=1025&length=1"), Some(500)),
    Case("cut", "http-lab", "response_body = \"100 KiB\"", Get("/big?bytes=200000"), None),
    Case("cut-3", "http-lab-p3", "response_body = \"100 KiB\"", Get("/big?bytes=200000"), None),
    Case("headers", "http-lab", "headers = \"4 KiB\"", Get("/hold/fields?n=50&bytes=100"), Some(500)),
    Case("headers-3", "greedy-p3", "headers = \"4 KiB\"", Get("/fields?n=100"), Some(200)),
    Case("fields", "http-lab", "header_count = 10", Get("/hold/fields?n=11"), Some(500)),
    Case("fields-3", "greedy-p3", "header_count = 10", Get("/fields?n=11"), Some(500)),
    Case("trailers", "http-lab", "header_count = 10", Get("/hold/trailers?n=11"), None),
    // What the host holds.
    Case("timers", "http-lab", "handles = 50", Get("/hold/timers?n=100"), Some(500)),
    Case("own", "endless-handles", "handles = 50", Get("/"), Some(500)),
    Case("waits-3", "greedy-p3", "handles = 50", Get("/waits?n=100"), Some(500)),
    Case("streams-3", "greedy-p3", "handles = 50", Get("/streams?n=100"), Some(500)),
    Case("data", "http-lab", "call_data = \"64 KiB\"", Get("/hold/data?n=100000"), Some(500)),
    Case("polls", "ten-million-polls", "call_data = \"64 KiB\"", Get("/"), Some(500)),
    Case("data-3", "greedy-p3", "call_data = \"64 KiB\"", Get("/data?n=100000"), Some(500)),
    Case("sockets", "http-lab", "sockets = 7", Get("/hold/sockets?n=100"), Some(200)),
    Case("sockets-3", "greedy-p3", "sockets = 7", Get("/sockets?n=100"), Some(200)),
    Case("files", "http-lab", "open_files = 5", Get("/hold/files?n=100&path=/data/file"), Some(200)),
    Case("files-3", "http-lab-p3", "open_files = 5", Get("/hold/files?n=100&path=/data/file"), Some(200)),
    // What goes out.
    Case("outbound", "http-lab", "outbound = 1", Get("/hold/requests?n=2&to={http}"), Some(200)),
    Case("outbound-3", "greedy-p3", "outbound = 1", Get("/requests?n=2&to={http}"), Some(200)),
    Case("fetch", "http-lab", "outbound_bytes = \"3 B\"", Get("/fetch?url=http://{http}/"), Some(200)),
    Case("fetch-3", "http-lab-p3", "outbound_bytes = \"3 B\"", Get("/fetch?url=http://{http}/"), Some(200)),
    Case("post", "http-lab", "outbound_bytes = \"10 KiB\"",
        Send("POST", "/fetch?method=POST&url=http://{http}/", 20000), Some(200)),
    Case("tcp", "greedy", "outbound_bytes = \"10 KiB\"", Get("/tcp?n=20000&to={sink}"), Some(200)),
    Case("tcp-3", "greedy-p3", "outbound_bytes = \"10 KiB\"", Get("/tcp?n=20000&to={sink}"), Some(200)),
    Case("read", "greedy", "outbound_bytes = \"10 KiB\"", Get("/tcp-read?to={source}"), Some(200)),
    Case("read-3", "greedy-p3", "outbound_bytes = \"10 KiB\"", Get("/tcp-read?to={source}"), Some(200)),
    Case("udp", "greedy", "outbound_bytes = \"10 KiB\"", Get("/udp?n=20&to={udp-sink}"), Some(500)),
    Case("udp-3", "greedy-p3", "outbound_bytes = \"10 KiB\"", Get("/udp?n=20&to={udp-sink}"), Some(500)),
    Case("taken", "greedy", "outbound_bytes = \"10 KiB\"", Get("/udp-read?n=20&tell={udp-source}"), Some(500)),
    Case("taken-3", "greedy-p3", "outbound_bytes = \"10 KiB\"", Get("/udp-read?n=20&tell={udp-source}"), Some(500)),
    Case("written", "http-lab", "bytes_written = \"100 KiB\"",
        Send("PUT", "/file?path=/data/written", 200 * 1024), Some(404)),
    Case("written-3", "http-lab-p3", "bytes_written = \"100 KiB\"",
        Send("PUT", "/file?path=/data/written-3", 200 * 1024), Some(404)),
    Case("value", "http-lab", "value_size = \"1 KiB\"", Get("/kv/set?key=a&bytes=1025"), Some(200)),
    Case("log", "http-lab", "log_rate = \"16 KiB\"", Print, Some(200)),
];

impl Case {
    fn key(&self) -> &'static str {
        self.2.split(' ').next().unwrap()
    }

    /// The limit that the log names: who finds no place waits, so that the queue is what is met.
    fn named(&self) -> &'static str {
        match self.key() {
            "concurrency" => "queue",
            key => key,
        }
    }

    /// Its value as the log shows it.
    fn value(&self) -> &'static str {
        match self.key() {
            "concurrency" => "0",
            _ => {
                let line = self.2.lines().next().unwrap();
                line.split(" = ").nth(1).unwrap().trim_matches('"')
            }
        }
    }
}

/// The limits that a manifest may set, by the schema that users get.
fn of_the_schema() -> BTreeSet<String> {
    fn find(value: &Value) -> Option<&serde_json::Map<String, Value>> {
        let own = value["properties"].as_object();
        own.filter(|all| all.contains_key("table_elements"))
            .or_else(|| match value {
                Value::Object(all) => all.values().find_map(find),
                Value::Array(all) => all.iter().find_map(find),
                _ => None,
            })
    }
    let schema = holm().arg("schema").run();
    let schema: Value = serde_json::from_str(&schema.is(0).stdout).unwrap();
    find(&schema).unwrap().keys().cloned().collect()
}

#[test]
fn each_has_a_guest_that_reaches_it_beside_a_neighbour() {
    let covered: BTreeSet<String> = CASES.iter().map(|case| case.key().to_owned()).collect();
    assert_eq!(covered, of_the_schema());

    let components: Vec<(&str, &str, String)> = CASES
        .iter()
        .map(|Case(name, guest, setting, ..)| (*name, *guest, format!("limits.{setting}")))
        .collect();
    let components: Vec<_> = components.iter().map(|(n, g, s)| (*n, *g, &**s)).collect();
    let app = host_of(&components);
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let origin = origin();
    let addresses = [
        origin.addr.to_string(),
        tcp(|mut stream| drop(stream.read_to_end(&mut Vec::new()))),
        tcp(|mut stream| while stream.write_all(&[b'x'; 1000]).is_ok() {}),
        udp(|_, _| ()),
        udp(|socket, from| {
            for _ in 0..40 {
                let _ = socket.send_to(&[b'x'; 1000], from);
            }
        }),
    ];
    let said = beside_a_neighbour(&server, || {
        // All at once: no limit may depend on what another guest does.
        std::thread::scope(|scope| {
            let (server, addresses) = (&server, &addresses);
            let asked: Vec<_> = CASES
                .iter()
                .map(|case| scope.spawn(move || reach(server, case, addresses)))
                .collect();
            let said: Vec<_> = asked.into_iter().map(|one| one.join().unwrap()).collect();
            said.concat()
        })
    });
    shot!("limits_in_the_log", said);
    for name in ["written", "written-3"] {
        let size = std::fs::metadata(app.dir().join("data").join(name))
            .unwrap()
            .len();
        assert!(size <= 100 * 1024, "{name}: {size}");
    }
    // Each is counted once, whether or not a guest had it.
    let (_, text) = metrics(&app.scratch().join("admin.sock"));
    for case in CASES {
        let (name, limit) = (case.0, case.named());
        let sample = format!(
            "holm_limit_hits_total{{app=\"limits\",component=\"{name}\",limit=\"{limit}\"}} "
        );
        let line = text.lines().find_map(|line| line.strip_prefix(&sample));
        let hits: u32 = line
            .unwrap_or_else(|| panic!("no {sample} in\n{text}"))
            .parse()
            .unwrap();
        assert!(hits == 1 || limit == "log_rate", "{sample}{hits}");
    }
    assert!(!text.contains("component=\"good\",limit"), "{text}");
}

/// Brings a guest to its limit, and gives what the log says of it.
fn reach(server: &Server, case: &Case, addresses: &[String; 5]) -> String {
    let Case(name, .., how, status) = case;
    let filled = |path: &str| {
        let pairs = ADDRESSES.iter().zip(addresses);
        pairs.fold(path.to_owned(), |path, (word, addr)| {
            path.replace(word, addr)
        })
    };
    let answers: Vec<Result<Reply, String>> = match how {
        Get(path) => vec![ask(server, name, &filled(path))],
        Send(method, path, bytes) => {
            let request = http::Request::builder().method(*method).uri(filled(path));
            let request = request.header("host", format!("{name}.test"));
            vec![server.try_request(request.body(vec![b'x'; *bytes]).unwrap())]
        }
        Stream(path, kib) => vec![Ok(block(streamed(server, name, path, *kib)))],
        Crowd(path, n) => std::thread::scope(|scope| {
            let calls: Vec<_> = (0..*n)
                .map(|_| scope.spawn(|| ask(server, name, path)))
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        }),
        Print => {
            // What was lost is told of with the first line that comes a second later.
            let first = ask(server, name, "/log?n=2000");
            std::thread::sleep(std::time::Duration::from_millis(1200));
            vec![first, ask(server, name, "/log?n=1")]
        }
    };
    let met = |answer: &Result<Reply, String>| match (answer, status) {
        (Ok(reply), Some(status)) => reply.status == *status,
        (Err(_), None) => true,
        _ => false,
    };
    assert!(answers.iter().any(met), "{name}: {answers:?}");
    if let Crowd(..) = how {
        let refused: Vec<_> = answers.iter().filter(|answer| met(answer)).collect();
        assert_eq!(refused.len(), 1, "{name}: {answers:?}");
        assert_eq!(refused[0].as_ref().unwrap().header("retry-after"), "1");
    }
    // What is ours to say tells nothing of limits.
    for reply in answers.iter().flatten().filter(|reply| reply.status >= 413) {
        assert!(!reply.text().contains("limit"), "{name}: {}", reply.text());
    }
    told(server, case)
}

async fn streamed(server: &Server, name: &str, path: &str, kib: usize) -> Reply {
    let mut connection = Connection::http1(server.addr()).await;
    let request = http::Request::post(path).header("host", format!("{name}.test"));
    let (mut body, sent) = pieces();
    let sender = tokio::spawn(async move {
        for _ in 0..kib {
            if !body.send(vec![b'x'; 1024]).await {
                break;
            }
        }
    });
    let answer = connection.send(request.body(sent).unwrap()).await.unwrap();
    let reply = whole(answer).await.unwrap();
    let _ = sender.await;
    reply
}

/// What the log says of a limit, with its value.
fn told(server: &Server, case: &Case) -> String {
    let (name, limit, value) = (case.0, case.named(), case.value());
    if limit == "log_rate" {
        let labelled = format!("limits/{name}");
        let line = server.logged("log", |line| {
            line["component"] == labelled && line["limit"] == limit
        });
        assert_eq!(line["limit_value"], value, "{line}");
        return format!("{name}: lines were dropped\n");
    }
    let line = server.logged("request", |line| {
        line["component"] == name
            && (line["fault"]["limit"] == limit || line["receipt"]["limit"] == limit)
    });
    let receipt = &line["receipt"];
    // Without a receipt no guest has run.
    if !receipt.is_null() {
        assert_eq!(receipt["limit"], limit, "{line}");
        assert_eq!(receipt["limit_value"], value, "{line}");
    }
    match line["fault"]["limit"].is_null() {
        true => format!("{name}: the guest went on\n"),
        false => {
            let message = line["fault"]["message"].as_str().unwrap();
            assert!(message.ends_with(&format!("({value})")), "{line}");
            let help = line["fault"]["help"][0].as_str().unwrap();
            format!("{message}\n  {help}\n")
        }
    }
}

/// A TCP server that does this with each connection.
fn tcp(serve: fn(TcpStream)) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    addr.to_string()
}

/// A socket that does this when a datagram has come.
fn udp(serve: fn(&UdpSocket, std::net::SocketAddr)) -> String {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            serve(&socket, from);
        }
    });
    addr.to_string()
}

/// What the stack of a component is, is its own.
#[test]
fn as_deep_as_the_stack() {
    let sizes = ["128 KiB", "512 KiB", "2 MiB", "8 MiB"];
    let names = ["a", "b", "c", "d"];
    for guest in ["greedy", "greedy-p3"] {
        let settings = sizes.map(|size| format!("limits.stack = \"{size}\""));
        let components: Vec<_> = names
            .iter()
            .zip(&settings)
            .map(|(n, s)| (*n, guest, &**s))
            .collect();
        let server = host_of(&components).up();
        let deepest = names.map(|name| {
            let goes = |n: u64| {
                let reply = ask(&server, name, &format!("/stack?n={n}")).unwrap();
                assert!([200, 500].contains(&reply.status), "{}", reply.text());
                reply.status == 200
            };
            (8..24)
                .map(|power| 1 << power)
                .take_while(|n| goes(*n))
                .last()
                .unwrap()
        });
        // Four times the stack is four times as deep.
        assert!(
            deepest.windows(2).all(|two| two[1] == 4 * two[0]),
            "{guest}: {deepest:?}"
        );
    }
    let app = App::lab("limits.stack = \"1 MiB\"");
    app.check()
        .is(2)
        .says("`stack` must be 128 KiB, 512 KiB, 2 MiB or 8 MiB");
}
