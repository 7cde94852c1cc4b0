//! Pushed authorization requests (RFC 9126): kept for seconds, used once, stored under a hash.

use lockstep_core::ids::ClientId;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
use crate::values;

/// Adds a request.
pub async fn create(
    conn: &mut Conn,
    uri_hash: &str,
    client: &ClientId,
    params: &[(String, String)],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(CREATE, values![uri_hash, client, serde_json::to_string(params)?, now, expires_at])
        .await
}

/// Spends a request of a client and returns its parameters; none if it is unknown, used, expired or another client's.
pub async fn claim(
    conn: &mut Conn,
    uri_hash: &str,
    client: &ClientId,
    now: Timestamp,
) -> Result<Option<Vec<(String, String)>>, DbError> {
    conn.fetch_optional(CLAIM, values![uri_hash, client, now])
        .await?
        .map(|row| row.json("params"))
        .transpose()
}

/// Removes requests whose time is over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from pushed_requests where expires_at <= $1", values![now]).await
}

const CREATE: &str = "insert into pushed_requests (uri_hash, client_id, params, created_at, expires_at)
 values ($1, $2, $3, $4, $5)";
const CLAIM: &str = "update pushed_requests set used_at = $3
 where uri_hash = $1 and client_id = $2 and used_at is null and expires_at > $3 returning params";
