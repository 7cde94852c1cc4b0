//! The names under which people's keys know them. They outlive the keys: one that enrols again must find its own entry.

use lockstep_core::factors::UserHandle;
use lockstep_core::ids::UserId;

use super::db::{Conn, DbError};
use crate::values;

/// Returns the handle of a user; if there is none yet, this one from now on.
pub async fn ensure(conn: &mut Conn, user: &UserId, fresh: &UserHandle) -> Result<UserHandle, DbError> {
    // Most have one: no login is to write for nothing.
    if let Some(handle) = find(conn, user).await? {
        return Ok(handle);
    }
    let row = conn.fetch_optional(ENSURE, values![user, fresh.as_str()]).await?;
    let row = row.ok_or_else(|| DbError::Corrupt("a handle that was just made is not there".to_owned()))?;
    Ok(UserHandle::trusted(row.get::<String>("handle")?))
}

/// Returns the handle of a user, if there is one.
pub async fn find(conn: &mut Conn, user: &UserId) -> Result<Option<UserHandle>, DbError> {
    let row =
        conn.fetch_optional("select handle from user_handles where user_id = $1", values![user]).await?;
    row.map(|row| Ok(UserHandle::trusted(row.get::<String>("handle")?))).transpose()
}

const ENSURE: &str = "insert into user_handles (user_id, handle) values ($1, $2)
 on conflict (user_id) do update set handle = user_handles.handle returning handle";
