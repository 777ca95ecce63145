//! What moves through streams and futures: types that are known when Holm is built.

use crate::values::mismatch::Mismatch;
use crate::values::ty::Type;
use crate::values::value::{Numbers, Value};
use wasmtime::component::{ComponentType, Lift, Lower};

/// A type of items that the engine can open a stream of.
pub(super) trait Item: ComponentType + Lower + Lift + Send + Sync + Sized + 'static {
    fn piece(items: Vec<Self>) -> Value;
    fn items(piece: Value) -> Option<Vec<Self>>;
    fn value(self) -> Value;
    fn from(value: Value) -> Option<Self>;
}

macro_rules! numbers {
    ($($rust:ty => $case:ident)*) => { $(
        impl Item for $rust {
            fn piece(items: Vec<Self>) -> Value {
                Value::Numbers(Numbers::$case(items))
            }

            fn items(piece: Value) -> Option<Vec<Self>> {
                match piece {
                    Value::Numbers(Numbers::$case(items)) => Some(items),
                    Value::List(list) if list.is_empty() => Some(Vec::new()),
                    _ => None,
                }
            }

            fn value(self) -> Value {
                Value::$case(self)
            }

            fn from(value: Value) -> Option<Self> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }
    )* };
}
numbers! {
    i8 => S8 u8 => U8 i16 => S16 u16 => U16 i32 => S32 u32 => U32 i64 => S64 u64 => U64
    f32 => F32 f64 => F64
}

macro_rules! others {
    ($($rust:ty => $case:ident)*) => { $(
        impl Item for $rust {
            fn piece(items: Vec<Self>) -> Value {
                Value::List(items.into_iter().map(Value::$case).collect())
            }

            fn items(piece: Value) -> Option<Vec<Self>> {
                match piece {
                    Value::List(list) => list.into_iter().map(<Self as Item>::from).collect(),
                    _ => None,
                }
            }

            fn value(self) -> Value {
                Value::$case(self)
            }

            fn from(value: Value) -> Option<Self> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }
    )* };
}
others! { bool => Bool char => Char String => String }

/// Runs code with the Rust type of a type of items.
macro_rules! with_item {
    ($ty:expr, $rust:ident => $body:expr) => {
        match $ty {
            Type::Bool => {
                type $rust = bool;
                $body
            }
            Type::S8 => {
                type $rust = i8;
                $body
            }
            Type::U8 => {
                type $rust = u8;
                $body
            }
            Type::S16 => {
                type $rust = i16;
                $body
            }
            Type::U16 => {
                type $rust = u16;
                $body
            }
            Type::S32 => {
                type $rust = i32;
                $body
            }
            Type::U32 => {
                type $rust = u32;
                $body
            }
            Type::S64 => {
                type $rust = i64;
                $body
            }
            Type::U64 => {
                type $rust = u64;
                $body
            }
            Type::F32 => {
                type $rust = f32;
                $body
            }
            Type::F64 => {
                type $rust = f64;
                $body
            }
            Type::Char => {
                type $rust = char;
                $body
            }
            Type::String => {
                type $rust = String;
                $body
            }
            _ => Err(cannot_open($ty)),
        }
    };
}
pub(super) use with_item;

pub(super) fn cannot_open(item: &Type) -> Mismatch {
    Mismatch::new(format!(
        "items of type {item} cannot move through it: only numbers, bool, char and string can"
    ))
}
