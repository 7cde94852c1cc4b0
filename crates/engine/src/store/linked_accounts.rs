//! Accounts that were linked to a user (contract/management-api.md 3, "Identities"). Their names are taken in their connection as those of users
//! are: [`super::users`] asks here before it gives one away.

use lockstep_core::ids::UserId;
use lockstep_core::model::user::{User, normal_username};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use crate::values;

/// An account that was linked.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkedAccount {
    /// Whom it logs in.
    pub owner: UserId,
    /// What it was before and becomes again: a user with names and a profile, and nothing else.
    pub account: User,
    /// When it was linked.
    pub linked_at: Timestamp,
}

/// Adds an account. Its user has to be gone by then; names that another linked account has are [`DbError::Conflict`].
pub async fn create(
    conn: &mut Conn,
    linked: &LinkedAccount,
    password_hash: Option<&str>,
) -> Result<(), DbError> {
    let account = &linked.account;
    let values = values![
        account.id,
        linked.owner,
        account.connection,
        account.email,
        account.email.as_deref().map(str::to_lowercase),
        account.email_verified,
        account.username,
        account.username.as_deref().map(normal_username),
        account.phone_number,
        account.phone_verified,
        serde_json::to_string(&account.profile)?,
        password_hash,
        account.password_changed_at,
        account.created_at,
        linked.linked_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Returns the account that had this id as a user.
pub async fn find(conn: &mut Conn, id: &UserId) -> Result<Option<LinkedAccount>, DbError> {
    one(conn, "select * from linked_accounts where user_id = $1", values![id]).await
}

/// Returns the account of a connection whose address (already normal) is this.
pub async fn find_by_email(
    conn: &mut Conn,
    connection: &str,
    email: &str,
) -> Result<Option<LinkedAccount>, DbError> {
    let sql = "select * from linked_accounts where connection = $1 and email_normal = $2";
    one(conn, sql, values![connection, email]).await
}

/// Returns the account of a connection whose user name is this, in whatever case.
pub async fn find_by_username(
    conn: &mut Conn,
    connection: &str,
    username: &str,
) -> Result<Option<LinkedAccount>, DbError> {
    let sql = "select * from linked_accounts where connection = $1 and username_normal = $2";
    one(conn, sql, values![connection, normal_username(username)]).await
}

/// Returns the account of a connection whose number (E.164) is this.
pub async fn find_by_phone(
    conn: &mut Conn,
    connection: &str,
    number: &str,
) -> Result<Option<LinkedAccount>, DbError> {
    let sql = "select * from linked_accounts where connection = $1 and phone_number = $2";
    one(conn, sql, values![connection, number]).await
}

/// Returns the id of a linked account that has one of a user's names, or its id.
pub async fn find_holder(conn: &mut Conn, user: &User) -> Result<Option<UserId>, DbError> {
    let values = values![
        user.id,
        user.connection,
        user.email.as_deref().map(str::to_lowercase),
        user.username.as_deref().map(normal_username),
        user.phone_number,
    ];
    let row = conn.fetch_optional(FIND_HOLDER, values).await?;
    row.map(|row| Ok(UserId::trusted(row.get::<String>("user_id")?))).transpose()
}

/// Returns accounts of a connection, no more than so many.
pub async fn list_of_connection(
    conn: &mut Conn,
    connection: &str,
    most: i64,
) -> Result<Vec<LinkedAccount>, DbError> {
    let sql = "select * from linked_accounts where connection = $1 order by user_id limit $2";
    conn.fetch_all(sql, values![connection, most]).await?.iter().map(read).collect()
}

/// Saves what is proven of an account; returns false if it is gone.
pub async fn save(conn: &mut Conn, account: &User) -> Result<bool, DbError> {
    let sql = "update linked_accounts set email_verified = $2, phone_verified = $3 where user_id = $1";
    Ok(conn.execute(sql, values![account.id, account.email_verified, account.phone_verified]).await? == 1)
}

/// Returns the stored hash of an account's password.
pub async fn password_hash(conn: &mut Conn, id: &UserId) -> Result<Option<String>, DbError> {
    let sql = "select password_hash from linked_accounts where user_id = $1";
    let row = conn.fetch_optional(sql, values![id]).await?;
    Ok(row.map(|row| row.get("password_hash")).transpose()?.flatten())
}

/// Sets an account's password and notes when.
pub async fn set_password(conn: &mut Conn, id: &UserId, hash: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "update linked_accounts set password_hash = $2, password_changed_at = $3 where user_id = $1";
    Ok(conn.execute(sql, values![id, hash, now]).await? == 1)
}

/// Replaces the hash of an unchanged password by a better one, unless the password changed meanwhile.
pub async fn rehash_password(conn: &mut Conn, id: &UserId, old: &str, new: &str) -> Result<bool, DbError> {
    let sql = "update linked_accounts set password_hash = $3 where user_id = $1 and password_hash = $2";
    Ok(conn.execute(sql, values![id, old, new]).await? == 1)
}

/// Removes an account; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &UserId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from linked_accounts where user_id = $1", values![id]).await? == 1)
}

async fn one(
    conn: &mut Conn,
    sql: &'static str,
    values: Vec<super::db::Value>,
) -> Result<Option<LinkedAccount>, DbError> {
    conn.fetch_optional(sql, values).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<LinkedAccount, DbError> {
    let id = UserId::trusted(row.get::<String>("user_id")?);
    let connection: String = row.get("connection")?;
    Ok(LinkedAccount {
        owner: UserId::trusted(row.get::<String>("owner_id")?),
        account: User {
            email: row.get("email")?,
            email_verified: row.get("email_verified")?,
            username: row.get("username")?,
            phone_number: row.get("phone_number")?,
            phone_verified: row.get("phone_verified")?,
            profile: row.json("profile")?,
            password_changed_at: row.get("password_changed_at")?,
            ..User::new(id, &connection, row.get("created_at")?)
        },
        linked_at: row.get("linked_at")?,
    })
}

const CREATE: &str = "insert into linked_accounts (user_id, owner_id, connection, email, email_normal, email_verified, username,
 username_normal, phone_number, phone_verified, profile, password_hash, password_changed_at, created_at, linked_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
// One look into an index for each name: joined by `or` they would be looked for among all of the connection.
const FIND_HOLDER: &str = "select user_id from linked_accounts where user_id = $1
 union all select user_id from linked_accounts where connection = $2 and email_normal = $3
 union all select user_id from linked_accounts where connection = $2 and username_normal = $4
 union all select user_id from linked_accounts where connection = $2 and phone_number = $5 limit 1";
