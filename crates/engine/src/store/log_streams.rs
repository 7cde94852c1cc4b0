//! Log streams, and how far each of them is.

use lockstep_core::ids::LogStreamId;
use lockstep_core::model::log_stream::{LogStream, Status};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use crate::values;

/// A stream whose turn it is, taken by one server.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The stream.
    pub stream: LogStream,
    /// The last record that went out.
    pub cursor: String,
    /// How often the batch that comes now was tried.
    pub attempts: i64,
    /// Since when nothing was taken.
    pub failing_since: Option<Timestamp>,
    lease: Timestamp,
}

/// Returns the stream with this id.
pub async fn find(conn: &mut Conn, id: &LogStreamId) -> Result<Option<LogStream>, DbError> {
    let row = conn.fetch_optional("select * from log_streams where id = $1", values![id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Returns all streams, oldest first.
pub async fn list_all(conn: &mut Conn) -> Result<Vec<LogStream>, DbError> {
    let rows = conn.fetch_all("select * from log_streams order by created_at, id", values![]).await?;
    rows.iter().map(|row| read(conn, row)).collect()
}

/// Keeps others from changing a stream until the transaction ends; returns false if it is gone.
pub async fn lock(conn: &mut Conn, id: &LogStreamId) -> Result<bool, DbError> {
    Ok(conn.execute("update log_streams set status = status where id = $1", values![id]).await? == 1)
}

/// Adds a stream that begins after a record; a name that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, stream: &LogStream, cursor: &str) -> Result<(), DbError> {
    let values = values![
        stream.id,
        stream.name,
        stream.kind,
        stream.status.as_str(),
        serde_json::to_string(&stream.data)?,
        seal(conn, stream)?,
        cursor,
        stream.created_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a changed stream, whose next attempt is at once; returns false if it is gone. How far it is stays.
pub async fn save(conn: &mut Conn, stream: &LogStream) -> Result<bool, DbError> {
    let values = values![
        stream.id,
        stream.name,
        stream.status.as_str(),
        serde_json::to_string(&stream.data)?,
        seal(conn, stream)?,
    ];
    Ok(conn.execute(SAVE, values).await? == 1)
}

/// Deletes a stream; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &LogStreamId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from log_streams where id = $1", values![id]).await? == 1)
}

/// Returns the active streams of a type whose turn it is, whom no server has, and for whom there is a record before this id.
pub async fn list_due(
    conn: &mut Conn,
    kind: &str,
    now: Timestamp,
    before: &str,
) -> Result<Vec<LogStreamId>, DbError> {
    let rows = conn.fetch_all(LIST_DUE, values![kind, now, before]).await?;
    rows.iter().map(|row| Ok(LogStreamId::trusted(row.get::<String>("id")?))).collect()
}

/// Takes a stream until `lease`. None: another server has it, or it is not its turn any more.
pub async fn claim(
    conn: &mut Conn,
    id: &LogStreamId,
    now: Timestamp,
    lease: Timestamp,
) -> Result<Option<Claimed>, DbError> {
    let Some(row) = conn.fetch_optional(CLAIM, values![id, now, lease]).await? else { return Ok(None) };
    Ok(Some(Claimed {
        stream: read(conn, &row)?,
        cursor: row.get("cursor")?,
        attempts: row.get("attempts")?,
        failing_since: row.get("failing_since")?,
        lease,
    }))
}

/// Notes that all up to a record went out and lets others take the stream. Returns false, and notes nothing, where the claim ran out and
/// somebody else has it.
pub async fn save_sent(
    conn: &mut Conn,
    claimed: &Claimed,
    cursor: &str,
    due_at: Timestamp,
) -> Result<bool, DbError> {
    let values = values![claimed.stream.id, claimed.lease, cursor, due_at];
    Ok(conn.execute(SAVE_SENT, values).await? == 1)
}

/// Notes that a batch was not taken: when to try again and since when it goes on like this, or that the stream is suspended.
pub async fn save_failure(
    conn: &mut Conn,
    claimed: &Claimed,
    since: Timestamp,
    again: Option<Timestamp>,
) -> Result<bool, DbError> {
    let status = if again.is_some() { Status::Active } else { Status::Suspended };
    let due_at = again.unwrap_or(since);
    let values = values![claimed.stream.id, claimed.lease, since, due_at, status.as_str()];
    Ok(conn.execute(SAVE_FAILURE, values).await? == 1)
}

fn read(conn: &Conn, row: &Row) -> Result<LogStream, DbError> {
    let id = LogStreamId::trusted(row.get::<String>("id")?);
    let sealed: Vec<u8> = row.get("sink")?;
    let status: String = row.get("status")?;
    Ok(LogStream {
        sink: conn.keys().open_json(&sealed, &aad(&id))?,
        name: row.get("name")?,
        kind: row.get("type")?,
        status: Status::parse(&status).ok_or_else(|| DbError::Corrupt(format!("status {status:?}")))?,
        data: row.json("data")?,
        created_at: row.get("created_at")?,
        id,
    })
}

fn seal(conn: &Conn, stream: &LogStream) -> Result<Vec<u8>, DbError> {
    Ok(conn.keys().seal_json(&stream.sink, &aad(&stream.id))?)
}

fn aad(id: &LogStreamId) -> String {
    format!("log_streams:sink:{id}")
}

const CREATE: &str = "insert into log_streams
 (id, name, type, status, data, sink, cursor, due_at, lease, attempts, failing_since, created_at)
 values ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, null, $8)";
const SAVE: &str = "update log_streams
 set name = $2, status = $3, data = $4, sink = $5, due_at = 0, attempts = 0, failing_since = null where id = $1";
const LIST_DUE: &str = "select id from log_streams
 where type = $1 and status = 'active' and due_at <= $2 and lease <= $2
 and exists (select 1 from logs where log_id > log_streams.cursor and log_id < $3) order by due_at, id";
const CLAIM: &str = "update log_streams set lease = $3
 where id = $1 and status = 'active' and due_at <= $2 and lease <= $2 returning *";
const SAVE_SENT: &str = "update log_streams
 set cursor = $3, due_at = $4, lease = 0, attempts = 0, failing_since = null where id = $1 and lease = $2";
// A status that somebody set meanwhile stays.
const SAVE_FAILURE: &str = "update log_streams
 set attempts = attempts + 1, failing_since = $3, due_at = $4, lease = 0,
     status = case when status = 'active' then $5 else status end
 where id = $1 and lease = $2";
