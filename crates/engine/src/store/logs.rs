//! Tenant log records. Immutable; they outlive the user they are about.

use std::sync::LazyLock;

use lockstep_core::ids::LogId;
use lockstep_core::time::Timestamp;
use serde_json::Value as Json;

use super::db::{Conn, DbError, Value};
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
    /// The document of the wire, as JSON text.
    pub data: String,
}

/// Adds a record.
pub async fn create(conn: &mut Conn, record: &Record) -> Result<(), DbError> {
    conn.execute_later(CREATE, columns(record)).await
}

/// Adds records, many with one statement.
pub async fn create_all(conn: &mut Conn, records: &[Record]) -> Result<(), DbError> {
    let (chunks, rest) = records.as_chunks::<CHUNK>();
    for chunk in chunks {
        conn.execute_later(&CREATE_CHUNK, chunk.iter().flat_map(columns).collect()).await?;
    }
    for record in rest {
        create(conn, record).await?;
    }
    Ok(())
}

fn columns(record: &Record) -> Vec<Value> {
    values![
        record.id,
        record.code,
        record.date,
        record.client,
        record.user,
        record.connection,
        record.ip,
        record.data,
    ]
}

/// Returns the record with this id.
pub async fn find(conn: &mut Conn, id: &LogId) -> Result<Option<Json>, DbError> {
    conn.fetch_optional("select data from logs where log_id = $1", values![id])
        .await?
        .map(|row| row.json("data"))
        .transpose()
}

/// Returns the records after `from`, oldest first.
pub async fn list_after(conn: &mut Conn, from: &str, take: u32) -> Result<Vec<Json>, DbError> {
    let rows = conn.fetch_all(LIST_AFTER, values![from, take]).await?;
    rows.iter().map(|row| row.json("data")).collect()
}

/// Returns records after one id and before another, oldest first.
pub async fn list_between(
    conn: &mut Conn,
    after: &str,
    before: &str,
    take: u32,
) -> Result<Vec<Json>, DbError> {
    let rows = conn.fetch_all(LIST_BETWEEN, values![after, before, take]).await?;
    rows.iter().map(|row| row.json("data")).collect()
}

/// Returns a part of the records that pass a filter, and how many do.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    descending: bool,
    slice: &Slice,
) -> Result<(Vec<Json>, i64), DbError> {
    let order = Order::by("date", "log_id").descending(descending);
    let rows = search::rows(conn, "select data from logs", filter, order, slice).await?;
    let total = search::count(conn, "logs", filter).await?;
    Ok((rows.iter().map(|row| row.json("data")).collect::<Result<_, _>>()?, total))
}

/// Removes records older than `before`.
pub async fn delete_before(conn: &mut Conn, before: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from logs where date < $1", values![before]).await
}

/// How many records one statement adds.
const CHUNK: usize = 16;
static CREATE_CHUNK: LazyLock<String> = LazyLock::new(|| {
    let row = |n: usize| {
        let places: Vec<String> = (1..=8).map(|column| format!("${}", n * 8 + column)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..CHUNK).map(row).collect();
    format!(
        "insert into logs (log_id, type, date, client_id, user_id, connection, ip, data) values {}",
        rows.join(", ")
    )
});
const CREATE: &str = "insert into logs (log_id, type, date, client_id, user_id, connection, ip, data)
 values ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST_BETWEEN: &str = "select data from logs where log_id > $1 and log_id < $2 order by log_id limit $3";
const LIST_AFTER: &str = "select data from logs where log_id > $1 order by log_id limit $2";
