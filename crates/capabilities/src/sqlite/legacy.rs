//! `fermyon:spin/sqlite` without a version: a connection is a number there, so that nothing but this file
//! knows whether it is one.

use super::View;
use super::wit::{Handle, sqlite as v3};
use v3::HostConnection;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/sqlite;",
        imports: { default: async | trappable },
    });
}
pub(super) use bindings::fermyon::spin::sqlite::Host;
use bindings::fermyon::spin::sqlite::{Error, QueryResult, RowResult, Value};

impl From<v3::Error> for Error {
    fn from(error: v3::Error) -> Self {
        match error {
            v3::Error::NoSuchDatabase => Error::NoSuchDatabase,
            v3::Error::AccessDenied => Error::AccessDenied,
            v3::Error::InvalidConnection => Error::InvalidConnection,
            v3::Error::DatabaseFull => Error::DatabaseFull,
            v3::Error::Io(told) => Error::Io(told),
        }
    }
}

impl From<Value> for v3::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(number) => v3::Value::Integer(number),
            Value::Real(number) => v3::Value::Real(number),
            Value::Text(text) => v3::Value::Text(text),
            Value::Blob(bytes) => v3::Value::Blob(bytes),
            Value::Null => v3::Value::Null,
        }
    }
}

impl From<v3::Value> for Value {
    fn from(value: v3::Value) -> Self {
        match value {
            v3::Value::Integer(number) => Value::Integer(number),
            v3::Value::Real(number) => Value::Real(number),
            v3::Value::Text(text) => Value::Text(text),
            v3::Value::Blob(bytes) => Value::Blob(bytes),
            v3::Value::Null => Value::Null,
        }
    }
}

impl View<'_> {
    /// Whether a number is an open connection's.
    fn is_open(&self, number: u32) -> bool {
        self.table
            .get(&Resource::<Handle>::new_borrow(number))
            .is_ok()
    }
}

impl Host for View<'_> {
    async fn open(&mut self, name: String) -> Result<std::result::Result<u32, Error>> {
        let opened = HostConnection::open(self, name).await?;
        Ok(opened.map(|handle| handle.rep()).map_err(Error::from))
    }

    async fn execute(
        &mut self,
        number: u32,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<std::result::Result<QueryResult, Error>> {
        if !self.is_open(number) {
            return Ok(Err(Error::InvalidConnection));
        }
        let values = parameters.into_iter().map(Into::into).collect();
        let handle = Resource::new_borrow(number);
        let done = HostConnection::execute(self, handle, statement, values).await?;
        let row = |row: v3::RowResult| RowResult {
            values: row.values.into_iter().map(Into::into).collect(),
        };
        let result = |result: v3::QueryResult| QueryResult {
            columns: result.columns,
            rows: result.rows.into_iter().map(row).collect(),
        };
        Ok(done.map(result).map_err(Error::from))
    }

    async fn close(&mut self, number: u32) -> Result<()> {
        // Closing what is not open is no error.
        match self.is_open(number) {
            true => HostConnection::drop(self, Resource::new_own(number)).await,
            false => Ok(()),
        }
    }
}
