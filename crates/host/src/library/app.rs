//! A component of an app: its grants and limits are those of the manifest, and the others that it is
//! linked to run behind it, each under its own.

use super::{Known, Library, NotLoaded};
use crate::app::App;
use crate::log_writer::{Form, LogWriter};
use crate::logs::GuestLog;
use crate::setting::{Setting, memory_of_this_machine};
use crate::shelf::Shelf;
use holm_capabilities::{Place, State};
use holm_manifest::{Manifest, Problem, Problems, Source};
use holm_runtime::lanes::Lanes;
use holm_runtime::{Error, Runtime, Watch};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the last lines of linked components may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What all apps of an embedder share; made before the first.
pub struct Embedding {
    setting: Arc<Setting>,
    /// What linked components print goes to standard error, each line with their name.
    writer: LogWriter,
}

impl Embedding {
    /// On the engines and the cache of the embedder's other components.
    ///
    /// # Errors
    /// There is no thread for the log.
    pub fn new(runtime: Arc<Runtime<State>>) -> Result<Embedding, Error> {
        let writer = LogWriter::start(std::io::stderr(), Form::Human { color: false })
            .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
        let setting = Setting {
            runtime,
            log: GuestLog::new(writer.clone()),
            allow_precompiled: false,
            watch: Watch::default(),
            shelf: Shelf::of_this_machine(),
            lanes: Lanes::new(),
            memory: memory_of_this_machine(),
            many: true,
        };
        Ok(Embedding {
            setting: Arc::new(setting),
            writer,
        })
    }

    /// Waits until the last lines are written.
    pub fn flush(&self) {
        self.writer.flush(LAST_LINES);
    }
}

/// Which component of which app is to be loaded.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// The app: its folder, or its manifest.
    pub app: PathBuf,
    /// The component's name; need not be said where there is one alone.
    pub component: Option<String>,
    /// Where key-value stores lie; `.holm` beside the manifest where it is not said.
    pub state: Option<PathBuf>,
    /// A folder or file with its WIT; else what the manifest says.
    pub wit: Option<PathBuf>,
    /// Calls that an instance of the pool serves; without an end where it is not said.
    pub reuse: Option<u32>,
}

impl Library {
    /// Loads a component of an app, and those that it is linked to.
    ///
    /// # Errors
    /// The manifest is wrong, it has no such component, or one of those does not load.
    pub fn of_app(embedding: &Embedding, options: AppOptions) -> Result<Library, NotLoaded> {
        let manifest = read(&options).map_err(NotLoaded::Problems)?;
        let component = chosen(&manifest, options.component.as_deref())?.clone();
        let place = Place {
            base: manifest.dir.clone(),
            state: options.state.unwrap_or_else(|| manifest.dir.join(".holm")),
            stores: manifest.stores.clone().into(),
            shared: Arc::default(),
            brokers: manifest.brokers.clone().into(),
        };
        let source = manifest.source.clone();
        let dir = manifest.dir.clone();
        let links = match component.imports.is_empty() {
            true => Vec::new(),
            false => {
                let setting = &embedding.setting;
                let app = App::new(manifest, setting, &place, setting.lanes.tenant());
                let app = app.map_err(NotLoaded::Problems)?;
                app.links_of(&component.name).map_err(NotLoaded::Problems)?
            }
        };
        let known = Known {
            path: component.source.value.resolve(&dir),
            name: component.name.as_str().into(),
            wit: options
                .wit
                .or_else(|| component.wit.as_ref().map(|wit| dir.join(wit))),
            component,
            links,
            reuse: options.reuse,
        };
        let wrong = |list| NotLoaded::Problems(Problems::new(source, list));
        Library::of(embedding.setting.runtime.clone(), known, &place, wrong)
    }
}

fn read(options: &AppOptions) -> Result<Manifest, Problems> {
    let alone = |problem: Problem| problem.alone();
    let path = holm_manifest::find(&options.app).map_err(alone)?;
    let source = Source::read(&path).map_err(alone)?;
    holm_manifest::parse(&source, &crate::vocabulary())
}

fn chosen<'a>(
    manifest: &'a Manifest,
    wanted: Option<&str>,
) -> Result<&'a holm_manifest::Component, Error> {
    let names: Vec<&str> = manifest.components.iter().map(|c| &*c.name).collect();
    let has = || format!("it has: {}", names.join(", "));
    match (wanted, manifest.components.as_slice()) {
        (None, [one]) => Ok(one),
        (None, _) => Err(Error::yours(format!(
            "app `{}` has {} components: say which one",
            manifest.name,
            names.len()
        ))
        .help(has())),
        (Some(wanted), _) => manifest.component(wanted).ok_or_else(|| {
            let error = Error::yours(format!(
                "app `{}` has no component `{wanted}`",
                manifest.name
            ));
            match holm_manifest::nearest(wanted, names.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(has()),
            }
        }),
    }
}
