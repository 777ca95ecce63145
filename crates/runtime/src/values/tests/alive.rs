//! Resources, streams and futures beside data, at random: a component made for a type gives back what it
//! takes, and each of them is what it was.

use super::guest::{MODULE, Types};
use super::random::Random;
use crate::artifact::{Cache, LoadOptions, Loader};
use crate::bridge::Links;
use crate::call::MakeState;
use crate::core::{Core, InstanceState, Watch};
use crate::engines::Engines;
use crate::limits::{Allowance, Budget};
use crate::link::{Host, Offer, Runtime};
use crate::pools::PoolSize;
use crate::values::value::length;
use crate::values::*;
use futures::StreamExt as _;
use proptest::prelude::*;
use std::sync::Arc;

struct State {
    core: Core,
    links: Links<State>,
}

impl InstanceState for State {
    fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn links(&mut self) -> &mut Links<State> {
        &mut self.links
    }
}

impl Host for State {
    fn link_component(_: &mut wasmtime::component::Linker<Self>, _: bool) -> wasmtime::Result<()> {
        Ok(())
    }

    fn link_module(_: &mut wasmtime::Linker<Self>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn offers() -> Vec<Offer> {
        Vec::new()
    }
}

/// What can be in a flow; of characters alone there is no stream yet.
const ITEMS: &[Type] = &[
    Type::Bool,
    Type::S8,
    Type::U8,
    Type::S16,
    Type::U16,
    Type::S32,
    Type::U32,
    Type::S64,
    Type::U64,
    Type::F32,
    Type::F64,
    Type::String,
];

/// A type that may hold resources and flows. What has a name holds data alone: it is imported, and the
/// resource is the component's own.
fn ty(random: &mut Random, depth: usize, thing: &Arc<Resource>) -> Type {
    let inner = if depth == 0 { 0 } else { 6 };
    let part = |random: &mut Random| Arc::new(ty(random, depth - 1, thing));
    let item = |random: &mut Random| Arc::new(ITEMS[random.below(ITEMS.len())].clone());
    match random.below(6 + inner) {
        0 | 1 => random.ty(1, true),
        2 | 3 => Type::Own(thing.clone()),
        4 => Type::Stream(Some(item(random))),
        5 => Type::Future(Some(item(random))),
        6 => Type::List(part(random)),
        7 => Type::Option(part(random)),
        8 => Type::Result(Some(part(random)), Some(part(random))),
        9 => Type::FixedList(part(random), 1 + random.below(3) as u32),
        10 => Type::Map(Arc::new(Type::U32), part(random)),
        _ => {
            let count = 1 + random.below(4);
            Type::Tuple((0..count).map(|_| ty(random, depth - 1, thing)).collect())
        }
    }
}

/// A component with a resource and functions that give back a value, as text.
fn component(types: &mut Types, whole: &Type) -> String {
    let used = types.write(whole);
    let flows: String = ITEMS.iter().fold(String::new(), |text, item| {
        format!(
            "{text}(type $stream-{item} (stream {item})) (type $future-{item} (future {item}))\n"
        )
    });
    format!(
        "(component {MODULE}
  (type $own-thing (resource (rep i32)))
  (export $thing \"thing\" (type $own-thing))
  {flows} {}
  (core func $new (canon resource.new $own-thing))
  (core module $n (func (export \"id\") (param i32) (result i32) (local.get 0)))
  (core instance $j (instantiate $n))
  (func (export \"make\") (param \"id\" u32) (result (own $thing)) (canon lift (core func $new)))
  (func (export \"id\") (param \"of\" (borrow $thing)) (result u32)
    (canon lift (core func $j \"id\")))
  (func (export \"echo\") (param \"v\" {used}) (result {used})
    (canon lift (core func $i \"echo\") (memory $memory) (realloc (core func $realloc))))
  (func (export \"later\") async (param \"v\" {used}) (result {used})
    (canon lift (core func $i \"echo\") (memory $memory) (realloc (core func $realloc)))))",
        types.text
    )
}

/// An instance of it, its functions, and the threads that drive it.
struct Guest {
    session: Session<State>,
    signatures: Signatures,
    threads: tokio::runtime::Runtime,
}

impl Guest {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alive.wat");
        std::fs::write(&path, text).unwrap();
        let cache = Cache::at(&folder.path().join("cache"));
        let runtime = Runtime::<State>::new(Loader::new(Engines::new(PoolSize::of(1)), cache));
        let options = LoadOptions {
            interruptible: true,
            stack: crate::limits::STACK_BYTES,
            fuel: false,
            pooled: false,
            allow_precompiled: false,
            snapshot: None,
        };
        let artifact = runtime.loader().load(&path, options);
        let artifact = artifact.unwrap_or_else(|e| panic!("{e} {:?}\n{text}", e.cause));
        let signatures = Signatures::of_artifact(&artifact, None).unwrap();
        let prepared = runtime.prepare(artifact, "alive", &|_| true).unwrap();
        let make: MakeState<State> = Arc::new(|| {
            Ok(State {
                core: Core::new(
                    "alive".into(),
                    Budget::new(Allowance::UNLIMITED),
                    &Watch::default(),
                ),
                links: Links::default(),
            })
        });
        Guest {
            session: prepared.session(&make).unwrap(),
            signatures,
            threads: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn call(&mut self, name: &str, arguments: Vec<Value>) -> Value {
        let signature = self.signatures.find(name).unwrap();
        let call = self.session.call(signature, arguments);
        self.threads.block_on(call).result.unwrap().unwrap()
    }

    /// Sends a value and looks at the first piece of each flow that comes back, and at no other.
    fn glance(&mut self, name: &str, ty: &Type, value: Value) {
        let signature = self.signatures.find(name).unwrap();
        let (send, receive) = futures::channel::oneshot::channel();
        let call = self.session.call_open(signature, vec![value], |value| {
            send.send(value.unwrap()).unwrap();
        });
        let look = async {
            let mut flows = Vec::new();
            each(ty, &receive.await.unwrap(), &mut |_, value| {
                if let Value::Stream(flow) | Value::Future(flow) = value {
                    flows.push(flow.clone());
                }
            });
            for flow in flows {
                let mut pieces = flow.pieces().unwrap();
                pieces.next().await;
            }
        };
        let (outcome, ()) = self.threads.block_on(async { futures::join!(call, look) });
        outcome.result.unwrap();
    }

    /// A value with what it refers to: resources are made, and items sent at once or by and by.
    fn given(&mut self, random: &mut Random, ty: &Type, value: &Value) -> Value {
        let mut part = |ty: &Type, value: &Value| self.given(random, ty, value);
        match (ty, value) {
            (Type::Own(_), id) => self.call("make", vec![id.clone()]),
            (Type::Stream(_), items) => match random.below(3) {
                0 => items.clone(),
                1 => Value::Stream(Flow::of(items.clone())),
                _ => {
                    let (mut sender, flow) = Flow::new();
                    let pieces = [items.clone(), items.clone()];
                    self.threads.spawn(async move {
                        for piece in pieces {
                            tokio::task::yield_now().await;
                            sender.send(piece).await;
                        }
                    });
                    Value::Stream(flow)
                }
            },
            (Type::Future(_), item) => match random.below(2) {
                0 => item.clone(),
                _ => Value::Future(Flow::of(item.clone())),
            },
            (Type::List(of) | Type::FixedList(of, _), Value::List(all)) => {
                Value::List(all.iter().map(|v| part(of, v)).collect())
            }
            (Type::Map(_, of), Value::Map(all)) => {
                Value::Map(all.iter().map(|(k, v)| (k.clone(), part(of, v))).collect())
            }
            (Type::Option(of), Value::Option(Some(v))) => {
                Value::Option(Some(Box::new(part(of, v))))
            }
            (Type::Result(Some(of), _), Value::Result(Ok(Some(v)))) => {
                Value::Result(Ok(Some(Box::new(part(of, v)))))
            }
            (Type::Result(_, Some(of)), Value::Result(Err(Some(v)))) => {
                Value::Result(Err(Some(Box::new(part(of, v)))))
            }
            (Type::Tuple(types), Value::Tuple(all)) => {
                Value::Tuple(types.iter().zip(all).map(|(t, v)| part(t, v)).collect())
            }
            (_, value) => value.clone(),
        }
    }
}

/// A value written down: a resource as its number, a stream as its items.
fn value(random: &mut Random, ty: &Type) -> Value {
    let boxed = |random: &mut Random, ty: &Type| Some(Box::new(value(random, ty)));
    match ty {
        Type::Own(_) => Value::U32(random.below(1 << 31) as u32),
        Type::Stream(Some(of)) => random.value(&Type::List(of.clone())),
        Type::Future(Some(of)) => random.value(of),
        Type::List(of) if Numbers::of(of).is_none() => {
            let count = random.below(3);
            Value::List((0..count).map(|_| value(random, of)).collect())
        }
        Type::FixedList(of, count) if Numbers::of(of).is_none() => {
            Value::List((0..*count).map(|_| value(random, of)).collect())
        }
        Type::Map(key, of) if matches!(**key, Type::U32) => {
            let count = random.below(3) as u32;
            let entries = (0..count).map(|key| (Value::U32(key), value(random, of)));
            Value::Map(entries.collect())
        }
        Type::Option(of) if random.below(3) > 0 => Value::Option(boxed(random, of)),
        Type::Option(_) => Value::Option(None),
        Type::Result(Some(ok), Some(err)) => Value::Result(match random.below(2) {
            0 => Ok(boxed(random, ok)),
            _ => Err(boxed(random, err)),
        }),
        Type::Tuple(types) => Value::Tuple(types.iter().map(|ty| value(random, ty)).collect()),
        data => random.value(data),
    }
}

/// Each value within one, with its type, the innermost alone.
fn each(ty: &Type, value: &Value, see: &mut dyn FnMut(&Type, &Value)) {
    match (ty, value) {
        (Type::List(of) | Type::FixedList(of, _), Value::List(all)) => {
            all.iter().for_each(|v| each(of, v, see));
        }
        (Type::Map(_, of), Value::Map(all)) => all.iter().for_each(|(_, v)| each(of, v, see)),
        (Type::Option(of), Value::Option(Some(v))) => each(of, v, see),
        (Type::Result(Some(of), _), Value::Result(Ok(Some(v)))) => each(of, v, see),
        (Type::Result(_, Some(of)), Value::Result(Err(Some(v)))) => each(of, v, see),
        (Type::Tuple(types), Value::Tuple(all)) => {
            types.iter().zip(all).for_each(|(t, v)| each(t, v, see));
        }
        (ty, value) => see(ty, value),
    }
}

/// The innermost values of one.
fn leaves(ty: &Type, value: &Value) -> Vec<(Type, Value)> {
    let mut all = Vec::new();
    each(ty, value, &mut |ty, value| {
        all.push((ty.clone(), value.clone()))
    });
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_alive_comes_back_as_it_was(seed in any::<u64>()) {
        let mut random = Random(seed);
        let thing = Arc::new(Resource {
            name: TypeName { interface: None, name: "thing".into() },
            docs: None,
        });
        // More than registers hold, so that it lies in memory and goes back as it lies.
        let mut types = vec![ty(&mut random, 3, &thing)];
        types.extend((0..17).map(|_| Type::U64));
        let whole = Type::Tuple(types.into());
        let mut guest = Guest::new(&component(&mut Types::default(), &whole));
        for name in ["echo", "later", "echo", "later"] {
            let sent = value(&mut random, &whole);
            let given = guest.given(&mut random, &whole, &sent);
            if random.below(4) == 0 {
                guest.glance(name, &whole, given);
                continue;
            }
            let came = guest.call(name, vec![given]);
            let (sent, came) = (leaves(&whole, &sent), leaves(&whole, &came));
            prop_assert_eq!(sent.len(), came.len());
            for ((ty, sent), (_, came)) in sent.into_iter().zip(came) {
                match (&ty, came) {
                    (Type::Own(_), came @ Value::Resource(_)) => {
                        prop_assert_eq!(guest.call("id", vec![came.clone()]), sent);
                        let Value::Resource(resource) = came else { unreachable!() };
                        let dropped = guest.session.drop_resource(resource);
                        guest.threads.block_on(dropped).unwrap();
                    }
                    (Type::Stream(_), came) => {
                        // Some were sent twice.
                        let once = length(&sent) == length(&came);
                        let twice = match (sent.clone(), sent.clone()) {
                            (Value::Numbers(mut a), Value::Numbers(b)) => {
                                a.append(&b);
                                Value::Numbers(a)
                            }
                            (Value::List(mut a), Value::List(b)) => {
                                a.extend(b);
                                Value::List(a)
                            }
                            other => panic!("{other:?}"),
                        };
                        prop_assert_eq!(came, if once { sent } else { twice });
                    }
                    (_, came) => prop_assert_eq!(came, sent),
                }
            }
        }
    }
}
