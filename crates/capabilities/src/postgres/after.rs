//! What has to be done when a guest is done: a statement that nobody waits for is cancelled, a session
//! made fresh.

use crate::outbound::CONNECT_TIME;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, NoTls, Statement};

/// What a session has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Used {
    /// Nothing.
    Fresh,
    /// Statements that read and write rows; functions in them may have changed settings.
    Plain,
    /// Others: it may be within a transaction, hold temporary tables, listen.
    Any,
}

/// Cancels a statement that nobody waits for any more.
pub(super) struct UnderWay {
    token: Option<CancelToken>,
    peer: SocketAddr,
}

impl UnderWay {
    pub(super) fn new(token: CancelToken, peer: SocketAddr) -> Self {
        UnderWay {
            token: Some(token),
            peer,
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
        let peer = self.peer;
        runtime.spawn(async move {
            let cancel = async {
                // Where the connection went, and nowhere else.
                let stream = TcpStream::connect(peer).await.ok()?;
                token.cancel_query_raw(stream, NoTls).await.ok()
            };
            let _ = timeout(CONNECT_TIME, cancel).await;
        });
    }
}

/// Makes a session what it was when it had just logged in.
pub(super) async fn freshen(
    client: &Client,
    statements: &mut HashMap<String, Statement>,
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

/// Whether a statement only reads and writes rows, as its first word says.
pub(super) fn kind(statement: &str) -> Used {
    const PLAIN: &[&str] = &[
        "select", "insert", "update", "delete", "with", "values", "table", "merge",
    ];
    let word: String = statement
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .take(8)
        .collect();
    match PLAIN.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
        true => Used::Plain,
        false => Used::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_leaves_behind() {
        for plain in ["SELECT 1", "  insert into a", "With x AS (", "VALUES (1)"] {
            assert_eq!(kind(plain), Used::Plain, "{plain}");
        }
        for any in [
            "BEGIN",
            "/* */ BEGIN",
            "SET x = 1",
            "",
            "selectx",
            "CREATE TEMP TABLE t()",
        ] {
            assert_eq!(kind(any), Used::Any, "{any}");
        }
    }
}
