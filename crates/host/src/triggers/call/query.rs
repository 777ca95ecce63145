//! The arguments beside a body that is a stream: in the query, by their names.

use crate::triggers::http::path;
use holm_runtime::values::json::{self, NoHandles};
use holm_runtime::values::{Mismatch, Param, Signature, Type, Value};

/// Reads all arguments but the last. Text stands as it is, all else is JSON; an option may be missing.
pub(super) fn others(signature: &Signature, query: Option<&str>) -> Result<Vec<Value>, Mismatch> {
    let params = match signature.params.split_last() {
        Some((_, others)) => others,
        None => &[],
    };
    let mut values: Vec<Option<Value>> = vec![None; params.len()];
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, text) = (decoded(name)?, decoded(text)?);
        let Some(at) = params.iter().position(|param| *param.name == *name) else {
            return Err(Mismatch::new(format!(
                "there is no parameter `{}` that the query may have",
                name.escape_debug()
            )));
        };
        let value = value(&params[at], text).map_err(|m| m.within(&name))?;
        if values[at].replace(value).is_some() {
            return Err(Mismatch::new(format!("parameter `{name}` is given twice")));
        }
    }
    let each = values.into_iter().zip(params);
    each.map(|(value, param)| match (value, &param.ty) {
        (Some(value), _) => Ok(value),
        (None, Type::Option(_)) => Ok(Value::Option(None)),
        (None, ty) => Err(Mismatch::new(format!(
            "parameter `{}` ({ty}) is missing in the query",
            param.name
        ))),
    })
    .collect()
}

fn value(param: &Param, text: String) -> Result<Value, Mismatch> {
    if is_text(&param.ty) {
        return json::from_value(&param.ty, &text.into(), &mut NoHandles);
    }
    json::from_str(&param.ty, &text, &mut NoHandles)
}

/// Whether a value of it is a string in JSON, whatever it says.
pub(super) fn is_text(ty: &Type) -> bool {
    match ty {
        Type::String | Type::Char | Type::Enum(_) => true,
        Type::Option(of) => is_text(of) && !matches!(**of, Type::Option(_)),
        _ => false,
    }
}

fn decoded(text: &str) -> Result<String, Mismatch> {
    let bytes = path::decode(text);
    // A space is a plus before anything is decoded.
    let bytes = match text.contains('+') {
        true => path::decode(&text.replace('+', "%20")).collect(),
        false => bytes.collect(),
    };
    String::from_utf8(bytes).map_err(|_| Mismatch::new("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_runtime::values::FunctionKind;
    use std::sync::Arc;

    fn read(params: &[(&str, Type)], query: &str) -> Result<Vec<Value>, String> {
        let body = ("body", Type::Stream(Some(Arc::new(Type::U8))));
        let params = params.iter().chain([&body]).map(|(name, ty)| Param {
            name: (*name).into(),
            ty: ty.clone(),
        });
        let signature = Signature {
            interface: None,
            function: "f".into(),
            kind: FunctionKind::Free,
            params: params.collect(),
            result: None,
            is_async: false,
            docs: None,
            position: 0,
        };
        others(&signature, Some(query)).map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn what_stands_beside_a_stream() {
        let option = |ty| Type::Option(Arc::new(ty));
        let params = [
            ("name", Type::String),
            ("size", Type::U32),
            ("note", option(Type::String)),
            ("tags", option(Type::List(Arc::new(Type::String)))),
        ];
        let values = read(&params, "size=3&name=a+b%26c&tags=%5B%22x%22%5D").unwrap();
        let shown = format!("{values:?}");
        assert_eq!(
            shown,
            "[String(\"a b&c\"), U32(3), Option(None), Option(Some(List([String(\"x\")])))]"
        );
        let wrong = |query: &str| read(&params, query).unwrap_err();
        assert_eq!(
            wrong("name=a&size=x"),
            "size: it is not JSON: expected value at line 1 column 1"
        );
        assert_eq!(wrong("name=a&size=-1"), "size: expected u32, got -1");
        assert_eq!(wrong("name=a&name=b"), "parameter `name` is given twice");
        assert_eq!(
            wrong("size=1"),
            "parameter `name` (string) is missing in the query"
        );
        assert_eq!(
            wrong("body=1"),
            "there is no parameter `body` that the query may have"
        );
        assert_eq!(wrong("name=%ff"), "the query is not UTF-8");
    }

    #[test]
    fn a_query_never_panics() {
        let params = [("a", Type::String), ("b", option_of(Type::F64))];
        crate::fuzz::text("call-query", &["a=", "&", "b=", "%", "+", "null"], |text| {
            let _ = read(&params, text);
        });
    }

    fn option_of(ty: Type) -> Type {
        Type::Option(Arc::new(ty))
    }
}
