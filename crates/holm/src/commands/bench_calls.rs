//! `holm bench-calls FILE ROUNDS`: for `cargo xtask bench calls`; what a call costs in a kept instance
//! of `guests/wat/calls.wat`, a line for each figure: how and what is called, a tab, and nanoseconds of
//! CPU time.
//!
//! `typed` is the engine's call with types that were known when Holm was built, on no clock: what
//! nobody can get under. `dynamic` is the call that Holm's surfaces make: values of any type, checked,
//! within limits.

use crate::grants::{GrantFlags, place_here};
use crate::{exit, report};
use holm_capabilities::State;
use holm_runtime::artifact::LoadOptions;
use holm_runtime::call::MakeState;
use holm_runtime::limits::{Allowance, Budget, STACK_BYTES};
use holm_runtime::pools::PoolSize;
use holm_runtime::values::{Numbers, Session, Signatures, Value};
use holm_runtime::{Core, Error, Prepared, Watch};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::{
    ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc, flags,
};
use wasmtime_wasi::WasiCtxBuilder;

/// How long the calls of one round last together.
const ROUND: Duration = Duration::from_millis(50);

/// Call the functions of a component, and print what each takes in nanoseconds
#[derive(clap::Args)]
pub struct Args {
    /// The component: `guests/wat/calls.wat`
    file: PathBuf,
    /// Figures for each
    rounds: u32,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::ours("no threads can be started").caused_by(e.to_string()))
        .and_then(|threads| threads.block_on(go(&args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the component gives them back")]
enum Color {
    #[component(name = "red")]
    Red,
    #[component(name = "green")]
    Green,
    #[component(name = "sky-blue")]
    SkyBlue,
}

flags! {
    May {
        #[component(name = "read")]
        const READ;
        #[component(name = "write")]
        const WRITE;
        #[component(name = "run")]
        const RUN;
    }
}

/// The record of twenty fields.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Form {
    truth: bool,
    small: i8,
    byte: u8,
    short: i16,
    word: u16,
    int: i32,
    count: u32,
    long: i64,
    size: u64,
    single: f32,
    double: f64,
    letter: char,
    text: String,
    name: String,
    raw: Vec<u8>,
    numbers: Vec<i32>,
    color: Color,
    may: May,
    maybe: Option<u32>,
    last: u32,
}

impl Form {
    fn filled() -> Form {
        Form {
            truth: true,
            small: -1,
            byte: 2,
            short: -3,
            word: 4,
            int: -5,
            count: 6,
            long: -7,
            size: 8,
            single: 0.5,
            double: 0.25,
            letter: 'z',
            text: "text".into(),
            name: "name".into(),
            raw: b"raw".to_vec(),
            numbers: vec![1, -2],
            color: Color::Green,
            may: May::READ,
            maybe: Some(9),
            last: 10,
        }
    }

    fn value(&self) -> Value {
        Value::Record(vec![
            Value::Bool(self.truth),
            Value::S8(self.small),
            Value::U8(self.byte),
            Value::S16(self.short),
            Value::U16(self.word),
            Value::S32(self.int),
            Value::U32(self.count),
            Value::S64(self.long),
            Value::U64(self.size),
            Value::F32(self.single),
            Value::F64(self.double),
            Value::Char(self.letter),
            Value::String(self.text.clone()),
            Value::String(self.name.clone()),
            Value::Numbers(Numbers::U8(self.raw.clone())),
            Value::Numbers(Numbers::S32(self.numbers.clone())),
            Value::Enum(self.color as u32),
            Value::Flags(1),
            Value::Option(self.maybe.map(|maybe| Box::new(Value::U32(maybe)))),
            Value::U32(self.last),
        ])
    }
}

async fn go(args: &Args) -> Result<(), Error> {
    let runtime = super::runtime(PoolSize::of_one_app());
    let options = LoadOptions {
        snapshot: None,
        stack: STACK_BYTES,
        interruptible: true,
        fuel: false,
        pooled: false,
        allow_precompiled: false,
    };
    let artifact = runtime.loader().load(&args.file, options)?;
    let signatures = Signatures::of_artifact(&artifact, None)?;
    let prepared = runtime.prepare(artifact, "bench", &|_| true)?;
    let grants = GrantFlags::default()
        .resolve(&place_here(None))
        .map_err(|_| Error::ours("no grants at all did not resolve"))?;
    let allowance = Allowance {
        timeout: Some(Duration::from_secs(30)),
        ..Allowance::UNLIMITED
    };
    let make: MakeState<State> = Arc::new(move || {
        let core = Core::new("bench".into(), Budget::new(allowance), &Watch::default());
        State::component(&grants, core, WasiCtxBuilder::new())
    });
    let mut typed = Typed::new(&prepared, &make).await.map_err(wrong)?;
    let mut dynamic = Dynamic {
        session: prepared.session(&make)?,
        signatures,
    };
    let (short, long) = ("x".repeat(16), "x".repeat(1 << 20));
    let floats: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let form = Form::filled();
    for _ in 0..args.rounds {
        typed.call::<_, ()>("nothing", "nothing", || ()).await?;
        typed
            .call::<_, (u32,)>("two integers", "add", || (1u32, 2u32))
            .await?;
        let of = "a string of 16 B";
        typed.call::<_, (u32,)>(of, "length", || (&*short,)).await?;
        let of = "a string of 1 MB";
        typed.call::<_, (u32,)>(of, "length", || (&*long,)).await?;
        let of = "a million floats";
        typed.call::<_, (f64,)>(of, "sum", || (&*floats,)).await?;
        let of = "a record of 20 fields, and back";
        typed.call::<_, (Form,)>(of, "same", || (&form,)).await?;

        dynamic.call("nothing", "nothing", Vec::new).await?;
        let two = || vec![Value::U32(1), Value::U32(2)];
        dynamic.call("two integers", "add", two).await?;
        let text = || vec![Value::String(short.clone())];
        dynamic.call("a string of 16 B", "length", text).await?;
        let text = || vec![Value::String(long.clone())];
        dynamic.call("a string of 1 MB", "length", text).await?;
        let all = || vec![Value::Numbers(Numbers::F64(floats.clone()))];
        dynamic.call("a million floats", "sum", all).await?;
        let record = || vec![form.value()];
        let of = "a record of 20 fields, and back";
        dynamic.call(of, "same", record).await?;
    }
    Ok(())
}

fn wrong(error: wasmtime::Error) -> Error {
    Error::ours("the call failed").caused_by(format!("{error:#}"))
}

struct Typed {
    store: Store<State>,
    instance: Instance,
}

impl Typed {
    async fn new(prepared: &Prepared<State>, make: &MakeState<State>) -> wasmtime::Result<Typed> {
        let mut store = prepared.store(make()?)?;
        let Some(pre) = prepared.component() else {
            return Err(wasmtime::Error::msg("only components are measured"));
        };
        let instance = pre.instantiate_async(&mut store).await?;
        Ok(Typed { store, instance })
    }

    async fn call<P, R>(
        &mut self,
        what: &str,
        function: &str,
        arguments: impl Fn() -> P,
    ) -> Result<(), Error>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let found: TypedFunc<P, R> = self
            .instance
            .get_typed_func(&mut self.store, function)
            .map_err(wrong)?;
        let mut times = Times::new();
        while times.go_on() {
            let result = found.call_async(&mut self.store, arguments()).await;
            result.map_err(wrong)?;
        }
        times.print("typed", what);
        Ok(())
    }
}

struct Dynamic {
    session: Session<State>,
    signatures: Signatures,
}

impl Dynamic {
    async fn call(
        &mut self,
        what: &str,
        function: &str,
        arguments: impl Fn() -> Vec<Value>,
    ) -> Result<(), Error> {
        let mut all = self.signatures.exports.iter();
        let Some(signature) = all.find(|one| *one.function == *function) else {
            return Err(Error::yours(format!("it exports no `{function}`")));
        };
        let mut times = Times::new();
        while times.go_on() {
            self.session.value(signature, arguments()).await?;
        }
        times.print("dynamic", what);
        Ok(())
    }
}

/// CPU time of this thread, which makes the calls: a busy machine does not change it much.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The calls of a round: the clock is read only once in a while.
struct Times {
    began: Duration,
    calls: u32,
    until: u32,
    took: Duration,
}

impl Times {
    fn new() -> Times {
        Times {
            began: cpu_time(),
            calls: 0,
            until: 1,
            took: Duration::ZERO,
        }
    }

    fn go_on(&mut self) -> bool {
        if self.calls == self.until {
            self.took = cpu_time().saturating_sub(self.began);
            if self.took >= ROUND {
                return false;
            }
            // As many again, but not long beyond the end.
            let left = ROUND.saturating_sub(self.took).as_secs_f64() / self.took.as_secs_f64();
            let more = f64::from(self.calls) * left.clamp(0.01, 3.0);
            self.until += more.ceil() as u32;
        }
        self.calls += 1;
        true
    }

    fn print(&self, how: &str, what: &str) {
        let each = self.took.as_nanos() as f64 / f64::from(self.calls.max(1));
        println!("{how}, {what}\t{each:.1}");
    }
}
