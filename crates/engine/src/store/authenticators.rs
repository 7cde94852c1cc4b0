//! Authenticators of users. A factor's own data is sealed; spending is one statement.

use lockstep_core::factors::{FactorKind, Spend};
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::db::{Conn, DbError, Row};
use crate::values;

/// Returns the authenticators of a user, oldest first. Methods whose factor this version does not run are left out.
pub async fn list_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Authenticator>, DbError> {
    let rows = conn
        .fetch_all("select * from authenticators where user_id = $1 order by created_at, id", values![user])
        .await?;
    read_known(conn, &rows)
}

fn read_known(conn: &Conn, rows: &[Row]) -> Result<Vec<Authenticator>, DbError> {
    let known = |row: &&Row| {
        row.get::<String>("kind").is_ok_and(|kind| FactorKind::from_method_type(&kind).is_some())
    };
    rows.iter().filter(known).map(|row| read(conn, row)).collect()
}

/// Returns an authenticator of a user: somebody else's id finds nothing.
pub async fn find_of_user(
    conn: &mut Conn,
    user: &UserId,
    id: &AuthenticatorId,
) -> Result<Option<Authenticator>, DbError> {
    let sql = "select * from authenticators where user_id = $1 and id = $2";
    let row = conn.fetch_optional(sql, values![user, id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Returns the authenticator with this id, whoever holds it (Management API only).
pub async fn find(conn: &mut Conn, id: &AuthenticatorId) -> Result<Option<Authenticator>, DbError> {
    let row = conn.fetch_optional("select * from authenticators where id = $1", values![id]).await?;
    row.map(|row| read(conn, &row)).transpose()
}

/// Adds an authenticator.
pub async fn create(conn: &mut Conn, authenticator: &Authenticator) -> Result<(), DbError> {
    let sealed = conn.keys().seal_json(&authenticator.data, &aad(&authenticator.id))?;
    let values = values![
        authenticator.id,
        authenticator.user,
        authenticator.kind.method_type(),
        authenticator.confirmed,
        authenticator.name,
        sealed,
        authenticator.spent_step,
        authenticator.link_id,
        authenticator.created_at,
        authenticator.enrolled_at,
        authenticator.last_auth_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Spends what a right answer of this authenticator uses up: returns false if it was spent before, by whatever request. A challenge is
/// spent by whoever keeps it; here its use is noted.
pub async fn spend(
    conn: &mut Conn,
    id: &AuthenticatorId,
    spend: Option<&Spend>,
    now: Timestamp,
) -> Result<bool, DbError> {
    match spend {
        Some(Spend::Step(step)) => Ok(conn.execute(CLAIM_STEP, values![id, step, now]).await? == 1),
        Some(Spend::Counter { count, data }) => claim_counter(conn, id, *count, &data.0, now).await,
        Some(Spend::Once) => Ok(conn.execute(CLAIM_ONCE, values![id, now]).await? == 1),
        Some(Spend::Challenge) | None => {
            note_use(conn, id, now).await?;
            Ok(true)
        }
    }
}

/// Spends the signature counter of a key up to this one, and keeps what the key says of itself now: returns false if this count or a later
/// one was spent before. A key that has no counter says 0 always, which spends nothing.
pub async fn claim_counter(
    conn: &mut Conn,
    id: &AuthenticatorId,
    count: i64,
    data: &Value,
    now: Timestamp,
) -> Result<bool, DbError> {
    let sealed = conn.keys().seal_json(data, &aad(id))?;
    Ok(conn.execute(CLAIM_COUNTER, values![id, count, sealed, now]).await? == 1)
}

/// Notes that an authenticator proved its owner. One that is stored nowhere (the address of the account) notes nothing.
pub async fn note_use(conn: &mut Conn, id: &AuthenticatorId, now: Timestamp) -> Result<(), DbError> {
    conn.execute_later("update authenticators set last_auth_at = $2 where id = $1", values![id, now]).await
}

/// Changes the name that people see.
pub async fn rename(conn: &mut Conn, id: &AuthenticatorId, name: Option<&str>) -> Result<bool, DbError> {
    Ok(conn.execute("update authenticators set name = $2 where id = $1", values![id, name]).await? == 1)
}

/// Makes everybody else who removes or locks authenticators of this user wait until the transaction ends. Call it before the list is read
/// that decides whether one may go: on PostgreSQL two removals at the same moment would each see the other's factor as the one that stays.
pub async fn lock_of_user(conn: &mut Conn, user: &UserId) -> Result<(), DbError> {
    // Not `for update`, which SQLite does not know; there a transaction that writes is alone anyway. The rows and not the user's: a login claims
    // an authenticator first and notes the user after, and who locked them the other way round could wait for it for ever.
    let sql = "update authenticators set confirmed = confirmed where user_id = $1";
    conn.execute(sql, values![user]).await?;
    Ok(())
}

/// Deletes an authenticator of a user and those linked with it; returns how many.
pub async fn delete_of_user(conn: &mut Conn, user: &UserId, id: &AuthenticatorId) -> Result<u64, DbError> {
    conn.execute(DELETE_OF_USER, values![user, id]).await
}

/// Deletes a user's authenticators of one kind; returns how many.
pub async fn delete_kind(conn: &mut Conn, user: &UserId, kind: FactorKind) -> Result<u64, DbError> {
    let sql = "delete from authenticators where user_id = $1 and kind = $2";
    conn.execute(sql, values![user, kind.method_type()]).await
}

/// Deletes all of a user's authenticators; returns how many.
pub async fn delete_all(conn: &mut Conn, user: &UserId) -> Result<u64, DbError> {
    conn.execute("delete from authenticators where user_id = $1", values![user]).await
}

fn read(conn: &Conn, row: &Row) -> Result<Authenticator, DbError> {
    let id = AuthenticatorId::trusted(row.get::<String>("id")?);
    let kind: String = row.get("kind")?;
    let sealed: Vec<u8> = row.get("data")?;
    Ok(Authenticator {
        user: UserId::trusted(row.get::<String>("user_id")?),
        kind: FactorKind::from_method_type(&kind)
            .ok_or_else(|| DbError::Corrupt(format!("unknown kind of authenticator {kind:?}")))?,
        confirmed: row.get("confirmed")?,
        name: row.get("name")?,
        data: conn.keys().open_json(&sealed, &aad(&id))?,
        spent_step: row.get("spent_step")?,
        created_at: row.get("created_at")?,
        enrolled_at: row.get("enrolled_at")?,
        last_auth_at: row.get("last_auth_at")?,
        link_id: row.get("link_id")?,
        id,
    })
}

/// The associated data of the sealed column.
pub(super) fn aad(id: &AuthenticatorId) -> String {
    format!("authenticators:data:{id}")
}

const CREATE: &str =
    "insert into authenticators (id, user_id, kind, confirmed, name, data, spent_step, link_id, created_at,
 enrolled_at, last_auth_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const CLAIM_STEP: &str = "update authenticators set spent_step = $2, last_auth_at = $3
 where id = $1 and confirmed = 1 and (spent_step is null or spent_step < $2)";
const CLAIM_COUNTER: &str = "update authenticators set spent_step = $2, data = $3, last_auth_at = $4
 where id = $1 and confirmed = 1 and (spent_step is null or spent_step < $2 or (spent_step = 0 and $2 = 0))";
const CLAIM_ONCE: &str = "update authenticators set spent_at = $2, last_auth_at = $2
 where id = $1 and confirmed = 1 and spent_at is null";
const DELETE_OF_USER: &str =
    "delete from authenticators where user_id = $1 and (id = $2 or (link_id is not null and link_id in
 (select link_id from authenticators where id = $2 and user_id = $1)))";
