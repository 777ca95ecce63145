//! The other components of an app, where the one that is called is linked to some.

use super::Args;
use crate::report;
use holm_capabilities::{Place, State};
use holm_host::app::App;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_manifest::{Manifest, Problems};
use holm_runtime::artifact::Artifact;
use holm_runtime::bridge::Link;
use holm_runtime::lanes::Lanes;
use holm_runtime::link::Providers;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Prepared, Result, Watch};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// An app whose components call each other.
pub struct Linked {
    app: App,
    /// What its components run on, and so what is called.
    pub setting: Arc<Setting>,
    /// What those that are linked print goes to standard error, each line with their name.
    writer: LogWriter,
}

impl Linked {
    pub fn new(
        args: &Args,
        (manifest, place): (Manifest, Place),
    ) -> Result<std::result::Result<Self, Problems>> {
        let form = match std::io::stderr().is_terminal() {
            true => Form::Human {
                color: report::color(),
            },
            false => Form::Json,
        };
        let writer = LogWriter::start(std::io::stderr(), form)
            .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
        let setting = Arc::new(Setting {
            runtime: crate::commands::runtime(PoolSize::of_one_app()).into(),
            log: GuestLog::new(writer.clone()),
            allow_precompiled: args.allow_precompiled,
            watch: Watch::default(),
            shelf: Shelf::of_this_machine(),
            lanes: Lanes::new(),
            memory: memory_of_this_machine(),
            many: false,
        });
        Ok(
            App::new(manifest, &setting, &place, setting.lanes.tenant()).map(|app| Linked {
                app,
                setting,
                writer,
            }),
        )
    }

    /// Matches the imports of a component with what the others provide.
    pub fn prepare(
        &self,
        artifact: Artifact,
        name: &str,
        granted: &dyn Fn(&str) -> bool,
    ) -> std::result::Result<Prepared<State>, Problems> {
        let links: Vec<Link<State>> = self.app.links_of(name)?;
        let providers = Providers {
            links: &links,
            ..Providers::default()
        };
        let prepared = self
            .setting
            .runtime
            .prepare_with(artifact, name, granted, providers);
        prepared.map_err(|error| match self.app.manifest.component(name) {
            Some(component) => self.app.at_its_link(&error, component),
            None => Problems::new(self.app.manifest.source.clone(), Vec::new()),
        })
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.writer.flush(LAST_LINES);
    }
}
