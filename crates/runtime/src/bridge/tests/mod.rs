//! Links between components written by hand: what crosses, whose time it is, and what is refused.

mod bulk;
mod crossing;
mod refusals;

use super::*;
use crate::artifact::{Cache, LoadOptions, Loader};
use crate::call::{MakeState, Outcome};
use crate::core::{Core, InstanceState, Watch};
use crate::engines::Engines;
use crate::limits::{Allowance, Budget, Limit};
use crate::link::{Host, Offer, Providers, Runtime};
use crate::pools::PoolSize;
use std::sync::Mutex;
use std::time::Duration;

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

fn state(name: &str, budget: Budget) -> State {
    State {
        core: Core::new(name.into(), budget, &Watch::default()),
        links: Links::default(),
    }
}

/// What the accounts of a callee's instances said when they were closed.
type Closed = Arc<Mutex<Vec<String>>>;

struct Callee {
    name: Arc<str>,
    prepared: Prepared<State>,
    allowance: Allowance,
    closed: Closed,
}

impl Provide<State> for Arc<Callee> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn prepared(&self) -> &Prepared<State> {
        &self.prepared
    }

    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }

    fn fresh(&self, caller: &mut State, apart: bool) -> MakeFresh<State> {
        let budget = Budget::under(self.allowance, &caller.core().budget.meter, apart);
        let callee = self.clone();
        Box::pin(async move {
            let (closed, name) = (callee.closed.clone(), callee.name.clone());
            Ok(Fresh {
                store: callee.prepared.store(state(&callee.name, budget))?,
                at_end: Box::new(move |state| {
                    let calls = state.core().seam.tallies().len();
                    closed.lock().unwrap().push(format!("{name}: {calls}"));
                }),
                held: Box::new(callee),
            })
        })
    }
}

/// A runtime in a folder of its own.
struct Room {
    dir: tempfile::TempDir,
    runtime: Runtime<State>,
    closed: Closed,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(&dir.path().join("cache"));
        Room {
            runtime: Runtime::new(Loader::new(Engines::new(PoolSize::of(2)), cache)),
            closed: Closed::default(),
            dir,
        }
    }

    fn prepare(
        &self,
        name: &str,
        text: &str,
        links: &[(&str, &Arc<Callee>)],
    ) -> Result<Prepared<State>, Error> {
        let path = self.dir.path().join(format!("{name}.wat"));
        std::fs::write(&path, text).unwrap();
        let options = LoadOptions {
            interruptible: true,
            stack: crate::limits::STACK_BYTES,
            fuel: false,
            pooled: false,
            allow_precompiled: false,
            snapshot: None,
        };
        let artifact = self.runtime.loader().load(&path, options)?;
        let links: Vec<Link<State>> = links
            .iter()
            .map(|(interface, callee)| Link {
                interface: (*interface).to_owned(),
                callee: Arc::new((*callee).clone()),
            })
            .collect();
        let providers = Providers {
            links: &links,
            ..Providers::default()
        };
        self.runtime
            .prepare_with(artifact, name, &|_| true, providers)
    }

    fn callee(
        &self,
        name: &str,
        text: &str,
        links: &[(&str, &Arc<Callee>)],
        allowance: Allowance,
    ) -> Arc<Callee> {
        Arc::new(Callee {
            name: name.into(),
            prepared: self.prepare(name, text, links).unwrap(),
            allowance,
            closed: self.closed.clone(),
        })
    }

    /// What linking `web` to `other` by `test:x/b` says.
    fn refused(&self, web: &str, other: &str) -> String {
        let other = self.callee("other", other, &[], Allowance::UNLIMITED);
        let error = self
            .prepare("web", web, &[("test:x/b", &other)])
            .err()
            .expect("it links");
        format!("{error}\n{}", error.help.join("\n"))
    }
}

use crate::error::Error;

/// Calls `get` in a fresh instance of `web`.
fn get(web: &Prepared<State>, allowance: Allowance) -> Outcome<String> {
    let make: MakeState<State> = Arc::new(move || Ok(state("web", Budget::new(allowance))));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(web.invoke("get()", make))
}

/// Exports `test:x/b` with `get: func() -> u32` made of this body.
fn exporting(interface: &str, body: &str) -> String {
    format!(
        r#"(component
            (core module $m (func (export "get") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $get (result u32) (canon lift (core func $i "get")))
            (instance $api (export "get" (func $get)))
            (export "{interface}" (instance $api)))"#
    )
}

/// Imports `get` of an interface and gives the sum of two calls, as its own `get`.
fn doubling(import: &str, export: impl Fn(&str) -> String) -> String {
    let export = export("(func $more)");
    format!(
        r#"(component
            (import "{import}" (instance $other (export "get" (func (result u32)))))
            (core func $get (canon lower (func $other "get")))
            (core module $m
                (import "" "get" (func $get (result i32)))
                (func (export "get") (result i32) (i32.add (call $get) (call $get))))
            (core instance $i (instantiate $m
                (with "" (instance (export "get" (func $get))))))
            (func $more (result u32) (canon lift (core func $i "get")))
            {export})"#
    )
}

