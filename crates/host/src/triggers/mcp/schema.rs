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

/// Its docs, then its signature: an agent reads both.
fn description(function: &Function) -> String {
    let signature = &function.signature;
    match &signature.docs {
        Some(docs) => format!("{}\n\n{signature}", docs.trim_end()),
        None => signature.to_string(),
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
    schema
}
