//! The domain that keys and passkeys are made for. A key answers to one domain for good, so a tenant that moves to another leaves its people's
//! keys behind: that is never done in passing.

use lockstep_core::env::Issuer;
use lockstep_core::factors::{FactorKind, Keys};
use lockstep_core::model::settings::Guardian;

use crate::app::StartError;
use crate::config::Config;
use crate::store::db::{Conn, Db, DbError};
use crate::store::{meta, methods, passkeys, settings};

/// Under which name the database notes the issuer that keys were made for.
const NOTE: &str = "keys_of_issuer";
/// How many keys are looked at in one go.
const PAGE: i64 = 1000;

/// Keys that would be left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftBehind {
    /// How many.
    pub(super) count: usize,
    /// The domain that they answer to.
    pub(super) domain: String,
}

/// Returns which keys of a kind a change of the tenant's settings would leave behind.
pub(super) async fn left_behind(
    conn: &mut Conn,
    kind: FactorKind,
    (before, after): (&Keys, &Keys),
) -> Result<Option<LeftBehind>, DbError> {
    let id = |keys: &Keys| keys.rules(kind).map(|rules| rules.relying_party.id().to_owned());
    moved(conn, kind.method_type(), id(before), id(after)).await
}

/// Refuses to start where the issuer's host is another one than the one that people's keys were made for, unless the operator has given those up.
pub(crate) async fn check(db: &Db, config: &Config) -> Result<(), StartError> {
    let issuer = &config.issuer;
    let mut tx = db.write().await?;
    if meta::create(&mut tx, NOTE, issuer.as_str()).await? {
        tx.commit().await?;
        return Ok(());
    }
    let noted = meta::find(&mut tx, NOTE).await?.unwrap_or_default();
    let Ok(before) = Issuer::parse(&noted) else { return Ok(()) };
    if before == *issuer {
        return Ok(());
    }
    if config.abandoned_domain.as_deref() != Some(before.host()) {
        let guardian = settings::guardian(&mut tx).await?;
        let left = all_left_behind(&mut tx, &guardian, &before, issuer).await?;
        if let Some(LeftBehind { count, domain }) = left {
            let (before, now) = (before.as_str().to_owned(), issuer.as_str().to_owned());
            return Err(StartError::KeysOfOtherDomain { count, domain, before, now });
        }
    }
    meta::save(&mut tx, NOTE, issuer.as_str()).await?;
    tx.commit().await?;
    Ok(())
}

async fn all_left_behind(
    conn: &mut Conn,
    guardian: &Guardian,
    before: &Issuer,
    after: &Issuer,
) -> Result<Option<LeftBehind>, DbError> {
    let (own, theirs) = (before.host().to_owned(), after.host().to_owned());
    let mut left = moved(conn, passkeys::KIND, Some(own), Some(theirs)).await?;
    let keys = (&Keys::of(before, guardian), &Keys::of(after, guardian));
    for kind in [FactorKind::WebauthnRoaming, FactorKind::WebauthnPlatform] {
        if let Some(more) = left_behind(conn, kind, keys).await? {
            let count = more.count + left.map_or(0, |left| left.count);
            left = Some(LeftBehind { count, ..more });
        }
    }
    Ok(left)
}

/// Counts the keys of a type that answer to the domain before, if that is another one afterwards.
async fn moved(
    conn: &mut Conn,
    kind: &str,
    before: Option<String>,
    after: Option<String>,
) -> Result<Option<LeftBehind>, DbError> {
    let Some(domain) = before.filter(|before| Some(before) != after.as_ref()) else { return Ok(None) };
    let (mut count, mut last) = (0, String::new());
    loop {
        let page = methods::list_of_kind(conn, kind, &last, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = end.id.to_string();
        count += page.iter().filter(|key| key.data["relying_party_identifier"] == *domain).count();
    }
    Ok((count > 0).then_some(LeftBehind { count, domain }))
}
