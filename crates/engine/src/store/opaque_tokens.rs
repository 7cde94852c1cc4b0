//! Opaque access tokens: good for `/userinfo` only, stored under a hash.

use lockstep_core::ids::{ClientId, GrantId, UserId};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
use crate::values;

/// A live token.
#[derive(Clone, Debug)]
pub struct Opaque {
    /// Whose.
    pub user: UserId,
    /// For which application.
    pub client: ClientId,
    /// The granted scopes, separated by blanks.
    pub scope: String,
}

/// Adds a token.
pub async fn create(
    conn: &mut Conn,
    token_hash: &str,
    token: &Opaque,
    grant: Option<&GrantId>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let values = values![token_hash, token.user, token.client, token.scope, grant, now, expires_at];
    conn.execute_later(CREATE, values).await
}

/// Returns the token with this hash, if it is live at `now`.
pub async fn find(conn: &mut Conn, token_hash: &str, now: Timestamp) -> Result<Option<Opaque>, DbError> {
    let Some(row) = conn.fetch_optional(FIND, values![token_hash, now]).await? else { return Ok(None) };
    Ok(Some(Opaque {
        user: UserId::trusted(row.get::<String>("user_id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        scope: row.get("scope")?,
    }))
}

/// Revokes the tokens that came of a grant.
pub async fn revoke_of_grant(conn: &mut Conn, grant: &GrantId, now: Timestamp) -> Result<u64, DbError> {
    let sql = "update opaque_tokens set revoked_at = $2 where grant_id = $1 and revoked_at is null";
    conn.execute(sql, values![grant, now]).await
}

/// Removes tokens whose time is over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from opaque_tokens where expires_at <= $1", values![now]).await
}

const CREATE: &str =
    "insert into opaque_tokens (token_hash, user_id, client_id, scope, grant_id, created_at, expires_at)
 values ($1, $2, $3, $4, $5, $6, $7)";
const FIND: &str = "select user_id, client_id, scope from opaque_tokens
 where token_hash = $1 and expires_at > $2 and revoked_at is null";
