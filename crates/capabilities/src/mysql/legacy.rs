//! `fermyon:spin/mysql` without a version: each call names its server, and has a session for itself.

use super::View;
use super::wit::mysql::HostConnection;
use super::wit::rdbms_types::{Error, ParameterValue, RowSet};
use wasmtime::Result;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/mysql;",
        imports: { default: async | trappable },
        with: { "fermyon:spin/rdbms-types": crate::mysql::wit::rdbms_types },
    });
}
pub use bindings::fermyon::spin::mysql::{Host, MysqlError};

impl From<Error> for MysqlError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionFailed(told) => MysqlError::ConnectionFailed(told),
            Error::BadParameter(told) => MysqlError::BadParameter(told),
            Error::QueryFailed(told) => MysqlError::QueryFailed(told),
            Error::ValueConversionFailed(told) => MysqlError::ValueConversionFailed(told),
            Error::Other(told) => MysqlError::OtherError(told),
        }
    }
}

impl Host for View<'_> {
    async fn query(
        &mut self,
        address: String,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> Result<std::result::Result<RowSet, MysqlError>> {
        let connection = match HostConnection::open(&mut *self, address).await? {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error.into())),
        };
        let done = self.run(&connection, "query", statement, params).await;
        HostConnection::drop(&mut *self, connection).await?;
        Ok(done?.map_err(MysqlError::from))
    }

    async fn execute(
        &mut self,
        address: String,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> Result<std::result::Result<(), MysqlError>> {
        let done = Host::query(self, address, statement, params).await?;
        Ok(done.map(|_| ()))
    }
}
