//! Users and their passwords.

use lockstep_core::ids::UserId;
use lockstep_core::model::user::{Profile, User, normal_username};
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value};

use super::db::{Conn, DbError, Row};
use super::{linked_accounts, user_attributes};
use crate::values;

/// The columns of a user, in front of a condition: `concat_columns!("where user_id = $1")`.
macro_rules! concat_columns {
    ($condition:literal) => {
        concat!(
            "select user_id, connection, email, email_verified, username, phone_number, phone_verified, name, nickname,
 given_name, family_name, picture, user_metadata, app_metadata, identities, blocked, blocked_set, password_changed_at,
 mfa_changed_at, last_login, last_ip, logins_count, created_at, updated_at from users ",
            $condition
        )
    };
}

/// All columns of users, for lists with conditions of their own.
pub(super) const SELECT: &str = concat_columns!("");

/// Returns the user with this id.
pub async fn find(conn: &mut Conn, id: &UserId) -> Result<Option<User>, DbError> {
    conn.fetch_optional(concat_columns!("where user_id = $1"), values![id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns the user with this id, for a change: who else does so waits until this transaction ends, and sees it then. A user who was loaded
/// otherwise must not be saved: what another transaction saved meanwhile would be undone.
pub async fn find_to_change(conn: &mut Conn, id: &UserId) -> Result<Option<User>, DbError> {
    conn.fetch_to_change(concat_columns!("where user_id = $1"), values![id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns the user of a connection whose address (already normal) is this.
pub async fn find_by_email(conn: &mut Conn, connection: &str, email: &str) -> Result<Option<User>, DbError> {
    let sql = concat_columns!("where connection = $1 and email_normal = $2");
    conn.fetch_optional(sql, values![connection, email]).await?.as_ref().map(read).transpose()
}

/// Returns the user of a connection whose user name is this, in whatever case.
pub async fn find_by_username(
    conn: &mut Conn,
    connection: &str,
    username: &str,
) -> Result<Option<User>, DbError> {
    let sql = concat_columns!("where connection = $1 and username_normal = $2");
    conn.fetch_optional(sql, values![connection, normal_username(username)])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns the user of a connection whose number (E.164) is this.
pub async fn find_by_phone(conn: &mut Conn, connection: &str, number: &str) -> Result<Option<User>, DbError> {
    let sql = concat_columns!("where connection = $1 and phone_number = $2");
    conn.fetch_optional(sql, values![connection, number]).await?.as_ref().map(read).transpose()
}

/// Returns the users of any connection whose address (already normal) is this, oldest first.
pub async fn list_by_email(conn: &mut Conn, email: &str) -> Result<Vec<User>, DbError> {
    let sql = concat_columns!("where email_normal = $1 order by created_at, user_id");
    conn.fetch_all(sql, values![email]).await?.iter().map(read).collect()
}

/// Returns users in the order of their ids, from behind one on.
pub async fn list_after(conn: &mut Conn, id: &str, limit: i64) -> Result<Vec<User>, DbError> {
    let sql = concat_columns!("where user_id > $1 order by user_id limit $2");
    conn.fetch_all(sql, values![id, limit]).await?.iter().map(read).collect()
}

/// The same of one connection, or of all.
pub async fn list_some_after(
    conn: &mut Conn,
    connection: Option<&str>,
    id: &str,
    limit: i64,
) -> Result<Vec<User>, DbError> {
    let Some(connection) = connection else { return list_after(conn, id, limit).await };
    let sql = concat_columns!("where connection = $1 and user_id > $2 order by user_id limit $3");
    conn.fetch_all(sql, values![connection, id, limit]).await?.iter().map(read).collect()
}

/// Adds a user; an id, address, user name or number that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, user: &User, password_hash: Option<&str>) -> Result<(), DbError> {
    let mut values = columns(user)?;
    values.extend(values![password_hash, user.created_at]);
    conn.execute(CREATE, values).await?;
    refuse_taken(conn, user).await?;
    user_attributes::create(conn, user).await
}

/// Refuses what a linked account has. Asked after the row was written: whoever links or parts the account that has it has written this index
/// too, so that either waits for the other and then sees what it did.
async fn refuse_taken(conn: &mut Conn, user: &User) -> Result<(), DbError> {
    match linked_accounts::find_holder(conn, user).await? {
        Some(_) => Err(DbError::Conflict),
        None => Ok(()),
    }
}

/// Saves a user of [`find_to_change`], all but the password; returns false if the user is gone. A name that is taken is
/// [`DbError::Conflict`].
pub async fn save(conn: &mut Conn, user: &User) -> Result<bool, DbError> {
    let saved = conn.execute(SAVE, columns(user)?).await? == 1;
    if saved {
        refuse_taken(conn, user).await?;
        user_attributes::save(conn, user).await?;
    }
    Ok(saved)
}

/// Returns the stored hash of a user's password.
pub async fn password_hash(conn: &mut Conn, id: &UserId) -> Result<Option<String>, DbError> {
    let row = conn.fetch_optional("select password_hash from users where user_id = $1", values![id]).await?;
    Ok(row.map(|row| row.get("password_hash")).transpose()?.flatten())
}

/// Sets a user's password and notes when.
pub async fn set_password(conn: &mut Conn, id: &UserId, hash: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(conn.execute(SET_PASSWORD, values![id, hash, now]).await? == 1)
}

/// Replaces the hash of an unchanged password by a better one, unless the password changed meanwhile.
pub async fn rehash_password(conn: &mut Conn, id: &UserId, old: &str, new: &str) -> Result<bool, DbError> {
    Ok(conn.execute(REHASH, values![id, old, new]).await? == 1)
}

/// Notes a login: time, address, count.
pub async fn note_login(
    conn: &mut Conn,
    id: &UserId,
    ip: Option<&str>,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.execute_later(NOTE_LOGIN, values![id, ip, now]).await
}

/// Notes that a factor was added or removed.
pub async fn note_mfa_change(conn: &mut Conn, id: &UserId, now: Timestamp) -> Result<(), DbError> {
    conn.execute_later(
        "update users set mfa_changed_at = $2, updated_at = $2 where user_id = $1",
        values![id, now],
    )
    .await
}

/// Returns how many users logged in since a moment.
pub async fn count_active(conn: &mut Conn, since: Timestamp) -> Result<i64, DbError> {
    let sql = "select count(*) as n from users where last_login >= $1";
    conn.fetch_optional(sql, values![since]).await?.map_or(Ok(0), |row| row.get("n"))
}

/// Deletes a user with everything that hangs on it; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &UserId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from users where user_id = $1", values![id]).await? == 1)
}

/// Deletes all users of a connection.
pub async fn delete_of_connection(conn: &mut Conn, connection: &str) -> Result<u64, DbError> {
    conn.execute("delete from users where connection = $1", values![connection]).await
}

/// Reads a user from a row with all columns.
pub(super) fn read(row: &Row) -> Result<User, DbError> {
    let object = |column: &'static str| -> Result<Option<Map<String, Value>>, DbError> {
        let text: Option<String> = row.get(column)?;
        text.map(|t| serde_json::from_str(&t))
            .transpose()
            .map_err(|e| DbError::Corrupt(format!("{column}: {e}")))
    };
    Ok(User {
        id: UserId::trusted(row.get::<String>("user_id")?),
        connection: row.get("connection")?,
        email: row.get("email")?,
        email_verified: row.get("email_verified")?,
        username: row.get("username")?,
        phone_number: row.get("phone_number")?,
        phone_verified: row.get("phone_verified")?,
        profile: Profile {
            name: row.get("name")?,
            nickname: row.get("nickname")?,
            given_name: row.get("given_name")?,
            family_name: row.get("family_name")?,
            picture: row.get("picture")?,
        },
        user_metadata: object("user_metadata")?,
        app_metadata: object("app_metadata")?,
        identities: row.json("identities")?,
        blocked: row.get("blocked")?,
        blocked_set: row.get("blocked_set")?,
        password_changed_at: row.get("password_changed_at")?,
        mfa_changed_at: row.get("mfa_changed_at")?,
        last_login: row.get("last_login")?,
        last_ip: row.get("last_ip")?,
        logins_count: row.get("logins_count")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn columns(user: &User) -> Result<Vec<super::db::Value>, DbError> {
    let object = |map: &Option<Map<String, Value>>| map.as_ref().map(serde_json::to_string).transpose();
    Ok(values![
        user.id,
        user.connection,
        user.email,
        user.email.as_deref().map(str::to_lowercase),
        user.email_verified,
        user.username,
        user.username.as_deref().map(normal_username),
        user.phone_number,
        user.phone_verified,
        user.profile.name,
        user.profile.nickname,
        user.profile.given_name,
        user.profile.family_name,
        user.profile.picture,
        object(&user.user_metadata)?,
        object(&user.app_metadata)?,
        serde_json::to_string(&user.identities)?,
        user.blocked,
        user.password_changed_at,
        user.mfa_changed_at,
        user.last_login,
        user.last_ip,
        user.logins_count,
        user.updated_at,
        user.blocked_set,
        user.email.as_deref().and_then(|email| Some(email.rsplit_once('@')?.1.to_lowercase())),
        user.profile.name.as_deref().map(str::to_lowercase),
        user.profile.nickname.as_deref().map(str::to_lowercase),
        user.profile.given_name.as_deref().map(str::to_lowercase),
        user.profile.family_name.as_deref().map(str::to_lowercase),
    ])
}

const CREATE: &str = "insert into users (user_id, connection, email, email_normal, email_verified, username,
 username_normal, phone_number, phone_verified, name, nickname, given_name, family_name, picture, user_metadata,
 app_metadata, identities, blocked, password_changed_at, mfa_changed_at, last_login, last_ip, logins_count, updated_at,
 blocked_set, email_domain, name_normal, nickname_normal, given_name_normal, family_name_normal, password_hash, created_at)
 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
 $25, $26, $27, $28, $29, $30, $31, $32)";
const SAVE: &str = "update users set connection = $2, email = $3, email_normal = $4, email_verified = $5, username = $6,
 username_normal = $7, phone_number = $8, phone_verified = $9, name = $10, nickname = $11, given_name = $12,
 family_name = $13, picture = $14, user_metadata = $15, app_metadata = $16, identities = $17, blocked = $18,
 password_changed_at = $19, mfa_changed_at = $20, last_login = $21, last_ip = $22, logins_count = $23, updated_at = $24,
 blocked_set = $25, email_domain = $26, name_normal = $27, nickname_normal = $28, given_name_normal = $29,
 family_name_normal = $30 where user_id = $1";
const SET_PASSWORD: &str =
    "update users set password_hash = $2, password_changed_at = $3, updated_at = $3 where user_id = $1";
const REHASH: &str = "update users set password_hash = $3 where user_id = $1 and password_hash = $2";
const NOTE_LOGIN: &str = "update users set last_login = $3, last_ip = $2, logins_count = logins_count + 1, updated_at = $3 where user_id = $1";
