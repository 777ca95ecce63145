//! A value on its way between a guest and the outside.

use super::flow::Flow;
use wasmtime::component::{FutureAny, ResourceAny, StreamAny};

/// A WIT value, read and written with its [`Type`](super::Type) beside it: fields, cases and flags
/// are positions, their names stand in the type. Lists of numbers lie together, so that they cross
/// in bulk.
///
/// Resources belong to the [`Session`](super::Session) that made them, and flows to one call.
#[derive(Clone, Debug)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `s8`
    S8(i8),
    /// `u8`
    U8(u8),
    /// `s16`
    S16(i16),
    /// `u16`
    U16(u16),
    /// `s32`
    S32(i32),
    /// `u32`
    U32(u32),
    /// `s64`
    S64(i64),
    /// `u64`
    U64(u64),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
    /// `char`
    Char(char),
    /// `string`
    String(String),
    /// A list (of either kind) of anything but numbers.
    List(Vec<Value>),
    /// A list (of either kind) of numbers.
    Numbers(Numbers),
    /// A map, in order; keys are not repeated.
    Map(Vec<(Value, Value)>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A record: its fields in the order of the type.
    Record(Vec<Value>),
    /// A variant: the position of the case, and what it carries.
    Variant(u32, Option<Box<Value>>),
    /// An enum: the position of the case.
    Enum(u32),
    /// Flags: bit N stands for the flag at position N.
    Flags(u32),
    /// An option.
    Option(Option<Box<Value>>),
    /// A result.
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// A resource, owned or lent; it lives in the session that made it.
    Resource(ResourceAny),
    /// A stream. As an argument a list will do as well: it is sent as a stream.
    Stream(Flow),
    /// A future: a flow of one item. As an argument its value will do as well.
    Future(Flow),
    /// What means something within a call alone; it is never given to a call, and none gives it.
    Raw(Raw),
}

/// What stands in a value where something has to be opened, or to go another way.
#[derive(Clone, Debug)]
pub enum Raw {
    /// The end of a stream that lies in a store.
    Stream(StreamAny),
    /// The end of a future that lies in a store.
    Future(FutureAny),
    /// Something that goes from one store into another beside the value, by its number.
    Carried(usize),
}

impl Value {
    /// What it takes of memory, in bytes; what flows and what lives in a guest is not counted.
    pub fn bytes(&self) -> u64 {
        let all = |values: &[Value]| values.iter().map(Value::bytes).sum();
        let boxed = |value: &Option<Box<Value>>| value.as_ref().map_or(0, |value| value.bytes());
        let beyond: u64 = match self {
            Value::String(text) => text.len() as u64,
            Value::Numbers(numbers) => (numbers.len() * numbers.size()) as u64,
            Value::List(values) | Value::Tuple(values) | Value::Record(values) => all(values),
            Value::Map(pairs) => pairs.iter().map(|(k, v)| k.bytes() + v.bytes()).sum(),
            Value::Variant(_, value) | Value::Option(value) => boxed(value),
            Value::Result(Ok(value) | Err(value)) => boxed(value),
            _ => 0,
        };
        beyond + size_of::<Value>() as u64
    }
}

/// A list of numbers, together in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Of `s8`.
    S8(Vec<i8>),
    /// Of `u8`: bytes.
    U8(Vec<u8>),
    /// Of `s16`.
    S16(Vec<i16>),
    /// Of `u16`.
    U16(Vec<u16>),
    /// Of `s32`.
    S32(Vec<i32>),
    /// Of `u32`.
    U32(Vec<u32>),
    /// Of `s64`.
    S64(Vec<i64>),
    /// Of `u64`.
    U64(Vec<u64>),
    /// Of `f32`.
    F32(Vec<f32>),
    /// Of `f64`.
    F64(Vec<f64>),
}

/// Runs the same code on whichever vector of numbers it is.
macro_rules! each_numbers {
    ($numbers:expr, $list:ident => $body:expr) => {
        match $numbers {
            $crate::values::Numbers::S8($list) => $body,
            $crate::values::Numbers::U8($list) => $body,
            $crate::values::Numbers::S16($list) => $body,
            $crate::values::Numbers::U16($list) => $body,
            $crate::values::Numbers::S32($list) => $body,
            $crate::values::Numbers::U32($list) => $body,
            $crate::values::Numbers::S64($list) => $body,
            $crate::values::Numbers::U64($list) => $body,
            $crate::values::Numbers::F32($list) => $body,
            $crate::values::Numbers::F64($list) => $body,
        }
    };
}
pub(crate) use each_numbers;

impl Numbers {
    /// How many numbers.
    pub fn len(&self) -> usize {
        each_numbers!(self, list => list.len())
    }

