//! What clients may ask of APIs.

use lockstep_core::ids::{ClientGrantId, ClientId};
use lockstep_core::model::resource_server::ClientGrant;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the grant with this id.
pub async fn find(conn: &mut Conn, id: &ClientGrantId) -> Result<Option<ClientGrant>, DbError> {
    conn.fetch_optional(FIND, values![id]).await?.as_ref().map(read).transpose()
}

/// Returns what a client may ask of an API; `subject_type` is `client` or `user`.
pub async fn find_for(
    conn: &mut Conn,
    client: &ClientId,
    audience: &str,
    subject_type: &str,
) -> Result<Option<ClientGrant>, DbError> {
    conn.fetch_optional(FIND_FOR, values![client, audience, subject_type])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns a part of the grants that pass a filter, oldest first, and how many do.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    slice: &Slice,
) -> Result<(Vec<ClientGrant>, i64), DbError> {
    let select = "select id, client_id, audience, subject_type, data, created_at from client_grants";
    let rows = search::rows(conn, select, filter, Order::by("created_at", "id"), slice).await?;
    let total = search::count(conn, "client_grants", filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Adds a grant; a second one for the same client, audience and subject is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, grant: &ClientGrant) -> Result<(), DbError> {
    let data = serde_json::to_string(&grant.data)?;
    let values = values![grant.id, grant.client, grant.audience, grant.subject_type, data, grant.created_at];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a changed grant; returns false if it is gone.
pub async fn save(conn: &mut Conn, grant: &ClientGrant) -> Result<bool, DbError> {
    Ok(conn.execute(SAVE, values![grant.id, serde_json::to_string(&grant.data)?]).await? == 1)
}

/// Deletes a grant; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &ClientGrantId) -> Result<bool, DbError> {
    Ok(conn.execute(DELETE, values![id]).await? == 1)
}

/// Reads a grant from a row with all columns.
pub(super) fn read(row: &Row) -> Result<ClientGrant, DbError> {
    Ok(ClientGrant {
        id: ClientGrantId::trusted(row.get::<String>("id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        audience: row.get("audience")?,
        subject_type: row.get("subject_type")?,
        data: row.json("data")?,
        created_at: row.get("created_at")?,
    })
}

const FIND: &str =
    "select id, client_id, audience, subject_type, data, created_at from client_grants where id = $1";
const FIND_FOR: &str = "select id, client_id, audience, subject_type, data, created_at from client_grants
 where client_id = $1 and audience = $2 and subject_type = $3";
const CREATE: &str = "insert into client_grants (id, client_id, audience, subject_type, data, created_at)
 values ($1, $2, $3, $4, $5, $6)";
const SAVE: &str = "update client_grants set data = $2 where id = $1";
const DELETE: &str = "delete from client_grants where id = $1";
