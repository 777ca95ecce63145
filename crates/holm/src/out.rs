//! Standard output: what programs read. A command that cannot say what it found has failed.

use crate::{exit, report};
use holm_runtime::Error;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

/// Writes a line, at once; ends the command where that fails.
pub fn line(text: Arguments<'_>) {
    write(format_args!("{text}\n"));
}

/// Writes text as it is, at once; ends the command where that fails.
pub fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else {
        return;
    };
    // Whoever read it has read enough.
    if error.kind() != ErrorKind::BrokenPipe {
        report::error(
            &Error::yours("cannot write to standard output").caused_by(error.to_string()),
        );
    }
    std::process::exit(i32::from(exit::YOURS));
}
