//! `fermyon:spin/postgres` without a version: each call names its server, and has a session for itself.

use super::View;
use super::older::text;
use super::older::v2_types::{ParameterValue, RowSet};
use super::types::Error;
use super::wit::Handle;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/postgres;",
        imports: { default: async | trappable },
        with: { "fermyon:spin/rdbms-types": crate::postgres::older::v2_types },
    });
}
pub(super) use bindings::fermyon::spin::postgres::{Host, PgError};

impl From<Error> for PgError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionFailed(told) => PgError::ConnectionFailed(told),
            Error::BadParameter(told) => PgError::BadParameter(told),
            Error::QueryFailed(error) => PgError::QueryFailed(text(error)),
            Error::ValueConversionFailed(told) => PgError::ValueConversionFailed(told),
            Error::Other(told) => PgError::OtherError(told),
        }
    }
}

/// One call on a session of its own.
macro_rules! once {
    ($view:expr, $address:expr, $call:ident($($arg:expr),*)) => {{
        let connection = match $view.connect($address, None).await? {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error.into())),
        };
        let borrowed = Resource::<Handle>::new_borrow(connection.rep());
        let done = $view.$call(borrowed, $($arg),*).await;
        $view.close(connection)?;
        done?.map_err(PgError::from)
    }};
}

impl Host for View<'_> {
    async fn query(
        &mut self,
        address: String,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> Result<std::result::Result<RowSet, PgError>> {
        let values: Vec<_> = params.into_iter().map(Into::into).collect();
        Ok(once!(self, address, rows(statement, values)).map(Into::into))
    }

    async fn execute(
        &mut self,
        address: String,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> Result<std::result::Result<u64, PgError>> {
        let values: Vec<_> = params.into_iter().map(Into::into).collect();
        Ok(once!(self, address, changed(statement, values)))
    }
}
