//! Public keys and certificates of clients (`private_key_jwt`).

use lockstep_core::ids::{ClientId, CredentialId};
use lockstep_core::model::document::Document;

use super::db::{Conn, DbError, Row};
use crate::values;

/// A credential of a client.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// The client.
    pub client: ClientId,
    /// The document of the wire, without `id`.
    pub data: Document,
    /// The key in PEM, for types that have one. Never answered.
    pub pem: Option<String>,
}

/// Returns the credentials of a client, oldest first.
pub async fn list_of_client(conn: &mut Conn, client: &ClientId) -> Result<Vec<Credential>, DbError> {
    let sql = "select * from client_credentials where client_id = $1 order by created_at, id";
    conn.fetch_all(sql, values![client]).await?.iter().map(read).collect()
}

/// Returns a credential of a client.
pub async fn find(
    conn: &mut Conn,
    client: &ClientId,
    id: &CredentialId,
) -> Result<Option<Credential>, DbError> {
    let sql = "select * from client_credentials where client_id = $1 and id = $2";
    conn.fetch_optional(sql, values![client, id]).await?.as_ref().map(read).transpose()
}

/// Adds a credential.
pub async fn create(
    conn: &mut Conn,
    credential: &Credential,
    now: lockstep_core::time::Timestamp,
) -> Result<(), DbError> {
    let data = serde_json::to_string(&credential.data)?;
    conn.execute(CREATE, values![credential.id, credential.client, data, credential.pem, now]).await?;
    Ok(())
}

/// Saves a changed credential; returns false if it is gone.
pub async fn save(conn: &mut Conn, credential: &Credential) -> Result<bool, DbError> {
    let data = serde_json::to_string(&credential.data)?;
    let sql = "update client_credentials set data = $3 where client_id = $1 and id = $2";
    Ok(conn.execute(sql, values![credential.client, credential.id, data]).await? == 1)
}

/// Deletes a credential; returns whether it was there.
pub async fn delete(conn: &mut Conn, client: &ClientId, id: &CredentialId) -> Result<bool, DbError> {
    let sql = "delete from client_credentials where client_id = $1 and id = $2";
    Ok(conn.execute(sql, values![client, id]).await? == 1)
}

fn read(row: &Row) -> Result<Credential, DbError> {
    Ok(Credential {
        id: CredentialId::trusted(row.get::<String>("id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        data: row.json("data")?,
        pem: row.get("pem")?,
    })
}

const CREATE: &str =
    "insert into client_credentials (id, client_id, data, pem, created_at) values ($1, $2, $3, $4, $5)";
