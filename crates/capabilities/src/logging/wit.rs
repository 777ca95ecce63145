//! `wasi:logging` for the guest: one function, with and without a version.

use super::Instance;
use crate::State;
use crate::stdio::{self, Message};
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-logging@0.1.0-draft",
        world: "wasi:logging/imports",
        imports: { default: trappable },
    });
}
pub(super) use bindings::wasi::logging::logging::{Host, Level};

impl From<Level> for stdio::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => stdio::Level::Trace,
            Level::Debug => stdio::Level::Debug,
            Level::Info => stdio::Level::Info,
            Level::Warn => stdio::Level::Warn,
            Level::Error => stdio::Level::Error,
            Level::Critical => stdio::Level::Critical,
        }
    }
}

impl Host for Instance {
    fn log(&mut self, level: Level, context: String, message: String) -> Result<()> {
        self.say(Message {
            level: level.into(),
            context: &context,
            text: &message,
            is_collected: false,
        });
        Ok(())
    }
}

fn part(state: &mut State) -> &mut Instance {
    &mut state.parts.logging
}

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:logging/logging", "@0.1.0-draft", (), part, {
        sync unit "log" = Host::log { a, b, c };
    });
    cross!(linker, "wasi:logging/logging", "", (), part, {
        sync unit "log" = Host::log { a, b, c };
    });
    Ok(())
}
