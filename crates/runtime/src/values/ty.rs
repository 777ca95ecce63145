//! WIT types as a tree, with the names and docs that people gave them.

use std::fmt;
use std::sync::Arc;

/// A WIT type. Types with a name are shared: a type used in a hundred places exists once.
///
/// Two types are equal when values of one are values of the other: docs do not count, names of
/// fields and cases do, the names of the types themselves do not.
#[derive(Clone, Debug)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`: a Unicode scalar value.
    Char,
    /// `string`
    String,
    /// `list<T>`
    List(Arc<Type>),
    /// `list<T, N>`
    FixedList(Arc<Type>, u32),
    /// `map<K, V>`
    Map(Arc<Type>, Arc<Type>),
    /// `tuple<…>`
    Tuple(Arc<[Type]>),
    /// `option<T>`
    Option(Arc<Type>),
    /// `result<T, E>`, either of which may be absent.
    Result(Option<Arc<Type>>, Option<Arc<Type>>),
    /// A record.
    Record(Arc<Record>),
    /// A variant.
    Variant(Arc<Variant>),
    /// An enum.
    Enum(Arc<Enum>),
    /// Flags.
    Flags(Arc<Flags>),
    /// A resource that is given away with the value.
    Own(Arc<Resource>),
    /// A resource that is lent for a call.
    Borrow(Arc<Resource>),
    /// `stream<T>`, or `stream` of nothing.
    Stream(Option<Arc<Type>>),
    /// `future<T>`, or `future` of nothing.
    Future(Option<Arc<Type>>),
    /// `error-context`
    ErrorContext,
}

/// The name of a type, and where it was defined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// `holm:shop/orders@1.0.0`; absent where a world defines it.
    pub interface: Option<Arc<str>>,
    /// `order`, as in WIT.
    pub name: Arc<str>,
}

/// Docs of one item, as its author wrote them; absent where there are none.
pub type Docs = Option<Arc<str>>;

/// A record.
#[derive(Debug)]
pub struct Record {
    /// Its name.
    pub name: TypeName,
    /// Its docs.
    pub docs: Docs,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Its docs.
    pub docs: Docs,
}

/// A variant.
#[derive(Debug)]
pub struct Variant {
    /// Its name.
    pub name: TypeName,
    /// Its docs.
    pub docs: Docs,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// A case of a variant.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: Arc<str>,
    /// What it carries, if anything.
    pub ty: Option<Type>,
    /// Its docs.
    pub docs: Docs,
}

/// An enum.
#[derive(Debug)]
pub struct Enum {
    /// Its name.
    pub name: TypeName,
    /// Its docs.
    pub docs: Docs,
    /// Its cases, in order.
    pub cases: Vec<Label>,
}

/// Flags.
#[derive(Debug)]
pub struct Flags {
    /// Their name.
    pub name: TypeName,
    /// Their docs.
    pub docs: Docs,
    /// Each of them, in order: at most 32.
    pub flags: Vec<Label>,
}

/// A name with docs: a case of an enum, one of some flags.
#[derive(Debug)]
pub struct Label {
    /// The name.
    pub name: Arc<str>,
    /// Its docs.
    pub docs: Docs,
}

/// A resource.
#[derive(Debug)]
pub struct Resource {
    /// Its name.
    pub name: TypeName,
    /// Its docs.
    pub docs: Docs,
}

impl Type {
    /// The name that its author gave it, where it is a type with a name.
    pub fn name(&self) -> Option<&TypeName> {
        match self {
            Type::Record(record) => Some(&record.name),
            Type::Variant(variant) => Some(&variant.name),
            Type::Enum(of) => Some(&of.name),
            Type::Flags(flags) => Some(&flags.name),
            Type::Own(resource) | Type::Borrow(resource) => Some(&resource.name),
            _ => None,
        }
    }

    /// The docs of a type with a name.
    pub fn docs(&self) -> Option<&str> {
        match self {
            Type::Record(record) => record.docs.as_deref(),
            Type::Variant(variant) => variant.docs.as_deref(),
            Type::Enum(of) => of.docs.as_deref(),
            Type::Flags(flags) => flags.docs.as_deref(),
            Type::Own(resource) | Type::Borrow(resource) => resource.docs.as_deref(),
            _ => None,
        }
    }

