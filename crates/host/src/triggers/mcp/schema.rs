//! A function as a tool: its name, docs and schemas.

use crate::functions::Function;
use holm_runtime::values::json::Options;
use holm_runtime::values::schema::Definitions;
use holm_runtime::values::{Signature, Type};
use rmcp::model::{JsonObject, Tool};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a schema's definitions stand.
const DEFS: &str = "#/$defs/";

/// Longest docs of a function, and longest signature, in bytes.
const DESCRIPTION_MAX: usize = 4 << 10;

/// Longest docs of a type or a field.
const DOCS_MAX: usize = 1 << 10;

/// The key of a result in what a tool gives, which must be an object.
pub(super) const RESULT: &str = "result";

/// The key of what is said in place of a result that was cut.
pub(super) const NOTICE: &str = "notice";

/// The tool of a function.
pub(super) fn tool(name: String, function: &Function) -> Tool {
    let signature = &function.signature;
    let mut tool = Tool::new(name, description(function), input(signature));
    tool = tool.with_title(signature.name());
    match value(signature).map(output) {
        Some(schema) => tool.with_raw_output_schema(schema),
        None => tool,
    }
}

/// Its docs, then its signature: an agent reads both. They are the guest's words, and so bounded.
fn description(function: &Function) -> String {
    let signature = &function.signature;
    let own = cut(&signature.to_string(), DESCRIPTION_MAX);
    match &signature.docs {
        Some(docs) => format!("{}\n\n{own}", cut(docs.trim_end(), DESCRIPTION_MAX)),
        None => own,
    }
}

/// As much of a text as may be, and a sign that there was more.
fn cut(text: &str, most: usize) -> String {
    match text.len() > most {
        true => format!("{} […]", &text[..text.floor_char_boundary(most)]),
        false => text.to_owned(),
    }
}

/// Cuts the docs within a schema.
fn cut_docs(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(docs) if key == "description" && docs.len() > DOCS_MAX => {
                        *docs = cut(docs, DOCS_MAX);
                    }
                    value => cut_docs(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut_docs),
        _ => {}
    }
}

fn input(signature: &Signature) -> Arc<JsonObject> {
    let mut definitions = Definitions::new(DEFS, Options::default());
    let schema = definitions.of_arguments(signature);
    Arc::new(with_definitions(schema, definitions))
}

/// What a call gives, if anything; of a `result` what is in its `ok`.
fn value(signature: &Signature) -> Option<&Type> {
    match signature.result.as_ref()? {
        Type::Result(ok, _) => ok.as_deref(),
        ty => Some(ty),
    }
}

fn output(ty: &Type) -> Arc<JsonObject> {
    let mut definitions = Definitions::new(DEFS, Options::default());
    let result = definitions.of_type(ty);
    let schema = json!({
        "type": "object",
        "properties": {
            RESULT: result,
            NOTICE: {"type": "string", "description": "Why there is no result: it was cut."},
        },
        "additionalProperties": false,
        "anyOf": [{"required": [RESULT]}, {"required": [NOTICE]}],
    });
    Arc::new(with_definitions(schema, definitions))
}

fn with_definitions(schema: Value, definitions: Definitions) -> JsonObject {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        other => JsonObject::from_iter([("const".to_owned(), other)]),
    };
    let definitions = definitions.finish();
    if !definitions.is_empty() {
        schema.insert("$defs".into(), definitions.into());
    }
    schema.values_mut().for_each(cut_docs);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_of_itself_is_cut() {
        assert_eq!(cut("äöü", 3), "ä […]");
        assert_eq!(cut("äöü", 6), "äöü");
        let long = "x".repeat(DOCS_MAX + 1);
        let mut schema = json!({
            "properties": {"description": {"description": long, "const": long}},
            "anyOf": [{"description": "short"}],
        });
        cut_docs(&mut schema);
        let field = &schema["properties"]["description"];
        assert_eq!(field["description"], cut(&long, DOCS_MAX));
        assert_eq!(field["const"], long);
        assert_eq!(schema["anyOf"][0]["description"], "short");
    }
}
