//! What went wrong with a container or an object: what the guest is told, and what only the log.

use crate::outbound;
use holm_manifest::{ByteSize, Time};
use object_store::client::{HttpError, HttpErrorKind};
use std::time::Duration;

/// An error of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the guest is told.
    pub told: String,
    /// What only the log should have: places, causes.
    pub detail: Option<String>,
    /// There is no such object.
    pub missing: bool,
    /// Its server could not be reached, broke off or kept silent.
    pub unreached: bool,
}

impl Error {
    /// An error that says all.
    pub fn new(told: impl Into<String>) -> Self {
        Error {
            told: told.into(),
            detail: None,
            missing: false,
            unreached: false,
        }
    }

    /// An error with more for the log.
    pub fn with_detail(told: impl Into<String>, detail: impl Into<String>) -> Self {
        Error {
            detail: Some(detail.into()),
            ..Error::new(told)
        }
    }

    /// There is no object of this name.
    pub fn no_object(name: &str) -> Self {
        Error {
            missing: true,
            ..Error::new(format!("there is no object {name:?}"))
        }
    }

    /// The container may not take more.
    pub fn full(container: &str, limit: u64) -> Self {
        let limit = ByteSize(limit);
        Error::new(format!(
            "container {container:?} is full: its limit is {limit}"
        ))
    }

    /// Nobody answered.
    pub fn late(container: &str, within: Duration) -> Self {
        let within = Time(within);
        Error {
            unreached: true,
            ..Error::new(format!(
                "the server of container {container:?} did not answer within {within}"
            ))
        }
    }

    /// What the library says of an object of a container.
    pub fn of(container: &str, name: &str, error: object_store::Error) -> Self {
        use object_store::Error as Of;
        let reached = reached(&error);
        let told = match &error {
            Of::NotFound { .. } => return Error::no_object(name),
            Of::PermissionDenied { .. } | Of::Unauthenticated { .. } => {
                format!("the server of container {container:?} refused it")
            }
            _ => match reached {
                Some(HttpErrorKind::Connect) => {
                    format!("the server of container {container:?} cannot be reached")
                }
                Some(_) => format!("the connection to the server of container {container:?} broke"),
                None if !name.is_empty() => {
                    format!("container {container:?} cannot do this with {name:?}")
                }
                None => format!("container {container:?} cannot do this"),
            },
        };
        Error {
            unreached: reached.is_some_and(|how| how != HttpErrorKind::Decode),
            ..Error::with_detail(told, error.to_string())
        }
    }

    /// Counts it, where a server has failed.
    pub(super) fn count(&self) {
        if self.unreached {
            outbound::note("blobs");
        }
    }
}

/// Whether a file is where a folder would have to be.
pub(super) fn is_below_a_file(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::NotADirectory;
        }
        cause = error.source();
    }
    false
}

/// How a connection failed, where that was the cause.
fn reached(error: &object_store::Error) -> Option<HttpErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = error.source();
    }
    None
}
