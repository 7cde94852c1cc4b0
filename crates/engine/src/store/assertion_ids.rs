//! The `jti` of client assertions that were used: each counts once (RFC 7523 section 3).

use lockstep_core::ids::ClientId;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
use crate::values;

/// Spends an assertion's id; returns false if it was used before.
pub async fn claim(
    conn: &mut Conn,
    client: &ClientId,
    jti: &str,
    expires_at: Timestamp,
) -> Result<bool, DbError> {
    Ok(conn.execute(CLAIM, values![client, jti, expires_at]).await? == 1)
}

/// Removes ids whose assertion has expired.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from assertion_ids where expires_at <= $1", values![now]).await
}

const CLAIM: &str = "insert into assertion_ids (client_id, jti, expires_at) values ($1, $2, $3)
 on conflict (client_id, jti) do nothing";
