//! What logs in without a password: a code for each place that codes go to, the newest; and what a passkey is asked behind an `auth_session`,
//! when nobody knows yet whose it is.

use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError};
use crate::values;

/// A stored code; its data is sealed.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// Grows with each save.
    pub version: i64,
    /// What is kept of the code.
    pub data: T,
}

/// Stores a code in place of the one before.
pub async fn put<T: Serialize>(
    conn: &mut Conn,
    key: &str,
    data: &T,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(data, &aad(key))?;
    conn.execute_later(PUT, values![key, sealed, now, expires_at]).await
}

/// Returns the code of a key that was not spent.
pub async fn find<T: DeserializeOwned>(conn: &mut Conn, key: &str) -> Result<Option<Stored<T>>, DbError> {
    let sql = "select version, data from login_codes where key_hash = $1 and used_at is null";
    let Some(row) = conn.fetch_optional(sql, values![key]).await? else { return Ok(None) };
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Some(Stored { version: row.get("version")?, data: conn.keys().open_json(&sealed, &aad(key))? }))
}

/// Saves a code; returns false if somebody else saved or spent it since `version` was read.
pub async fn save<T: Serialize>(conn: &mut Conn, key: &str, version: i64, data: &T) -> Result<bool, DbError> {
    let sealed = conn.keys().seal_json(data, &aad(key))?;
    Ok(conn.execute(SAVE, values![key, version, sealed]).await? == 1)
}

/// Spends a code; returns false if somebody else saved or spent it since `version` was read.
pub async fn claim(conn: &mut Conn, key: &str, version: i64, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn.execute(CLAIM, values![key, version, now]).await? == 1)
}

/// Removes codes whose time is over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from login_codes where expires_at <= $1", values![now]).await
}

fn aad(key: &str) -> String {
    format!("login_codes:data:{key}")
}

/// The version goes on from the code before: who read that one can neither save nor claim this one.
const PUT: &str = "insert into login_codes (key_hash, version, data, created_at, expires_at)
 values ($1, 0, $2, $3, $4) on conflict (key_hash) do update set
 version = login_codes.version + 1, data = $2, created_at = $3, expires_at = $4, used_at = null";
const SAVE: &str = "update login_codes set version = version + 1, data = $3
 where key_hash = $1 and version = $2 and used_at is null";
const CLAIM: &str = "update login_codes set version = version + 1, used_at = $3
 where key_hash = $1 and version = $2 and used_at is null";
