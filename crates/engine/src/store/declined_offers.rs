//! What people have declined that a login offered them: for a while, or for ever.

use lockstep_core::ids::UserId;
use lockstep_core::login::offer::OfferKind;
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError};
use crate::values;

/// Keeps that a user declined an offer, until then or for ever. `browser` is where that counts, by the hash of its handle; empty:
/// everywhere.
pub async fn decline(
    conn: &mut Conn,
    user: &UserId,
    kind: OfferKind,
    browser: &str,
    until: Option<Timestamp>,
) -> Result<(), DbError> {
    conn.execute(DECLINE, values![user, kind.as_str(), browser, until]).await?;
    Ok(())
}

/// Returns what a user has declined that counts now, everywhere or in this browser.
pub async fn list_of_user(
    conn: &mut Conn,
    user: &UserId,
    browser: &str,
    now: Timestamp,
) -> Result<Vec<OfferKind>, DbError> {
    let rows = conn.fetch_all(LIST_OF_USER, values![user, browser, now]).await?;
    let kinds = rows.iter().map(|row| Ok(OfferKind::parse(&row.get::<String>("offer")?)));
    // What an older version knew nothing of is passed over.
    Ok(kinds.collect::<Result<Vec<_>, DbError>>()?.into_iter().flatten().collect())
}

/// Removes those whose time is over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from declined_offers where until <= $1", values![now]).await
}

const DECLINE: &str = "insert into declined_offers (user_id, offer, browser, until) values ($1, $2, $3, $4)
 on conflict (user_id, offer, browser) do update set until = excluded.until";
const LIST_OF_USER: &str = "select offer from declined_offers
 where user_id = $1 and browser in ('', $2) and (until is null or until > $3)";
