//! Folders of the host, each under a path of the guest, read-only unless it says otherwise.
//!
//! ```toml
//! [component.web.grants]
//! dirs = { "/site" = "public", "/data" = { path = "data", access = "write" } }
//! ```
//! Or a folder that is made of chosen files: [`chosen`].

mod bounds;
mod chosen;
mod flag;
mod streams_0_3;
#[cfg(test)]
mod tests;
pub mod wasi_0_2;
pub mod wasi_0_3;
pub(crate) mod watch;
pub(crate) mod watch_0_1;

pub use chosen::Chosen;
pub use flag::missed;

use crate::{About, Capability, Era, Interface, Place, State};
use chosen::{Choice, Line, Made, Wrong};
use holm_manifest::{Fragment, Problem, Span, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasmtime::component::Linker;
use wasmtime::error::Context as _;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The `dirs` grant: paths of the guest to folders.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Grant(BTreeMap<String, Folder>);

/// A folder of the host.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Folder {
    /// Its path, relative to the manifest; the guest may read it.
    Readable(String),
    /// Its path, and what the guest may do with it.
    With(WithAccess),
    /// Files from several places, to be read.
    Of(Choice),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WithAccess {
    /// The folder, relative to the manifest.
    path: String,
    /// What the guest may do in it.
    #[serde(default)]
    access: Access,
}

/// What a guest may do in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look, list, read.
    #[default]
    Read,
    /// All that, and create, change, rename, remove.
    Write,
}

/// One granted folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// Where the guest finds it.
    pub guest: String,
    /// Where it is.
    pub host: PathBuf,
    /// The same as the user wrote it, for messages.
    pub written: String,
    /// What the guest may do in it.
    pub access: Access,
    /// The files that it is made of, where it is no folder of its own.
    pub chosen: Option<Chosen>,
}

/// The folders that one component was granted.
#[derive(Clone, Default)]
pub struct Files {
    dirs: Arc<Vec<Dir>>,
    /// File operations block the thread that runs the guest instead of going through a pool of
    /// threads. Much faster, and right where the thread has nothing else to do: `holm run`.
    pub blocking: bool,
    /// A lone sleep of 0.1 goes through a timer even so, and can be cut off there.
    pub sleep_apart: bool,
    /// The folders opened, once for all instances: opening one costs 3 µs, cloning a handle nothing.
    opened: OnceLock<WasiFilesystemCtx>,
    /// Those of them that were made of chosen files.
    made: OnceLock<Arc<[Made]>>,
}

impl Files {
    /// Grants one more folder; one that has the same guest path is replaced.
    pub fn add(&mut self, dir: Dir) -> Result<(), Problem> {
        dir.check(Span::default())?;
        let dirs = Arc::make_mut(&mut self.dirs);
        dirs.retain(|old| old.guest != dir.guest);
        dirs.push(dir);
        self.opened = OnceLock::new();
        self.made = OnceLock::new();
        Ok(())
    }

    /// The granted folders as an instance sees them, opened on first use.
    pub(crate) fn opened(&self) -> wasmtime::Result<WasiFilesystemCtx> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let mut wasi = WasiCtxBuilder::new();
        // Before the folders: each of them remembers it.
        wasi.allow_blocking_current_thread(self.blocking);
        let mut made = self.made()?.iter();
        for dir in self.dirs.iter() {
            let host = match dir.chosen {
                Some(_) => made.next().map_or(&*dir.host, Made::path),
                None => &dir.host,
            };
            let access = match dir.access {
                Access::Read => FsPerms::ReadOnly,
                Access::Write => FsPerms::ReadWrite,
            };
            wasi.preopened_dir(host, &dir.guest, access)
                .with_context(|| {
                    format!("cannot open the granted folder {}", dir.host.display())
                })?;
        }
        // And after them: what is left to block is a sleep.
        wasi.allow_blocking_current_thread(self.blocking && !self.sleep_apart);
        let opened = wasi.build().filesystem().clone();
        Ok(self.opened.get_or_init(|| opened).clone())
    }

    /// The folders of chosen files, made on first use.
    fn made(&self) -> wasmtime::Result<&[Made]> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let chosen = self.dirs.iter().filter_map(|dir| dir.chosen.as_ref());
        let made: Result<Vec<Made>, _> = chosen.map(Chosen::make).collect();
        let made = made.context("cannot put the chosen files of a grant together")?;
        Ok(self.made.get_or_init(|| made.into()))
    }

    /// The folders, in the order in which the guest sees them.
    pub fn dirs(&self) -> &[Dir] {
        &self.dirs
    }
}

impl Dir {
    /// A folder named in `base`.
    fn new(base: &Path, guest: &str, written: &str, access: Access) -> Dir {
        let (guest, written) = (guest.to_owned(), written.to_owned());
        Dir {
            guest,
            host: base.join(&written),
            written,
            access,
            chosen: None,
        }
    }

