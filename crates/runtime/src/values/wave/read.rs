//! Values from WAVE.

use crate::values::json::Handles;
use crate::values::mismatch::{shown, unknown};
use crate::values::value::{length, repeated_key};
use crate::values::{Label, Mismatch, Numbers, Signature, Type, Value};
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use wasmtime::component::wasm_wave::ast::{Node, NodeType};

/// Text that is read, and where resources are kept.
pub(super) struct Reading<'a, 'h> {
    pub(super) text: &'a str,
    pub(super) handles: RefCell<&'h mut dyn Handles>,
}

impl Reading<'_, '_> {
    /// The arguments of a call; options at the end may be left out.
    pub(super) fn arguments(
        &self,
        signature: &Signature,
        nodes: &[&Node],
    ) -> Result<Vec<Value>, Mismatch> {
        let params = &signature.params;
        if nodes.len() > params.len() {
            return Err(Mismatch::count(signature, nodes.len()));
        }
        let mut values = Vec::with_capacity(params.len());
        for (at, param) in params.iter().enumerate() {
            values.push(match (nodes.get(at), &param.ty) {
                (Some(node), ty) => self.value(ty, node).map_err(|m| m.within(&param.name))?,
                (None, Type::Option(_)) => Value::Option(None),
                (None, _) => return Err(Mismatch::count(signature, nodes.len())),
            });
        }
        Ok(values)
    }

    /// What stands at a node.
    fn source(&self, node: &Node) -> &str {
        self.text.get(node.span()).unwrap_or_default()
    }

    fn expected(&self, ty: &Type, node: &Node) -> Mismatch {
        Mismatch::expected(ty, self.got(node))
    }

    fn got(&self, node: &Node) -> String {
        match node.ty() {
            NodeType::List => "a list".into(),
            NodeType::Record => "a record".into(),
            NodeType::Tuple => "a tuple".into(),
            NodeType::Flags => "flags".into(),
            _ => shown(self.source(node)),
        }
    }

    fn number<T: FromStr>(&self, ty: &Type, node: &Node) -> Result<T, Mismatch> {
        node.as_number(self.text)
            .map_err(|_| self.expected(ty, node))
    }

    /// A float; digits that are too large for it do not become infinite in silence.
    fn float<T: FromStr + Into<f64> + Copy>(&self, ty: &Type, node: &Node) -> Result<T, Mismatch> {
        let number: T = self.number(ty, node)?;
        let infinite = number.into().is_infinite() && !self.source(node).ends_with("inf");
        if infinite {
            Err(self.expected(ty, node))
        } else {
            Ok(number)
        }
    }

    pub(super) fn value(&self, ty: &Type, node: &Node) -> Result<Value, Mismatch> {
        let wrong = || self.expected(ty, node);
        Ok(match ty {
            Type::Bool => Value::Bool(node.as_bool().map_err(|_| wrong())?),
            Type::S8 => Value::S8(self.number(ty, node)?),
            Type::U8 => Value::U8(self.number(ty, node)?),
            Type::S16 => Value::S16(self.number(ty, node)?),
            Type::U16 => Value::U16(self.number(ty, node)?),
            Type::S32 => Value::S32(self.number(ty, node)?),
            Type::U32 => Value::U32(self.number(ty, node)?),
            Type::S64 => Value::S64(self.number(ty, node)?),
            Type::U64 => Value::U64(self.number(ty, node)?),
            Type::F32 => Value::F32(self.float(ty, node)?),
            Type::F64 => Value::F64(self.float(ty, node)?),
            Type::Char => Value::Char(node.as_char(self.text).map_err(|_| wrong())?),
            Type::String => match node.as_str(self.text) {
                Ok(text) => Value::String(text.into_owned()),
                Err(error) if matches!(node.ty(), NodeType::String | NodeType::MultilineString) => {
                    return Err(Mismatch::new(format!("{error}")));
                }
                Err(_) => return Err(wrong()),
            },
            Type::List(of) | Type::Stream(Some(of)) => self.list(ty, of, node)?,
            Type::FixedList(of, wanted) => {
                let list = self.list(ty, of, node)?;
                match length(&list) {
                    Some(got) if got == *wanted as usize => list,
                    got => {
                        let got = got.unwrap_or_default();
                        return Err(Mismatch::expected(ty, format_args!("a list of {got}")));
                    }
                }
            }
            Type::Future(Some(of)) => self.value(of, node)?,
            Type::Tuple(types) => {
                let nodes = node.as_tuple().map_err(|_| wrong())?;
                if nodes.len() != types.len() {
                    let got = format!("a tuple of {}", nodes.len());
                    return Err(Mismatch::expected(ty, got));
                }
                let values = types.iter().zip(nodes).enumerate();
                let values = values.map(|(at, (ty, n))| self.value(ty, n).map_err(|m| m.at(at)));
                Value::Tuple(values.collect::<Result<_, _>>()?)
            }
            Type::Record(of) => self.record(of, ty, node)?,
            Type::Variant(of) => {
                let (name, payload) = node.as_variant(self.text).map_err(|_| wrong())?;
                let names = || of.cases.iter().map(|c| &*c.name);
                let at = names().position(|n| n == name);
                let at = at.ok_or_else(|| unknown("case", name, ty, names()))?;
                Value::Variant(
                    at as u32,
                    self.payload(ty, name, of.cases[at].ty.as_ref(), payload)?,
                )
            }
            Type::Enum(of) => {
                let name = node.as_enum(self.text).map_err(|_| wrong())?;
                let names = || of.cases.iter().map(|c| &*c.name);
                let at = names().position(|n| n == name);
                Value::Enum(at.ok_or_else(|| unknown("case", name, ty, names()))? as u32)
            }
            Type::Flags(of) => self.flags(&of.flags, ty, node)?,
            Type::Option(of) => match node.as_option() {
                Ok(None) => Value::Option(None),
                Ok(Some(inner)) => some(self.value(of, inner).map_err(|m| m.within("some"))?),
                // As WAVE has it, `some` may be left away where nothing else could be meant.
                Err(_) if !matches!(**of, Type::Option(_)) => some(self.value(of, node)?),
                Err(_) => return Err(wrong()),
            },
            Type::Result(ok, err) => match node.as_result().map_err(|_| wrong())? {
                Ok(payload) => Value::Result(Ok(self.payload(ty, "ok", ok.as_deref(), payload)?)),
                Err(payload) => {
                    Value::Result(Err(self.payload(ty, "err", err.as_deref(), payload)?))
                }
            },
            Type::Map(key, of) => {
                let mut entries = Vec::new();
                for (at, node) in node.as_list().map_err(|_| wrong())?.enumerate() {
                    let pair: Vec<&Node> =
                        node.as_tuple().map(Iterator::collect).unwrap_or_default();
                    let [k, v] = pair.as_slice() else {
                        return Err(
                            Mismatch::expected("a pair of key and value", self.got(node)).at(at),
                        );
                    };
                    let entry = self.value(key, k).and_then(|k| Ok((k, self.value(of, v)?)));
                    entries.push(entry.map_err(|m| m.at(at))?);
                }
                match repeated_key(&entries) {
                    Some(at) => {
                        return Err(Mismatch::new("this key stands in the map already").at(at));
                    }
                    None => Value::Map(entries),
                }
            }
            Type::Own(of) | Type::Borrow(of) => {
                let name = match node.as_enum(self.text) {
                    Ok(name) => name.to_owned(),
                    Err(_) => node.as_str(self.text).map_err(|_| wrong())?.into_owned(),
                };
                let found = self.handles.borrow_mut().get(&name, of);
                Value::Resource(found.map_err(Mismatch::new)?)
            }
            Type::Stream(None) | Type::Future(None) | Type::ErrorContext => {
                return Err(Mismatch::new(format!(
                    "a value of type {ty} cannot be written"
                )));
            }
        })
    }

