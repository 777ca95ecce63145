//! `spin:sqlite` for the guest. `fermyon:spin/sqlite` has the same types.

use super::{Connection, Error as Fault, Rows, Store, Value, View};
use holm_runtime::receipt::Flows;
use holm_runtime::trace::Span;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/spin-sqlite@3.0.0",
        world: "spin:sqlite/imports",
        imports: { default: async | trappable },
        with: { "spin:sqlite/sqlite.connection": super::Handle },
    });
}
pub use bindings::spin::sqlite::sqlite;
use sqlite::{Error, QueryResult, RowResult};

/// The most connections that an instance may hold at once.
pub const HANDLES_MAX: usize = 64;

/// What a guest is told.
pub(super) type Done<T> = std::result::Result<T, Error>;

/// A statement on its way.
pub(super) struct Running {
    store: Arc<str>,
    /// Where it runs.
    pub connection: Arc<Connection>,
    span: Option<Box<dyn Span>>,
}

/// A connection that a guest has opened.
#[derive(Debug)]
pub struct Handle {
    store: Arc<str>,
    connection: Arc<Connection>,
}

impl View<'_> {
    /// An error as the guest sees it; what it must not see goes to the log, and once, however
    /// often the guest tries.
    fn tell(&mut self, store: &str, fault: Fault) -> Error {
        let (told, detail, write) = match fault {
            Fault::Full => return Error::DatabaseFull,
            Fault::Other {
                told,
                detail,
                write,
            } => (told, detail, write),
        };
        if write {
            self.part.deny_write(store);
        }
        if let Some(detail) = detail
            && self.part.logged.as_deref() != Some(&detail)
        {
            let component = &*self.part.component;
            tracing::error!(component, store, detail, "{told}");
            self.part.logged = Some(detail);
        }
        Error::Io(told)
    }

    /// The store of a name, if it was granted and one more connection may be open.
    pub(super) fn store(&mut self, database: &str) -> Done<Arc<Store>> {
        let Some(store) = self.part.granted.get(database).cloned() else {
            self.part.deny(database);
            return Err(Error::AccessDenied);
        };
        if let Some(uses) = &self.part.uses {
            uses.note("sqlite", database, "");
        }
        if self.part.handles >= HANDLES_MAX {
            let told = format!("more than {HANDLES_MAX} connections at once");
            return Err(Error::Io(told));
        }
        Ok(store)
    }

    /// What became of a connection to it.
    pub(super) fn opened(
        &mut self,
        store: &Store,
        connected: std::result::Result<Connection, Fault>,
    ) -> Result<Done<Resource<Handle>>> {
        Ok(match connected {
            Ok(connection) => {
                let handle = self.table.push(Handle {
                    store: store.name().clone(),
                    connection: Arc::new(connection),
                })?;
                self.part.handles += 1;
                Ok(handle)
            }
            Err(fault) => Err(self.tell(store.name(), fault)),
        })
    }

    /// Begins a statement; with its values as the store has them.
    pub(super) fn begin(
        &mut self,
        connection: &Resource<Handle>,
        statement: &str,
        parameters: Vec<sqlite::Value>,
    ) -> Result<(Running, Vec<Value>)> {
        let (store, connection) = self.handle(connection)?;
        let span = self.part.begin(&store);
        let values: Vec<Value> = parameters.into_iter().map(Value::from).collect();
        let sent = statement.len() + values.iter().map(size).sum::<usize>();
        Flows::add(&self.part.flows.sqlite_out, sent);
        let running = Running {
            store,
            connection,
            span,
        };
        Ok((running, values))
    }

    /// What became of it.
    pub(super) fn end(
        &mut self,
        running: Running,
        done: std::result::Result<Rows, Fault>,
    ) -> Done<QueryResult> {
        if let (Some(mut span), Err(_)) = (running.span, &done) {
            span.failed("io".to_owned());
        }
        match done {
            Ok(rows) => {
                Flows::add(&self.part.flows.sqlite_in, rows.bytes);
                Ok(rows.into())
            }
            Err(fault) => Err(self.tell(&running.store, fault)),
        }
    }

    pub(super) fn handle(
        &self,
        connection: &Resource<Handle>,
    ) -> Result<(Arc<str>, Arc<Connection>)> {
        let handle = self.table.get(connection)?;
        Ok((handle.store.clone(), handle.connection.clone()))
    }
}

impl sqlite::Host for View<'_> {}

impl sqlite::HostConnection for View<'_> {
    async fn open(&mut self, database: String) -> Result<Done<Resource<Handle>>> {
        let store = match self.store(&database) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let connected = store.connect().await;
        self.opened(&store, connected)
    }

    async fn execute(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        parameters: Vec<sqlite::Value>,
    ) -> Result<Done<QueryResult>> {
        let (running, values) = self.begin(&connection, &statement, parameters)?;
        let done = running.connection.execute(statement, values).await;
        Ok(self.end(running, done))
    }

    async fn last_insert_rowid(&mut self, connection: Resource<Handle>) -> Result<i64> {
        let (_, connection) = self.handle(&connection)?;
        Ok(connection.last_insert_rowid())
    }

    async fn changes(&mut self, connection: Resource<Handle>) -> Result<u64> {
        let (_, connection) = self.handle(&connection)?;
        Ok(connection.changes())
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.handles -= 1;
        Ok(())
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null => 1,
        Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
    }
}

impl From<sqlite::Value> for Value {
    fn from(value: sqlite::Value) -> Self {
        match value {
            sqlite::Value::Integer(number) => Value::Integer(number),
            sqlite::Value::Real(number) => Value::Real(number),
            sqlite::Value::Text(text) => Value::Text(text),
            sqlite::Value::Blob(bytes) => Value::Blob(bytes),
            sqlite::Value::Null => Value::Null,
        }
    }
}

impl From<Value> for sqlite::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(number) => sqlite::Value::Integer(number),
            Value::Real(number) => sqlite::Value::Real(number),
            Value::Text(text) => sqlite::Value::Text(text),
            Value::Blob(bytes) => sqlite::Value::Blob(bytes),
            Value::Null => sqlite::Value::Null,
        }
    }
}

impl From<Rows> for QueryResult {
    fn from(rows: Rows) -> Self {
        let row = |values: Vec<Value>| RowResult {
            values: values.into_iter().map(Into::into).collect(),
        };
        QueryResult {
            columns: rows.columns,
            rows: rows.rows.into_iter().map(row).collect(),
        }
    }
}
