//! APIs (resource servers).

use lockstep_core::ids::ResourceServerId;
use lockstep_core::model::resource_server::ResourceServer;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the API with this id.
pub async fn find(conn: &mut Conn, id: &ResourceServerId) -> Result<Option<ResourceServer>, DbError> {
    conn.fetch_optional(FIND, values![id]).await?.as_ref().map(read).transpose()
}

/// Returns the API with this identifier (the audience of its tokens).
pub async fn find_by_identifier(
    conn: &mut Conn,
    identifier: &str,
) -> Result<Option<ResourceServer>, DbError> {
    conn.fetch_optional(FIND_BY_IDENTIFIER, values![identifier]).await?.as_ref().map(read).transpose()
}

/// Returns a part of the APIs that pass a filter, oldest first, and how many do.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    slice: &Slice,
) -> Result<(Vec<ResourceServer>, i64), DbError> {
    let select = "select id, identifier, data, created_at, updated_at from resource_servers";
    let rows = search::rows(conn, select, filter, Order::by("created_at", "id"), slice).await?;
    let total = search::count(conn, "resource_servers", filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Adds an API.
pub async fn create(conn: &mut Conn, api: &ResourceServer) -> Result<(), DbError> {
    let data = serde_json::to_string(&api.data)?;
    let values =
        values![api.id, api.identifier, api.name(), api.is_system(), data, api.created_at, api.updated_at];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a changed API; returns false if it is gone.
pub async fn save(conn: &mut Conn, api: &ResourceServer) -> Result<bool, DbError> {
    let data = serde_json::to_string(&api.data)?;
    Ok(conn.execute(SAVE, values![api.id, api.name(), data, api.updated_at]).await? == 1)
}

/// Deletes an API; returns whether it was there. The system API stays.
pub async fn delete(conn: &mut Conn, id: &ResourceServerId) -> Result<bool, DbError> {
    Ok(conn.execute(DELETE, values![id]).await? == 1)
}

/// Reads an API from a row with all columns.
pub(super) fn read(row: &Row) -> Result<ResourceServer, DbError> {
    Ok(ResourceServer {
        id: ResourceServerId::trusted(row.get::<String>("id")?),
        identifier: row.get("identifier")?,
        data: row.json("data")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

const FIND: &str = "select id, identifier, data, created_at, updated_at from resource_servers where id = $1";
const FIND_BY_IDENTIFIER: &str =
    "select id, identifier, data, created_at, updated_at from resource_servers where identifier = $1";
const CREATE: &str =
    "insert into resource_servers (id, identifier, name, is_system, data, created_at, updated_at)
 values ($1, $2, $3, $4, $5, $6, $7)";
const SAVE: &str = "update resource_servers set name = $2, data = $3, updated_at = $4 where id = $1";
const DELETE: &str = "delete from resource_servers where id = $1 and is_system = 0";
