//! OpenAPI 3.1 of what may be called, made of signatures and docs.

use crate::component::Component;
use crate::functions::{Exposed, Function};
use holm_runtime::values::Type;
use holm_runtime::values::json::Options;
use holm_runtime::values::schema::Definitions;
use serde_json::{Map, Value, json};

/// Where schemas of types with names stand.
const SCHEMAS: &str = "#/components/schemas/";

/// The name of our own schema among them; types are named as in WIT, which has no capitals alone.
const PROBLEM: &str = "Problem";

/// The document.
pub(super) fn document(component: &Component, exposed: &Exposed, base: &str) -> Value {
    let mut schemas = Definitions::new(SCHEMAS, Options::default());
    let mut paths = Map::new();
    let mut tags: Vec<Value> = Vec::new();
    for function in &exposed.functions {
        let operation = operation(function, &mut schemas);
        if let Some(tag) = tag(function)
            && !tags.iter().any(|known| known["name"] == tag["name"])
        {
            tags.push(tag);
        }
        paths.insert(format!("/{}", function.path()), json!({"post": operation}));
    }
    let mut schemas = schemas.finish();
    schemas.insert(PROBLEM.into(), problem());
    let mut info = json!({
        "title": component.name,
        "version": component.app_version().unwrap_or("0.0.0"),
    });
    let own = exposed
        .functions
        .iter()
        .find(|f| f.signature.interface.is_none());
    let about = component.description().or_else(|| own?.about.as_deref());
    if let Some(about) = about {
        info["description"] = about.into();
    }
    let mut document = json!({
        "openapi": "3.1.1",
        "info": info,
        "servers": [{"url": if base.is_empty() { "/" } else { base }}],
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "responses": responses()},
    });
    let not_callable: Vec<Value> = exposed
        .refused
        .iter()
        .map(|r| json!({"function": r.signature.full_name(), "reason": r.reason}))
        .collect();
    if !not_callable.is_empty() {
        document["x-not-callable"] = not_callable.into();
    }
    document
}

fn tag(function: &Function) -> Option<Value> {
    let mut tag = json!({"name": function.signature.interface.as_deref()?});
    if let Some(about) = &function.about {
        tag["description"] = (**about).into();
    }
    Some(tag)
}

fn operation(function: &Function, schemas: &mut Definitions) -> Value {
    let signature = &function.signature;
    let mut operation = json!({
        "operationId": function.path().replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        "summary": signature.local_name(),
        "x-wit": signature.to_string(),
    });
    if let Some(docs) = &signature.docs {
        operation["description"] = (**docs).into();
    }
    if let Some(interface) = &signature.interface {
        operation["tags"] = json!([**interface]);
    }
    if !signature.params.is_empty() {
        let schema = schemas.of_arguments(signature);
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schema}},
        });
    }
    let mut answers = Map::new();
    let (ok, err) = match &signature.result {
        None => (None, None),
        Some(Type::Result(ok, err)) => (ok.as_deref(), Some(err.as_deref())),
        Some(ty) => (Some(ty), None),
    };
    match ok {
        Some(ty) => {
            let schema = schemas.of_type(ty);
            let content = json!({"application/json": {"schema": schema}});
            let answer = json!({"description": "What the function gave.", "content": content});
            answers.insert("200".into(), answer);
        }
        None => {
            let answer = json!({"description": "The function has ended, and gives nothing."});
            answers.insert("204".into(), answer);
        }
    }
    let mut refer = |status: &str, name: &str| {
        let there = format!("#/components/responses/{name}");
        answers.insert(status.into(), json!({"$ref": there}));
    };
    refer("400", "Arguments");
    refer("413", "TooLarge");
    refer("415", "MediaType");
    refer("500", "Failed");
    refer("503", "Busy");
    refer("504", "TooSlow");
    if let Some(err) = err {
        answers.insert("422".into(), refused(err.map(|ty| schemas.of_type(ty))));
    }
    answers.sort_keys();
    operation["responses"] = answers.into();
    operation
}

/// The `err` of a function.
fn refused(error: Option<Value>) -> Value {
    let base = json!({"$ref": format!("{SCHEMAS}{PROBLEM}")});
    let schema = match error {
        Some(error) => json!({
            "allOf": [base, {
                "type": "object",
                "properties": {"error": error},
                "required": ["error"],
            }],
        }),
        None => base,
    };
    json!({
        "description": "The function answered with its own error, which `error` has.",
        "content": {"application/problem+json": {"schema": schema}},
    })
}

/// A problem by RFC 9457.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem by RFC 9457.",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "The same for programs."},
            "request_id": {"type": "string", "description": "Finds the rest in the server's log."},
            "detail": {"type": "string"},
            "path": {"type": "string", "description": "Where in the arguments: order.items[3].price"},
        },
        "required": ["type", "title", "status", "code", "request_id"],
    })
}

fn responses() -> Value {
    let all = [
        (
            "Arguments",
            "The arguments do not fit the function; `path` says where.",
        ),
        ("TooLarge", "The body is larger than the component takes."),
        ("MediaType", "Arguments are sent as application/json."),
        (
            "Failed",
            "The function failed; the server's log says why, under the request's id.",
        ),
        (
            "Busy",
            "Too many calls at the moment; Retry-After says when to come again.",
        ),
        ("TooSlow", "The function took too long."),
    ];
    let schema = json!({"$ref": format!("{SCHEMAS}{PROBLEM}")});
    let response = |text: &str| {
        json!({
            "description": text,
            "content": {"application/problem+json": {"schema": schema}},
        })
    };
    let all = all.map(|(name, text)| (name.to_owned(), response(text)));
    Value::Object(all.into_iter().collect())
}
