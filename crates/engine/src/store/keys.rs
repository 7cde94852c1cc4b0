//! Signing keys.

use lockstep_core::ids::KeyId;
use lockstep_core::time::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use super::db::{Conn, DbError};
use crate::values;

/// A stored key.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its `kid`.
    pub kid: KeyId,
    /// `RS256`, `PS256` or `ES256`.
    pub algorithm: String,
    /// `current`, `next`, `previous` or `revoked`.
    pub state: String,
    /// PKCS#8.
    pub private: Zeroizing<Vec<u8>>,
    /// The public JWK.
    pub public: Value,
    /// A self-signed certificate over it, PEM.
    pub certificate: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place.
    pub rotated_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Returns all keys, oldest first.
pub async fn list_all(conn: &mut Conn) -> Result<Vec<StoredKey>, DbError> {
    let rows = conn.fetch_all("select * from signing_keys order by created_at, kid", values![]).await?;
    rows.iter()
        .map(|row| {
            let kid = KeyId::trusted(row.get::<String>("kid")?);
            let sealed: Vec<u8> = row.get("private")?;
            Ok(StoredKey {
                private: Zeroizing::new(conn.keys().open(&sealed, &aad(&kid))?.to_vec()),
                algorithm: row.get("algorithm")?,
                state: row.get("state")?,
                public: row.json("public")?,
                certificate: row.get("certificate")?,
                created_at: row.get("created_at")?,
                rotated_at: row.get("rotated_at")?,
                revoked_at: row.get("revoked_at")?,
                kid,
            })
        })
        .collect()
}

/// Adds a key.
pub async fn create(conn: &mut Conn, key: &StoredKey) -> Result<(), DbError> {
    let sealed = conn.keys().seal(&key.private, &aad(&key.kid));
    let values = values![
        key.kid,
        key.algorithm,
        key.state,
        sealed,
        key.public.to_string(),
        key.certificate,
        key.created_at
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Returns name and state of each key, oldest first: enough to see whether anything changed.
pub async fn list_states(conn: &mut Conn) -> Result<Vec<(KeyId, String)>, DbError> {
    let sql = "select kid, state from signing_keys order by created_at, kid";
    let rows = conn.fetch_all(sql, values![]).await?;
    rows.iter().map(|row| Ok((KeyId::trusted(row.get::<String>("kid")?), row.get("state")?))).collect()
}

/// Moves a key from one state to another; returns false, and changes nothing, if it is not in the first.
pub async fn claim_state(
    conn: &mut Conn,
    kid: &KeyId,
    from: &str,
    to: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(conn.execute(CLAIM_STATE, values![kid, from, to, now]).await? == 1)
}

fn aad(kid: &KeyId) -> String {
    format!("signing_keys:private:{kid}")
}

const CREATE: &str =
    "insert into signing_keys (kid, algorithm, state, private, public, certificate, created_at)
 values ($1, $2, $3, $4, $5, $6, $7)";
const CLAIM_STATE: &str = "update signing_keys set state = $3,
   rotated_at = case when $3 = 'previous' then $4 else rotated_at end,
   revoked_at = case when $3 = 'revoked' then $4 else revoked_at end
 where kid = $1 and state = $2";
