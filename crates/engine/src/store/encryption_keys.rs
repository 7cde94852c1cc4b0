//! The entries of `keys/encryption`.

use lockstep_core::ids::EncryptionKeyId;
use lockstep_core::time::Timestamp;
use zeroize::Zeroizing;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// An entry. It encrypts nothing: nothing can be imported into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKey {
    /// Its id.
    pub kid: EncryptionKeyId,
    /// `customer-provided-root-key`.
    pub kind: String,
    /// `pre-activation` or `destroyed`.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state changed.
    pub updated_at: Timestamp,
}

/// Returns the entry with this id.
pub async fn find(conn: &mut Conn, kid: &EncryptionKeyId) -> Result<Option<EncryptionKey>, DbError> {
    let row = conn.fetch_optional("select * from encryption_keys where kid = $1", values![kid]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns a part of the entries, the newest first, and how many there are.
pub async fn list(conn: &mut Conn, slice: &Slice) -> Result<(Vec<EncryptionKey>, i64), DbError> {
    let (all, order) = (Filter::all(), Order::by("created_at", "kid").descending(true));
    let rows = search::rows(conn, "select * from encryption_keys", &all, order, slice).await?;
    let total = search::count(conn, "encryption_keys", &all).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Adds an entry.
pub async fn create(conn: &mut Conn, key: &EncryptionKey) -> Result<(), DbError> {
    let values = values![key.kid, key.kind, key.state, key.created_at, key.updated_at];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Stores the private key (PKCS #8) that a key to import would be wrapped for. Returns false where the entry is gone or destroyed.
pub async fn save_wrapping(
    conn: &mut Conn,
    kid: &EncryptionKeyId,
    private: &Zeroizing<Vec<u8>>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let sealed = conn.keys().seal(private, &format!("encryption_keys:wrapping:{kid}"));
    Ok(conn.execute(SAVE_WRAPPING, values![kid, sealed, now]).await? == 1)
}

/// Destroys an entry: what it held is gone, that it was there stays. Returns whether it was not destroyed before.
pub async fn destroy(conn: &mut Conn, kid: &EncryptionKeyId, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn.execute(DESTROY, values![kid, now]).await? == 1)
}

fn read(row: &Row) -> Result<EncryptionKey, DbError> {
    Ok(EncryptionKey {
        kid: EncryptionKeyId::trusted(row.get::<String>("kid")?),
        kind: row.get("type")?,
        state: row.get("state")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

const CREATE: &str = "insert into encryption_keys (kid, type, state, wrapping, created_at, updated_at)
 values ($1, $2, $3, null, $4, $5)";
const SAVE_WRAPPING: &str =
    "update encryption_keys set wrapping = $2, updated_at = $3 where kid = $1 and state = 'pre-activation'";
const DESTROY: &str = "update encryption_keys set state = 'destroyed', wrapping = null, updated_at = $2
 where kid = $1 and state <> 'destroyed'";
