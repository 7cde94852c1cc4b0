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
    /// The connection's id.
    pub connection_id: Option<String>,
    /// The application's name.
    pub client_name: Option<String>,
    /// The user's name, or what was typed.
    pub user_name: Option<String>,
    /// What happened, in words.
    pub description: String,
    /// The host that was asked.
    pub hostname: Option<String>,
    /// The program that asked.
    pub user_agent: Option<String>,
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
        record.connection_id,
        record.client_name,
        record.user_name,
        record.description,
        record.hostname,
        record.user_agent,
    ]
}

/// Returns the record with this id.
pub async fn find(conn: &mut Conn, id: &LogId) -> Result<Option<Json>, DbError> {
    conn.fetch_optional("select data from logs where log_id = $1", values![id])
        .await?
        .map(|row| row.json("data"))
        .transpose()
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

/// Returns how many records of each code there are on each day of a range: days since 1970 in UTC, code, number.
pub async fn count_by_day(
    conn: &mut Conn,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(i64, String, i64)>, DbError> {
    let rows = conn.fetch_all(COUNT_BY_DAY, values![from, until]).await?;
    rows.iter().map(|row| Ok((row.get("day")?, row.get("type")?, row.get("n")?))).collect()
}

/// Removes records older than `before`.
pub async fn delete_before(conn: &mut Conn, before: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from logs where date < $1", values![before]).await
}

/// How many columns a record has.
const COLUMNS: usize = 14;
/// How many records one statement adds.
const CHUNK: usize = 16;
static CREATE_CHUNK: LazyLock<String> = LazyLock::new(|| {
    let row = |n: usize| {
        let places: Vec<String> = (1..=COLUMNS).map(|column| format!("${}", n * COLUMNS + column)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..CHUNK).map(row).collect();
    format!(
        "insert into logs (log_id, type, date, client_id, user_id, connection, ip, data, connection_id, client_name, user_name,
 description, hostname, user_agent) values {}",
        rows.join(", ")
    )
});
const CREATE: &str = "insert into logs (log_id, type, date, client_id, user_id, connection, ip, data, connection_id, client_name,
 user_name, description, hostname, user_agent) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const COUNT_BY_DAY: &str = "select date / 86400000 as day, type, count(*) as n from logs
 where date >= $1 and date < $2 group by date / 86400000, type";
const LIST_BETWEEN: &str = "select data from logs where log_id > $1 and log_id < $2 order by log_id limit $3";
