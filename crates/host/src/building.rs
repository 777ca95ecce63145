//! Runs a component's `build` command.

use crate::tools::{self, Tool};
use crate::workers;
use holm_manifest::{Build, Component, Manifest};
use holm_runtime::Error;
use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::process::Command;

/// Why a component was not built.
#[derive(Debug)]
pub struct BuildError {
    /// The component.
    pub component: String,
    /// The command as the manifest has it.
    pub command: String,
    /// What happened to it.
    pub cause: BuildCause,
    /// Tools that it calls and that are not installed.
    pub missing: Vec<&'static Tool>,
}

/// What happened to a build command.
#[derive(Debug)]
pub enum BuildCause {
    /// It did not start.
    NotStarted(io::Error),
    /// It ended, and not well.
    Failed(ExitStatus),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BuildError {
            component,
            command,
            cause,
            missing: _,
        } = self;
        write!(f, "the build of `{component}` ")?;
        match cause {
            BuildCause::NotStarted(error) => write!(f, "did not start: {error}")?,
            BuildCause::Failed(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "failed with exit code {code}")?,
                (None, Some(signal)) => write!(f, "was ended by signal {signal}")?,
                (None, None) => write!(f, "failed")?,
            },
        }
        write!(f, " (`{command}`)")
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            BuildCause::NotStarted(error) => Some(error),
            BuildCause::Failed(_) => None,
        }
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        let told = Error::yours(error.to_string());
        error.missing.iter().fold(told, |told, tool| {
            let Tool { program, install } = tool;
            told.help(format!("`{program}` is not installed: {install}"))
        })
    }
}

/// What a shell ends with when there is no program of a name.
const NOT_FOUND: i32 = 127;

/// What builds a component, in a few words; nothing where it is there as it is.
pub fn how(component: &Component) -> Option<String> {
    let command = component
        .build
        .as_ref()
        .map(|build| build.command.value.clone());
    let script = workers::script(component);
    command.or_else(|| script.map(|script| script.display().to_string()))
}

/// Builds a component: by its command, and then from its script where it is one.
pub async fn component(component: &Component, manifest: &Manifest) -> Result<(), BuildError> {
    if let Some(command) = &component.build {
        build(&component.name, command, &manifest.dir).await?;
    }
    match workers::script(component) {
        Some(script) => workers::build(component, script, manifest).await,
        None => Ok(()),
    }
}

/// Runs the command in its folder below `dir`, the manifest's. What it prints goes to standard
/// error as it comes, colours and all. Dropping the future ends it and everything it started.
pub async fn build(component: &str, build: &Build, dir: &Path) -> Result<(), BuildError> {
    let failed = |cause| {
        let not_found =
            matches!(&cause, BuildCause::Failed(status) if status.code() == Some(NOT_FOUND));
        BuildError {
            component: component.to_owned(),
            command: build.command.value.clone(),
            cause,
            missing: match not_found {
                true => tools::missing(&build.command.value),
                false => Vec::new(),
            },
        }
    };
    let folder = build
        .dir
        .as_ref()
        .map_or(dir.to_owned(), |below| dir.join(below));
    let start = || {
        if !folder.is_dir() {
            let what = format!("there is no folder {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        // Standard output is for what programs read: where the app is served.
        let out = std::io::stderr().as_fd().try_clone_to_owned()?;
        Command::new("/bin/sh")
            .arg("-c")
            .arg(&build.command.value)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    };
    let mut child = start().map_err(|error| failed(BuildCause::NotStarted(error)))?;
    let group = Group(child.id());
    let status = child
        .wait()
        .await
        .map_err(|error| failed(BuildCause::NotStarted(error)))?;
    drop(group);
    if status.success() {
        Ok(())
    } else {
        Err(failed(BuildCause::Failed(status)))
    }
}

/// The command and what it started, ended together.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self
            .0
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(id) = id {
            // Mostly it is gone already.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::TERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_manifest::{Span, Spanned};
    use std::time::{Duration, Instant};

    fn command(text: &str, dir: Option<&str>) -> Build {
        let command = Spanned {
            value: text.to_owned(),
            span: Span::default(),
        };
        Build {
            command,
            dir: dir.map(Into::into),
            watch: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_build_runs_in_its_folder() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("sub")).unwrap();
        build(
            "api",
            &command("pwd > made && true", Some("sub")),
            temp.path(),
        )
        .await
        .unwrap();
        assert!(temp.path().join("sub/made").exists());
        let error = build("api", &command("exit 3", None), temp.path())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the build of `api` failed with exit code 3 (`exit 3`)"
        );
        let error = build("api", &command("kill -9 $$", None), temp.path())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("was ended by signal 9"),
            "{error}"
        );
        let error = build("api", &command("true", Some("none")), temp.path())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did not start: there is no folder"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_build_that_is_dropped_ends() {
        let temp = tempfile::tempdir().unwrap();
        let slow = command("sleep 60 & echo $! > pid; wait", None);
        let file = temp.path().join("pid");
        let running = build("api", &slow, temp.path());
        let written = async {
            while std::fs::read_to_string(&file).map_or(true, |pid| !pid.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            done = running => panic!("{done:?}"),
            () = written => {}
        }
        let pid: i32 = std::fs::read_to_string(&file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let began = Instant::now();
        // A zombie that nobody has waited for yet has no command line left.
        let alive =
            || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        while alive() {
            assert!(began.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
