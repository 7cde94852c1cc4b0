//! The tenant's settings, one row a subject.

use lockstep_core::model::attack_protection::{self, BruteForce};
use lockstep_core::model::document::Document;
use lockstep_core::model::settings::{Guardian, TenantSettings};
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, DbError};
use crate::values;

/// Returns the tenant settings; a fresh tenant has the defaults.
pub async fn tenant(conn: &mut Conn) -> Result<TenantSettings, DbError> {
    Ok(find::<Document>(conn, "tenant").await?.map(TenantSettings).unwrap_or_default())
}

/// Returns the MFA settings; a fresh tenant has everything off.
pub async fn guardian(conn: &mut Conn) -> Result<Guardian, DbError> {
    Ok(find_sealed(conn, "guardian").await?.unwrap_or_default())
}

/// Returns the settings of brute-force protection.
pub async fn brute_force(conn: &mut Conn) -> Result<BruteForce, DbError> {
    let set = find::<Document>(conn, attack_protection::BRUTE_FORCE).await?;
    Ok(set.map(|set| BruteForce::from(&set)).unwrap_or_default())
}

/// Saves the tenant settings.
pub async fn save_tenant(conn: &mut Conn, settings: &TenantSettings, now: Timestamp) -> Result<(), DbError> {
    save(conn, "tenant", &settings.0, now).await
}

/// Saves the MFA settings. They are sealed, since provider credentials are among them.
pub async fn save_guardian(conn: &mut Conn, settings: &Guardian, now: Timestamp) -> Result<(), DbError> {
    save_sealed(conn, "guardian", settings, now).await
}

/// Returns the settings of one subject.
pub async fn find<T: DeserializeOwned>(conn: &mut Conn, name: &str) -> Result<Option<T>, DbError> {
    conn.fetch_optional(FIND, values![name]).await?.map(|row| row.json("data")).transpose()
}

/// Saves the settings of one subject.
pub async fn save<T: Serialize>(
    conn: &mut Conn,
    name: &str,
    settings: &T,
    now: Timestamp,
) -> Result<(), DbError> {
    let data = serde_json::to_string(settings)?;
    conn.execute_later(SAVE, values![name, data, None::<Vec<u8>>, now]).await
}

/// Returns the settings of one subject that holds secrets.
pub async fn find_sealed<T: DeserializeOwned>(conn: &mut Conn, name: &str) -> Result<Option<T>, DbError> {
    let Some(row) = conn.fetch_optional(FIND, values![name]).await? else { return Ok(None) };
    let Some(sealed) = row.get::<Option<Vec<u8>>>("sealed")? else { return Ok(None) };
    Ok(Some(conn.keys().open_json(&sealed, &aad(name))?))
}

/// Saves the settings of one subject that holds secrets.
pub async fn save_sealed<T: Serialize>(
    conn: &mut Conn,
    name: &str,
    settings: &T,
    now: Timestamp,
) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(settings, &aad(name))?;
    conn.execute_later(SAVE, values![name, "{}", sealed, now]).await
}

/// Removes the settings of one subject; returns whether there were any.
pub async fn delete(conn: &mut Conn, name: &str) -> Result<bool, DbError> {
    Ok(conn.execute("delete from settings where name = $1", values![name]).await? == 1)
}

fn aad(name: &str) -> String {
    format!("settings:sealed:{name}")
}

const FIND: &str = "select data, sealed from settings where name = $1";
const SAVE: &str = "insert into settings (name, data, sealed, updated_at) values ($1, $2, $3, $4)
 on conflict (name) do update set data = excluded.data, sealed = excluded.sealed, updated_at = excluded.updated_at";
