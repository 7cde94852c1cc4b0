//! What people allowed applications: one row a user, application and audience.

use lockstep_core::ids::{ClientId, ConsentId, UserId};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
use crate::values;

/// The audience of scopes that belong to no API.
pub const NO_AUDIENCE: &str = "";

/// Returns the scopes that a user allowed an application for an audience.
pub async fn find(
    conn: &mut Conn,
    user: &UserId,
    client: &ClientId,
    audience: &str,
) -> Result<Option<Vec<String>>, DbError> {
    let row = conn.fetch_optional(FIND, values![user, client, audience]).await?;
    row.map(|row| row.json("scope")).transpose()
}

/// Saves what a user allows; replaces what was allowed before.
pub async fn save(
    conn: &mut Conn,
    id: &ConsentId,
    user: &UserId,
    client: &ClientId,
    audience: &str,
    scope: &[String],
    now: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(SAVE, values![id, user, client, audience, serde_json::to_string(scope)?, now]).await
}

/// Withdraws what a user allowed an application.
pub async fn delete(
    conn: &mut Conn,
    user: &UserId,
    client: &ClientId,
    audience: &str,
) -> Result<bool, DbError> {
    let sql = "delete from consents where user_id = $1 and client_id = $2 and audience = $3";
    Ok(conn.execute(sql, values![user, client, audience]).await? == 1)
}

const FIND: &str = "select scope from consents where user_id = $1 and client_id = $2 and audience = $3";
const SAVE: &str = "insert into consents (id, user_id, client_id, audience, scope, created_at, updated_at)
 values ($1, $2, $3, $4, $5, $6, $6)
 on conflict (user_id, client_id, audience) do update set scope = excluded.scope, updated_at = excluded.updated_at";
