//! Login transactions: saved with a version, so that of two submits of one step one loses.

use lockstep_core::ids::{ClientId, TransactionId, UserId};
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError};
use crate::values;

/// A stored transaction; its data is sealed, since pending secrets are in it.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// The `state` of the pages.
    pub id: TransactionId,
    /// Grows with each save.
    pub version: i64,
    /// Hash of the browser's transaction cookie.
    pub cookie_hash: String,
    /// The application that asked.
    pub client: ClientId,
    /// The state of the login.
    pub data: T,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Returns the transaction, also an expired one: the page has to say so.
pub async fn find<T: DeserializeOwned>(
    conn: &mut Conn,
    id: &TransactionId,
) -> Result<Option<Stored<T>>, DbError> {
    let Some(row) = conn.fetch_optional(FIND, values![id]).await? else { return Ok(None) };
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Some(Stored {
        id: id.clone(),
        version: row.get("version")?,
        cookie_hash: row.get("cookie_hash")?,
        client: ClientId::trusted(row.get::<String>("client_id")?),
        data: conn.keys().open_json(&sealed, &aad(id))?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    }))
}

/// Adds a transaction.
pub async fn create<T: Serialize>(conn: &mut Conn, transaction: &Stored<T>) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(&transaction.data, &aad(&transaction.id))?;
    let values = values![
        transaction.id,
        transaction.version,
        transaction.cookie_hash,
        transaction.client,
        sealed,
        transaction.created_at,
        transaction.expires_at,
    ];
    conn.execute_later(CREATE, values).await
}

/// Saves the next state; returns false if somebody else saved one since `version` was read. `user` is who it is about, once
/// that is known.
pub async fn save<T: Serialize>(
    conn: &mut Conn,
    id: &TransactionId,
    version: i64,
    user: Option<&UserId>,
    data: &T,
) -> Result<bool, DbError> {
    let sealed = conn.keys().seal_json(data, &aad(id))?;
    Ok(conn.execute(SAVE, values![id, version, user, sealed]).await? == 1)
}

/// Claims the end of a transaction: returns false if it was ended, or changed since `version` was read.
pub async fn claim(conn: &mut Conn, id: &TransactionId, version: i64) -> Result<bool, DbError> {
    Ok(conn.execute("delete from transactions where id = $1 and version = $2", values![id, version]).await?
        == 1)
}

/// Removes the transactions of one browser.
pub async fn delete_of_browser(conn: &mut Conn, cookie_hash: &str) -> Result<u64, DbError> {
    conn.execute("delete from transactions where cookie_hash = $1", values![cookie_hash]).await
}

/// Removes the transactions that are about a user.
pub async fn delete_of_user(conn: &mut Conn, user: &UserId) -> Result<u64, DbError> {
    conn.execute("delete from transactions where user_id = $1", values![user]).await
}

/// Removes transactions that ended a day before `now`; until then their pages can say what happened.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from transactions where expires_at + 86400000 <= $1", values![now]).await
}

fn aad(id: &TransactionId) -> String {
    format!("transactions:data:{id}")
}

const FIND: &str =
    "select version, cookie_hash, client_id, data, created_at, expires_at from transactions where id = $1";
const CREATE: &str =
    "insert into transactions (id, version, cookie_hash, client_id, data, created_at, expires_at)
 values ($1, $2, $3, $4, $5, $6, $7)";
const SAVE: &str = "update transactions set version = version + 1, user_id = coalesce($3, user_id), data = $4
 where id = $1 and version = $2";
