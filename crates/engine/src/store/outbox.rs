//! Messages on their way to people: written with the change they tell about, sent later.

use lockstep_core::ids::MessageId;
use lockstep_core::model::message::Message;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
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
    conn.execute(CREATE, values).await?;
    Ok(())
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

/// Removes messages whose content is no longer of use.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from outbox where expires_at <= $1", values![now]).await
}

fn aad(column: &str, id: &MessageId) -> String {
    format!("outbox:{column}:{id}")
}

const CREATE: &str =
    "insert into outbox (id, kind, user_id, recipient, content, created_at, due_at, expires_at, attempts)
 values ($1, $2, $3, $4, $5, $6, $6, $7, 0)";
const LIST: &str =
    "select id, content, created_at, sent_at from outbox order by created_at desc, id desc limit $1";
