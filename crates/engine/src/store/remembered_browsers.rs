//! Browsers on which a person asked not to be challenged again (contract/step-up-and-claims.md 10).

use lockstep_core::ids::{RememberedBrowserId, UserId};
use lockstep_core::time::{Span, Timestamp};

use super::db::{Conn, DbError, Row};
use crate::values;

/// How many browsers a user may have remembered; the oldest goes.
const MOST: i64 = 20;

/// Remembers a browser by the hash of its handle, until `expires_at`.
pub async fn create(
    conn: &mut Conn,
    id: &RememberedBrowserId,
    handle_hash: &str,
    user: &UserId,
    user_agent: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(CREATE, values![id, handle_hash, user, user_agent, now, expires_at]).await?;
    conn.execute_later(DELETE_OLDEST, values![user, MOST]).await
}

/// Returns whether the handle with this hash is remembered for the user at `now`, and notes the use. One that lay idle
/// too long is as good as none.
pub async fn claim_use(
    conn: &mut Conn,
    handle_hash: &str,
    user: &UserId,
    idle: Span,
    now: Timestamp,
) -> Result<bool, DbError> {
    let since = now - idle;
    Ok(conn.execute(CLAIM_USE, values![handle_hash, user, now, since]).await? == 1)
}

/// Returns whether a handle is remembered for the user at `now`, without noting a use.
pub async fn is_remembered(
    conn: &mut Conn,
    handle_hash: &str,
    user: &UserId,
    idle: Span,
    now: Timestamp,
) -> Result<bool, DbError> {
    let since = now - idle;
    Ok(conn.fetch_optional(IS_REMEMBERED, values![handle_hash, user, now, since]).await?.is_some())
}

/// Moves all users who are remembered under one handle to another: the handle changes whenever it gains weight, so one that was
/// planted before is worth nothing after.
pub async fn rotate(conn: &mut Conn, old_hash: &str, new_hash: &str) -> Result<u64, DbError> {
    let sql = "update remembered_browsers set handle_hash = $2 where handle_hash = $1";
    conn.execute(sql, values![old_hash, new_hash]).await
}

/// Forgets a user on one browser.
pub async fn delete_of_browser(conn: &mut Conn, handle_hash: &str, user: &UserId) -> Result<u64, DbError> {
    let sql = "delete from remembered_browsers where handle_hash = $1 and user_id = $2";
    conn.execute(sql, values![handle_hash, user]).await
}

/// Forgets all browsers of a user; returns how many.
pub async fn delete_of_user(conn: &mut Conn, user: &UserId) -> Result<u64, DbError> {
    conn.execute("delete from remembered_browsers where user_id = $1", values![user]).await
}

/// Removes those whose time is over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from remembered_browsers where expires_at <= $1", values![now]).await
}

/// A browser that is not asked for MFA.
#[derive(Clone, Debug)]
pub struct RememberedBrowser {
    /// Its id.
    pub id: RememberedBrowserId,
    /// What it called itself.
    pub user_agent: String,
    /// When it was remembered.
    pub created_at: Timestamp,
    /// When that last spared somebody a challenge.
    pub last_used_at: Timestamp,
}

/// Returns the browsers of a user that are remembered and not idle, the newest first.
pub async fn list_of_user(
    conn: &mut Conn,
    user: &UserId,
    idle: Span,
    now: Timestamp,
) -> Result<Vec<RememberedBrowser>, DbError> {
    let since = now - idle;
    let rows = conn.fetch_all(LIST_OF_USER, values![user, now, since]).await?;
    let read = |row: &Row| {
        Ok(RememberedBrowser {
            id: RememberedBrowserId::trusted(row.get::<String>("id")?),
            user_agent: row.get("user_agent")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Forgets a browser of a user; returns false if there is none of this id.
pub async fn delete(conn: &mut Conn, id: &RememberedBrowserId, user: &UserId) -> Result<bool, DbError> {
    let sql = "delete from remembered_browsers where id = $1 and user_id = $2";
    Ok(conn.execute(sql, values![id, user]).await? == 1)
}

const CREATE: &str = "insert into remembered_browsers
 (id, handle_hash, user_id, user_agent, created_at, last_used_at, expires_at) values ($1, $2, $3, $4, $5, $5, $6)";
const LIST_OF_USER: &str = "select id, user_agent, created_at, last_used_at from remembered_browsers
 where user_id = $1 and expires_at > $2 and last_used_at > $3 order by created_at desc, id";
const DELETE_OLDEST: &str = "delete from remembered_browsers where user_id = $1 and id not in
 (select id from remembered_browsers where user_id = $1 order by created_at desc, id limit $2)";
const CLAIM_USE: &str = "update remembered_browsers set last_used_at = $3
 where handle_hash = $1 and user_id = $2 and expires_at > $3 and last_used_at > $4";
const IS_REMEMBERED: &str = "select id from remembered_browsers
 where handle_hash = $1 and user_id = $2 and expires_at > $3 and last_used_at > $4";
