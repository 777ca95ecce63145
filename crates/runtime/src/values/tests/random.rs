//! Random types and values of them, from a seed.

use crate::values::*;
use std::sync::Arc;

/// A generator of numbers: the same for the same seed.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        // splitmix64: every seed is a good one.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// An integer that is often at an edge.
    fn integer(&mut self) -> u64 {
        match self.below(4) {
            0 => [
                0,
                1,
                u64::MAX,
                1 << 63,
                (1 << 63) - 1,
                1 << 53,
                (1 << 53) + 1,
                0x80,
                0xff,
            ][self.below(9)],
            1 => self.next() % 256,
            _ => self.next(),
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(4) {
            0 => [
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MIN_POSITIVE,
                5e-324,
            ][self.below(7)],
            1 => self.below(1000) as f64 / 8.0,
            _ => f64::from_bits(self.next()),
        }
    }

    fn char(&mut self) -> char {
        const ODD: &[char] = &[
            '\0',
            '\n',
            '\t',
            '"',
            '\'',
            '\\',
            '/',
            '{',
            'ä',
            '€',
            '\u{301}',
            '\u{7f}',
            '\u{2028}',
            '😀',
            '\u{10ffff}',
        ];
        match self.below(3) {
            0 => ODD[self.below(ODD.len())],
            1 => char::from(b' ' + self.below(95) as u8),
            _ => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('x'),
        }
    }

    /// A name, another one for each position; some are words of WAVE or JSON.
    fn name(&mut self, at: usize) -> Arc<str> {
        const WORDS: &[&str] = &[
            "true", "false", "some", "none", "ok", "err", "inf", "nan", "null",
        ];
        match self.below(4) {
            0 if at < WORDS.len() => WORDS[at].into(),
            1 => format!("URL-{at}").into(),
            _ => format!("a-{at}b").into_boxed_str().into(),
        }
    }

    /// A type at most so many levels deep. With `all`, maps and lists of fixed length too, which
    /// engines know where they are told to.
    pub fn ty(&mut self, depth: usize, all: bool) -> Type {
        let leaves = 13;
        let inner = if depth == 0 {
            0
        } else {
            8 + usize::from(all) * 2
        };
        let labels = 2;
        match self.below(leaves + labels + inner) {
            0 => Type::Bool,
            1 => Type::S8,
            2 => Type::U8,
            3 => Type::S16,
            4 => Type::U16,
            5 => Type::S32,
            6 => Type::U32,
            7 => Type::S64,
            8 => Type::U64,
            9 => Type::F32,
            10 => Type::F64,
            11 => Type::Char,
            12 => Type::String,
            13 => {
                let cases = self.labels(40);
                Type::Enum(Arc::new(Enum {
                    name: self.type_name(),
                    docs: None,
                    cases,
                }))
            }
            14 => {
                let flags = self.labels(32);
                Type::Flags(Arc::new(Flags {
                    name: self.type_name(),
                    docs: None,
                    flags,
                }))
            }
            15 | 16 => Type::List(self.part(depth, all)),
            17 => Type::Option(self.part(depth, all)),
            18 => {
                let ok = (self.below(3) > 0).then(|| self.part(depth, all));
                Type::Result(ok, (self.below(3) > 0).then(|| self.part(depth, all)))
            }
            19 => {
                let types = 1 + self.below(4);
                Type::Tuple((0..types).map(|_| self.ty(depth - 1, all)).collect())
            }
            20 | 21 => {
                let count = 1 + self.below(5);
                let fields = (0..count).map(|at| Field {
                    name: self.name(at),
                    ty: self.ty(depth - 1, all),
                    docs: None,
                });
                let fields = fields.collect();
                Type::Record(Arc::new(Record {
                    name: self.type_name(),
                    docs: None,
                    fields,
                }))
            }
            22 => {
                let count = 1 + self.below(5);
                let cases = (0..count).map(|at| Case {
                    name: self.name(at),
                    ty: (self.below(3) > 0).then(|| self.ty(depth - 1, all)),
                    docs: None,
                });
                let cases = cases.collect();
                Type::Variant(Arc::new(Variant {
                    name: self.type_name(),
                    docs: None,
                    cases,
                }))
            }
            23 => Type::FixedList(self.part(depth, all), 1 + self.below(4) as u32),
            _ => {
                let key = [Type::String, Type::U32, Type::Char, Type::S64][self.below(4)].clone();
                Type::Map(Arc::new(key), self.part(depth, all))
            }
        }
    }

    fn part(&mut self, depth: usize, all: bool) -> Arc<Type> {
        Arc::new(self.ty(depth - 1, all))
    }

    fn labels(&mut self, most: usize) -> Vec<Label> {
        let count = 1 + self.below(most);
        (0..count)
            .map(|at| Label {
                name: self.name(at),
                docs: None,
            })
            .collect()
    }

    fn type_name(&mut self) -> TypeName {
        TypeName {
            interface: None,
            name: format!("t{:x}", self.next()).into(),
        }
    }

    /// A value of a type.
    pub fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => Value::Bool(self.below(2) == 1),
            Type::S8 => Value::S8(self.integer() as i8),
            Type::U8 => Value::U8(self.integer() as u8),
            Type::S16 => Value::S16(self.integer() as i16),
            Type::U16 => Value::U16(self.integer() as u16),
            Type::S32 => Value::S32(self.integer() as i32),
            Type::U32 => Value::U32(self.integer() as u32),
            Type::S64 => Value::S64(self.integer() as i64),
            Type::U64 => Value::U64(self.integer()),
            Type::F32 => Value::F32(match self.below(2) {
                0 => f32::from_bits(self.next() as u32),
                _ => self.float() as f32,
            }),
            Type::F64 => Value::F64(self.float()),
            Type::Char => Value::Char(self.char()),
            Type::String => {
                let length = self.below(12);
                Value::String((0..length).map(|_| self.char()).collect())
            }
            Type::List(of) => {
                let length = self.below(5);
                self.list(of, length)
            }
            Type::FixedList(of, length) => self.list(of, *length as usize),
            Type::Map(key, of) => {
                let mut entries: Vec<(Value, Value)> = Vec::new();
                for _ in 0..self.below(5) {
                    let key = self.value(key);
                    if entries.iter().all(|(other, _)| *other != key) {
                        entries.push((key, self.value(of)));
                    }
                }
                Value::Map(entries)
            }
            Type::Tuple(types) => Value::Tuple(types.iter().map(|ty| self.value(ty)).collect()),
            Type::Record(of) => {
                Value::Record(of.fields.iter().map(|f| self.value(&f.ty)).collect())
            }
            Type::Variant(of) => {
                let at = self.below(of.cases.len());
                let payload = of.cases[at].ty.as_ref().map(|ty| Box::new(self.value(ty)));
                Value::Variant(at as u32, payload)
            }
            Type::Enum(of) => Value::Enum(self.below(of.cases.len()) as u32),
            Type::Flags(of) => {
                let bits = self.next() as u32;
                Value::Flags(((u64::from(bits)) & ((1u64 << of.flags.len()) - 1)) as u32)
            }
            Type::Option(of) => {
                Value::Option((self.below(3) > 0).then(|| Box::new(self.value(of))))
            }
            Type::Result(ok, err) => Value::Result(match self.below(2) {
                0 => Ok(ok.as_ref().map(|ty| Box::new(self.value(ty)))),
                _ => Err(err.as_ref().map(|ty| Box::new(self.value(ty)))),
            }),
            other => panic!("no value of {other} can be made up"),
        }
    }

    fn list(&mut self, of: &Type, length: usize) -> Value {
        let values = (0..length).map(|_| self.value(of));
        match Numbers::of(of) {
            Some(mut numbers) => {
                values.for_each(|v| assert!(numbers.push(&v)));
                Value::Numbers(numbers)
            }
            None => Value::List(values.collect()),
        }
    }
}
