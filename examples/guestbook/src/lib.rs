//! A guestbook behind two routes, over WASI 0.2 HTTP and a key-value store:
//!
//!     GET  /api/entries    the newest entries, as JSON
//!     POST /api/entries    a new one, from JSON or from an HTML form
//!
//! Entries lie in the store `default` under `entry/<number>`; `seq` holds the last number.
mod http;

use http::{Answer, Request};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wasi::keyvalue::atomics::increment;
use wasi::keyvalue::batch::get_many;
use wasi::keyvalue::store::{self, Bucket};
use wasip2::clocks::wall_clock;

wit_bindgen::generate!({ path: "wit", world: "wasi:keyvalue/imports", generate_all });

const LISTED: usize = 100;
const LONGEST_NAME: usize = 80;
const LONGEST_MESSAGE: usize = 1000;

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    message: &'a str,
    at: u64,
}

#[derive(Deserialize)]
struct Submission {
    name: String,
    message: String,
}

/// Why a request is not answered as hoped: a status and a sentence.
struct Refusal(u16, String);

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        eprintln!("guestbook: the store failed: {error:?}");
        Self(500, "the store failed".into())
    }
}

fn answer(request: Request) -> Answer {
    let result = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/api/entries") => list(),
        ("POST", "/api/entries") => add(&request),
        (_, "/api/entries") => {
            let mut answer = refuse(Refusal(405, "use GET or POST".into()));
            answer.headers.push(("allow", "GET, POST".into()));
            return answer;
        }
        _ => Err(Refusal(404, "no such page".into())),
    };
    result.unwrap_or_else(refuse)
}

fn refuse(Refusal(status, text): Refusal) -> Answer {
    Answer::json(status, json!({ "error": text }).to_string())
}

fn list() -> Result<Answer, Refusal> {
    let bucket = store::open("default")?;
    let mut keys = entry_keys(&bucket)?;
    keys.sort_unstable_by(|a, b| b.cmp(a));
    keys.truncate(LISTED);
    let values = get_many(&bucket, &keys)?;
    // Each value is JSON as it stands: no need to take it apart.
    let entries: Vec<String> = values
        .into_iter()
        .filter_map(|(_, value)| String::from_utf8(value?).ok())
        .collect();
    Ok(Answer::json(200, format!("[{}]", entries.join(","))))
}

fn entry_keys(bucket: &Bucket) -> Result<Vec<String>, store::Error> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref())?;
        keys.extend(
            page.keys
                .into_iter()
                .filter(|key| key.starts_with("entry/")),
        );
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

fn add(request: &Request) -> Result<Answer, Refusal> {
    let form = request.content_type == "application/x-www-form-urlencoded";
    let submission = if form {
        from_form(&request.body)?
    } else {
        from_json(&request.body)?
    };
    let name = checked("name", &submission.name, LONGEST_NAME)?;
    let message = checked("message", &submission.message, LONGEST_MESSAGE)?;
    let at = wall_clock::now().seconds;
    let entry = serde_json::to_string(&Entry { name, message, at }).expect("plain data");

    let bucket = store::open("default")?;
    let number = increment(&bucket, "seq", 1)?;
    bucket.set(&format!("entry/{number:010}"), entry.as_bytes())?;
    if form {
        return Ok(Answer {
            status: 303,
            headers: vec![("location", "/".into())],
            body: String::new(),
        });
    }
    Ok(Answer::json(201, entry))
}

fn checked<'a>(field: &str, text: &'a str, longest: usize) -> Result<&'a str, Refusal> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Refusal(400, format!("{field} is empty"))),
        n if n > longest => Err(Refusal(
            400,
            format!("{field} is longer than {longest} characters"),
        )),
        _ => Ok(text),
    }
}

fn from_json(body: &[u8]) -> Result<Submission, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_| Refusal(400, "expected a JSON object with name and message".into()))
}

fn from_form(body: &[u8]) -> Result<Submission, Refusal> {
    let bad = || Refusal(400, "expected a form with name and message".into());
    let text = std::str::from_utf8(body).map_err(|_| bad())?;
    let (mut name, mut message) = (None, None);
    for pair in text.split('&') {
        let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
        match field {
            "name" => name = Some(http::form_decode(value).ok_or_else(bad)?),
            "message" => message = Some(http::form_decode(value).ok_or_else(bad)?),
            _ => {}
        }
    }
    Ok(Submission {
        name: name.ok_or_else(bad)?,
        message: message.ok_or_else(bad)?,
    })
}
