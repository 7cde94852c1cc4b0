//! Applications.

use std::collections::HashMap;

use lockstep_core::ids::ClientId;
use lockstep_core::model::client::Client;
use lockstep_core::model::document::Document;
use zeroize::Zeroizing;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the client with this id.
pub async fn find(conn: &mut Conn, id: &ClientId) -> Result<Option<Client>, DbError> {
    let row = conn.fetch_optional(FIND, values![id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Returns all clients, oldest first.
pub async fn list_all(conn: &mut Conn) -> Result<Vec<Client>, DbError> {
    let rows = conn.fetch_all(LIST_ALL, values![]).await?;
    rows.iter().map(|row| read(conn, row)).collect()
}

/// Returns a part of the clients that pass a filter, oldest first, and how many do.
pub async fn list(conn: &mut Conn, filter: &Filter, slice: &Slice) -> Result<(Vec<Client>, i64), DbError> {
    let select = "select client_id, data, secret, created_at, updated_at from clients";
    let rows = search::rows(conn, select, filter, Order::by("created_at", "client_id"), slice).await?;
    let total = search::count(conn, "clients", filter).await?;
    Ok((rows.iter().map(|row| read(conn, row)).collect::<Result<_, _>>()?, total))
}

/// Returns the clients that stand for an API, by its identifier. Of several for one API the oldest counts.
pub async fn of_apis(conn: &mut Conn) -> Result<HashMap<String, ClientId>, DbError> {
    let mut found = HashMap::new();
    for row in conn.fetch_all(OF_APIS, values![]).await? {
        let data: Document = row.json("data")?;
        if let Some(identifier) = data.text("resource_server_identifier") {
            let client = ClientId::trusted(row.get::<String>("client_id")?);
            found.entry(identifier.to_owned()).or_insert(client);
        }
    }
    Ok(found)
}

/// Adds a client.
pub async fn create(conn: &mut Conn, client: &Client) -> Result<(), DbError> {
    let secret = conn.keys().seal(client.secret.as_bytes(), &aad(&client.id));
    let values = values![
        client.id,
        client.name(),
        client.is_global(),
        client.is_first_party(),
        client.app_type(),
        serde_json::to_string(&client.data)?,
        secret,
        client.created_at,
        client.updated_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a changed client; returns false if it is gone.
pub async fn save(conn: &mut Conn, client: &Client) -> Result<bool, DbError> {
    let secret = conn.keys().seal(client.secret.as_bytes(), &aad(&client.id));
    let values = values![
        client.id,
        client.name(),
        client.is_first_party(),
        client.app_type(),
        serde_json::to_string(&client.data)?,
        secret,
        client.updated_at,
    ];
    Ok(conn.execute(SAVE, values).await? == 1)
}

/// Deletes a client with its grants; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &ClientId) -> Result<bool, DbError> {
    Ok(conn.execute(DELETE, values![id]).await? == 1)
}

/// Reads a client from a row with all columns.
pub(super) fn read(conn: &Conn, row: &Row) -> Result<Client, DbError> {
    let id = ClientId::trusted(row.get::<String>("client_id")?);
    let sealed: Vec<u8> = row.get("secret")?;
    let secret = conn.keys().open(&sealed, &aad(&id))?;
    let secret = String::from_utf8(secret.to_vec())
        .map_err(|_| DbError::Corrupt("client secret is not text".to_owned()))?;
    Ok(Client {
        data: row.json("data")?,
        secret: Zeroizing::new(secret),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        id,
    })
}

fn aad(id: &ClientId) -> String {
    format!("clients:secret:{id}")
}

const FIND: &str = "select client_id, data, secret, created_at, updated_at from clients where client_id = $1";
const LIST_ALL: &str =
    "select client_id, data, secret, created_at, updated_at from clients order by created_at, client_id";
const OF_APIS: &str =
    "select client_id, data from clients where app_type = 'resource_server' order by created_at, client_id";
const CREATE: &str = "insert into clients
 (client_id, name, is_global, is_first_party, app_type, data, secret, created_at, updated_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SAVE: &str = "update clients set name = $2, is_first_party = $3, app_type = $4, data = $5, secret = $6, updated_at = $7
 where client_id = $1";
const DELETE: &str = "delete from clients where client_id = $1 and is_global = 0";
