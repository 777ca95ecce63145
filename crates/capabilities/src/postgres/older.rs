//! `spin:postgres@3.0.0` and `fermyon:spin/postgres@2.0.0`: fewer types, and errors that are text.

use super::View;
use super::types as v4;
use super::wit::Handle;
use wasmtime::Result;
use wasmtime::component::Resource;

mod third {
    wasmtime::component::bindgen!({
        path: "../../wit/spin-postgres@3.0.0",
        world: "spin:postgres/imports",
        imports: { default: async | trappable },
        with: { "spin:postgres/postgres.connection": super::super::wit::Handle },
    });
}
mod second {
    wasmtime::component::bindgen!({
        inline: "package holm:postgres; world imports { import fermyon:spin/postgres@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        with: { "fermyon:spin/postgres.connection": super::super::wit::Handle },
    });
}
pub(super) use second::fermyon::spin::postgres as v2;
pub use second::fermyon::spin::rdbms_types as v2_types;
pub(super) use third::spin::postgres::postgres as v3;

impl From<v3::ParameterValue> for v4::ParameterValue {
    fn from(value: v3::ParameterValue) -> Self {
        use v3::ParameterValue as V;
        match value {
            V::Boolean(yes) => Self::Boolean(yes),
            V::Int8(n) => Self::Int8(n),
            V::Int16(n) => Self::Int16(n),
            V::Int32(n) => Self::Int32(n),
            V::Int64(n) => Self::Int64(n),
            V::Floating32(n) => Self::Floating32(n),
            V::Floating64(n) => Self::Floating64(n),
            V::Str(text) => Self::Str(text),
            V::Binary(bytes) => Self::Binary(bytes),
            V::Date(date) => Self::Date(date),
            V::Time(time) => Self::Time(time),
            V::Datetime(moment) => Self::Datetime(moment),
            V::Timestamp(seconds) => Self::Timestamp(seconds),
            V::DbNull => Self::DbNull,
        }
    }
}

impl From<v4::DbValue> for v3::DbValue {
    fn from(value: v4::DbValue) -> Self {
        use v4::DbValue as V;
        match value {
            V::Boolean(yes) => Self::Boolean(yes),
            V::Int8(n) => Self::Int8(n),
            V::Int16(n) => Self::Int16(n),
            V::Int32(n) => Self::Int32(n),
            V::Int64(n) => Self::Int64(n),
            V::Floating32(n) => Self::Floating32(n),
            V::Floating64(n) => Self::Floating64(n),
            V::Str(text) => Self::Str(text),
            V::Binary(bytes) => Self::Binary(bytes),
            V::Date(date) => Self::Date(date),
            V::Time(time) => Self::Time(time),
            V::Datetime(moment) => Self::Datetime(moment),
            V::Timestamp(seconds) => Self::Timestamp(seconds),
            V::DbNull => Self::DbNull,
            _ => Self::Unsupported,
        }
    }
}

impl From<v4::DbDataType> for v3::DbDataType {
    fn from(ty: v4::DbDataType) -> Self {
        use v4::DbDataType as T;
        match ty {
            T::Boolean => Self::Boolean,
            T::Int8 => Self::Int8,
            T::Int16 => Self::Int16,
            T::Int32 => Self::Int32,
            T::Int64 => Self::Int64,
            T::Floating32 => Self::Floating32,
            T::Floating64 => Self::Floating64,
            T::Str => Self::Str,
            T::Binary => Self::Binary,
            T::Date => Self::Date,
            T::Time => Self::Time,
            T::Datetime => Self::Datetime,
            T::Timestamp => Self::Timestamp,
            _ => Self::Other,
        }
    }
}

impl From<v4::Error> for v3::Error {
    fn from(error: v4::Error) -> Self {
        match error {
            v4::Error::ConnectionFailed(told) => Self::ConnectionFailed(told),
            v4::Error::BadParameter(told) => Self::BadParameter(told),
            v4::Error::QueryFailed(error) => Self::QueryFailed(text(error)),
            v4::Error::ValueConversionFailed(told) => Self::ValueConversionFailed(told),
            v4::Error::Other(told) => Self::Other(told),
        }
    }
}

impl From<v4::RowSet> for v3::RowSet {
    fn from(rows: v4::RowSet) -> Self {
        let column = |column: v4::Column| v3::Column {
            name: column.name,
            data_type: column.data_type.into(),
        };
        let row = |row: Vec<v4::DbValue>| row.into_iter().map(Into::into).collect();
        v3::RowSet {
            columns: rows.columns.into_iter().map(column).collect(),
            rows: rows.rows.into_iter().map(row).collect(),
        }
    }
}

