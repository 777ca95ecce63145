//! JSON Schema (2020-12) of what [`json`](super::json) reads and writes.

use super::json::{Bytes, Integers, Options};
use super::signature::{Signature, without_version};
use super::ty::{Case, Label, Type, TypeName};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The dialect, as a schema names it.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a value, complete: types with names stand in its `$defs`.
pub fn of_type(ty: &Type, options: Options) -> Value {
    let mut definitions = Definitions::new("#/$defs/", options);
    let schema = definitions.of_type(ty);
    definitions.complete(schema)
}

/// The schema of a function's arguments, complete: an object by their names.
pub fn of_arguments(signature: &Signature, options: Options) -> Value {
    let mut definitions = Definitions::new("#/$defs/", options);
    let schema = definitions.of_arguments(signature);
    definitions.complete(schema)
}

/// Schemas of many types that share their definitions, as one OpenAPI document has them.
pub struct Definitions {
    prefix: &'static str,
    options: Options,
    /// The name that a type is defined under, by where its shared part lies.
    names: HashMap<usize, String>,
    defined: Map<String, Value>,
    /// The types are kept, so that no other comes to lie where one lay.
    kept: Vec<Type>,
}

impl Definitions {
    /// None yet; `prefix` is where they will stand: `#/$defs/`, `#/components/schemas/`.
    pub fn new(prefix: &'static str, options: Options) -> Self {
        Definitions {
            prefix,
            options,
            names: HashMap::new(),
            defined: Map::new(),
            kept: Vec::new(),
        }
    }

    /// The schema of a value; a type with a name is defined, and referred to.
    pub fn of_type(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_) => self.named(ty),
            _ => self.plain(ty),
        }
    }

    /// The schema of a function's arguments: an object by their names.
    pub fn of_arguments(&mut self, signature: &Signature) -> Value {
        let members = signature.params.iter().map(|p| (&*p.name, &p.ty, None));
        self.object(members.collect())
    }

    /// All that was defined, by name.
    pub fn finish(self) -> Map<String, Value> {
        self.defined
    }

    fn complete(self, schema: Value) -> Value {
        let mut whole = Map::new();
        whole.insert("$schema".into(), DIALECT.into());
        if let Value::Object(schema) = schema {
            whole.extend(schema);
        }
        if !self.defined.is_empty() {
            whole.insert("$defs".into(), self.defined.into());
        }
        whole.into()
    }

    fn named(&mut self, ty: &Type) -> Value {
        let (Some(identity), Some(name)) = (ty.identity(), ty.name()) else {
            return self.plain(ty);
        };
        let key = match self.names.get(&identity) {
            Some(key) => key.clone(),
            None => {
                let key = self.free_name(name);
                self.names.insert(identity, key.clone());
                self.kept.push(ty.clone());
                // Takes its place before those that it refers to.
                self.defined.insert(key.clone(), Value::Null);
                let mut schema = self.plain(ty);
                describe(&mut schema, ty.docs());
                self.defined.insert(key.clone(), schema);
                key
            }
        };
        json!({ "$ref": format!("{}{key}", self.prefix) })
    }

    /// The type's name; where another has it, its interface's name in front; else a number behind.
    /// What is shown as it is built has no name: it is called by the word for its kind.
    fn free_name(&self, name: &TypeName) -> String {
        let interface = name
            .interface
            .as_deref()
            .map(without_version)
            .unwrap_or_default();
        let interface = interface.rsplit('/').next().unwrap_or(interface);
        let odd = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        let plain = name.name.split(odd).next().unwrap_or_default().to_owned();
        let longer = match interface {
            "" => plain.clone(),
            interface => format!("{interface}.{plain}"),
        };
        let numbered = (2..).map(|n| format!("{longer}-{n}"));
        let mut names = [plain, longer.clone()].into_iter().chain(numbered);
        names
            .find(|n| !self.defined.contains_key(n))
            .unwrap_or(longer)
    }

    fn plain(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => json!({ "type": "boolean" }),
            Type::S8 => integer(i8::MIN.into(), i8::MAX.into()),
            Type::U8 => integer(0, u8::MAX.into()),
            Type::S16 => integer(i16::MIN.into(), i16::MAX.into()),
            Type::U16 => integer(0, u16::MAX.into()),
            Type::S32 => integer(i32::MIN.into(), i32::MAX.into()),
            Type::U32 => integer(0, u32::MAX.into()),
            Type::S64 => self.long("^-?[0-9]+$", "a signed integer of 64 bits"),
            Type::U64 => self.long("^[0-9]+$", "an integer of 64 bits, not negative"),
            Type::F32 | Type::F64 => {
                json!({ "anyOf": [{ "type": "number" }, { "enum": ["nan", "inf", "-inf"] }] })
            }
            Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            Type::String => json!({ "type": "string" }),
            Type::List(of) | Type::Stream(Some(of)) => self.list(of),
            Type::FixedList(of, length) => {
                let mut list = self.list(of);
                if list["type"] == "array" {
                    list["minItems"] = (*length).into();
                    list["maxItems"] = (*length).into();
                }
                list
            }
            Type::Future(Some(of)) => self.of_type(of),
            Type::Map(key, of) if matches!(**key, Type::String) => {
                json!({ "type": "object", "additionalProperties": self.of_type(of) })
            }
            Type::Map(key, of) => {
                let pair = [self.of_type(key), self.of_type(of)];
                json!({ "type": "array", "items": tuple(pair.into()) })
            }
            Type::Tuple(types) => tuple(types.iter().map(|ty| self.of_type(ty)).collect()),
            Type::Option(of) => {
                let some = match **of {
                    Type::Option(_) => {
                        let schema = self.of_type(of);
                        tagged("some", schema, None)
                    }
                    _ => self.of_type(of),
                };
                json!({ "anyOf": [some, { "type": "null" }] })
            }
            Type::Result(ok, err) => {
                let mut side = |name, ty: &Option<std::sync::Arc<Type>>| {
                    let schema = match ty {
                        Some(ty) => self.of_type(ty),
                        None => json!({ "type": "null" }),
                    };
                    tagged(name, schema, None)
                };
                json!({ "oneOf": [side("ok", ok), side("err", err)] })
            }
            Type::Record(of) => {
                let fields = of.fields.iter();
                self.object(
                    fields
                        .map(|f| (&*f.name, &f.ty, f.docs.as_deref()))
                        .collect(),
                )
            }
            Type::Variant(of) => {
                let cases: Vec<Value> = of.cases.iter().map(|case| self.case(case)).collect();
                json!({ "oneOf": cases })
            }
            Type::Enum(of) => labels(&of.cases),
            Type::Flags(of) => {
                json!({ "type": "array", "items": labels(&of.flags), "uniqueItems": true })
            }
            Type::Own(of) | Type::Borrow(of) => {
                json!({ "type": "string", "description": format!("the handle of a {}", of.name.name) })
            }
            Type::Stream(None) | Type::Future(None) | Type::ErrorContext => json!(false),
        }
    }

    fn long(&self, pattern: &str, what: &str) -> Value {
        let ty = match self.options.integers {
            Integers::Exact => json!(["integer", "string"]),
            Integers::Strings => json!("string"),
        };
        json!({ "type": ty, "pattern": pattern, "description": what })
    }

    fn list(&mut self, of: &Type) -> Value {
        match (of, self.options.bytes) {
            (Type::U8, Bytes::Base64) => json!({ "type": "string", "contentEncoding": "base64" }),
            _ => json!({ "type": "array", "items": self.of_type(of) }),
        }
    }

    fn object(&mut self, members: Vec<(&str, &Type, Option<&str>)>) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, ty, docs) in members {
            let mut schema = self.of_type(ty);
            describe(&mut schema, docs);
            properties.insert(name.to_owned(), schema);
            if !matches!(ty, Type::Option(_)) {
                required.push(name);
            }
        }
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn case(&mut self, case: &Case) -> Value {
        let mut schema = match &case.ty {
            None => json!({ "const": &*case.name }),
            Some(ty) => {
                let payload = self.of_type(ty);
                tagged(&case.name, payload, None)
            }
        };
        describe(&mut schema, case.docs.as_deref());
        schema
    }
}

