//! Values of attributes: WIT has no recursive types, so `wasi:otel` hands them over as JSON.

use super::wit::types;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

/// How bytes are told from texts.
const BYTES: &str = "data:application/octet-stream;base64,";

/// A value in JSON, as OTLP has it. What is no JSON is taken for the text that it is.
pub fn any(json: &str) -> AnyValue {
    match serde_json::from_str(json) {
        Ok(value) => of(value, DEPTH_MAX),
        Err(_) => AnyValue {
            value: Some(Value::StringValue(json.to_owned())),
        },
    }
}

/// What a value in JSON says to people.
pub fn text(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        _ => json.to_owned(),
    }
}

/// A value so deep within others is written out: collectors bound what they read.
const DEPTH_MAX: u32 = 16;

fn of(json: serde_json::Value, deeper: u32) -> AnyValue {
    let value = match json {
        nested @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) if deeper == 0 => {
            Some(Value::StringValue(nested.to_string()))
        }
        serde_json::Value::Null => None,
        serde_json::Value::Bool(value) => Some(Value::BoolValue(value)),
        serde_json::Value::Number(number) => Some(match number.as_i64() {
            Some(number) => Value::IntValue(number),
            None => Value::DoubleValue(number.as_f64().unwrap_or_default()),
        }),
        serde_json::Value::String(text) => Some(match bytes(&text) {
            Some(bytes) => Value::BytesValue(bytes),
            None => Value::StringValue(text),
        }),
        serde_json::Value::Array(values) => Some(Value::ArrayValue(ArrayValue {
            values: values
                .into_iter()
                .map(|value| of(value, deeper - 1))
                .collect(),
        })),
        serde_json::Value::Object(pairs) => Some(Value::KvlistValue(KeyValueList {
            values: pairs
                .into_iter()
                .map(|(key, value)| pair(key, of(value, deeper - 1)))
                .collect(),
        })),
    };
    AnyValue { value }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix(BYTES)?).ok()
}

fn pair(key: String, value: AnyValue) -> KeyValue {
    KeyValue {
        key,
        value: Some(value),
        ..KeyValue::default()
    }
}

/// The attributes of something.
pub fn attributes(pairs: Vec<types::KeyValue>) -> Vec<KeyValue> {
    pairs
        .into_iter()
        .map(|types::KeyValue { key, value }| pair(key, any(&value)))
        .collect()
}
