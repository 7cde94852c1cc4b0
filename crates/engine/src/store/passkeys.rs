//! Passkeys: rows among the authenticators that are found by the key alone, since nobody says a name before. The counter is claimed as that of
//! every other key is, by [`super::authenticators::claim_counter`].

use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::authenticators::aad;
use super::db::{Conn, DbError};
use crate::values;

/// What passkeys are called among the authentication methods.
pub const KIND: &str = "passkey";

/// A stored passkey.
#[derive(Clone, Debug, PartialEq)]
pub struct Passkey {
    /// Its id, `dev_…`.
    pub id: AuthenticatorId,
    /// Whose it is.
    pub user: UserId,
    /// The label.
    pub name: Option<String>,
    /// What is known of the key.
    pub data: Value,
    /// The signature counter at its last use, if that is known.
    pub sign_count: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was registered by its owner; none for those that were imported.
    pub enrolled_at: Option<Timestamp>,
}

/// Adds a passkey, which is looked up by this hash from now on. A key that somebody has already, whoever it is, is a conflict.
pub async fn create(conn: &mut Conn, passkey: &Passkey, credential_hash: &str) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(&passkey.data, &aad(&passkey.id))?;
    let values = values![
        passkey.id,
        passkey.user,
        KIND,
        true,
        passkey.name,
        sealed,
        credential_hash,
        passkey.sign_count,
        passkey.created_at,
        passkey.enrolled_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Returns the passkey with this key.
pub async fn find(conn: &mut Conn, credential_hash: &str) -> Result<Option<Passkey>, DbError> {
    let Some(row) = conn.fetch_optional(FIND, values![credential_hash]).await? else { return Ok(None) };
    let id = AuthenticatorId::trusted(row.get::<String>("id")?);
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Some(Passkey {
        user: UserId::trusted(row.get::<String>("user_id")?),
        name: row.get("name")?,
        data: conn.keys().open_json(&sealed, &aad(&id))?,
        sign_count: row.get("spent_step")?,
        created_at: row.get("created_at")?,
        enrolled_at: row.get("enrolled_at")?,
        id,
    }))
}

const CREATE: &str = "insert into authenticators
 (id, user_id, kind, confirmed, name, data, credential_hash, spent_step, created_at, enrolled_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const FIND: &str = "select * from authenticators where credential_hash = $1 and spent_at is null";