fn integer(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn tuple(parts: Vec<Value>) -> Value {
    let length = parts.len();
    json!({ "type": "array", "prefixItems": parts, "items": false, "minItems": length })
}

/// `{"name": payload}`
fn tagged(name: &str, payload: Value, docs: Option<&str>) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": { name: payload },
        "required": [name],
        "additionalProperties": false,
    });
    describe(&mut schema, docs);
    schema
}

fn labels(labels: &[Label]) -> Value {
    if labels.iter().all(|label| label.docs.is_none()) {
        let names: Vec<&str> = labels.iter().map(|label| &*label.name).collect();
        return json!({ "type": "string", "enum": names });
    }
    let each = labels.iter().map(|label| {
        let mut schema = json!({ "const": &*label.name });
        describe(&mut schema, label.docs.as_deref());
        schema
    });
    json!({ "oneOf": each.collect::<Vec<_>>() })
}

/// Adds docs; what describes itself already keeps its words where there are none.
fn describe(schema: &mut Value, docs: Option<&str>) {
    if let (Some(docs), Value::Object(schema)) = (docs, schema) {
        schema.insert("description".into(), docs.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Field, Record};
    use std::sync::Arc;

    #[test]
    fn what_has_no_name_is_defined_under_a_word() {
        let record = |interface: Option<&str>, name: &str| {
            Type::Record(Arc::new(Record {
                name: TypeName {
                    interface: interface.map(Into::into),
                    name: name.into(),
                },
                docs: None,
                fields: vec![Field {
                    name: "a".into(),
                    ty: Type::Bool,
                    docs: None,
                }],
            }))
        };
        let mut definitions = Definitions::new("#/components/schemas/", Options::default());
        for (interface, name) in [
            (None, "record { a: bool }"),
            (None, "record { a: bool, … }"),
            (Some("a:b/c@1.0.0"), "order-line"),
            (Some("d:e/f"), "order-line"),
        ] {
            definitions.of_type(&record(interface, name));
        }
        let keys: Vec<String> = definitions
            .finish()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["record", "record-2", "order-line", "f.order-line"]);
    }
}
