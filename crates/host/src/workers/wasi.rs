//! The WIT of WASI 0.2, for builds that want it beside the sources.

/// Its version.
pub(super) const VERSION: &str = "0.2.12";

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../../wit/wasi@0.2.12/", $name)))),*]
    };
}

/// Its packages, a file each, by the names of the files.
pub const WASI_0_2: &[(&str, &str)] = files!(
    "cli.wit",
    "clocks.wit",
    "filesystem.wit",
    "http.wit",
    "io.wit",
    "random.wit",
    "sockets.wit"
);
