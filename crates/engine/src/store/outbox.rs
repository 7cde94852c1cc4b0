//! Messages on their way to people: written with the change they tell about, sent later.

use lockstep_core::ids::MessageId;
use lockstep_core::model::message::Message;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use crate::values;

/// A stored message.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id.
    pub id: MessageId,
    /// The message.
    pub message: Message,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// A message that somebody took to send it.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: MessageId,
    /// The message.
    pub message: Message,
    /// Which attempt this is, from 1.
    pub attempt: i64,
}

/// Adds a message to be sent.
pub async fn create(
    conn: &mut Conn,
    id: &MessageId,
    message: &Message,
    now: Timestamp,
) -> Result<(), DbError> {
    let recipient = conn.keys().seal(message.recipient.as_bytes(), &aad("recipient", id));
    let content = conn.keys().seal_json(message, &aad("content", id))?;
    let values =
        values![id, message.kind.as_str(), message.user, recipient, content, now, message.expires_at];
    conn.execute_later(CREATE, values).await
}

/// Returns all messages, newest first, up to `limit`.
pub async fn list(conn: &mut Conn, limit: u32) -> Result<Vec<Stored>, DbError> {
    let rows = conn.fetch_all(LIST, values![limit]).await?;
    rows.iter()
        .map(|row| {
            let id = MessageId::trusted(row.get::<String>("id")?);
            let content: Vec<u8> = row.get("content")?;
            Ok(Stored {
                message: conn.keys().open_json(&content, &aad("content", &id))?,
                created_at: row.get("created_at")?,
                sent_at: row.get("sent_at")?,
                id,
            })
        })
        .collect()
}

/// Returns whether any message is due.
pub async fn has_due(conn: &mut Conn, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn.fetch_optional(HAS_DUE, values![now]).await?.is_some())
}

/// Which messages: each kind has a carrier of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Mail.
    Mail,
    /// Text messages and calls.
    Phone,
}

/// Takes up to `limit` messages that are due. Nobody else gets them before `until`, which is when they are due again if whoever took
/// them is never heard of.
pub async fn claim_due(
    conn: &mut Conn,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
    which: Which,
) -> Result<Vec<Claimed>, DbError> {
    let rows = conn.fetch_all(CLAIM_DUE, values![now, until, limit, which == Which::Phone]).await?;
    rows.iter().map(|row| claimed(conn, row)).collect()
}

/// Removes messages whose time was over before they were sent and that nobody is sending, and returns them: each to one caller.
pub async fn claim_overdue(conn: &mut Conn, now: Timestamp) -> Result<Vec<Claimed>, DbError> {
    let rows = conn.fetch_all(CLAIM_OVERDUE, values![now]).await?;
    rows.iter().map(|row| claimed(conn, row)).collect()
}

fn claimed(conn: &Conn, row: &Row) -> Result<Claimed, DbError> {
    let id = MessageId::trusted(row.get::<String>("id")?);
    let content: Vec<u8> = row.get("content")?;
    Ok(Claimed {
        message: conn.keys().open_json(&content, &aad("content", &id))?,
        attempt: row.get("attempts")?,
        id,
    })
}

/// Notes that a message was sent.
pub async fn save_sent(conn: &mut Conn, id: &MessageId, now: Timestamp) -> Result<(), DbError> {
    conn.execute_later("update outbox set sent_at = $2, error = null where id = $1", values![id, now]).await
}

/// Notes why a message was not sent, and when to try again; never again without a time.
pub async fn save_failure(
    conn: &mut Conn,
    id: &MessageId,
    error: &str,
    again_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    let failed_at = if again_at.is_none() { Some(now) } else { None };
    conn.execute_later(SAVE_FAILURE, values![id, error, again_at, failed_at]).await
}

/// Removes messages whose content is no longer of use.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from outbox where expires_at <= $1", values![now]).await
}

fn aad(column: &str, id: &MessageId) -> String {
    format!("outbox:{column}:{id}")
}

// Of messages of one millisecond the later one has to be the newer one too.
const CREATE: &str =
    "insert into outbox (id, kind, user_id, recipient, content, created_at, due_at, expires_at, attempts, sequence)
 values ($1, $2, $3, $4, $5, $6, $6, $7, 0, (select coalesce(max(sequence), 0) + 1 from outbox))";
const HAS_DUE: &str = "select id from outbox
 where due_at <= $1 and sent_at is null and failed_at is null and expires_at > $1 limit 1";
// The conditions stand twice: on PostgreSQL a second server that waited for the row looks at the outer ones again, not at the inner.
const CLAIM_DUE: &str = "update outbox set due_at = $2, attempts = attempts + 1
 where due_at <= $1 and sent_at is null and failed_at is null and id in
 (select id from outbox where due_at <= $1 and sent_at is null and failed_at is null and expires_at > $1
  and (kind in ('code_sms', 'code_voice')) = ($4 = 1) order by due_at limit $3)
 returning id, content, attempts";
const CLAIM_OVERDUE: &str = "delete from outbox
 where expires_at <= $1 and due_at <= $1 and sent_at is null and failed_at is null returning id, content, attempts";
const SAVE_FAILURE: &str =
    "update outbox set error = $2, due_at = coalesce($3, due_at), failed_at = $4 where id = $1";
const LIST: &str =
    "select id, content, created_at, sent_at from outbox order by sequence desc, id desc limit $1";