fn web(import: &str) -> String {
    doubling(import, |get| format!(r#"(export "get" {get})"#))
}

fn middle(import: &str, export: &str) -> String {
    doubling(import, |get| {
        format!(r#"(instance $api (export "get" {get})) (export "{export}" (instance $api))"#)
    })
}

const SPIN: &str = "(loop $l (br $l)) unreachable";

fn cpu(millis: u64) -> Allowance {
    Allowance {
        cpu: Some(Duration::from_millis(millis)),
        ..Allowance::UNLIMITED
    }
}

#[test]
fn calls_cross_and_each_instance_lives_as_long_as_its_event() {
    let room = Room::new();
    let counting = r#"(component
        (core module $m
            (global $n (mut i32) (i32.const 20))
            (func (export "get") (result i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                global.get $n))
        (core instance $i (instantiate $m))
        (func $get (result u32) (canon lift (core func $i "get")))
        (instance $api (export "get" (func $get)))
        (export "test:x/b@1.3.0" (instance $api)))"#;
    let other = room.callee("other", counting, &[], Allowance::UNLIMITED);
    // The version is the import's; the manifest leaves it out.
    let web = room
        .prepare("web", &web("test:x/b@1.0.0"), &[("test:x/b", &other)])
        .unwrap();
    for _ in 0..2 {
        let outcome = get(&web, Allowance::UNLIMITED);
        // 21 and 22 of one instance, and of a fresh one the next time.
        assert_eq!(outcome.result.unwrap(), "43");
        let receipt = outcome.receipt.unwrap();
        assert_eq!(receipt.calls["test:x/b"]["get"].count, 2);
    }
    assert_eq!(*room.closed.lock().unwrap(), ["other: 0", "other: 0"]);
}

#[test]
fn a_chain_of_three() {
    let room = Room::new();
    let last = room.callee(
        "last",
        &exporting("test:x/c", "i32.const 5"),
        &[],
        Allowance::UNLIMITED,
    );
    let text = middle("test:x/c", "test:x/b");
    let middle = room.callee(
        "middle",
        &text,
        &[("test:x/c", &last)],
        Allowance::UNLIMITED,
    );
    let web = room
        .prepare("web", &web("test:x/b"), &[("test:x/b", &middle)])
        .unwrap();
    assert_eq!(get(&web, Allowance::UNLIMITED).result.unwrap(), "20");
    // The last is one of the middle's, and ends with it.
    assert_eq!(*room.closed.lock().unwrap(), ["middle: 1", "last: 0"]);
}

#[test]
fn a_trap_of_the_callee_is_told_with_its_name_and_both_backtraces() {
    let room = Room::new();
    let text = exporting("test:x/c", "unreachable");
    let last = room.callee("last", &text, &[], Allowance::UNLIMITED);
    let text = middle("test:x/c", "test:x/b");
    let middle = room.callee(
        "middle",
        &text,
        &[("test:x/c", &last)],
        Allowance::UNLIMITED,
    );
    let web = room
        .prepare("web", &web("test:x/b"), &[("test:x/b", &middle)])
        .unwrap();
    let error = get(&web, Allowance::UNLIMITED).result.unwrap_err();
    assert_eq!(
        error.message,
        "web called test:x/b.get: middle called test:x/c.get: \
         last trapped: wasm `unreachable` instruction executed"
    );
    let places: Vec<&str> = error
        .backtrace
        .iter()
        .filter_map(|f| f.place.as_deref())
        .collect();
    assert_eq!(places, ["called by middle", "called by web"]);
    assert!(error.backtrace.len() >= 5, "{:?}", error.backtrace);
}

#[test]
fn a_callee_is_within_its_own_limits() {
    let room = Room::new();
    let text = exporting("test:x/b", SPIN);
    let other = room.callee("other", &text, &[], cpu(20));
    let web = room
        .prepare("web", &web("test:x/b"), &[("test:x/b", &other)])
        .unwrap();
    let error = get(&web, cpu(60_000)).result.unwrap_err();
    assert_eq!(
        error.message,
        "web called test:x/b.get: other used up its CPU time (20 ms)"
    );
    assert_eq!(error.limit, Some(Limit::Cpu));
    let grow = exporting(
        "test:x/b",
        "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) i32.const 1",
    )
    .replace("(core module $m", "(core module $m (memory 1)");
    let memory = Allowance {
        memory: 1 << 20,
        ..Allowance::UNLIMITED
    };
    let other = room.callee("other", &grow, &[], memory);
    let web = room
        .prepare("web", &self::web("test:x/b"), &[("test:x/b", &other)])
        .unwrap();
    let error = get(&web, Allowance::UNLIMITED).result.unwrap_err();
    assert_eq!(
        error.message,
        "web called test:x/b.get: other wanted more memory than its limit (1 MiB)"
    );
}

#[test]
fn a_callers_limits_bound_the_whole() {
    let room = Room::new();
    let last = room.callee("last", &exporting("test:x/c", SPIN), &[], cpu(60_000));
    let text = middle("test:x/c", "test:x/b");
    let middle = room.callee("middle", &text, &[("test:x/c", &last)], cpu(60_000));
    let web = room
        .prepare("web", &web("test:x/b"), &[("test:x/b", &middle)])
        .unwrap();
    let outcome = get(&web, cpu(20));
    let error = outcome.result.unwrap_err();
    assert_eq!(error.message, "web used up its CPU time (20 ms)");
    assert_eq!(outcome.receipt.unwrap().limit, Some("cpu"));
    // And its wall clock.
    let timeout = Allowance {
        timeout: Some(Duration::from_millis(20)),
        ..Allowance::UNLIMITED
    };
    let error = get(&web, timeout).result.unwrap_err();
    assert_eq!(error.message, "web took longer than its timeout (20 ms)");
}
