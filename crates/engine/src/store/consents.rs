//! What people allowed applications: one row a user, application and audience.

use lockstep_core::ids::{ClientId, ConsentId, UserId};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
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

/// What a user allowed an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// Who.
    pub user: UserId,
    /// Which application.
    pub client: ClientId,
    /// For which API, or [`NO_AUDIENCE`].
    pub audience: String,
    /// The scopes.
    pub scope: Vec<String>,
}

/// Returns a part of what passes a filter, oldest first, and how many do.
pub async fn list(conn: &mut Conn, filter: &Filter, slice: &Slice) -> Result<(Vec<Consent>, i64), DbError> {
    let select = "select id, user_id, client_id, audience, scope from consents";
    let rows = search::rows(conn, select, filter, Order::by("created_at", "id").always(), slice).await?;
    let total = search::count(conn, "consents", filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Withdraws a consent by its id, and returns what it was.
pub async fn delete_by_id(conn: &mut Conn, id: &ConsentId) -> Result<Option<Consent>, DbError> {
    let sql = "delete from consents where id = $1 returning id, user_id, client_id, audience, scope";
    conn.fetch_optional(sql, values![id]).await?.as_ref().map(read).transpose()
}

/// Withdraws all that a user allowed; returns how much that was.
pub async fn delete_of_user(conn: &mut Conn, user: &UserId) -> Result<u64, DbError> {
    conn.execute("delete from consents where user_id = $1", values![user]).await
}

fn read(row: &Row) -> Result<Consent, DbError> {
    Ok(Consent {
        id: ConsentId::trusted(row.get::<String>("id")?),
        user: UserId::trusted(row.get::<String>("user_id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        audience: row.get("audience")?,
        scope: row.json("scope")?,
    })
}

const FIND: &str = "select scope from consents where user_id = $1 and client_id = $2 and audience = $3";
const SAVE: &str = "insert into consents (id, user_id, client_id, audience, scope, created_at, updated_at)
 values ($1, $2, $3, $4, $5, $6, $6)
 on conflict (user_id, client_id, audience) do update set scope = excluded.scope, updated_at = excluded.updated_at";
