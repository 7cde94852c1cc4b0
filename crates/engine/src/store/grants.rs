//! Refresh-token families: what a login allowed an application until it is revoked, and the tokens of each.

use lockstep_core::assurance::Methods;
use lockstep_core::ids::{ClientId, GrantId, SessionId, UserId};
use lockstep_core::model::session::Device;
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value};

use super::db::{Conn, DbError, Row};
use crate::values;

/// How many live families a user may have with one application; the oldest goes (contract/oidc.md 6.3).
const MOST: i64 = 200;

/// A family of refresh tokens.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Whose.
    pub user: UserId,
    /// For which application.
    pub client: ClientId,
    /// The session that it came of.
    pub session: Option<SessionId>,
    /// The API; none: `/userinfo` only.
    pub audience: Option<String>,
    /// The granted scopes, separated by blanks.
    pub scope: String,
    /// What was proven when it began, or by MFA since.
    pub methods: Methods,
    /// When the last interactive ceremony ended. A refresh never moves it.
    pub auth_time: Timestamp,
    /// Whether each use yields a new token.
    pub rotating: bool,
    /// Where it was made and used.
    pub device: Device,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_exchanged_at: Option<Timestamp>,
    /// When it ends unless used.
    pub idle_expires_at: Option<Timestamp>,
    /// When it ends in any case.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Grant {
    /// Returns whether it can still be used at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let ended = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        self.revoked_at.is_none() && !ended(self.expires_at) && !ended(self.idle_expires_at)
    }
}

/// A token of a family, as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its family.
    pub grant: Grant,
    /// Its place in the family, from 0.
    pub sequence: i64,
    /// When it was spent.
    pub used_at: Option<Timestamp>,
    /// The place of the family's newest token.
    pub newest: i64,
}

/// Adds a family and drops the user's oldest beyond the limit.
pub async fn create(conn: &mut Conn, grant: &Grant) -> Result<(), DbError> {
    let values = values![
        grant.id,
        grant.user,
        grant.client,
        grant.session,
        grant.audience,
        grant.scope,
        serde_json::to_string(&grant.methods)?,
        grant.auth_time,
        grant.rotating,
        serde_json::to_string(&grant.device)?,
        grant.created_at,
        grant.idle_expires_at,
        grant.expires_at,
    ];
    conn.execute_later(CREATE, values).await?;
    conn.execute_later(DROP_OLDEST, values![grant.user, grant.client, MOST]).await
}

/// Adds a token to a family.
pub async fn create_token(
    conn: &mut Conn,
    token_hash: &str,
    grant: &GrantId,
    sequence: i64,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(CREATE_TOKEN, values![token_hash, grant, sequence, now]).await
}

/// Returns the token with this hash and its family.
pub async fn find_token(conn: &mut Conn, token_hash: &str) -> Result<Option<Found>, DbError> {
    let Some(row) = conn.fetch_optional(FIND_TOKEN, values![token_hash]).await? else { return Ok(None) };
    Ok(Some(Found {
        grant: read(&row)?,
        sequence: row.get("sequence")?,
        used_at: row.get("used_at")?,
        newest: row.get("newest")?,
    }))
}

/// Spends a token; returns false if it was spent before.
pub async fn claim_token(conn: &mut Conn, token_hash: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "update refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null";
    Ok(conn.execute(sql, values![token_hash, now]).await? == 1)
}

/// Notes a use: when, from where, and until when it may lie idle.
pub async fn save_use(conn: &mut Conn, grant: &Grant) -> Result<bool, DbError> {
    let device = serde_json::to_string(&grant.device)?;
    let values = values![grant.id, grant.last_exchanged_at, grant.idle_expires_at, device];
    Ok(conn.execute(SAVE_USE, values).await? == 1)
}

/// Saves what was proven for a family since it began: MFA at a refresh.
pub async fn save_proof(conn: &mut Conn, grant: &Grant) -> Result<bool, DbError> {
    let methods = serde_json::to_string(&grant.methods)?;
    Ok(conn.execute(SAVE_PROOF, values![grant.id, methods, grant.auth_time]).await? == 1)
}

/// Revokes a family; returns false if it was revoked before.
pub async fn revoke(conn: &mut Conn, id: &GrantId, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn
        .execute("update grants set revoked_at = $2 where id = $1 and revoked_at is null", values![id, now])
        .await?
        == 1)
}

