//! The JSON schema of `holm.toml`: published for editors, and enforced as it is published.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value as Json, json};

use crate::manifest::Build;
use crate::{AppLimits, Fragment, Limits, Serve, Vocabulary, variables};

/// The schema of a manifest (JSON Schema, draft 2020-12) in this vocabulary.
pub fn schema(vocabulary: &Vocabulary) -> Json {
    let mut defs = Defs::default();
    let component = component(vocabulary, &mut defs);
    defs.put("Component", component);

    let mut properties = Map::new();
    let mut put = |name: &str, schema: Json| properties.insert(name.into(), schema);
    let mut name = name_schema("Name of the app.");
    name["examples"] = json!(["my-app"]);
    put("name", name);
    put("version", text("Version of the app; free text."));
    put("description", text("What the app is, in one line."));
    put(
        "limits",
        defs.add::<AppLimits>("What all components may use together; each limit has a default."),
    );
    put("serve", defs.add::<Serve>("How the app is served."));
    put(variables::TABLE, variables::schema());
    put(
        "component",
        json!({
            "description": "The components by name: `[component.NAME]`.",
            "x-example": "[component.web]\nsource = \"web.wasm\"",
            "type": "object",
            "x-noun": "component",
            "propertyNames": name_schema("Name of a component."),
            "additionalProperties": { "$ref": "#/$defs/Component" },
        }),
    );
    for trigger in &vocabulary.triggers {
        let items = defs.embed(trigger);
        put(
            trigger.name,
            json!({
                "description": trigger.doc,
                "x-example": trigger.example,
                "type": "array",
                "items": items,
            }),
        );
    }
    put("store", named(&STORES, &vocabulary.stores, &mut defs));
    put("broker", named(&BROKERS, &vocabulary.brokers, &mut defs));

    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "holm.toml",
        "description": "The manifest of an app that runs on Holm.",
        "type": "object",
        "required": ["name"],
        "properties": properties,
        "additionalProperties": false,
        "$defs": defs.0,
    })
}

/// Where the schema of a part stands in the whole: what [`crate::parse`] looks up.
pub(crate) mod pointer {
    pub(crate) fn grant(name: &str) -> String {
        format!("/$defs/Component/properties/grants/properties/{name}")
    }

    pub(crate) fn trigger(name: &str) -> String {
        format!("/properties/{name}/items")
    }

    pub(crate) const BROKER: &str = "/properties/broker/additionalProperties";
    pub(crate) const STORE: &str = "/properties/store/additionalProperties";
    pub(crate) const LIMITS: &str = "/$defs/Component/properties/limits";
    pub(crate) const BUILD: &str = "/$defs/Component/properties/build";
    pub(crate) const SERVE: &str = "/properties/serve";
    pub(crate) const APP_LIMITS: &str = "/properties/limits";
    pub(crate) const VARIABLES: &str = "/properties/variables";
}

fn component(vocabulary: &Vocabulary, defs: &mut Defs) -> Json {
    let grants: Map<String, Json> = vocabulary
        .grants
        .iter()
        .map(|grant| (grant.name.to_owned(), defs.embed(grant)))
        .collect();
    json!({
        "description": "A WebAssembly file with what it may do and what it may use.",
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": {
            "source": {
                "description": "The WebAssembly file, relative to the manifest; or a script with a `fetch` handler, in JavaScript or TypeScript; or a file that is fetched from a URL.",
                "examples": ["app.wasm"],
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "required": ["url", "digest"],
                        "additionalProperties": false,
                        "properties": {
                            "url": text("Where the file is: https:// or http://."),
                            "digest": text("Its SHA-256: `sha256:` and 64 hex digits. What is fetched is this file or none."),
                        },
                    },
                ],
            },
            "description": text("What the component is, in one line."),
            "grants": {
                "description": "What the component may do; what is not granted is denied.",
                "type": "object",
                "x-noun": "grant",
                "properties": grants,
                "additionalProperties": false,
            },
            "imports": {
                "description": "Which component of the app provides an interface that this one imports; each keeps its own grants and limits.",
                "type": "object",
                "x-noun": "linked interface",
                "x-example": "imports = { \"example:payments/processor\" = \"payments\" }",
                "propertyNames": {
                    "description": "An interface, with or without its version.",
                    "type": "string",
                    "pattern": "^[A-Za-z][A-Za-z0-9:/-]*@?[0-9A-Za-z.+-]*$",
                    "maxLength": 255,
                    "x-expected": "an interface as in WIT: namespace:package/interface",
                },
                "additionalProperties": {
                    "description": "The component that provides it.",
                    "type": "string",
                    "examples": ["payments"],
                },
            },
            "limits": defs.add::<Limits>("What one call may use; every limit has a default."),
            "reuse": {
                "description": "Requests that one instance serves; 1 is a fresh instance for each.",
                "type": "integer",
                "format": "uint32",
                "minimum": 1,
                "default": 1,
            },
            "snapshot": {
                "description": "Start the component once, when it is prepared, and let each instance begin from an image of the result, where that is safe.",
                "type": "boolean",
                "default": true,
            },
            "wit": {
                "description": "A folder or file with the component's WIT: its docs are shown where the binary has none.",
                "type": "string",
                "minLength": 1,
                "examples": ["wit"],
            },
            "build": defs.add::<Build>("How the component is built."),
        },
    })
}

/// What has a name of its own and a `type`.
struct Typed {
    doc: &'static str,
    noun: &'static str,
    of_name: &'static str,
    of_type: &'static str,
}

