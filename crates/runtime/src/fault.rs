//! What a guest's end means: an exit code, or an error that a person can act on.

use crate::bridge::Failed;
use crate::call::NotAProgram;
use crate::core::Core;
use crate::error::{Error, Frame};
use crate::limits::{Limit, LimitHit, of_engine};
use crate::threads::SharedTooBig;
use wasmtime::{Trap, WasmBacktrace};

/// How a guest's run ended.
pub enum Ended {
    /// It exited, with this code.
    Exit(i32),
    /// It failed.
    Fault(Box<Error>),
}

/// Frames shown of a backtrace: enough to find the place, few enough to read.
const FRAMES_MAX: usize = 30;

/// Explains the engine's error.
pub fn explain(error: wasmtime::Error, core: &mut Core) -> Ended {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Ended::Exit(exit.0);
    }
    if error.downcast_ref::<NotAProgram>().is_some() {
        let error = Error::yours(format!(
            "{} is not a program: {NotAProgram}",
            core.component
        ))
        .help("call one of its functions: holm run --invoke 'name(args)' FILE")
        .help("or serve it, if it handles HTTP: holm up FILE");
        return Ended::Fault(Box::new(error));
    }
    if let Some(failed) = error.downcast_ref::<Failed>() {
        return Ended::Fault(Box::new(in_a_call(failed, &error, core)));
    }
    let limit = match error.downcast_ref::<LimitHit>() {
        Some(hit) => Some(hit.limit),
        None => match of_engine(&error) {
            Some(limit) => Some(core.budget.meter.reach(limit).limit),
            // A guest whose memory was refused usually traps soon after, in its own allocator.
            None => core.budget.meter.limit_hit(),
        },
    };
    let mut fault = match limit {
        Some(Limit::Stack) => over(Limit::Stack, core).help("or look for recursion without end"),
        Some(limit) => over(limit, core),
        None => trapped(&error, core),
    };
    if let Some(shared) = error.downcast_ref::<SharedTooBig>() {
        fault.cause = Some(shared.to_string());
    }
    fault.limit = limit;
    fault.backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .map(frames)
        .unwrap_or_default();
    fault.denials = core.denials.list();
    Ended::Fault(Box::new(fault))
}

/// What went wrong in a component that this one called: the callee's error, and the way to it.
fn in_a_call(failed: &Failed, error: &wasmtime::Error, core: &Core) -> Error {
    let mut fault = (*failed.error).clone();
    let Failed { function, .. } = failed;
    fault.message = format!("{} called {function}: {}", core.component, fault.message);
    fault.backtrace.push(Frame {
        function: function.clone(),
        module: None,
        place: Some(format!("called by {}", core.component)),
        offset: None,
    });
    let own = error.downcast_ref::<WasmBacktrace>().map(frames);
    fault.backtrace.extend(own.unwrap_or_default());
    fault.denials.extend(core.denials.list());
    fault
}

fn over(limit: Limit, core: &Core) -> Error {
    limit.error(&core.component, limit.amount(core.budget.allowance()))
}

fn trapped(error: &wasmtime::Error, core: &Core) -> Error {
    let who = &core.component;
    match error.downcast_ref::<Trap>() {
        Some(trap) => {
            let fault = Error::guest(format!("{who} trapped: {}", words(*trap)));
            match hint(*trap) {
                Some(hint) => fault.help(hint),
                None => fault,
            }
        }
        None => {
            // The outermost context is the backtrace; the root says what happened.
            Error::guest(format!("{who} failed: {}", error.root_cause()))
        }
    }
}

fn words(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

fn hint(trap: Trap) -> Option<&'static str> {
    Some(match trap {
        Trap::UnreachableCodeReached => {
            "a panic or an abort in the guest; its message, if it left one, is above"
        }
        Trap::MemoryOutOfBounds => {
            "a bad pointer in the guest, or recursion beyond its own stack; debug info shows source lines"
        }
        _ => return None,
    })
}

fn frames(backtrace: &WasmBacktrace) -> Vec<Frame> {
    backtrace
        .frames()
        .iter()
        .flat_map(|frame| {
            let plain = || match frame.func_name() {
                Some(name) => demangle(name),
                None => format!("<function {}>", frame.func_index()),
            };
            let module = frame.module().name().map(str::to_owned);
            let offset = frame.module_offset();
            if frame.symbols().is_empty() {
                return vec![Frame {
                    function: plain(),
                    module,
                    place: None,
                    offset,
                }];
            }
            frame
                .symbols()
                .iter()
                .map(|symbol| Frame {
                    function: symbol.name().map(demangle).unwrap_or_else(plain),
                    module: module.clone(),
                    place: symbol
                        .file()
                        .map(|file| place(file, symbol.line(), symbol.column())),
                    offset,
                })
                .collect()
        })
        .take(FRAMES_MAX)
        .collect()
}

fn place(file: &str, line: Option<u32>, column: Option<u32>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        _ => file.to_owned(),
    }
}

fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
