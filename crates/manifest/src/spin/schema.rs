//! What spin.toml may say, as JSON schemas: an unknown key is an error with the nearest known one.

use serde_json::{Map, Value as Json, json};

/// The schema of version 2.
pub(super) fn version_2() -> Json {
    json!({
        "type": "object",
        "required": ["spin_manifest_version", "application"],
        "additionalProperties": false,
        "properties": {
            "spin_manifest_version": { "examples": [2] },
            "application": {
                "description": "what the app is: its name, version and description",
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                    "name": name(),
                    "version": text(),
                    "description": text(),
                    "authors": texts(),
                    "targets": { "type": "array" },
                    "trigger": free_tables(),
                    "tool": free_tables(),
                },
            },
            "variables": variables(),
            "trigger": {
                "type": "object",
                "x-noun": "trigger",
                "properties": {
                    "http": { "items": { "$ref": "#/$defs/HttpTrigger" } },
                    "cron": { "items": { "$ref": "#/$defs/CronTrigger" } },
                    "redis": { "items": { "$ref": "#/$defs/RedisTrigger" } },
                    "mqtt": { "items": { "$ref": "#/$defs/MqttTrigger" } },
                },
                "additionalProperties": { "items": { "type": "object" } },
            },
            "component": {
                "type": "object",
                "x-noun": "component",
                "propertyNames": id(),
                "additionalProperties": { "$ref": "#/$defs/Component" },
            },
        },
        "$defs": {
            "HttpTrigger": http_trigger(),
            "CronTrigger": cron_trigger(),
            "RedisTrigger": redis_trigger(),
            "MqttTrigger": mqtt_trigger(),
            "Component": component(),
        },
    })
}

/// The schema of version 1.
pub(super) fn version_1() -> Json {
    let mut component = component_keys();
    for newer in [
        "variables",
        "targets",
        "tool",
        "dependencies_inherit_configuration",
        "dependencies",
        "profile",
    ] {
        component.as_object_mut().map(|keys| keys.remove(newer));
    }
    component["id"] = json!({ "type": "string", "examples": ["hello"] });
    component["config"] = texts_by_name();
    component["trigger"] = json!({
        "description": "what calls the component; `route` for HTTP",
        "type": "object",
    });
    json!({
        "type": "object",
        "required": ["name", "trigger"],
        "additionalProperties": false,
        "properties": {
            "spin_manifest_version": { "examples": ["1"] },
            "spin_version": { "examples": ["1"] },
            "name": name(),
            "version": text(),
            "description": text(),
            "authors": texts(),
            "trigger": {
                "description": "the kind of all triggers",
                "type": "object",
                "required": ["type"],
                "properties": { "type": { "type": "string", "examples": ["http"] } },
                "examples": [{ "type": "http" }],
            },
            "variables": variables(),
            "component": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "source", "trigger"],
                    "additionalProperties": false,
                    "properties": component,
                },
            },
        },
    })
}

fn redis_trigger() -> Json {
    let keys = [
        ("id", text()),
        ("component", component_or_name()),
        ("channel", text()),
        ("address", text()),
    ];
    table(&keys, &["component", "channel"])
}

fn mqtt_trigger() -> Json {
    let keys = [
        ("id", text()),
        ("component", component_or_name()),
        ("topic", text()),
        ("qos", json!({ "type": ["string", "integer"] })),
    ];
    table(&keys, &["component", "topic"])
}

fn component_or_name() -> Json {
    json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/Component" }] })
}

fn cron_trigger() -> Json {
    json!({
        "type": "object",
        "required": ["component", "cron_expression"],
        "additionalProperties": false,
        "properties": {
            "id": text(),
            "component": {
                "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/Component" }],
            },
            "cron_expression": text(),
        },
    })
}

