//! OpenAPI 3.1 of what may be called, made of signatures and docs.

use super::{media, query};
use crate::component::Component;
use crate::functions::{COLLECTED_MAX, Exposed, Function, digits};
use crate::triggers::http::answer::TYPES;
use holm_manifest::ByteSize;
use holm_runtime::values::json::Options;
use holm_runtime::values::schema::Definitions;
use holm_runtime::values::{Param, Signature, Type};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Where schemas of types with names stand.
const SCHEMAS: &str = "#/components/schemas/";

/// The name of our own schema among them; types are named as in WIT, which has no capitals alone.
const PROBLEM: &str = "Problem";

/// The document.
pub(super) fn document(component: &Component, exposed: &Exposed, base: &str) -> Value {
    let mut schemas = Definitions::new(SCHEMAS, Options::default());
    let mut paths = Map::new();
    let mut tags: Vec<Value> = Vec::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for function in &exposed.functions {
        *ids.entry(plain_id(function)).or_default() += 1;
    }
    for function in &exposed.functions {
        let plain = plain_id(function);
        let id = match ids.get(&plain) {
            // Two paths that differ in nothing but dots and dashes.
            Some(2..) => format!("{plain}-{}", digits(&function.path())),
            _ => plain,
        };
        let operation = operation(id, function, &mut schemas);
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

/// A name that any generator of clients can make something of.
fn plain_id(function: &Function) -> String {
    let odd = |c: char| !c.is_ascii_alphanumeric();
    function.path().replace(odd, "-")
}

fn operation(id: String, function: &Function, schemas: &mut Definitions) -> Value {
    let signature = &function.signature;
    let mut operation = json!({
        "operationId": id,
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
        let mut content = json!({media::JSON: {"schema": schema}});
        if let Some(item) = &function.streams.input {
            content[media::of_stream(item)] = stream(item, schemas);
            let others = beside_stream(signature, schemas);
            if !others.is_empty() {
                operation["parameters"] = others.into();
            }
        }
        operation["requestBody"] = json!({
            "description": format!(
                "JSON of at most {}.{}",
                ByteSize(COLLECTED_MAX),
                match function.streams.input {
                    Some(_) => " Or the last parameter alone, as it comes, the others in the query.",
                    None => "",
                }
            ),
            "required": true,
            "content": content,
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
            let mut content = json!({media::JSON: {"schema": schema}});
            if let Some(item) = &function.streams.output {
                content[media::of_stream(item)] = stream(item, schemas);
            }
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

/// A body that is a stream of these.
fn stream(item: &Type, schemas: &mut Definitions) -> Value {
    match item {
        Type::U8 => json!({}),
        item => json!({
            "schema": {"type": "string", "description": "A line of JSON for each item."},
            "x-item": schemas.of_type(item),
        }),
    }
}

/// The parameters that stand in the query where the last one is the body.
fn beside_stream(signature: &Signature, schemas: &mut Definitions) -> Vec<Value> {
    let Some((_, others)) = signature.params.split_last() else {
        return Vec::new();
    };
    let parameter = |param: &Param| {
        let schema = schemas.of_type(&param.ty);
        let mut parameter = json!({
            "name": &*param.name,
            "in": "query",
            "description": "Where the body is a stream; in JSON it is in the body.",
        });
        match query::is_text(&param.ty) {
            true => parameter["schema"] = schema,
            false => parameter["content"] = json!({media::JSON: {"schema": schema}}),
        }
        parameter
    };
    others.iter().map(parameter).collect()
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
            "type": {"type": "string", "description": format!("{TYPES}CODE")},
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
        (
            "TooLarge",
            "The body is larger than is taken of its media type.",
        ),
        (
            "MediaType",
            "The body is not said to be of one of the media types above.",
        ),
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