const STORES: Typed = Typed {
    doc: "Stores by name: `[store.NAME]`; an embedded store needs no words.",
    noun: "store",
    of_name: "Name of a store.",
    of_type: "What kind of store this is.",
};

const BROKERS: Typed = Typed {
    doc: "Brokers of messages by name: `[broker.NAME]`; one in memory needs no words.",
    noun: "broker",
    of_name: "Name of a broker.",
    of_type: "What kind of broker this is.",
};

fn named(typed: &Typed, kinds: &[Fragment], defs: &mut Defs) -> Json {
    let kinds: Vec<Json> = kinds
        .iter()
        .map(|kind| {
            let mut schema = defs.embed(kind);
            add_type(&mut schema, kind.name, typed.of_type, true);
            schema
        })
        .collect();
    let each = match kinds.is_empty() {
        true => json!(false),
        false => json!({ "oneOf": kinds }),
    };
    json!({
        "description": typed.doc,
        "type": "object",
        "x-noun": typed.noun,
        "propertyNames": name_schema(typed.of_name),
        "additionalProperties": each,
    })
}

/// Gives the schema of a store or broker its `type` key, in each of its alternatives too.
fn add_type(schema: &mut Json, name: &str, doc: &str, outermost: bool) {
    let Json::Object(object) = schema else {
        *schema = json!({});
        return add_type(schema, name, doc, outermost);
    };
    for keyword in ["oneOf", "anyOf", "allOf"] {
        if let Some(Json::Array(branches)) = object.get_mut(keyword) {
            for branch in branches {
                add_type(branch, name, doc, false);
            }
        }
    }
    let is_table = object.contains_key("properties") || object.contains_key("additionalProperties");
    if !outermost && !is_table {
        return;
    }
    object.insert("type".into(), "object".into());
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Json::Object(properties) = properties {
        let kind = json!({ "const": name, "description": doc });
        properties.shift_insert(0, "type".into(), kind);
    }
    if outermost {
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let Json::Array(names) = required
            && !names.contains(&json!("type"))
        {
            names.insert(0, json!("type"));
        }
    }
}

/// Names end up in paths, host names and labels: the strictest of their rules.
fn name_schema(meaning: &str) -> Json {
    json!({
        "description": meaning,
        "type": "string",
        "pattern": "^[a-z][a-z0-9-]*$",
        "maxLength": 63,
        "x-expected": "lower case letters, digits and `-`, the first a letter",
    })
}

fn text(meaning: &str) -> Json {
    json!({ "description": meaning, "type": "string" })
}

/// The definitions shared by all parts of the schema.
#[derive(Default)]
struct Defs(Map<String, Json>);

impl Defs {
    fn put(&mut self, name: &str, schema: Json) {
        self.0.insert(name.into(), schema);
    }

    /// The schema of one of our own types, under its own meaning.
    fn add<T: JsonSchema>(&mut self, meaning: &str) -> Json {
        let mut schema = self.hoist(T::schema_name().as_ref(), schema_for!(T));
        schema["description"] = meaning.into();
        schema
    }

    /// The schema of a fragment, with its documentation.
    fn embed(&mut self, fragment: &Fragment) -> Json {
        let mut schema = self.hoist(fragment.name, fragment.schema.clone());
        if let Json::Object(object) = &mut schema {
            object.insert("description".into(), fragment.doc.into());
            object.insert("x-example".into(), fragment.example.into());
        }
        schema
    }

    /// Moves a schema's own definitions to the common ones. Where two parts use one
    /// name for different things, the later one gets its owner's name in front.
    fn hoist(&mut self, owner: &str, schema: Schema) -> Json {
        let mut schema = schema.to_value();
        let own = match schema.as_object_mut() {
            Some(object) => {
                object.shift_remove("$schema");
                object.shift_remove("title");
                object.shift_remove("$defs")
            }
            None => None,
        };
        let Some(Json::Object(mut own)) = own else {
            tidy(&mut schema, &Map::new());
            return schema;
        };
        let mut renamed = Map::new();
        for (name, definition) in &own {
            let mut tidied = definition.clone();
            tidy(&mut tidied, &Map::new());
            if self.0.get(name).is_some_and(|known| *known != tidied) {
                renamed.insert(name.clone(), format!("{owner}.{name}").into());
            }
        }
        tidy(&mut schema, &renamed);
        for (name, definition) in &mut own {
            tidy(definition, &renamed);
            let name = renamed.get(name).and_then(Json::as_str).unwrap_or(name);
            self.0.insert(name.into(), definition.take());
        }
        schema
    }
}

/// Takes out what only makes sense in JSON (null), and follows renamed definitions.
fn tidy(schema: &mut Json, renamed: &Map<String, Json>) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(|item| tidy(item, renamed)),
        Json::Object(object) => {
            if let Some(Json::String(path)) = object.get_mut("$ref")
                && let Some(name) = path.strip_prefix("#/$defs/")
                && let Some(new) = renamed.get(name).and_then(Json::as_str)
            {
                *path = format!("#/$defs/{new}");
            }
            if object.get("default") == Some(&Json::Null) {
                object.shift_remove("default");
            }
            if let Some(Json::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            for keyword in ["anyOf", "oneOf"] {
                if let Some(Json::Array(branches)) = object.get_mut(keyword) {
                    branches.retain(|branch| branch != &json!({ "type": "null" }));
                    if let [Json::Object(only)] = branches.as_slice() {
                        let only = only.clone();
                        object.shift_remove(keyword);
                        for (key, value) in only {
                            object.entry(key).or_insert(value);
                        }
                    }
                }
            }
            object.values_mut().for_each(|value| tidy(value, renamed));
        }
        _ => {}
    }
}
