//! Authorization codes: spent in one statement, stored under a hash.

use lockstep_core::ids::{ClientId, GrantId, UserId};
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError};
use crate::values;

/// A code that was spent just now.
#[derive(Clone, Debug)]
pub struct Claimed<T> {
    /// For whom.
    pub user: UserId,
    /// What it carries.
    pub data: T,
}

/// Adds a code.
pub async fn create<T: Serialize>(
    conn: &mut Conn,
    code_hash: &str,
    client: &ClientId,
    user: &UserId,
    data: &T,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(
        CREATE,
        values![code_hash, client, user, serde_json::to_string(data)?, now, expires_at],
    )
    .await
}

/// Spends a client's code; none if it is unknown, used, expired or another client's.
pub async fn claim<T: DeserializeOwned>(
    conn: &mut Conn,
    code_hash: &str,
    client: &ClientId,
    now: Timestamp,
) -> Result<Option<Claimed<T>>, DbError> {
    let Some(row) = conn.fetch_optional(CLAIM, values![code_hash, client, now]).await? else {
        return Ok(None);
    };
    Ok(Some(Claimed { user: UserId::trusted(row.get::<String>("user_id")?), data: row.json("data")? }))
}

/// Notes which grant came of a code, so that a second use can end it.
pub async fn note_grant(conn: &mut Conn, code_hash: &str, grant: &GrantId) -> Result<(), DbError> {
    conn.execute_later(
        "update authorization_codes set grant_id = $2 where code_hash = $1",
        values![code_hash, grant],
    )
    .await
}

/// Returns the grant that came of a code that was used before.
pub async fn find_used(
    conn: &mut Conn,
    code_hash: &str,
    client: &ClientId,
) -> Result<Option<Option<GrantId>>, DbError> {
    let Some(row) = conn.fetch_optional(FIND_USED, values![code_hash, client]).await? else {
        return Ok(None);
    };
    Ok(Some(row.get::<Option<String>>("grant_id")?.map(GrantId::trusted)))
}

/// Removes codes that expired a day before `now`; until then a second use is noticed.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from authorization_codes where expires_at + 86400000 <= $1", values![now]).await
}

const CREATE: &str =
    "insert into authorization_codes (code_hash, client_id, user_id, data, created_at, expires_at)
 values ($1, $2, $3, $4, $5, $6)";
const CLAIM: &str = "update authorization_codes set used_at = $3
 where code_hash = $1 and client_id = $2 and used_at is null and expires_at > $3 returning user_id, data";
const FIND_USED: &str = "select grant_id from authorization_codes
 where code_hash = $1 and client_id = $2 and used_at is not null";
