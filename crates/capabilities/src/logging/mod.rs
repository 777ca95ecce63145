//! Messages with a level, as `wasi:logging`: they go where a component's output goes.
//!
//! ```toml
//! [component.web]             # no grant: what a component says goes where its host says
//! source = "web.wasm"
//! ```

#[cfg(test)]
mod tests;
mod wit;

use crate::stdio::{Lines, Message, Stdio};
use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use holm_runtime::receipt::Flows;
use std::io::Write as _;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::OutputStream as _;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// Where the messages of a component's instances go: a manifest cannot say, whoever hosts it does.
#[derive(Clone, Default)]
pub enum Logging {
    /// Nowhere.
    #[default]
    Null,
    /// To Holm's own standard error.
    Stderr,
    /// To the log, with what it prints, and within the same rate.
    Lines(Lines),
    /// To where its standard error is kept.
    Captured(MemoryOutputPipe),
}

/// What an instance holds.
pub struct Instance {
    to: Logging,
    flows: Arc<Flows>,
}

impl From<&Stdio> for Logging {
    fn from(stdio: &Stdio) -> Self {
        match stdio {
            Stdio::Null => Logging::Null,
            Stdio::Inherit | Stdio::Output | Stdio::Aside => Logging::Stderr,
            Stdio::Lines(lines) => Logging::Lines(lines.clone()),
            Stdio::Capture(capture) => Logging::Captured(capture.stderr.clone()),
        }
    }
}

impl Logging {
    /// Says it; whether anybody heard all of it.
    pub(crate) fn say(&self, message: Message<'_>) -> bool {
        match self {
            Logging::Null => false,
            Logging::Lines(lines) => lines.message(message),
            // Who reads along may be gone; that is no failure of the guest's.
            Logging::Stderr => std::io::stderr().write_all(&line(message)).is_ok(),
            Logging::Captured(pipe) => pipe.clone().write(line(message).into()).is_ok(),
        }
    }
}

/// For people, on one stream with what is printed.
fn line(
    Message {
        level,
        context,
        text,
        ..
    }: Message<'_>,
) -> Vec<u8> {
    let level = level.name();
    match context {
        "" => format!("{level}: {text}\n").into_bytes(),
        context => format!("{level} {context}: {text}\n").into_bytes(),
    }
}

impl Capability for Logging {
    const ABOUT: About = About {
        name: "logging",
        doc: "Messages with a level, into the log.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[Interface {
            name: "wasi:logging/logging",
            versions: &["", "0.1.0-draft"],
        }],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        None
    }

    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Logging::default())
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            to: self.clone(),
            flows: core.flows.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        wit::link(linker)
    }
}

impl Instance {
    /// What is said counts as output.
    pub(crate) fn say(&self, message: Message<'_>) -> bool {
        let bytes = message.context.len() + message.text.len();
        Flows::add(&self.flows.stdio_out, bytes);
        self.to.say(message)
    }
}
