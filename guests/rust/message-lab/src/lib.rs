//! A component that sends messages over HTTP's request, and takes them.
//!
//! `/send?broker=B&topic=T&data=D&type=C&meta=K:V`, `/request?…&ms=N&n=N`: the answer is `{"ok": …}` or
//! `{"error": …}`. A message that it takes says what it does: `fail N ID` fails until it was tried more
//! than N times, `answer TEXT` sends an answer, `sleep MS ID` takes its time, `crash` traps; in the topic
//! `dead` all of that does nothing. What it has done it prints: `begin DATA`, then `done TOPIC DATA [TYPE] [K=V …]`.
#[path = "../../http-lab/src/reply.rs"]
#[allow(dead_code)]
mod reply;

use reply::{Query, Reply};
use serde_json::{Value as Json, json};
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package holm:message-lab;
        world lab {
            include wasi:messaging/messaging-request-reply@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
        }
    ",
    path: ["../../../wit/wasi-messaging@0.2.0-draft", "../../wit/keyvalue-draft2"],
    world: "holm:message-lab/lab",
    generate_all,
});

use exports::wasi::messaging::incoming_handler;
use wasi::keyvalue::{atomics, store};
use wasi::messaging::types::{Client, Error, Message};
use wasi::messaging::{producer, request_reply};

struct Lab;
wasip2::http::proxy::export!(Lab);
export!(Lab);

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query::parse(query);
        let answer = match path {
            "/send" => send(&query),
            "/request" => ask(&query),
            _ => Err(Error::Other("no such route".to_owned())),
        };
        let answer = match answer {
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": format!("{error:?}")}),
        };
        Reply::new(out).json(200, &answer);
    }
}

fn one<'a>(query: &'a Query, name: &str) -> &'a str {
    query.get(name).unwrap_or_default()
}

fn message(query: &Query) -> Message {
    let message = Message::new(one(query, "data").as_bytes());
    if let Some(is) = query.get("type") {
        message.set_content_type(is);
    }
    for (name, value) in query.pairs() {
        if let Some((key, value)) = value.split_once(':').filter(|_| name == "meta") {
            message.add_metadata(key, value);
        }
    }
    message
}

fn send(query: &Query) -> Result<Json, Error> {
    let client = Client::connect(one(query, "broker"))?;
    producer::send(&client, one(query, "topic"), message(query))?;
    client.disconnect()?;
    Ok(json!("sent"))
}

fn ask(query: &Query) -> Result<Json, Error> {
    let client = Client::connect(one(query, "broker"))?;
    let options = request_reply::RequestOptions::new();
    options.set_timeout_ms(query.number("ms", 10_000) as u32);
    options.set_expected_replies(query.number("n", 1) as u32);
    let topic = one(query, "topic");
    let answers = request_reply::request(&client, topic, &message(query), Some(options))?;
    let text = |message: &Message| String::from_utf8_lossy(&message.data()).into_owned();
    Ok(answers.iter().map(text).collect())
}

impl incoming_handler::Guest for Lab {
    fn handle(message: Message) -> Result<(), Error> {
        let data = String::from_utf8_lossy(&message.data()).into_owned();
        println!("begin {data}");
        let topic = message.topic().unwrap_or_default();
        // What is dead does nothing any more.
        let mut words = match &*topic {
            "dead" => "",
            _ => &*data,
        }
        .splitn(3, ' ');
        match words.next().unwrap_or_default() {
            "fail" => {
                let most: i64 = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                if tries(words.next().unwrap_or_default()) <= most {
                    return Err(Error::Other(format!("no luck with {data}")));
                }
            }
            "answer" => request_reply::reply(&message, Message::new(data.as_bytes()))?,
            "sleep" => {
                let ms: u64 = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                monotonic_clock::subscribe_duration(ms * 1_000_000).block();
            }
            "crash" => panic!("asked to"),
            _ => {}
        }
        let mut line = format!("done {topic} {data}");
        for part in message.content_type().into_iter() {
            line = format!("{line} {part}");
        }
        for (name, value) in message.metadata().unwrap_or_default() {
            line = format!("{line} {name}={value}");
        }
        println!("{line}");
        Ok(())
    }
}

/// How often this was tried, this time included.
fn tries(id: &str) -> i64 {
    let store = store::open("default").expect("the store is granted");
    atomics::increment(&store, id, 1).expect("it counts")
}
