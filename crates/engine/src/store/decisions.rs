//! Decision records: why MFA was asked or not.

use lockstep_core::ids::{ClientId, DecisionId, TransactionId, UserId};
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::db::{Conn, DbError, Row};
use crate::values;

/// A stored decision.
#[derive(Clone, Debug)]
pub struct Record {
    /// The login it belongs to.
    pub transaction: TransactionId,
    /// About whom; none before the first factor.
    pub user: Option<UserId>,
    /// For which application.
    pub client: ClientId,
    /// The decision with its reasons.
    pub decision: Value,
    /// When.
    pub created_at: Timestamp,
}

/// Adds a decision.
pub async fn create(conn: &mut Conn, id: &DecisionId, record: &Record) -> Result<(), DbError> {
    let data = record.decision.to_string();
    conn.execute_later(
        CREATE,
        values![id, record.transaction, record.user, record.client, data, record.created_at],
    )
    .await
}

/// Returns the decisions of a login, oldest first.
pub async fn list_of_transaction(
    conn: &mut Conn,
    transaction: &TransactionId,
) -> Result<Vec<Record>, DbError> {
    conn.fetch_all(LIST_OF_TRANSACTION, values![transaction]).await?.iter().map(read).collect()
}

/// Returns the last decisions about a user, newest first.
pub async fn list_of_user(conn: &mut Conn, user: &UserId, limit: u32) -> Result<Vec<Record>, DbError> {
    conn.fetch_all(LIST_OF_USER, values![user, limit]).await?.iter().map(read).collect()
}

/// Removes decisions made before `before`.
pub async fn delete_before(conn: &mut Conn, before: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from decisions where created_at < $1", values![before]).await
}

fn read(row: &Row) -> Result<Record, DbError> {
    Ok(Record {
        transaction: TransactionId::trusted(row.get::<String>("transaction_id")?),
        user: row.get::<Option<String>>("user_id")?.map(UserId::trusted),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        decision: row.json("data")?,
        created_at: row.get("created_at")?,
    })
}

const CREATE: &str = "insert into decisions (id, transaction_id, user_id, client_id, data, created_at)
 values ($1, $2, $3, $4, $5, $6)";
const LIST_OF_TRANSACTION: &str = "select * from decisions where transaction_id = $1 order by created_at, id";
const LIST_OF_USER: &str = "select * from decisions where user_id = $1 order by created_at desc, id limit $2";
