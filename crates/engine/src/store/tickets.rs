//! Tickets: links that let a person do one thing once (enrol a factor, set a new password). Stored as a hash.

use lockstep_core::ids::UserId;
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError};
use crate::values;

/// A stored ticket.
#[derive(Clone, Debug)]
pub struct Ticket<T> {
    /// For whom.
    pub user: UserId,
    /// What for.
    pub data: T,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was spent.
    pub used_at: Option<Timestamp>,
}

/// Adds a ticket of a kind.
pub async fn create<T: Serialize>(
    conn: &mut Conn,
    id_hash: &str,
    kind: &str,
    ticket: &Ticket<T>,
) -> Result<(), DbError> {
    let data = serde_json::to_string(&ticket.data)?;
    conn.execute_later(
        CREATE,
        values![id_hash, kind, ticket.user, data, ticket.created_at, ticket.expires_at],
    )
    .await
}

/// Returns a ticket of a kind, also a spent or expired one: the page has to say which it is.
pub async fn find<T: DeserializeOwned>(
    conn: &mut Conn,
    id_hash: &str,
    kind: &str,
) -> Result<Option<Ticket<T>>, DbError> {
    let Some(row) = conn.fetch_optional(FIND, values![id_hash, kind]).await? else { return Ok(None) };
    Ok(Some(Ticket {
        user: UserId::trusted(row.get::<String>("user_id")?),
        data: row.json("data")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.get("used_at")?,
    }))
}

/// Spends a ticket; returns false if it is spent, expired or of another kind.
pub async fn claim(conn: &mut Conn, id_hash: &str, kind: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn.execute(CLAIM, values![id_hash, kind, now]).await? == 1)
}

/// Spends all open tickets of a kind that a user has: a newer one, or a change, makes them void.
pub async fn claim_all_of_user(
    conn: &mut Conn,
    user: &UserId,
    kind: &str,
    now: Timestamp,
) -> Result<u64, DbError> {
    conn.execute(CLAIM_ALL, values![user, kind, now]).await
}

/// Removes tickets that ended thirty days before `now`; until then their page can say so.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from tickets where expires_at + 2592000000 <= $1", values![now]).await
}

const CREATE: &str = "insert into tickets (id_hash, kind, user_id, data, created_at, expires_at)
 values ($1, $2, $3, $4, $5, $6)";
const FIND: &str =
    "select user_id, data, created_at, expires_at, used_at from tickets where id_hash = $1 and kind = $2";
const CLAIM: &str = "update tickets set used_at = $3
 where id_hash = $1 and kind = $2 and used_at is null and expires_at > $3";
const CLAIM_ALL: &str =
    "update tickets set used_at = $3 where user_id = $1 and kind = $2 and used_at is null";
