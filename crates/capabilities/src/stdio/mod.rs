//! Standard input, output and error, and the `wasi:io` streams that everything else moves bytes in.
//!
//! ```toml
//! [component.web]             # no grant: what a component prints goes where its host says
//! source = "web.wasm"
//! ```

pub(crate) mod counted;
pub(crate) mod ending;
mod lines;
mod message;
mod piped;
#[cfg(test)]
mod tests;
pub mod wasi_0_2;
pub mod wasi_0_3;
pub mod wasi_io;

pub use lines::{AppRate, LINE_BYTES_MAX, LineSink, Lines, Stream};
pub use message::{Level, Message};
pub use piped::{Ends, Pipes};

use crate::{About, Capability, Era, Interface, Place, State};
use bytes::Bytes;
use counted::{Counted, Counter};
use holm_manifest::{Fragment, Problem, Value};
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{StdinStream, StdoutStream};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

/// How the standard streams of a component's instances are wired. Whoever hosts the component
/// decides; a manifest cannot.
#[derive(Clone, Default)]
pub enum Stdio {
    /// Input is at its end; output is thrown away.
    #[default]
    Null,
    /// They are Holm's own, terminal and all: `holm run`.
    Inherit,
    /// Input is at its end; the outputs are Holm's own.
    Output,
    /// Input is at its end; both outputs are Holm's own standard error: where Holm's standard input and
    /// output are for something else.
    Aside,
    /// Input is at its end; output is cut into lines, each of which goes to a sink: `holm up`.
    Lines(Lines),
    /// Input is given, output is kept: tests, and functions that are called for what they print.
    Capture(Capture),
}

/// Where captured output is kept; shared by all instances of the component.
#[derive(Clone)]
pub struct Capture {
    /// All of standard input.
    pub stdin: Bytes,
    /// What was written to standard output so far.
    pub stdout: MemoryOutputPipe,
    /// What was written to standard error so far.
    pub stderr: MemoryOutputPipe,
}

impl Capture {
    /// A capture that fails the guest's writes when it holds `most` bytes of either stream.
    pub fn new(stdin: impl Into<Bytes>, most: usize) -> Self {
        Capture {
            stdin: stdin.into(),
            stdout: MemoryOutputPipe::new(most),
            stderr: MemoryOutputPipe::new(most),
        }
    }
}

impl Pipes {
    /// Makes them the standard input and output of an instance, whatever they were.
    pub(crate) fn wire(self, core: &holm_runtime::Core, wasi: &mut WasiCtxBuilder) {
        let input = Counter::new(core, |flows| &flows.stdio_in);
        let output = Counter::new(core, |flows| &flows.stdio_out);
        let stdin: Arc<dyn StdinStream + Sync> = Arc::new(self.input);
        let stdout: Arc<dyn StdoutStream + Sync> = Arc::new(self.output);
        wasi.stdin(Counted::new(stdin, input));
        wasi.stdout(Counted::new(stdout, output));
    }
}

impl Capability for Stdio {
    const ABOUT: About = About {
        name: "stdio",
        doc: "Standard input, output and error; streams and polling.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:cli/types",
                versions: &["0.3.0"],
            },
            Interface {
                name: "wasi:cli/stdin",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/stdout",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/stderr",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/terminal-input",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/terminal-output",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/terminal-stdin",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/terminal-stdout",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:cli/terminal-stderr",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:io/error",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:io/poll",
                versions: &["0.2.12"],
            },
            Interface {
                name: "wasi:io/streams",
                versions: &["0.2.12"],
            },
        ],
    };
    type Instance = ();

    fn fragment() -> Option<Fragment> {
        None
    }

    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Self::default())
    }

    fn instance(
        &self,
        core: &holm_runtime::Core,
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<()> {
        let input = Counter::new(core, |flows| &flows.stdio_in);
        let output = Counter::new(core, |flows| &flows.stdio_out);
        let mut wire = |stdin: Arc<dyn StdinStream + Sync>, out, err| {
            let [out, err]: [Arc<dyn StdoutStream + Sync>; 2] = [out, err];
            wasi.stdin(Counted::new(stdin, input.clone()));
            wasi.stdout(Counted::new(out, output.clone()));
            wasi.stderr(Counted::new(err, output.clone()));
        };
        match self {
            Stdio::Null => wire(
                Arc::new(tokio::io::empty()),
                Arc::new(tokio::io::empty()),
                Arc::new(tokio::io::empty()),
            ),
            Stdio::Inherit => wire(
                Arc::new(std::io::stdin()),
                Arc::new(std::io::stdout()),
                Arc::new(std::io::stderr()),
            ),
            Stdio::Output => wire(
                Arc::new(tokio::io::empty()),
                Arc::new(std::io::stdout()),
                Arc::new(std::io::stderr()),
            ),
            Stdio::Aside => wire(
                Arc::new(tokio::io::empty()),
                Arc::new(std::io::stderr()),
                Arc::new(std::io::stderr()),
            ),
            Stdio::Lines(lines) => wire(
                Arc::new(tokio::io::empty()),
                Arc::new(lines.writer(Stream::Stdout)),
                Arc::new(lines.writer(Stream::Stderr)),
            ),
            Stdio::Capture(capture) => wire(
                Arc::new(MemoryInputPipe::new(capture.stdin.clone())),
                Arc::new(capture.stdout.clone()),
                Arc::new(capture.stderr.clone()),
            ),
        }
        Ok(())
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_io::link(linker)?;
        wasi_0_2::link(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => wasi_0_3::link(linker),
        }
    }
}

/// The view of `wasi:io`: its functions need the table of resources and nothing else.
pub(crate) struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl Table {
    fn of(state: &mut State) -> &mut ResourceTable {
        state.ctx().table
    }
}