fn http_trigger() -> Json {
    json!({
        "type": "object",
        "required": ["route"],
        "additionalProperties": false,
        "properties": {
            "id": text(),
            "route": {
                "examples": ["/..."],
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "required": ["private"],
                        "additionalProperties": false,
                        "properties": { "private": { "const": true } },
                    },
                ],
            },
            "component": {
                "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/Component" }],
            },
            "executor": {
                "type": "object",
                "required": ["type"],
                "additionalProperties": false,
                "properties": {
                    "type": { "enum": ["http", "spin", "wagi"] },
                    "argv": text(),
                    "entrypoint": text(),
                },
            },
            "static_response": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "status_code": { "type": "integer", "minimum": 100, "maximum": 599 },
                    "headers": texts_by_name(),
                    "body": text(),
                },
            },
            "components": { "type": "object" },
            "dependencies": { "type": "object" },
        },
    })
}

fn component() -> Json {
    json!({
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": component_keys(),
    })
}

fn component_keys() -> Json {
    json!({
        "source": source(),
        "description": text(),
        "variables": texts_by_name(),
        "environment": texts_by_name(),
        "files": { "type": "array", "items": { "anyOf": [{ "type": "string" }, placed()] } },
        "exclude_files": texts(),
        "allowed_http_hosts": texts(),
        "allowed_outbound_hosts": texts(),
        "key_value_stores": texts(),
        "sqlite_databases": texts(),
        "ai_models": texts(),
        "targets": { "type": "array" },
        "build": build(),
        "tool": free_tables(),
        "dependencies_inherit_configuration": { "type": "boolean" },
        "dependencies": {
            "type": "object",
            "x-noun": "dependency",
            "additionalProperties": { "anyOf": [{ "type": "string" }, dependency()] },
        },
        "profile": free_tables(),
    })
}

/// A table of these keys alone, some of which must be there.
fn table(keys: &[(&str, Json)], required: &[&str]) -> Json {
    let keys: Map<String, Json> = keys
        .iter()
        .map(|(key, schema)| ((*key).to_owned(), schema.clone()))
        .collect();
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": keys,
    })
}

fn source() -> Json {
    let keys = ["url", "digest", "registry", "package", "version"].map(|key| (key, text()));
    json!({
        "examples": ["app.wasm"],
        "anyOf": [{ "type": "string" }, table(&keys, &[])],
    })
}

fn placed() -> Json {
    let keys = ["source", "destination"];
    table(&keys.map(|key| (key, text())), &keys)
}

fn build() -> Json {
    let command = json!({
        "type": ["string", "array"],
        "items": text(),
        "examples": ["cargo build --target wasm32-wasip1 --release"],
    });
    let keys = [
        ("command", command),
        ("workdir", text()),
        ("watch", texts()),
    ];
    table(&keys, &["command"])
}

fn dependency() -> Json {
    let words = json!([
        "ai_models",
        "allowed_outbound_hosts",
        "environment",
        "files",
        "key_value_stores",
        "sqlite_databases",
        "variables",
    ]);
    let some = json!({ "type": "array", "items": { "enum": words } });
    let inherit = json!({ "anyOf": [{ "type": "boolean" }, some] });
    let plain = [
        "version",
        "registry",
        "package",
        "path",
        "url",
        "digest",
        "component",
        "export",
    ];
    let mut keys = Vec::from(plain.map(|key| (key, text())));
    keys.push(("inherit_configuration", inherit));
    table(&keys, &[])
}

fn variables() -> Json {
    json!({
        "type": "object",
        "x-noun": "variable",
        "propertyNames": {
            "pattern": "^[a-z][a-z0-9_]*$",
            "x-expected": "lower case letters, digits and `_`, the first a letter",
        },
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "description": text(),
                "required": { "type": "boolean" },
                "default": text(),
                "secret": { "type": "boolean" },
            },
        },
    })
}

fn name() -> Json {
    json!({ "type": "string", "minLength": 1, "examples": ["my-app"] })
}

fn id() -> Json {
    json!({
        "pattern": "^[a-zA-Z][a-zA-Z0-9-]*$",
        "maxLength": 63,
        "x-expected": "letters, digits and `-`, the first a letter",
    })
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn texts() -> Json {
    json!({ "type": "array", "items": text() })
}

fn texts_by_name() -> Json {
    json!({ "type": "object", "additionalProperties": text() })
}

/// What belongs to other tools, and is not looked into.
fn free_tables() -> Json {
    json!({ "type": "object", "additionalProperties": { "type": "object" } })
}