    fn list(&self, ty: &Type, of: &Type, node: &Node) -> Result<Value, Mismatch> {
        let nodes = node.as_list().map_err(|_| self.expected(ty, node))?;
        let values = nodes
            .enumerate()
            .map(|(at, n)| self.value(of, n).map_err(|m| m.at(at)));
        match Numbers::of(of) {
            Some(mut numbers) => {
                for value in values {
                    numbers.push(&value?);
                }
                Ok(Value::Numbers(numbers))
            }
            None => Ok(Value::List(values.collect::<Result<_, _>>()?)),
        }
    }

    fn record(
        &self,
        of: &crate::values::Record,
        ty: &Type,
        node: &Node,
    ) -> Result<Value, Mismatch> {
        let mut values: Vec<Option<Value>> = vec![None; of.fields.len()];
        for (name, node) in node
            .as_record(self.text)
            .map_err(|_| self.expected(ty, node))?
        {
            let names = || of.fields.iter().map(|f| &*f.name);
            let at = names().position(|n| n == name);
            let at = at.ok_or_else(|| unknown("field", name, ty, names()))?;
            let value = self.value(&of.fields[at].ty, node);
            values[at] = Some(value.map_err(|m| m.within(name))?);
        }
        let filled = of
            .fields
            .iter()
            .zip(values)
            .map(|(field, value)| match (value, &field.ty) {
                (Some(value), _) => Ok(value),
                (None, Type::Option(_)) => Ok(Value::Option(None)),
                (None, _) => Err(Mismatch::new(format!(
                    "field `{}` ({}) of {ty} is missing",
                    field.name, field.ty
                ))),
            });
        Ok(Value::Record(filled.collect::<Result<_, _>>()?))
    }

    fn flags(&self, flags: &[Label], ty: &Type, node: &Node) -> Result<Value, Mismatch> {
        let mut bits = 0u32;
        for name in node
            .as_flags(self.text)
            .map_err(|_| self.expected(ty, node))?
        {
            let name = name.strip_prefix('%').unwrap_or(name);
            let names = || flags.iter().map(|f| &*f.name);
            let at = names().position(|n| n == name);
            bits |= 1 << at.ok_or_else(|| unknown("flag", name, ty, names()))?;
        }
        Ok(Value::Flags(bits))
    }

    /// What a case carries.
    fn payload(
        &self,
        whole: &Type,
        name: &str,
        ty: Option<&Type>,
        node: Option<&Node>,
    ) -> Result<Option<Box<Value>>, Mismatch> {
        match (ty, node) {
            (Some(ty), Some(node)) => {
                let value = self.value(ty, node).map_err(|m| m.within(name))?;
                Ok(Some(Box::new(value)))
            }
            (None, None) => Ok(None),
            (Some(ty), None) => Err(missing(whole, name, ty)),
            (None, Some(_)) => Err(Mismatch::new(format!(
                "case `{name}` of {whole} carries nothing"
            ))),
        }
    }
}

fn missing(whole: &dyn fmt::Display, name: &str, ty: &Type) -> Mismatch {
    Mismatch::new(format!("case `{name}` of {whole} carries a {ty}"))
        .help(format!("write it as {name}(…)"))
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}