impl From<v2_types::ParameterValue> for v4::ParameterValue {
    fn from(value: v2_types::ParameterValue) -> Self {
        use v2_types::ParameterValue as V;
        match value {
            V::Boolean(yes) => Self::Boolean(yes),
            V::Int8(n) => Self::Int8(n),
            V::Int16(n) => Self::Int16(n),
            V::Int32(n) => Self::Int32(n),
            V::Int64(n) => Self::Int64(n),
            // The server has no unsigned types: the next larger one holds them all.
            V::Uint8(n) => Self::Int16(n.into()),
            V::Uint16(n) => Self::Int32(n.into()),
            V::Uint32(n) => Self::Int64(n.into()),
            V::Uint64(n) => Self::Decimal(n.to_string()),
            V::Floating32(n) => Self::Floating32(n),
            V::Floating64(n) => Self::Floating64(n),
            V::Str(text) => Self::Str(text),
            V::Binary(bytes) => Self::Binary(bytes),
            V::DbNull => Self::DbNull,
        }
    }
}

impl From<v4::DbValue> for v2_types::DbValue {
    fn from(value: v4::DbValue) -> Self {
        use v4::DbValue as V;
        match value {
            V::Boolean(yes) => Self::Boolean(yes),
            V::Int8(n) => Self::Int8(n),
            V::Int16(n) => Self::Int16(n),
            V::Int32(n) => Self::Int32(n),
            V::Int64(n) => Self::Int64(n),
            V::Floating32(n) => Self::Floating32(n),
            V::Floating64(n) => Self::Floating64(n),
            V::Str(text) => Self::Str(text),
            V::Binary(bytes) => Self::Binary(bytes),
            V::DbNull => Self::DbNull,
            _ => Self::Unsupported,
        }
    }
}

impl From<v4::DbDataType> for v2_types::DbDataType {
    fn from(ty: v4::DbDataType) -> Self {
        use v4::DbDataType as T;
        match ty {
            T::Boolean => Self::Boolean,
            T::Int8 => Self::Int8,
            T::Int16 => Self::Int16,
            T::Int32 => Self::Int32,
            T::Int64 => Self::Int64,
            T::Floating32 => Self::Floating32,
            T::Floating64 => Self::Floating64,
            T::Str => Self::Str,
            T::Binary => Self::Binary,
            _ => Self::Other,
        }
    }
}

impl From<v4::Error> for v2_types::Error {
    fn from(error: v4::Error) -> Self {
        match error {
            v4::Error::ConnectionFailed(told) => Self::ConnectionFailed(told),
            v4::Error::BadParameter(told) => Self::BadParameter(told),
            v4::Error::QueryFailed(error) => Self::QueryFailed(text(error)),
            v4::Error::ValueConversionFailed(told) => Self::ValueConversionFailed(told),
            v4::Error::Other(told) => Self::Other(told),
        }
    }
}

impl From<v4::RowSet> for v2_types::RowSet {
    fn from(rows: v4::RowSet) -> Self {
        let column = |column: v4::Column| v2_types::Column {
            name: column.name,
            data_type: column.data_type.into(),
        };
        let row = |row: Vec<v4::DbValue>| row.into_iter().map(Into::into).collect();
        v2_types::RowSet {
            columns: rows.columns.into_iter().map(column).collect(),
            rows: rows.rows.into_iter().map(row).collect(),
        }
    }
}

pub(super) fn text(error: v4::QueryError) -> String {
    match error {
        v4::QueryError::Text(text) => text,
        v4::QueryError::DbError(error) => error.as_text,
    }
}

/// The host's part of an older version, which does as the newest and says it in its own types.
macro_rules! older {
    ($interface:path, $connection:path, $types:ident) => {
        impl $interface for View<'_> {}

        impl $connection for View<'_> {
            async fn open(
                &mut self,
                address: String,
            ) -> Result<std::result::Result<Resource<Handle>, $types::Error>> {
                Ok(self.connect(address, None).await?.map_err(Into::into))
            }

            async fn query(
                &mut self,
                connection: Resource<Handle>,
                statement: String,
                values: Vec<$types::ParameterValue>,
            ) -> Result<std::result::Result<$types::RowSet, $types::Error>> {
                let values = values.into_iter().map(Into::into).collect();
                let rows = self.rows(connection, statement, values).await?;
                Ok(rows.map(Into::into).map_err(Into::into))
            }

            async fn execute(
                &mut self,
                connection: Resource<Handle>,
                statement: String,
                values: Vec<$types::ParameterValue>,
            ) -> Result<std::result::Result<u64, $types::Error>> {
                let values = values.into_iter().map(Into::into).collect();
                let changed = self.changed(connection, statement, values).await?;
                Ok(changed.map_err(Into::into))
            }

            async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
                self.close(connection)
            }
        }
    };
}

older!(v3::Host, v3::HostConnection, v3);
older!(v2::Host, v2::HostConnection, v2_types);
