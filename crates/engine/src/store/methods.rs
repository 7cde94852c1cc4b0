//! Authentication methods as the Management API lists them: all kinds, also those whose factor this version does not run.
//!
//! The same rows as [`super::authenticators`], without the factor's types: a phone or e-mail method that an operator stored is
//! kept and shown, and no login accepts it until its factor exists.

use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::authenticators::aad;
use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// A stored authentication method.
#[derive(Clone, Debug)]
pub struct Method {
    /// Its id, `dev_…`.
    pub id: AuthenticatorId,
    /// Whose it is.
    pub user: UserId,
    /// Its type: `totp`, `phone`, `email`, `recovery-code` …
    pub kind: String,
    /// Whether its enrolment is finished.
    pub confirmed: bool,
    /// The label.
    pub name: Option<String>,
    /// What belongs to the type. For types that log somebody in it holds secrets: never shown as a whole.
    pub data: Value,
    /// Joins methods that go together.
    pub link_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was confirmed.
    pub enrolled_at: Option<Timestamp>,
    /// When it last proved its owner.
    pub last_auth_at: Option<Timestamp>,
}

/// Returns the methods of a user, oldest first. Spent recovery codes are gone.
pub async fn list_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Method>, DbError> {
    let rows = conn.fetch_all(LIST_OF_USER, values![user]).await?;
    rows.iter().map(|row| read(conn, row)).collect()
}

/// Returns a method of a user: somebody else's id finds nothing.
pub async fn find_of_user(
    conn: &mut Conn,
    user: &UserId,
    id: &AuthenticatorId,
) -> Result<Option<Method>, DbError> {
    let row = conn.fetch_optional(FIND_OF_USER, values![user, id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Returns the method with this id, whoever has it.
pub async fn find(conn: &mut Conn, id: &AuthenticatorId) -> Result<Option<Method>, DbError> {
    let row = conn.fetch_optional(FIND, values![id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Adds a method of a kind whose factor this version does not run.
pub async fn create(conn: &mut Conn, method: &Method) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(&method.data, &aad(&method.id))?;
    let values = values![
        method.id,
        method.user,
        method.kind,
        method.confirmed,
        method.name,
        sealed,
        method.link_id,
        method.created_at,
        method.enrolled_at,
        method.last_auth_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves label and data of a method; returns false if it is gone.
pub async fn save(conn: &mut Conn, method: &Method) -> Result<bool, DbError> {
    let sealed = conn.keys().seal_json(&method.data, &aad(&method.id))?;
    Ok(conn.execute(SAVE, values![method.id, method.name, sealed]).await? == 1)
}

/// Lists the methods of a type, of all users, in the order of their ids: those after one, and no more than so many.
pub async fn list_of_kind(
    conn: &mut Conn,
    kind: &str,
    after: &str,
    most: i64,
) -> Result<Vec<Method>, DbError> {
    let rows = conn.fetch_all(LIST_OF_KIND, values![kind, after, most]).await?;
    rows.iter().map(|row| read(conn, row)).collect()
}

/// Returns which of these users have a confirmed method of one of these kinds.
pub async fn list_enrolled(
    conn: &mut Conn,
    users: Vec<String>,
    kinds: &[&str],
) -> Result<Vec<String>, DbError> {
    let count = i64::try_from(users.len()).unwrap_or(i64::MAX);
    let filter = Filter::all()
        .and("confirmed = 1 and spent_at is null", values![])
        .and_in("user_id", users)
        .and_in("kind", kinds.iter().map(|kind| (*kind).to_owned()).collect());
    let all = Slice::Offset { start: 0, limit: count };
    let select = "select distinct user_id from authenticators";
    let rows = search::rows(conn, select, &filter, Order::by("user_id", "user_id"), &all).await?;
    rows.iter().map(|row| row.get("user_id")).collect()
}

fn read(conn: &Conn, row: &Row) -> Result<Method, DbError> {
    let id = AuthenticatorId::trusted(row.get::<String>("id")?);
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Method {
        user: UserId::trusted(row.get::<String>("user_id")?),
        kind: row.get("kind")?,
        confirmed: row.get("confirmed")?,
        name: row.get("name")?,
        data: conn.keys().open_json(&sealed, &aad(&id))?,
        link_id: row.get("link_id")?,
        created_at: row.get("created_at")?,
        enrolled_at: row.get("enrolled_at")?,
        last_auth_at: row.get("last_auth_at")?,
        id,
    })
}

const LIST_OF_USER: &str =
    "select * from authenticators where user_id = $1 and spent_at is null order by created_at, id";
const LIST_OF_KIND: &str =
    "select * from authenticators where kind = $1 and id > $2 and spent_at is null order by id limit $3";
const FIND_OF_USER: &str = "select * from authenticators where user_id = $1 and id = $2 and spent_at is null";
const FIND: &str = "select * from authenticators where id = $1 and spent_at is null";
const CREATE: &str = "insert into authenticators
 (id, user_id, kind, confirmed, name, data, link_id, created_at, enrolled_at, last_auth_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const SAVE: &str = "update authenticators set name = $2, data = $3 where id = $1";
