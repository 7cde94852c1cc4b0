//! Small facts about the database itself: the canary that tells a wrong master key, and when it was seeded.

use super::db::{Conn, DbError};
use crate::values;

/// Returns the value stored under a name.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<String>, DbError> {
    conn.fetch_optional(FIND, values![name]).await?.map(|row| row.get("value")).transpose()
}

/// Stores a value under a name; returns false, and changes nothing, if there is one already.
pub async fn create(conn: &mut Conn, name: &str, value: &str) -> Result<bool, DbError> {
    Ok(conn.execute(CREATE, values![name, value]).await? == 1)
}

/// Replaces the value stored under a name.
pub async fn save(conn: &mut Conn, name: &str, value: &str) -> Result<(), DbError> {
    conn.execute("update meta set value = $2 where name = $1", values![name, value]).await?;
    Ok(())
}

const FIND: &str = "select value from meta where name = $1";
const CREATE: &str = "insert into meta (name, value) values ($1, $2) on conflict (name) do nothing";
