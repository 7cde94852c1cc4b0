//! What devices of people hold: public keys that an application stored, and refresh tokens, in one list (contract/management-api.md 5).

use lockstep_core::ids::{ClientId, DeviceCredentialId, UserId};
use lockstep_core::model::session::Device;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// A public key of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its id.
    pub id: DeviceCredentialId,
    /// Whose device it is.
    pub user: UserId,
    /// The application that it is for.
    pub client: ClientId,
    /// What the device is called.
    pub device_name: String,
    /// The application's own name of the device: one key each.
    pub device_id: String,
    /// The key, as the application sent it.
    pub value: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// One of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The id of the key, or of the refresh token.
    pub id: String,
    /// `public_key`, `refresh_token`, `rotating_refresh_token`.
    pub kind: String,
    /// Whose it is.
    pub user: UserId,
    /// The application that it is for.
    pub client: ClientId,
    /// What the device is called; of a refresh token, the browser or program that got it.
    pub device_name: Option<String>,
    /// The application's own name of the device.
    pub device_id: Option<String>,
}

/// Adds a key. One that the user's device has with this application already is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, key: &PublicKey) -> Result<(), DbError> {
    let values =
        values![key.id, key.user, key.client, key.device_name, key.device_id, key.value, key.created_at,];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Lists keys and live refresh tokens, oldest first, with how many there are. The columns of a filter are `user_id`, `client_id` and `kind`.
pub async fn list(
    conn: &mut Conn,
    filter: Filter,
    now: Timestamp,
    slice: &Slice,
) -> Result<(Vec<Listed>, i64), DbError> {
    let filter = filter.and(LIVE, values![now, now]);
    let rows = search::rows(conn, SELECT, &filter, Order::by("created_at", "id").always(), slice).await?;
    let total = search::count(conn, ALL, &filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Removes a key, of this user if one is named; returns whether it was there.
pub async fn delete(
    conn: &mut Conn,
    id: &DeviceCredentialId,
    user: Option<&UserId>,
) -> Result<bool, DbError> {
    let sql = "delete from device_credentials where id = $1 and user_id = coalesce($2, user_id)";
    Ok(conn.execute(sql, values![id, user]).await? == 1)
}

fn read(row: &Row) -> Result<Listed, DbError> {
    let device: Option<String> = row.get("device")?;
    let device: Option<Device> = device.map(|text| serde_json::from_str(&text)).transpose()?;
    let name: Option<String> = row.get("device_name")?;
    Ok(Listed {
        id: row.get("id")?,
        kind: row.get("kind")?,
        user: UserId::trusted(row.get::<String>("user_id")?),
        client: ClientId::trusted(row.get::<String>("client_id")?),
        device_name: name.or_else(|| device.and_then(|device| device.initial_user_agent)),
        device_id: row.get("device_id")?,
    })
}

const CREATE: &str =
    "insert into device_credentials (id, user_id, client_id, device_name, device_id, value, created_at)
 values ($1, $2, $3, $4, $5, $6, $7)";

macro_rules! all {
    () => {
        "(select id, user_id, client_id, created_at, 'public_key' as kind, device_name, device_id, null as device,
 null as expires_at, null as idle_expires_at, null as revoked_at from device_credentials
 union all select id, user_id, client_id, created_at,
 case when rotating = 1 then 'rotating_refresh_token' else 'refresh_token' end, null, null, device,
 expires_at, idle_expires_at, revoked_at from grants) as credentials"
    };
}
const ALL: &str = all!();
const SELECT: &str =
    concat!("select id, user_id, client_id, kind, device_name, device_id, device from ", all!());
const LIVE: &str = "revoked_at is null and (expires_at is null or expires_at > ?)
 and (idle_expires_at is null or idle_expires_at > ?)";