    /// The size of one of them in bytes.
    pub fn size(&self) -> usize {
        fn size<T>(_: &[T]) -> usize {
            size_of::<T>()
        }
        each_numbers!(self, list => size(list))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty list of numbers of a type; nothing where it is no type of numbers.
    pub fn of(element: &super::Type) -> Option<Numbers> {
        use super::Type;
        Some(match element {
            Type::S8 => Numbers::S8(Vec::new()),
            Type::U8 => Numbers::U8(Vec::new()),
            Type::S16 => Numbers::S16(Vec::new()),
            Type::U16 => Numbers::U16(Vec::new()),
            Type::S32 => Numbers::S32(Vec::new()),
            Type::U32 => Numbers::U32(Vec::new()),
            Type::S64 => Numbers::S64(Vec::new()),
            Type::U64 => Numbers::U64(Vec::new()),
            Type::F32 => Numbers::F32(Vec::new()),
            Type::F64 => Numbers::F64(Vec::new()),
            _ => return None,
        })
    }

    /// Whether both hold numbers of one type.
    pub fn same_type(&self, other: &Numbers) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Adds a number of its own type; false where it is another's.
    pub fn push(&mut self, value: &Value) -> bool {
        match (self, value) {
            (Numbers::S8(list), Value::S8(v)) => list.push(*v),
            (Numbers::U8(list), Value::U8(v)) => list.push(*v),
            (Numbers::S16(list), Value::S16(v)) => list.push(*v),
            (Numbers::U16(list), Value::U16(v)) => list.push(*v),
            (Numbers::S32(list), Value::S32(v)) => list.push(*v),
            (Numbers::U32(list), Value::U32(v)) => list.push(*v),
            (Numbers::S64(list), Value::S64(v)) => list.push(*v),
            (Numbers::U64(list), Value::U64(v)) => list.push(*v),
            (Numbers::F32(list), Value::F32(v)) => list.push(*v),
            (Numbers::F64(list), Value::F64(v)) => list.push(*v),
            _ => return false,
        }
        true
    }

    /// The number at a position.
    pub fn get(&self, at: usize) -> Option<Value> {
        each_numbers!(self, list => list.get(at).map(|n| Value::from(*n)))
    }

    /// The numbers, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Appends another list of the same type; false where it is another's.
    pub fn append(&mut self, more: &Numbers) -> bool {
        match (self, more) {
            (Numbers::S8(list), Numbers::S8(more)) => list.extend_from_slice(more),
            (Numbers::U8(list), Numbers::U8(more)) => list.extend_from_slice(more),
            (Numbers::S16(list), Numbers::S16(more)) => list.extend_from_slice(more),
            (Numbers::U16(list), Numbers::U16(more)) => list.extend_from_slice(more),
            (Numbers::S32(list), Numbers::S32(more)) => list.extend_from_slice(more),
            (Numbers::U32(list), Numbers::U32(more)) => list.extend_from_slice(more),
            (Numbers::S64(list), Numbers::S64(more)) => list.extend_from_slice(more),
            (Numbers::U64(list), Numbers::U64(more)) => list.extend_from_slice(more),
            (Numbers::F32(list), Numbers::F32(more)) => list.extend_from_slice(more),
            (Numbers::F64(list), Numbers::F64(more)) => list.extend_from_slice(more),
            _ => return false,
        }
        true
    }
}

macro_rules! from {
    ($($rust:ty => $case:ident)*) => { $(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Value {
                Value::$case(value)
            }
        }
    )* };
}
from! {
    bool => Bool i8 => S8 u8 => U8 i16 => S16 u16 => U16 i32 => S32 u32 => U32 i64 => S64 u64 => U64
    f32 => F32 f64 => F64 char => Char String => String
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value::Numbers(Numbers::U8(bytes))
    }
}

/// Floats are equal where they are the same bits, or both no number; flows where they are the same
/// flow.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        use Value::*;
        match (self, other) {
            (Bool(a), Bool(b)) => a == b,
            (S8(a), S8(b)) => a == b,
            (U8(a), U8(b)) => a == b,
            (S16(a), S16(b)) => a == b,
            (U16(a), U16(b)) => a == b,
            (S32(a), S32(b)) => a == b,
            (U32(a), U32(b)) => a == b,
            (S64(a), S64(b)) => a == b,
            (U64(a), U64(b)) => a == b,
            (F32(a), F32(b)) => same_f32(*a, *b),
            (F64(a), F64(b)) => same_f64(*a, *b),
            (Char(a), Char(b)) => a == b,
            (String(a), String(b)) => a == b,
            (List(a), List(b)) | (Tuple(a), Tuple(b)) | (Record(a), Record(b)) => a == b,
            (Numbers(self::Numbers::F32(a)), Numbers(self::Numbers::F32(b))) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_f32(*a, *b))
            }
            (Numbers(self::Numbers::F64(a)), Numbers(self::Numbers::F64(b))) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_f64(*a, *b))
            }
            (Numbers(a), Numbers(b)) => a == b,
            (Map(a), Map(b)) => a == b,
            (Variant(a, x), Variant(b, y)) => a == b && x == y,
            (Enum(a), Enum(b)) | (Flags(a), Flags(b)) => a == b,
            (Option(a), Option(b)) => a == b,
            (Result(a), Result(b)) => a == b,
            (Resource(a), Resource(b)) => a == b,
            (Stream(a), Stream(b)) | (Future(a), Future(b)) => a.is(b),
            _ => false,
        }
    }
}

fn same_f32(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn same_f64(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// How many items a list has; nothing where it is no list.
pub(crate) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::List(list) => Some(list.len()),
        Value::Numbers(numbers) => Some(numbers.len()),
        _ => None,
    }
}

/// The position of the first entry of a map whose key stands before it already.
pub(crate) fn repeated_key(entries: &[(Value, Value)]) -> Option<usize> {
    // Keys are integers, bools, chars and strings in WIT; their text tells them apart.
    let mut seen = std::collections::HashSet::new();
    entries
        .iter()
        .position(|(key, _)| !seen.insert(format!("{key:?}")))
}
