//! Changing the tenant's signing keys, while any number of servers sign with them.
//!
//! The next key is published long before it signs, and one that was replaced stays published until it is revoked: so whichever key a server
//! signs with, every server and every client that has read the JWKS knows it. Other servers follow within a second
//! ([`crate::worker::keys`]).

use lockstep_core::crypto::jose::{Alg, SigningKey};
use lockstep_core::env::Env;
use lockstep_core::ids::KeyId;

use crate::keyring::{self, KeyRingError};
use crate::store::db::{Db, DbError};
use crate::store::keys::{self, StoredKey};

/// Why a key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none of this name.
    #[error("there is no such signing key")]
    Unknown,
    /// It signs, or will: only a key that was replaced can be revoked.
    #[error("only a key that was replaced can be revoked: rotate the keys first")]
    InUse,
    /// It was revoked before.
    #[error("the key is revoked already")]
    Revoked,
    /// Somebody else rotated the keys at the same moment.
    #[error("the keys were rotated by somebody else at this moment")]
    Raced,
    /// A key could not be made, read or stored.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
}

impl From<DbError> for ChangeError {
    fn from(cause: DbError) -> Self {
        match cause {
            DbError::Conflict => Self::Raced,
            other => Self::Keys(other.into()),
        }
    }
}

/// Returns all keys, the one that signs first, then the next one, then others, the newest first. RS256 comes before other algorithms.
pub async fn list(db: &Db) -> Result<Vec<StoredKey>, DbError> {
    let mut all = keys::list_all(&mut db.read().await?).await?;
    let place = |key: &StoredKey| match key.state.as_str() {
        "current" => 0,
        "next" => 1,
        "previous" => 2,
        _ => 3,
    };
    all.sort_by_key(|key| {
        (
            place(key),
            key.algorithm != "RS256",
            std::cmp::Reverse(key.rotated_at),
            std::cmp::Reverse(key.created_at),
        )
    });
    Ok(all)
}

/// Puts the next key of each algorithm in use in the place of the one that signs, and makes another next one. Returns the key that
/// signs RS256 now. The caller has the key ring read again.
pub async fn rotate(db: &Db, env: &mut Env) -> Result<StoredKey, ChangeError> {
    let before = list(db).await?;
    let mut algorithms: Vec<Alg> =
        before.iter().filter(|k| k.state == "current").filter_map(|k| Alg::parse(&k.algorithm)).collect();
    algorithms.dedup();
    // Made before the transaction: an RSA key takes longer than anybody should wait for a lock.
    let mut fresh = Vec::new();
    for alg in algorithms {
        let promoted = before.iter().any(|k| k.state == "next" && Alg::parse(&k.algorithm) == Some(alg));
        for state in if promoted { &["next"][..] } else { &["current", "next"] } {
            let kid = KeyId::new(env.rng());
            let made = tokio::task::spawn_blocking(move || SigningKey::generate(alg)).await;
            let key = made
                .unwrap_or(Err(lockstep_core::crypto::jose::KeyError::Library))
                .map_err(KeyRingError::from)?;
            fresh.push(keyring::to_stored(&key.with_kid(kid.as_str()), state, env.now)?);
        }
    }
    let mut tx = db.write().await?;
    for key in before.iter().filter(|key| key.state == "current") {
        claim(&mut tx, key, "previous", env).await?;
    }
    for key in before.iter().filter(|key| key.state == "next") {
        claim(&mut tx, key, "current", env).await?;
    }
    for key in &fresh {
        keys::create(&mut tx, key).await?;
    }
    tx.commit().await?;
    tracing::warn!(
        "The signing keys were rotated; tokens signed before stay good until their keys are revoked"
    );
    let all = list(db).await?;
    all.into_iter().find(|key| key.state == "current").ok_or(ChangeError::Unknown)
}

async fn claim(
    tx: &mut crate::store::db::Conn,
    key: &StoredKey,
    to: &str,
    env: &Env,
) -> Result<(), ChangeError> {
    if keys::claim_state(tx, &key.kid, &key.state, to, env.now).await? {
        return Ok(());
    }
    Err(ChangeError::Raced)
}

/// Revokes a key that was replaced: nothing that it signed is accepted any more. Returns it. The caller has the key ring read again.
pub async fn revoke(db: &Db, env: &Env, kid: &str) -> Result<StoredKey, ChangeError> {
    let all = list(db).await?;
    let mut key = all.into_iter().find(|key| key.kid.as_str() == kid).ok_or(ChangeError::Unknown)?;
    let mut tx = db.write().await?;
    if !keys::claim_state(&mut tx, &key.kid, "previous", "revoked", env.now).await? {
        return Err(if key.state == "revoked" { ChangeError::Revoked } else { ChangeError::InUse });
    }
    tx.commit().await?;
    tracing::warn!(
        key.id = kid,
        "The signing key {kid} was revoked; tokens that it signed are refused from now on"
    );
    key.state = "revoked".to_owned();
    key.revoked_at = Some(env.now);
    Ok(key)
}