    /// Whether anything in it has to be opened: a stream or a future.
    pub fn flows(&self) -> bool {
        match self {
            Type::Stream(_) | Type::Future(_) => true,
            _ => self.parts().into_iter().any(Type::flows),
        }
    }

    /// Whether there is more in it than data: a resource, a stream or a future.
    pub fn carries(&self) -> bool {
        match self {
            Type::Stream(_) | Type::Future(_) | Type::Own(_) | Type::Borrow(_) => true,
            _ => self.parts().into_iter().any(Type::carries),
        }
    }

    /// The resources in it, each as often as it stands there.
    pub fn resources(&self) -> Vec<&Arc<Resource>> {
        match self {
            Type::Own(of) | Type::Borrow(of) => vec![of],
            _ => self.parts().into_iter().flat_map(Type::resources).collect(),
        }
    }

    /// The types directly within it, in order.
    pub fn parts(&self) -> Vec<&Type> {
        match self {
            Type::List(of) | Type::FixedList(of, _) | Type::Option(of) => vec![of],
            Type::Map(key, value) => vec![key, value],
            Type::Tuple(types) => types.iter().collect(),
            Type::Result(ok, err) => [ok, err].into_iter().flatten().map(|t| &**t).collect(),
            Type::Record(record) => record.fields.iter().map(|f| &f.ty).collect(),
            Type::Variant(variant) => variant.cases.iter().filter_map(|c| c.ty.as_ref()).collect(),
            Type::Stream(of) | Type::Future(of) => of.iter().map(|t| &**t).collect(),
            _ => Vec::new(),
        }
    }

    /// Where the shared part of the type lies: the same for each use of a type with a name, so that
    /// a walk over types can visit each once.
    pub(crate) fn identity(&self) -> Option<usize> {
        Some(match self {
            Type::Record(of) => Arc::as_ptr(of) as usize,
            Type::Variant(of) => Arc::as_ptr(of) as usize,
            Type::Enum(of) => Arc::as_ptr(of) as usize,
            Type::Flags(of) => Arc::as_ptr(of) as usize,
            Type::List(of) | Type::FixedList(of, _) | Type::Option(of) => Arc::as_ptr(of) as usize,
            Type::Tuple(of) => Arc::as_ptr(of) as *const () as usize,
            _ => return None,
        })
    }
}

/// As in WIT, types with a name by their name alone: `list<order>`, `option<u32>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = match self {
            Type::Bool => "bool",
            Type::S8 => "s8",
            Type::U8 => "u8",
            Type::S16 => "s16",
            Type::U16 => "u16",
            Type::S32 => "s32",
            Type::U32 => "u32",
            Type::S64 => "s64",
            Type::U64 => "u64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::List(of) => return write!(f, "list<{of}>"),
            Type::FixedList(of, length) => return write!(f, "list<{of}, {length}>"),
            Type::Map(key, value) => return write!(f, "map<{key}, {value}>"),
            Type::Tuple(types) => {
                let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                return write!(f, "tuple<{}>", types.join(", "));
            }
            Type::Option(of) => return write!(f, "option<{of}>"),
            Type::Result(None, None) => "result",
            Type::Result(Some(ok), None) => return write!(f, "result<{ok}>"),
            Type::Result(None, Some(err)) => return write!(f, "result<_, {err}>"),
            Type::Result(Some(ok), Some(err)) => return write!(f, "result<{ok}, {err}>"),
            Type::Record(of) => &of.name.name,
            Type::Variant(of) => &of.name.name,
            Type::Enum(of) => &of.name.name,
            Type::Flags(of) => &of.name.name,
            Type::Own(of) => &of.name.name,
            Type::Borrow(of) => return write!(f, "borrow<{}>", of.name.name),
            Type::Stream(None) => "stream",
            Type::Stream(Some(of)) => return write!(f, "stream<{of}>"),
            Type::Future(None) => "future",
            Type::Future(Some(of)) => return write!(f, "future<{of}>"),
        };
        f.write_str(plain)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
