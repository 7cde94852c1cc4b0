//! What goes into a statement and what comes out of a row.

use std::sync::Arc;

use lockstep_core::ids;
use lockstep_core::time::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use super::DbError;

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A 64-bit integer, boolean or time, or null.
    Int(Option<i64>),
    /// Text or null.
    Text(Option<String>),
    /// Bytes or null.
    Blob(Option<Vec<u8>>),
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(Some(v)) => ValueRef::Integer(*v),
            Self::Text(Some(v)) => ValueRef::Text(v.as_bytes()),
            Self::Blob(Some(v)) => ValueRef::Blob(v),
            Self::Int(None) | Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        }))
    }
}

type PostgresQuery<'q> = Query<'q, Postgres, PgArguments>;

pub(super) fn bind_postgres(mut query: PostgresQuery<'_>, values: Vec<Value>) -> PostgresQuery<'_> {
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Blob(v) => query.bind(v),
        };
    }
    query
}
/// Something that can go into a statement.
pub trait ToValue {
    /// The null of this type; PostgreSQL wants to know which it is.
    const NULL: Value;
    /// Returns the value.
    fn to_value(&self) -> Value;
}

macro_rules! to_value {
    ($($type:ty: $variant:ident, |$v:ident| $make:expr;)*) => {$(
        impl ToValue for $type {
            const NULL: Value = Value::$variant(None);
            fn to_value(&self) -> Value {
                let $v = self;
                Value::$variant(Some($make))
            }
        }
    )*};
}

to_value! {
    i64: Int, |v| *v;
    u32: Int, |v| i64::from(*v);
    bool: Int, |v| i64::from(*v);
    Timestamp: Int, |v| v.as_millis();
    str: Text, |v| v.to_owned();
    String: Text, |v| v.clone();
    Vec<u8>: Blob, |v| v.clone();
    [u8]: Blob, |v| v.to_vec();
    serde_json::Value: Text, |v| v.to_string();
    ids::UserId: Text, |v| v.as_str().to_owned();
    ids::ClientId: Text, |v| v.as_str().to_owned();
    ids::ConnectionId: Text, |v| v.as_str().to_owned();
    ids::ClientGrantId: Text, |v| v.as_str().to_owned();
    ids::ResourceServerId: Text, |v| v.as_str().to_owned();
    ids::AuthenticatorId: Text, |v| v.as_str().to_owned();
    ids::TicketId: Text, |v| v.as_str().to_owned();
    ids::SessionId: Text, |v| v.as_str().to_owned();
    ids::TransactionId: Text, |v| v.as_str().to_owned();
    ids::ConsentId: Text, |v| v.as_str().to_owned();
    ids::GrantId: Text, |v| v.as_str().to_owned();
    ids::KeyId: Text, |v| v.as_str().to_owned();
    ids::LogId: Text, |v| v.as_str().to_owned();
    ids::MessageId: Text, |v| v.as_str().to_owned();
    ids::RememberedBrowserId: Text, |v| v.as_str().to_owned();
    ids::JobId: Text, |v| v.as_str().to_owned();
    ids::RoleId: Text, |v| v.as_str().to_owned();
    ids::CredentialId: Text, |v| v.as_str().to_owned();
    ids::ActionId: Text, |v| v.as_str().to_owned();
    ids::ActionVersionId: Text, |v| v.as_str().to_owned();
    ids::BindingId: Text, |v| v.as_str().to_owned();
    ids::ModuleId: Text, |v| v.as_str().to_owned();
    ids::ModuleVersionId: Text, |v| v.as_str().to_owned();
    ids::LogStreamId: Text, |v| v.as_str().to_owned();
    ids::EncryptionKeyId: Text, |v| v.as_str().to_owned();
    ids::DecisionId: Text, |v| v.as_str().to_owned();
    ids::DeviceCredentialId: Text, |v| v.as_str().to_owned();
}

impl<T: ToValue + ?Sized> ToValue for &T {
    const NULL: Value = T::NULL;
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    const NULL: Value = T::NULL;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(T::NULL, ToValue::to_value)
    }
}

/// Makes the list of a statement's values: `values![user_id, now, name.as_deref()]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::store::db::ToValue::to_value(&$value)),*]
    };
}

/// A row of either database.
#[derive(Debug)]
pub struct Row(RowInner);

#[derive(Debug)]
enum RowInner {
    Sqlite { columns: Arc<[String]>, values: Vec<rusqlite::types::Value> },
    Postgres(PgRow),
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(RowInner::Postgres(row))
    }
}

impl Row {
    /// Returns a row of SQLite. All rows of a statement share the names of the columns.
    pub(super) fn of_sqlite(columns: &Arc<[String]>, row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let values = (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
        Ok(Self(RowInner::Sqlite { columns: Arc::clone(columns), values }))
    }

    /// Returns the column of that name.
    pub fn get<T: Column>(&self, column: &'static str) -> Result<T, DbError> {
        T::read(self, column)
    }

    /// Returns a text column parsed as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, DbError> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|e| DbError::Corrupt(format!("column {column}: {e}")))
    }
}

/// Something that can come out of a row.
pub trait Column: Sized {
    /// Reads the column.
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError>;
}

macro_rules! column {
    ($($type:ty: $variant:ident;)*) => {$(
        impl Column for Option<$type> {
            fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
                let (columns, values) = match &row.0 {
                    RowInner::Sqlite { columns, values } => (columns, values),
                    RowInner::Postgres(row) => return Ok(row.try_get(column)?),
                };
                let found = columns.iter().position(|name| name == column).and_then(|at| values.get(at));
                match found {
                    Some(rusqlite::types::Value::$variant(value)) => Ok(Some(value.clone())),
                    Some(rusqlite::types::Value::Null) => Ok(None),
                    Some(other) => {
                        let (found, wanted) = (other.data_type(), stringify!($variant));
                        Err(DbError::Corrupt(format!("column {column} is {found}, not {wanted}")))
                    }
                    None => Err(DbError::Corrupt(format!("there is no column {column}"))),
                }
            }
        }

        impl Column for $type {
            fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
                row.get::<Option<Self>>(column)?
                    .ok_or_else(|| DbError::Corrupt(format!("column {column} is null")))
            }
        }
    )*};
}

column! {
    i64: Integer;
    String: Text;
    Vec<u8>: Blob;
}

impl Column for bool {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        Ok(row.get::<i64>(column)? != 0)
    }
}

impl Column for Timestamp {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        row.get(column).map(Self::from_millis)
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        Ok(row.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }
}
