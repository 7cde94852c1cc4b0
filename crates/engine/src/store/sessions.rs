//! Browser sessions. The cookie's handle is stored as a hash only.

use lockstep_core::ids::{ClientId, SessionId, UserId};
use lockstep_core::model::session::Session;
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value};

use super::db::{Conn, DbError, Row};
use crate::values;

/// Returns the session whose cookie handle has this hash.
pub async fn find_by_handle(conn: &mut Conn, handle_hash: &str) -> Result<Option<Session>, DbError> {
    conn.fetch_optional(FIND_BY_HANDLE, values![handle_hash]).await?.as_ref().map(read).transpose()
}

/// Returns the session with this id.
pub async fn find(conn: &mut Conn, id: &SessionId) -> Result<Option<Session>, DbError> {
    conn.fetch_optional(FIND, values![id]).await?.as_ref().map(read).transpose()
}

/// Returns a user's sessions that are live at `now`, newest first.
pub async fn list_of_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<Vec<Session>, DbError> {
    conn.fetch_all(LIST_OF_USER, values![user, now]).await?.iter().map(read).collect()
}

/// Adds a session.
pub async fn create(conn: &mut Conn, session: &Session, handle_hash: &str) -> Result<(), DbError> {
    let mut values = columns(session)?;
    values.extend(values![handle_hash, session.user, session.created_at]);
    conn.execute_later(CREATE, values).await
}

/// Saves a changed session under a new handle (a change of privilege) or the old one; returns false if it is gone.
pub async fn save(
    conn: &mut Conn,
    session: &Session,
    new_handle_hash: Option<&str>,
) -> Result<bool, DbError> {
    let mut values = columns(session)?;
    values.extend(values![new_handle_hash]);
    Ok(conn.execute(SAVE, values).await? == 1)
}

/// Ends a session; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &SessionId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from sessions where id = $1", values![id]).await? == 1)
}

/// Ends all sessions of a user but one; returns how many.
pub async fn delete_of_user(conn: &mut Conn, user: &UserId, but: Option<&SessionId>) -> Result<u64, DbError> {
    conn.execute(DELETE_OF_USER, values![user, but]).await
}

/// Returns what an operator wrote to a session.
pub async fn metadata(conn: &mut Conn, id: &SessionId) -> Result<Option<Map<String, Value>>, DbError> {
    let row = conn.fetch_optional("select metadata from sessions where id = $1", values![id]).await?;
    let text: Option<String> = row.map(|row| row.get("metadata")).transpose()?.flatten();
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Writes it; none removes it.
pub async fn save_metadata(conn: &mut Conn, id: &SessionId, json: Option<&str>) -> Result<(), DbError> {
    conn.execute("update sessions set metadata = $2 where id = $1", values![id, json]).await?;
    Ok(())
}

/// Removes sessions that ended before `now`.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from sessions where expires_at <= $1 or idle_expires_at <= $1", values![now]).await
}

fn read(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: SessionId::trusted(row.get::<String>("id")?),
        user: UserId::trusted(row.get::<String>("user_id")?),
        methods: row.json("methods")?,
        auth_time: row.get("auth_time")?,
        clients: row.json::<Vec<ClientId>>("clients")?,
        device: row.json("device")?,
        created_at: row.get("created_at")?,
        last_used_at: row.get("last_used_at")?,
        idle_expires_at: row.get("idle_expires_at")?,
        expires_at: row.get("expires_at")?,
    })
}

fn columns(session: &Session) -> Result<Vec<super::db::Value>, DbError> {
    Ok(values![
        session.id,
        serde_json::to_string(&session.methods)?,
        session.auth_time,
        serde_json::to_string(&session.clients)?,
        serde_json::to_string(&session.device)?,
        session.last_used_at,
        session.idle_expires_at,
        session.expires_at,
    ])
}

const FIND_BY_HANDLE: &str = "select * from sessions where handle_hash = $1";
const FIND: &str = "select * from sessions where id = $1";
const LIST_OF_USER: &str =
    "select * from sessions where user_id = $1 and expires_at > $2 and idle_expires_at > $2
 order by created_at desc, id";
const CREATE: &str =
    "insert into sessions (id, methods, auth_time, clients, device, last_used_at, idle_expires_at,
 expires_at, handle_hash, user_id, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const SAVE: &str =
    "update sessions set methods = $2, auth_time = $3, clients = $4, device = $5, last_used_at = $6,
 idle_expires_at = $7, expires_at = $8, handle_hash = coalesce($9, handle_hash) where id = $1";
const DELETE_OF_USER: &str = "delete from sessions where user_id = $1 and ($2 is null or id <> $2)";
