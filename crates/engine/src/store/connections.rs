//! Database connections and which clients may use them.

use lockstep_core::ids::{ClientId, ConnectionId};
use lockstep_core::model::connection::Connection;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the connection with this id.
pub async fn find(conn: &mut Conn, id: &ConnectionId) -> Result<Option<Connection>, DbError> {
    conn.fetch_optional(FIND, values![id]).await?.as_ref().map(read).transpose()
}

/// Returns the connection of this name.
pub async fn find_by_name(conn: &mut Conn, name: &str) -> Result<Option<Connection>, DbError> {
    conn.fetch_optional(FIND_BY_NAME, values![name]).await?.as_ref().map(read).transpose()
}

/// Returns the connections that a client may use, oldest first.
pub async fn list_for_client(conn: &mut Conn, client: &ClientId) -> Result<Vec<Connection>, DbError> {
    conn.fetch_all(LIST_FOR_CLIENT, values![client]).await?.iter().map(read).collect()
}

/// Returns the clients that may use a connection.
pub async fn list_clients(conn: &mut Conn, id: &ConnectionId) -> Result<Vec<ClientId>, DbError> {
    let rows = conn.fetch_all(LIST_CLIENTS, values![id]).await?;
    rows.iter().map(|row| Ok(ClientId::trusted(row.get::<String>("client_id")?))).collect()
}

/// Returns a part of the connections that pass a filter, oldest first, and how many do.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    slice: &Slice,
) -> Result<(Vec<Connection>, i64), DbError> {
    let select = "select id, name, data, created_at, updated_at from connections";
    let rows = search::rows(conn, select, filter, Order::by("created_at", "id"), slice).await?;
    let total = search::count(conn, "connections", filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Adds a connection; a name that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, connection: &Connection) -> Result<(), DbError> {
    let values = values![
        connection.id,
        connection.name,
        connection.data.text("strategy").unwrap_or("auth0"),
        serde_json::to_string(&connection.data)?,
        connection.created_at,
        connection.updated_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a changed connection; returns false if it is gone.
pub async fn save(conn: &mut Conn, connection: &Connection) -> Result<bool, DbError> {
    let data = serde_json::to_string(&connection.data)?;
    Ok(conn.execute(SAVE, values![connection.id, data, connection.updated_at]).await? == 1)
}

/// Deletes a connection; its users are deleted with [`super::users::delete_of_connection`].
pub async fn delete(conn: &mut Conn, id: &ConnectionId) -> Result<bool, DbError> {
    Ok(conn.execute(DELETE, values![id]).await? == 1)
}

/// Lets a client use a connection.
pub async fn enable_client(conn: &mut Conn, id: &ConnectionId, client: &ClientId) -> Result<(), DbError> {
    conn.execute(ENABLE_CLIENT, values![id, client]).await?;
    Ok(())
}

/// Forbids a client to use a connection.
pub async fn disable_client(conn: &mut Conn, id: &ConnectionId, client: &ClientId) -> Result<(), DbError> {
    conn.execute(DISABLE_CLIENT, values![id, client]).await?;
    Ok(())
}

/// Reads a connection from a row with all columns.
pub(super) fn read(row: &Row) -> Result<Connection, DbError> {
    Ok(Connection {
        id: ConnectionId::trusted(row.get::<String>("id")?),
        name: row.get("name")?,
        data: row.json("data")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

const FIND: &str = "select id, name, data, created_at, updated_at from connections where id = $1";
const FIND_BY_NAME: &str = "select id, name, data, created_at, updated_at from connections where name = $1";
const LIST_FOR_CLIENT: &str = "select c.id, c.name, c.data, c.created_at, c.updated_at from connections c
 join connection_clients e on e.connection_id = c.id where e.client_id = $1 order by c.created_at, c.id";
const LIST_CLIENTS: &str =
    "select client_id from connection_clients where connection_id = $1 order by client_id";
const CREATE: &str = "insert into connections (id, name, strategy, data, created_at, updated_at)
 values ($1, $2, $3, $4, $5, $6)";
const SAVE: &str = "update connections set data = $2, updated_at = $3 where id = $1";
const DELETE: &str = "delete from connections where id = $1";
const ENABLE_CLIENT: &str = "insert into connection_clients (connection_id, client_id) values ($1, $2)
 on conflict (connection_id, client_id) do nothing";
const DISABLE_CLIENT: &str = "delete from connection_clients where connection_id = $1 and client_id = $2";
