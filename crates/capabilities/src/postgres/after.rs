//! What has to be done when a guest is done: a statement that nobody waits for is cancelled, a session
//! made fresh.

use super::session::Tls;
use crate::outbound::{CONNECT_TIME, Used};
use lru::LruCache;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, NoTls, Statement};

/// Cancels a statement that nobody waits for any more.
pub(super) struct UnderWay {
    token: Option<CancelToken>,
    peer: SocketAddr,
    /// How the connection is encrypted: a server that wants TLS wants it for this too.
    tls: Option<Tls>,
}

impl UnderWay {
    pub(super) fn new(token: CancelToken, peer: SocketAddr, tls: Option<Tls>) -> Self {
        UnderWay {
            token: Some(token),
            peer,
            tls,
        }
    }

    /// The answer is there.
    pub(super) fn is_over(mut self) {
        self.token = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (peer, tls) = (self.peer, self.tls.take());
        runtime.spawn(async move {
            let cancel = async {
                // Where the connection went, and nowhere else.
                let stream = TcpStream::connect(peer).await.ok()?;
                match tls {
                    Some(tls) => {
                        let tls = tls.connector::<TcpStream>();
                        token.cancel_query_raw(stream, tls).await.ok()
                    }
                    None => token.cancel_query_raw(stream, NoTls).await.ok(),
                }
            };
            let _ = timeout(CONNECT_TIME, cancel).await;
        });
    }
}

/// Makes a session what it was when it had just logged in.
pub(super) async fn freshen(
    client: &Client,
    statements: &mut LruCache<String, Statement>,
    used: Used,
) -> Result<(), tokio_postgres::Error> {
    if used == Used::Any {
        // Each alone: the second refuses to run together with others.
        client.batch_execute("ROLLBACK").await?;
        statements.clear();
        return client.batch_execute("DISCARD ALL").await;
    }
    // `RESET ALL` leaves the role as it is, and a function may have set it.
    let reset = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
                 DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all()";
    client.batch_execute(reset).await
}
