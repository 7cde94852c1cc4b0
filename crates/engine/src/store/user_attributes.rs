//! The rows by which users' metadata and linked accounts are found. [`super::users`] keeps them; [`super::user_search`] asks them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use lockstep_core::ids::UserId;
use lockstep_core::model::user::User;
use lockstep_core::model::user_attributes::{self, Attribute};
use lockstep_core::time::Timestamp;

use super::db::{Conn, Db, DbError};
use super::{meta, users};
use crate::values;

/// So many rows go with one statement. With fewer the last is repeated, which adds nothing.
const CHUNK: usize = 8;

/// Adds the rows of a user who is new.
pub(super) async fn create(conn: &mut Conn, user: &User) -> Result<(), DbError> {
    let rows: Vec<Attribute> = user_attributes::of(user).into_iter().collect();
    add(conn, &user.id, user.created_at, &rows).await
}

/// Brings the rows of a user who was changed up to date.
pub(super) async fn save(conn: &mut Conn, user: &User) -> Result<(), DbError> {
    let stored = conn
        .fetch_all("select path, value from user_attributes where user_id = $1", values![user.id])
        .await?
        .iter()
        .map(|row| Ok((row.get("path")?, row.get("value")?)))
        .collect::<Result<BTreeSet<Attribute>, DbError>>()?;
    let wanted = user_attributes::of(user);
    for (path, value) in stored.difference(&wanted) {
        conn.execute_later(DELETE, values![path, value, user.created_at, user.id]).await?;
    }
    let new: Vec<Attribute> = wanted.difference(&stored).cloned().collect();
    add(conn, &user.id, user.created_at, &new).await
}

async fn add(conn: &mut Conn, user: &UserId, at: Timestamp, rows: &[Attribute]) -> Result<(), DbError> {
    for chunk in rows.chunks(CHUNK) {
        let missing = CHUNK - chunk.len();
        let padded = chunk.iter().chain(chunk.last().into_iter().cycle().take(missing));
        let values = padded.flat_map(|(path, value)| values![path, value, at, user]).collect();
        conn.execute_later(&CREATE, values).await?;
    }
    Ok(())
}

/// The name under which it is remembered that all users have their rows.
const DONE: &str = "user_attributes";
/// So many users go with one commit.
const BATCH: i64 = 500;

/// Makes the rows of users who were there before there were rows. Once done, it does nothing.
pub async fn complete(db: &Db) -> Result<(), DbError> {
    let mut after = String::new();
    loop {
        let mut tx = db.write().await?;
        if meta::find(&mut tx, DONE).await?.is_some() {
            return Ok(());
        }
        let found = users::list_after(&mut tx, &after, BATCH).await?;
        for user in &found {
            save(&mut tx, user).await?;
        }
        match found.last() {
            Some(user) => after = user.id.to_string(),
            None => {
                meta::create(&mut tx, DONE, "1").await?;
            }
        }
        tx.commit().await?;
    }
}

static CREATE: LazyLock<String> = LazyLock::new(|| {
    let rows: Vec<String> = (0..CHUNK)
        .map(|n| format!("(${}, ${}, ${}, ${})", n * 4 + 1, n * 4 + 2, n * 4 + 3, n * 4 + 4))
        .collect();
    format!(
        "insert into user_attributes (path, value, created_at, user_id) values {} on conflict do nothing",
        rows.join(", ")
    )
});
const DELETE: &str =
    "delete from user_attributes where path = $1 and value = $2 and created_at = $3 and user_id = $4";
