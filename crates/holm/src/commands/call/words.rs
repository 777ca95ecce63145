//! Arguments as words of a command line.
//!
//! A `string` is the word as it is, unless it begins with a quotation mark: then it is read as WAVE
//! or JSON. So is a `char`. Anything else is WAVE, or JSON where it is no WAVE. For an option the
//! same holds of what it may hold, and `none` is none.

use holm_runtime::values::json::{self, Handles};
use holm_runtime::values::{Mismatch, Signature, Type, Value, wave};

/// Reads one word for each parameter; options at the end may be left out.
pub fn arguments(
    signature: &Signature,
    words: &[String],
    handles: &mut dyn Handles,
) -> Result<Vec<Value>, Mismatch> {
    let params = &signature.params;
    if words.len() > params.len() {
        return Err(Mismatch::count(signature, words.len()));
    }
    let mut values = Vec::with_capacity(params.len());
    for (at, param) in params.iter().enumerate() {
        values.push(match (words.get(at), &param.ty) {
            (Some(word), ty) => value(ty, word, handles).map_err(|m| m.within(&param.name))?,
            (None, Type::Option(_)) => Value::Option(None),
            (None, _) => return Err(Mismatch::count(signature, words.len())),
        });
    }
    Ok(values)
}

fn value(ty: &Type, word: &str, handles: &mut dyn Handles) -> Result<Value, Mismatch> {
    match ty {
        Type::String if !word.starts_with('"') => return Ok(Value::String(word.to_owned())),
        Type::Char if !word.starts_with(['"', '\'']) || word.chars().count() == 1 => {
            let mut chars = word.chars();
            if let (Some(one), None) = (chars.next(), chars.next()) {
                return Ok(Value::Char(one));
            }
        }
        Type::Option(of) if matches!(**of, Type::String | Type::Char) => {
            let option = word == "none" || word == "null" || word.starts_with("some(");
            if !option {
                return Ok(Value::Option(Some(Box::new(value(of, word, handles)?))));
            }
        }
        _ => {}
    }
    let wave = match wave::from_str(ty, word, handles) {
        Ok(value) => return Ok(value),
        Err(mismatch) => mismatch,
    };
    let json = match json::from_str(ty, word, handles) {
        Ok(value) => return Ok(value),
        Err(mismatch) => mismatch,
    };
    // The notation that it is written in knows best what is wrong with it.
    let is_json = !wave::is_wave(word) && json::is_json(word);
    Err(if is_json { json } else { wave })
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_runtime::values::json::NoHandles;
    use std::sync::Arc;

    fn read(ty: &Type, word: &str) -> Result<Value, String> {
        value(ty, word, &mut NoHandles).map_err(|m| m.to_string())
    }

    #[test]
    fn a_string_needs_no_quotes_and_may_have_them() {
        let is = |word: &str, text: &str| {
            assert_eq!(
                read(&Type::String, word),
                Ok(Value::String(text.into())),
                "{word}"
            );
        };
        is("Ada", "Ada");
        is("two words", "two words");
        is("", "");
        is("12", "12");
        is("{x}", "{x}");
        is("it's", "it's");
        is("\"Ada\"", "Ada");
        is("\"a\\nb\"", "a\nb");
        // A slash may be escaped in JSON alone.
        is("\"a\\/b\"", "a/b");
        assert!(read(&Type::String, "\"Ada").is_err());
    }

    #[test]
    fn an_option_of_a_string_is_none_by_its_word_alone() {
        let ty = Type::Option(Arc::new(Type::String));
        let some = |text: &str| Ok(Value::Option(Some(Box::new(Value::String(text.into())))));
        assert_eq!(read(&ty, "none"), Ok(Value::Option(None)));
        assert_eq!(read(&ty, "null"), Ok(Value::Option(None)));
        assert_eq!(read(&ty, "Ada"), some("Ada"));
        assert_eq!(read(&ty, "some(\"none\")"), some("none"));
        assert_eq!(read(&ty, "\"none\""), some("none"));
    }

    #[test]
    fn chars_numbers_and_lists() {
        assert_eq!(read(&Type::Char, "x"), Ok(Value::Char('x')));
        assert_eq!(read(&Type::Char, "'"), Ok(Value::Char('\'')));
        assert_eq!(read(&Type::Char, "'\\n'"), Ok(Value::Char('\n')));
        assert_eq!(read(&Type::U8, "7"), Ok(Value::U8(7)));
        assert_eq!(read(&Type::U8, "256"), Err("expected u8, got 256".into()));
        let list = Type::List(Arc::new(Type::String));
        let both = Value::List(vec![Value::String("a".into()), Value::String("b".into())]);
        assert_eq!(read(&list, "[\"a\", \"b\"]"), Ok(both));
        assert_eq!(
            read(&list, "[\"a\", 1]"),
            Err("[1]: expected string, got 1".into())
        );
    }
}
