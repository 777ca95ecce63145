//! What is named in an object: fields and parameters; and all arguments of a function.

use super::at::At;
use super::{Anything, Reading};
use crate::values::mismatch::unknown;
use crate::values::signature::{Param, Signature};
use crate::values::{Field, Mismatch, Type, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What is named in an object: the fields of a record, the parameters of a function.
#[derive(Clone, Copy)]
pub(super) enum Members<'a> {
    Fields(&'a [Field]),
    Params(&'a [Param]),
}

impl<'a> Members<'a> {
    fn len(self) -> usize {
        match self {
            Members::Fields(fields) => fields.len(),
            Members::Params(params) => params.len(),
        }
    }

    fn get(self, at: usize) -> (&'a str, &'a Type) {
        match self {
            Members::Fields(fields) => (&fields[at].name, &fields[at].ty),
            Members::Params(params) => (&params[at].name, &params[at].ty),
        }
    }

    /// Reads an object of them; those that are options may be missing.
    pub(super) fn read<'de, A: MapAccess<'de>>(
        self,
        cx: &Reading<'_>,
        map: &mut A,
        whose: &str,
    ) -> Result<Vec<Value>, A::Error> {
        let word = match self {
            Members::Fields(_) => "field",
            Members::Params(_) => "parameter",
        };
        let mut values: Vec<Option<Value>> = vec![None; self.len()];
        while let Some(key) = map.next_key::<String>()? {
            let Some(at) = (0..self.len()).find(|at| self.get(*at).0 == key) else {
                let names = (0..self.len()).map(|at| self.get(at).0);
                return cx.fail(unknown(word, &key, whose, names));
            };
            if values[at].is_some() {
                return cx.fail(Mismatch::new(format!("{word} `{key}` is given twice")));
            }
            let value = map.next_value_seed(At {
                cx,
                ty: self.get(at).1,
            });
            values[at] = Some(cx.within(value, |m| m.within(&key))?);
        }
        let filled =
            values
                .into_iter()
                .enumerate()
                .map(|(at, value)| match (value, self.get(at)) {
                    (Some(value), _) => Ok(value),
                    (None, (_, Type::Option(_))) => Ok(Value::Option(None)),
                    (None, (name, ty)) => cx.fail(Mismatch::new(format!(
                        "{word} `{name}` ({ty}) of {whose} is missing"
                    ))),
                });
        filled.collect()
    }
}

/// The place of all arguments of a function.
#[derive(Clone, Copy)]
pub(in crate::values::json) struct Arguments<'a, 'h> {
    cx: &'a Reading<'h>,
    signature: &'a Signature,
}

impl<'a, 'h> Arguments<'a, 'h> {
    pub(in crate::values::json) fn new(cx: &'a Reading<'h>, signature: &'a Signature) -> Self {
        Arguments { cx, signature }
    }

    fn wrong_count<E: Error>(self, given: usize) -> Result<Vec<Value>, E> {
        self.cx.fail(Mismatch::count(self.signature, given))
    }
}

impl<'de> DeserializeSeed<'de> for Arguments<'_, '_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Value>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Arguments<'_, '_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("arguments: an array of them, or an object by their names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Value>, A::Error> {
        let params = &self.signature.params;
        let mut values = Vec::with_capacity(params.len());
        for param in params {
            let next = seq.next_element_seed(At {
                cx: self.cx,
                ty: &param.ty,
            });
            match self.cx.within(next, |m| m.within(&param.name))? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        // Options at the end may be left out, as they may in an object.
        for param in &params[values.len()..] {
            match param.ty {
                Type::Option(_) => values.push(Value::Option(None)),
                _ => return self.wrong_count(values.len()),
            }
        }
        match seq.next_element_seed(Anything)? {
            Some(()) => self
                .cx
                .fail(Mismatch::too_few_or_many(self.signature, "more were")),
            None => Ok(values),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        Members::Params(&self.signature.params).read(
            self.cx,
            &mut map,
            &self.signature.local_name(),
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Value>, E> {
        match self
            .signature
            .params
            .iter()
            .all(|p| matches!(p.ty, Type::Option(_)))
        {
            true => Ok(vec![Value::Option(None); self.signature.params.len()]),
            false => self.wrong_count(0),
        }
    }
}
