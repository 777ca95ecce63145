//! Conversations over HTTP by the revisions that have sessions: so many of them and no more. The one that
//! nobody has used for longest makes room.

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions at a time.
pub(super) const SESSIONS_MAX: usize = 256;

/// One that was not used for so long makes room for another.
const UNUSED: Duration = Duration::from_secs(60);

/// One in which nothing is said for so long ends: also a call that runs for so long without a word.
const SILENT: Duration = Duration::from_secs(3600);

/// The sessions, and when each was last used.
pub(super) struct Sessions {
    inner: LocalSessionManager,
    used: Mutex<HashMap<SessionId, Instant>>,
}

/// Why a session does not do what it should.
#[derive(Debug)]
pub(super) enum SessionsError {
    /// All of them are in use.
    Full,
    /// The protocol's own reason.
    Inner(LocalSessionManagerError),
}

impl fmt::Display for SessionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionsError::Full => write!(f, "all {SESSIONS_MAX} sessions are in use"),
            SessionsError::Inner(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionsError {}

impl From<LocalSessionManagerError> for SessionsError {
    fn from(error: LocalSessionManagerError) -> Self {
        SessionsError::Inner(error)
    }
}

impl Sessions {
    /// None yet.
    pub fn new() -> Sessions {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(SILENT);
        Sessions {
            inner,
            used: Mutex::default(),
        }
    }

    /// Whether there is no room for one more, and none that could make some.
    pub async fn are_full(&self) -> bool {
        self.inner.sessions.read().await.len() >= SESSIONS_MAX && self.unused().is_none()
    }

    fn used(&self, id: &SessionId) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(id.clone(), Instant::now());
    }

    /// The one that nobody has used for longest, if that is long.
    fn unused(&self) -> Option<SessionId> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, at) = used.iter().min_by_key(|(_, at)| **at)?;
        (at.elapsed() >= UNUSED).then(|| id.clone())
    }

    /// Makes room for one more.
    async fn make_room(&self) -> Result<(), SessionsError> {
        let there: Vec<SessionId> = self.inner.sessions.read().await.keys().cloned().collect();
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| there.contains(id));
        if there.len() < SESSIONS_MAX {
            return Ok(());
        }
        match self.unused() {
            Some(id) => Ok(self.close_session(&id).await?),
            None => Err(SessionsError::Full),
        }
    }
}

type Result<T, E = SessionsError> = std::result::Result<T, E>;

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport)> {
        self.make_room().await?;
        let (id, transport) = self.inner.create_session().await?;
        self.used(&id);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<()> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.used(id);
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<()> {
        self.used(id);
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.used(id);
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.used(id);
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_nobody_uses_makes_room() {
        let sessions = Sessions::new();
        let mut kept = Vec::new();
        for _ in 0..SESSIONS_MAX {
            kept.push(sessions.create_session().await.unwrap());
        }
        assert!(sessions.are_full().await);
        let refused = sessions.create_session().await.err().unwrap();
        assert_eq!(refused.to_string(), "all 256 sessions are in use");
        let long_ago = Instant::now().checked_sub(UNUSED).unwrap();
        let first = kept[0].0.clone();
        sessions
            .used
            .lock()
            .unwrap()
            .insert(first.clone(), long_ago);
        assert!(!sessions.are_full().await);
        kept.push(sessions.create_session().await.unwrap());
        assert!(!sessions.has_session(&first).await.unwrap());
        assert_eq!(sessions.inner.sessions.read().await.len(), SESSIONS_MAX);
    }
}
