//! Tenant log records. Immutable; they outlive the user they are about.

use lockstep_core::ids::LogId;
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::db::{Conn, DbError};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// A record as it is stored: the wire document and the columns that searches look at.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id; ids grow with insertion.
    pub id: LogId,
    /// The event code.
    pub code: &'static str,
    /// When it happened.
    pub date: Timestamp,
    /// The application.
    pub client: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The connection's name.
    pub connection: Option<String>,
    /// The end user's address.
    pub ip: Option<String>,
    /// The document of the wire.
    pub data: Value,
}

/// Adds a record.
pub async fn create(conn: &mut Conn, record: &Record) -> Result<(), DbError> {
    let values = values![
        record.id,
        record.code,
        record.date,
        record.client,
        record.user,
        record.connection,
        record.ip,
        record.data.to_string(),
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Returns the record with this id.
pub async fn find(conn: &mut Conn, id: &LogId) -> Result<Option<Value>, DbError> {
    conn.fetch_optional("select data from logs where log_id = $1", values![id])
        .await?
        .map(|row| row.json("data"))
        .transpose()
}

/// Returns the records after `from`, oldest first.
pub async fn list_after(conn: &mut Conn, from: &str, take: u32) -> Result<Vec<Value>, DbError> {
    let rows = conn.fetch_all(LIST_AFTER, values![from, take]).await?;
    rows.iter().map(|row| row.json("data")).collect()
}

/// Returns a part of the records that pass a filter, and how many do.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    descending: bool,
    slice: &Slice,
) -> Result<(Vec<Value>, i64), DbError> {
    let order = Order::by("date", "log_id").descending(descending);
    let rows = search::rows(conn, "select data from logs", filter, order, slice).await?;
    let total = search::count(conn, "logs", filter).await?;
    Ok((rows.iter().map(|row| row.json("data")).collect::<Result<_, _>>()?, total))
}

/// Removes records older than `before`.
pub async fn delete_before(conn: &mut Conn, before: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from logs where date < $1", values![before]).await
}

const CREATE: &str = "insert into logs (log_id, type, date, client_id, user_id, connection, ip, data)
 values ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST_AFTER: &str = "select data from logs where log_id > $1 order by log_id limit $2";
