//! A WASI 0.2 HTTP component with what no other guest here calls: drafts and versions of interfaces beside
//! those that are in wide use.
//!
//! `/config/2024?key=K`, `/config/draft?key=K`, `/config/runtime?key=K`: the drafts of `wasi:config`; all
//! values without a key. `/secret?key=K`: `wasmcloud:secrets` 1.0.0, looked up and revealed.
//! `/postgres?address=A&certificate=PEM`: a connection by the builder of `spin:postgres` 4.1.0.
//! The answer is `{"ok": …}` or `{"error": "…"}`, errors as Rust prints them.
#[path = "../../http-lab/src/reply.rs"]
#[allow(dead_code)]
mod reply;

use reply::{Query, Reply};
use serde_json::{Value as Json, json};
use std::fmt::Debug;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package holm:drafts-lab;

        package wasmcloud:secrets@1.0.0 {
            interface store {
                variant secrets-error { upstream(string), io(string), not-found }
                variant secret-value { %string(string), bytes(list<u8>) }
                resource secret;
                get: func(key: string) -> result<secret, secrets-error>;
            }
            interface reveal {
                use store.{secret, secret-value};
                reveal: func(s: borrow<secret>) -> secret-value;
            }
        }

        package spin:postgres@4.1.0 {
            interface postgres {
                variant error {
                    connection-failed(string),
                    bad-parameter(string),
                    query-failed(query-error),
                    value-conversion-failed(string),
                    other(string),
                }
                variant query-error { text(string), db-error(db-error) }
                record db-error {
                    as-text: string,
                    severity: string,
                    code: string,
                    message: string,
                    detail: option<string>,
                    extras: list<tuple<string, string>>,
                }
                resource connection-builder {
                    constructor(address: string);
                    set-ca-root: func(certificate: string) -> result<_, error>;
                    build: func() -> result<connection, error>;
                }
                resource connection;
            }
        }

        world lab {
            import wasi:config/store@0.2.0-draft-2024-09-27;
            import wasi:config/store@0.2.0-draft;
            import wasi:config/runtime@0.2.0-draft;
            import wasmcloud:secrets/store@1.0.0;
            import wasmcloud:secrets/reveal@1.0.0;
            import spin:postgres/postgres@4.1.0;
        }
    ",
    path: ["../../../wit/wasi-config@0.2.0-draft", "../../../wit/wasi-config@0.2.0-draft-2024-09-27"],
    world: "holm:drafts-lab/lab",
    generate_all,
});

use spin::postgres::postgres::ConnectionBuilder;
use wasi::config0_2_0_draft as draft;
use wasi::config0_2_0_draft_2024_09_27 as dated;
use wasmcloud::secrets::{reveal, store as secrets};

struct Lab;
wasip2::http::proxy::export!(Lab);

type Answer = Result<Json, String>;

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query::parse(query);
        let key = query.get("key");
        let answer = match path {
            "/config/2024" => values(key, dated::store::get, dated::store::get_all),
            "/config/draft" => values(key, draft::store::get, draft::store::get_all),
            "/config/runtime" => values(key, draft::runtime::get, draft::runtime::get_all),
            "/secret" => secret(key.unwrap_or_default()),
            "/postgres" => connect(&query),
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

fn values<E: Debug>(
    key: Option<&str>,
    get: fn(&str) -> Result<Option<String>, E>,
    get_all: fn() -> Result<Vec<(String, String)>, E>,
) -> Answer {
    match key {
        Some(key) => get(key).map(|value| json!(value)).map_err(said),
        None => get_all().map(|values| json!(values)).map_err(said),
    }
}

fn secret(key: &str) -> Answer {
    let secret = secrets::get(key).map_err(said)?;
    Ok(json!(said(reveal::reveal(&secret))))
}

fn connect(query: &Query) -> Answer {
    let builder = ConnectionBuilder::new(query.get("address").unwrap_or_default());
    if let Some(certificate) = query.get("certificate") {
        builder.set_ca_root(certificate).map_err(said)?;
    }
    builder.build().map(|_| json!("connected")).map_err(said)
}