    /// A folder of files that were chosen in `place`.
    fn of(place: &Place, guest: &str, choice: &Choice) -> Result<Dir, Wrong> {
        let chosen = choice.list(&place.base, &place.state)?;
        Ok(Dir {
            chosen: Some(chosen),
            ..Dir::new(&place.base, guest, ".", Access::Read)
        })
    }

    /// Is there a folder, and a path to show it under?
    fn check(&self, span: Span) -> Result<(), Problem> {
        if self.guest.is_empty() || self.guest.contains('\0') {
            return Err(
                Problem::error("a folder needs a path of the guest, such as `/data`").at(span),
            );
        }
        match std::fs::metadata(&self.host) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(
                Problem::error(format!("`{}` is a file, not a folder", self.written))
                    .at(span)
                    .label(self.host.display().to_string())
                    .help("grant the folder that it lies in"),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Problem::error(
                format!("there is no folder `{}`", self.written),
            )
            .at(span)
            .label(format!("looked for {}", self.host.display()))
            .help(format!("create it: mkdir -p {}", self.host.display()))),
            Err(error) => Err(
                Problem::error(format!("cannot open the folder `{}`", self.written))
                    .at(span)
                    .label(format!("{}: {error}", self.host.display())),
            ),
        }
    }

    /// The grant with which the guest could have written, as the manifest writes it and as a flag.
    fn to_write(&self) -> (String, String) {
        if self.chosen.is_some() {
            // The folder that the files were chosen from is more than was meant.
            let line = format!(
                "dirs = {{ \"/data\" = {{ path = \"data\", access = \"write\" }} }} # chosen files, \
                 such as those in {:?}, are never written to",
                self.guest
            );
            return (line, "--dir data::/data".into());
        }
        let line = format!(
            "dirs = {{ {:?} = {{ path = {:?}, access = \"write\" }} }}",
            self.guest, self.written
        );
        (line, format!("--dir {}::{}", self.written, self.guest))
    }
}

/// A mistake in a choice of files, at its place in the manifest.
fn at_its_line(wrong: Wrong, written: &Value) -> Problem {
    let (key, index) = match wrong.line {
        Line::Files(index) => ("files", index),
        Line::Exclude(index) => ("exclude", index),
    };
    let item = written
        .get(key)
        .and_then(|list| list.as_array()?.get(index));
    Problem::error(wrong.what)
        .at(item.unwrap_or(written).span)
        .help(wrong.help)
}

impl Capability for Files {
    const ABOUT: About = About {
        name: "files",
        doc: "Folders and files.",
        grant: Some("dirs"),
        example: Some(r#"dirs = { "/data" = "data" }"#),
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:filesystem/types",
                versions: &["0.2.12", "0.3.0"],
            },
            Interface {
                name: "wasi:filesystem/preopens",
                versions: &["0.2.12", "0.3.0"],
            },
        ],
    };
    type Instance = watch::Watch;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "dirs",
            doc: "Folders, by the path under which the guest finds them; a plain path may be read, and \
                  so may `{ files = [\"assets/**\"] }`, which is made of chosen files.",
            example: "[component.web.grants]\n\
                      dirs = { \"/site\" = \"public\", \
                      \"/data\" = { path = \"data\", access = \"write\" } }",
            schema: schemars::schema_for!(Grant),
            check: |_| Vec::new(),
        })
    }

    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem> {
        let mut dirs = Vec::new();
        let Some(value) = value else {
            return Ok(Files::default());
        };
        for (guest, folder) in value.parse::<Grant>()?.0 {
            let written = value.get(&guest);
            let (path, access) = match folder {
                Folder::Readable(path) => (path, Access::Read),
                Folder::With(WithAccess { path, access }) => (path, access),
                Folder::Of(choice) => {
                    let dir = Dir::of(place, &guest, &choice)
                        .map_err(|wrong| at_its_line(wrong, written.unwrap_or(value)))?;
                    dir.check(value.span)?;
                    dirs.push(dir);
                    continue;
                }
            };
            let span = written.map(|written| written.get("path").unwrap_or(written).span);
            let dir = Dir::new(&place.base, &guest, &path, access);
            dir.check(span.unwrap_or(value.span))?;
            dirs.push(dir);
        }
        Ok(Files {
            dirs: Arc::new(dirs),
            ..Files::default()
        })
    }

    fn instance(
        &self,
        core: &holm_runtime::Core,
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<watch::Watch> {
        // The folders themselves come with [`Files::opened`], which the state takes over.
        wasi.allow_blocking_current_thread(self.blocking);
        Ok(watch::Watch::new(self.dirs.clone(), self.blocking, core))
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wasi_0_2::link(linker)?;
        if era == Era::P3 {
            wasi_0_3::link(linker)?;
        }
        // The rows that are ours take the place of the generated ones.
        linker.allow_shadowing(true);
        bounds::link(linker, era)?;
        linker.allow_shadowing(false);
        Ok(())
    }
}
