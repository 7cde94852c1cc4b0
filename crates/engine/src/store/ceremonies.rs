//! What an application has under way with a person behind an API: the enrolments and challenges of an `mfa_token`, of an access token for
//! the MFA API, of an `auth_session`. Saved with a version, so that of two answers at once one loses.

use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::user::User;
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError, Row};
use super::{authenticators, users};
use crate::values;

/// A stored ceremony; its data is sealed, since pending secrets are in it.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// The hash of its handle, which the application holds.
    pub handle_hash: String,
    /// Grows with each save.
    pub version: i64,
    /// What the handle is.
    pub kind: String,
    /// With whom.
    pub user: UserId,
    /// By which application.
    pub client: ClientId,
    /// How far it is.
    pub data: T,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was brought to its end.
    pub used_at: Option<Timestamp>,
}

/// Adds a ceremony.
pub async fn create<T: Serialize>(conn: &mut Conn, ceremony: &Stored<T>) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(&ceremony.data, &aad(&ceremony.handle_hash))?;
    let values = values![
        ceremony.handle_hash,
        ceremony.version,
        ceremony.kind,
        ceremony.user,
        ceremony.client,
        sealed,
        ceremony.created_at,
        ceremony.expires_at,
    ];
    conn.execute_later(CREATE, values).await
}

/// Returns a ceremony of a kind, also one that is over: the answer has to say which.
pub async fn find<T: DeserializeOwned>(
    conn: &mut Conn,
    handle_hash: &str,
    kind: &str,
) -> Result<Option<Stored<T>>, DbError> {
    let row = conn.fetch_optional(FIND, values![handle_hash, kind]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// A ceremony with whom it is and what they hold.
#[derive(Clone, Debug)]
pub struct WithUser<T> {
    /// The ceremony.
    pub stored: Stored<T>,
    /// The user.
    pub user: User,
    /// What the user holds, as [`authenticators::list_of_user`] returns it.
    pub authenticators: Vec<Authenticator>,
}

/// Returns a ceremony as [`find`] does, with its user.
pub async fn find_with_user<T: DeserializeOwned>(
    conn: &mut Conn,
    handle_hash: &str,
    kind: &str,
) -> Result<Option<WithUser<T>>, DbError> {
    let Some(stored) = find(conn, handle_hash, kind).await? else { return Ok(None) };
    let Some(user) = users::find(conn, &stored.user).await? else { return Ok(None) };
    let authenticators = authenticators::list_of_user(conn, &user.id).await?;
    Ok(Some(WithUser { stored, user, authenticators }))
}

/// Returns what a user has under way of a kind, the oldest first.
pub async fn list_of_user<T: DeserializeOwned>(
    conn: &mut Conn,
    user: &UserId,
    kind: &str,
    now: Timestamp,
) -> Result<Vec<Stored<T>>, DbError> {
    let rows = conn.fetch_all(LIST_OF_USER, values![user, kind, now]).await?;
    rows.iter().map(|row| read(conn, row)).collect()
}

/// Removes a ceremony; returns false if it was not there.
pub async fn delete(conn: &mut Conn, handle_hash: &str) -> Result<bool, DbError> {
    Ok(conn.execute("delete from ceremonies where handle_hash = $1", values![handle_hash]).await? == 1)
}

/// Ends all that a user has under way: who began it may be somebody else. Returns how many there were.
pub async fn end_of_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<u64, DbError> {
    conn.execute(END_OF_USER, values![user, now]).await
}

/// Saves how far it is; returns false if somebody else saved or ended it since `version` was read.
pub async fn save<T: Serialize>(
    conn: &mut Conn,
    handle_hash: &str,
    version: i64,
    data: &T,
) -> Result<bool, DbError> {
    let sealed = conn.keys().seal_json(data, &aad(handle_hash))?;
    Ok(conn.execute(SAVE, values![handle_hash, version, sealed]).await? == 1)
}

/// Brings a ceremony to its end; returns false if it was ended, or changed since `version` was read.
pub async fn claim(
    conn: &mut Conn,
    handle_hash: &str,
    version: i64,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(conn.execute(CLAIM, values![handle_hash, version, now]).await? == 1)
}

/// Removes ceremonies that ended a day before `now`; until then answers can say that they have expired.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from ceremonies where expires_at + 86400000 <= $1", values![now]).await
}

fn read<T: DeserializeOwned>(conn: &Conn, row: &Row) -> Result<Stored<T>, DbError> {
    let handle_hash: String = row.get("handle_hash")?;
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Stored {
        version: row.get("version")?,
        kind: row.get("kind")?,
        user: UserId::trusted(row.get::<String>("user_id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        data: conn.keys().open_json(&sealed, &aad(&handle_hash))?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.get("used_at")?,
        handle_hash,
    })
}

fn aad(handle_hash: &str) -> String {
    format!("ceremonies:data:{handle_hash}")
}

const CREATE: &str =
    "insert into ceremonies (handle_hash, version, kind, user_id, client_id, data, created_at, expires_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8)";
const FIND: &str = "select * from ceremonies where handle_hash = $1 and kind = $2";
const LIST_OF_USER: &str = "select * from ceremonies
 where user_id = $1 and kind = $2 and used_at is null and expires_at > $3 order by created_at, handle_hash";
const SAVE: &str = "update ceremonies set version = version + 1, data = $3
 where handle_hash = $1 and version = $2 and used_at is null";
const END_OF_USER: &str = "update ceremonies set version = version + 1, used_at = $2
 where user_id = $1 and used_at is null";
const CLAIM: &str = "update ceremonies set version = version + 1, used_at = $3
 where handle_hash = $1 and version = $2 and used_at is null";
