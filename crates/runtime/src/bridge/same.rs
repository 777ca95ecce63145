//! Whether a type that is imported is the type that is exported: compared by structure, because the
//! two components were compiled apart, and may be for different engines.

use super::streams::is_bridged;
use wasmtime::component::types::{ComponentFunc, ResourceType, Type};

/// What a function's types ask of the bridge.
#[derive(Clone, Copy, Default)]
pub(super) struct Carries {
    /// Resources are among them.
    pub resources: bool,
    /// Streams or futures are.
    pub streams: bool,
    /// What two instances cannot exchange.
    pub unlinkable: Option<&'static str>,
}

/// A comparison of two sides' types.
pub(super) struct Same<'a> {
    /// The resource types that are linked: the importer's, and the exporter's.
    pub resources: &'a [(ResourceType, ResourceType)],
    /// What was met.
    pub carries: Carries,
}

impl Same<'_> {
    /// Compares two functions; what differs is said with its place.
    pub(super) fn function(
        &mut self,
        import: &ComponentFunc,
        export: &ComponentFunc,
    ) -> Result<(), String> {
        if import.async_() != export.async_() {
            let word = |is: bool| if is { "async" } else { "not async" };
            let (import, export) = (word(import.async_()), word(export.async_()));
            return Err(format!(
                "it is imported as {import}, and exported as {export}"
            ));
        }
        let names = |f: &ComponentFunc| {
            let names: Vec<String> = f.params().map(|(name, _)| name.to_owned()).collect();
            names
        };
        let (wanted, given) = (names(import), names(export));
        if wanted != given {
            let list = |names: &[String]| names.join(", ");
            return Err(format!(
                "its parameters are ({}) where it is imported, and ({}) where it is exported",
                list(&wanted),
                list(&given)
            ));
        }
        for ((name, import), (_, export)) in import.params().zip(export.params()) {
            self.types(&import, &export, &format!("parameter `{name}`"))?;
        }
        if import.results().len() != export.results().len() {
            return Err("only one of the two has a result".into());
        }
        for (import, export) in import.results().zip(export.results()) {
            self.types(&import, &export, "its result")?;
        }
        Ok(())
    }

    fn types(&mut self, import: &Type, export: &Type, at: &str) -> Result<(), String> {
        let differ = || {
            let (import, export) = (word(import), word(export));
            Err(format!(
                "{at} is {import} where it is imported, and {export} where it is exported"
            ))
        };
        match (import, export) {
            (Type::Bool, Type::Bool)
            | (Type::S8, Type::S8)
            | (Type::U8, Type::U8)
            | (Type::S16, Type::S16)
            | (Type::U16, Type::U16)
            | (Type::S32, Type::S32)
            | (Type::U32, Type::U32)
            | (Type::S64, Type::S64)
            | (Type::U64, Type::U64)
            | (Type::Float32, Type::Float32)
            | (Type::Float64, Type::Float64)
            | (Type::Char, Type::Char)
            | (Type::String, Type::String) => Ok(()),
            (Type::List(a), Type::List(b)) => self.types(&a.ty(), &b.ty(), &within(at, "element")),
            (Type::FixedLengthList(a), Type::FixedLengthList(b)) if a.len() == b.len() => {
                self.types(&a.ty(), &b.ty(), &within(at, "element"))
            }
            (Type::Map(a), Type::Map(b)) => {
                self.types(&a.key(), &b.key(), &within(at, "key"))?;
                self.types(&a.value(), &b.value(), &within(at, "value"))
            }
            (Type::Record(a), Type::Record(b)) => {
                let (a, b) = (a.fields(), b.fields());
                self.members(
                    a.map(|f| (f.name, Some(f.ty))),
                    b.map(|f| (f.name, Some(f.ty))),
                    "field",
                    at,
                )
            }
            (Type::Variant(a), Type::Variant(b)) => {
                let (a, b) = (a.cases(), b.cases());
                self.members(
                    a.map(|c| (c.name, c.ty)),
                    b.map(|c| (c.name, c.ty)),
                    "case",
                    at,
                )
            }
            (Type::Enum(a), Type::Enum(b)) => self.members(
                a.names().map(|n| (n, None)),
                b.names().map(|n| (n, None)),
                "case",
                at,
            ),
            (Type::Flags(a), Type::Flags(b)) => self.members(
                a.names().map(|n| (n, None)),
                b.names().map(|n| (n, None)),
                "flag",
                at,
            ),
            (Type::Tuple(a), Type::Tuple(b)) if a.types().len() == b.types().len() => {
                for (number, (a, b)) in a.types().zip(b.types()).enumerate() {
                    self.types(&a, &b, &within(at, &format!("part {}", number + 1)))?;
                }
                Ok(())
            }
            (Type::Option(a), Type::Option(b)) => self.types(&a.ty(), &b.ty(), at),
            (Type::Result(a), Type::Result(b)) => self.members(
                [("ok", a.ok()), ("err", a.err())].into_iter(),
                [("ok", b.ok()), ("err", b.err())].into_iter(),
                "case",
                at,
            ),
            (Type::Own(a), Type::Own(b)) | (Type::Borrow(a), Type::Borrow(b)) => {
                self.carries.resources = true;
                match self.resources.iter().any(|(x, y)| x == a && y == b) {
                    true => Ok(()),
                    false => Err(format!(
                        "{at} is a resource of another interface than those that are linked"
                    )),
                }
            }
            (Type::Stream(a), Type::Stream(b)) => self.moved(
                a.ty(),
                b.ty(),
                "a stream of something that is neither a number nor text",
                at,
            ),
            (Type::Future(a), Type::Future(b)) => self.moved(
                a.ty(),
                b.ty(),
                "a future of something that is neither a number nor text",
                at,
            ),
            (Type::ErrorContext, Type::ErrorContext) => {
                self.carries.unlinkable = Some("an error-context");
                Ok(())
            }
            _ => differ(),
        }
    }

    /// Compares what moves in two streams or futures.
    fn moved(
        &mut self,
        import: Option<Type>,
        export: Option<Type>,
        what: &'static str,
        at: &str,
    ) -> Result<(), String> {
        self.carries.streams = true;
        if !is_bridged(import.as_ref()) {
            self.carries.unlinkable = Some(what);
        }
        match (import, export) {
            (None, None) => Ok(()),
            (Some(import), Some(export)) => self.types(&import, &export, &within(at, "element")),
            _ => Err(format!("{at} has elements on one side only")),
        }
    }

    /// Compares what has names: fields and cases, in order.
    fn members<'n>(
        &mut self,
        import: impl Iterator<Item = (&'n str, Option<Type>)>,
        export: impl Iterator<Item = (&'n str, Option<Type>)>,
        noun: &str,
        at: &str,
    ) -> Result<(), String> {
        let (import, export): (Vec<_>, Vec<_>) = (import.collect(), export.collect());
        let names = |members: &[(&str, Option<Type>)]| {
            let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
            names.join(", ")
        };
        if names(&import) != names(&export) {
            return Err(format!(
                "{at} has the {noun}s {} where it is imported, and {} where it is exported",
                names(&import),
                names(&export)
            ));
        }
        for ((name, import), (_, export)) in import.iter().zip(&export) {
            let at = within(at, &format!("{noun} `{name}`"));
            match (import, export) {
                (Some(import), Some(export)) => self.types(import, export, &at)?,
                (None, None) => {}
                _ => return Err(format!("{at} has a value on one side only")),
            }
        }
        Ok(())
    }
}

fn within(at: &str, part: &str) -> String {
    format!("{at}, {part}")
}

/// A type's own word in WIT.
fn word(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::List(_) => "list",
        Type::FixedLengthList(_) => "list of a fixed length",
        Type::Map(_) => "map",
        Type::Record(_) => "record",
        Type::Tuple(_) => "tuple",
        Type::Variant(_) => "variant",
        Type::Enum(_) => "enum",
        Type::Option(_) => "option",
        Type::Result(_) => "result",
        Type::Flags(_) => "flags",
        Type::Own(_) => "own",
        Type::Borrow(_) => "borrow",
        Type::Future(_) => "future",
        Type::Stream(_) => "stream",
        Type::ErrorContext => "error-context",
    }
}