/// Revokes all families of a user.
pub async fn revoke_of_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<u64, DbError> {
    conn.execute(
        "update grants set revoked_at = $2 where user_id = $1 and revoked_at is null",
        values![user, now],
    )
    .await
}

/// Revokes all families of a user with an application for an audience.
pub async fn revoke_for(
    conn: &mut Conn,
    user: &UserId,
    client: &ClientId,
    audience: Option<&str>,
    now: Timestamp,
) -> Result<u64, DbError> {
    conn.execute(REVOKE_FOR, values![user, client, audience, now]).await
}

/// Returns the live families of a user, newest first.
pub async fn list_of_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<Vec<Grant>, DbError> {
    conn.fetch_all(LIST_OF_USER, values![user, now]).await?.iter().map(read).collect()
}

/// Returns the family with this id.
pub async fn find(conn: &mut Conn, id: &GrantId) -> Result<Option<Grant>, DbError> {
    conn.fetch_optional("select * from grants where id = $1", values![id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns what an operator wrote to a family.
pub async fn metadata(conn: &mut Conn, id: &GrantId) -> Result<Option<Map<String, Value>>, DbError> {
    let row = conn.fetch_optional("select metadata from grants where id = $1", values![id]).await?;
    let text: Option<String> = row.map(|row| row.get("metadata")).transpose()?.flatten();
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Writes it; none removes it.
pub async fn save_metadata(conn: &mut Conn, id: &GrantId, json: Option<&str>) -> Result<(), DbError> {
    conn.execute("update grants set metadata = $2 where id = $1", values![id, json]).await?;
    Ok(())
}

/// Revokes all families that came of a session.
pub async fn revoke_of_session(conn: &mut Conn, id: &SessionId, now: Timestamp) -> Result<u64, DbError> {
    let sql = "update grants set revoked_at = $2 where session_id = $1 and revoked_at is null";
    conn.execute(sql, values![id, now]).await
}

/// Removes families that ended thirty days before `now`; until then a reuse is noticed.
pub async fn delete_ended(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute(DELETE_ENDED, values![now]).await
}

fn read(row: &Row) -> Result<Grant, DbError> {
    Ok(Grant {
        id: GrantId::trusted(row.get::<String>("id")?),
        user: UserId::trusted(row.get::<String>("user_id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        session: row.get::<Option<String>>("session_id")?.map(SessionId::trusted),
        audience: row.get("audience")?,
        scope: row.get("scope")?,
        methods: row.json("methods")?,
        auth_time: row.get("auth_time")?,
        rotating: row.get("rotating")?,
        device: row.json("device")?,
        created_at: row.get("created_at")?,
        last_exchanged_at: row.get("last_exchanged_at")?,
        idle_expires_at: row.get("idle_expires_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

const CREATE: &str = "insert into grants (id, user_id, client_id, session_id, audience, scope, methods, auth_time, rotating,
 device, created_at, idle_expires_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const DROP_OLDEST: &str = "delete from grants where user_id = $1 and client_id = $2 and id not in
 (select id from grants where user_id = $1 and client_id = $2 and revoked_at is null
  order by created_at desc, id limit $3) and revoked_at is null";
const CREATE_TOKEN: &str =
    "insert into refresh_tokens (token_hash, grant_id, sequence, created_at) values ($1, $2, $3, $4)";
const FIND_TOKEN: &str = "select g.*, t.sequence, t.used_at,
 (select max(n.sequence) from refresh_tokens n where n.grant_id = t.grant_id) as newest
 from refresh_tokens t join grants g on g.id = t.grant_id where t.token_hash = $1";
const SAVE_USE: &str = "update grants set last_exchanged_at = $2, idle_expires_at = $3, device = $4
 where id = $1 and revoked_at is null";
const SAVE_PROOF: &str =
    "update grants set methods = $2, auth_time = $3 where id = $1 and revoked_at is null";
const REVOKE_FOR: &str =
    "update grants set revoked_at = $4 where user_id = $1 and client_id = $2 and revoked_at is null
 and (audience = $3 or (audience is null and $3 is null))";
const LIST_OF_USER: &str = "select * from grants where user_id = $1 and revoked_at is null
 and (expires_at is null or expires_at > $2) and (idle_expires_at is null or idle_expires_at > $2)
 order by created_at desc, id";
const DELETE_ENDED: &str =
    "delete from grants where revoked_at + 2592000000 <= $1 or expires_at + 2592000000 <= $1
 or idle_expires_at + 2592000000 <= $1";
