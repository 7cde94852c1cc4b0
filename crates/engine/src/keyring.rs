//! The tenant's signing keys: parsed once, kept in memory, published as JWKS.
//!
//! RS256 has a current and a next key from the first start on, so that clients have seen a key before it signs. ES256 and PS256
//! get a key when something first asks for one. A rotated key stays published until it is revoked, so older tokens verify
//! ([`crate::flows::signing_keys`]).

use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::crypto::digest;
use lockstep_core::crypto::jose::{self, Alg, Jwk, JwtError, SigningKey, Verified, VerifyingKey};
use lockstep_core::ids::KeyId;
use lockstep_core::random::Rng;
use lockstep_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::store::db::{Conn, Db, DbError};
use crate::store::keys::{self, StoredKey};

/// Algorithms that the tenant signs with.
pub const ALGORITHMS: [Alg; 3] = [Alg::RS256, Alg::PS256, Alg::ES256];

/// What went wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A key could not be made or read.
    #[error(transparent)]
    Key(#[from] jose::KeyError),
    /// A token could not be signed.
    #[error(transparent)]
    Sign(#[from] jose::SignError),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The algorithm is none that tenants sign with.
    #[error("{0} is no algorithm for signing with a tenant's key")]
    Algorithm(Alg),
}

/// The keys of one tenant.
#[derive(Clone)]
pub struct KeyRing {
    db: Db,
    ring: Arc<RwLock<Arc<Ring>>>,
}

#[derive(Default)]
struct Ring {
    /// What was in the database, also of revoked keys.
    states: Vec<(KeyId, String)>,
    signing: Vec<(Alg, SigningKey)>,
    verifying: Vec<VerifyingKey>,
    jwks: Value,
}

impl KeyRing {
    /// Loads the keys from the database; it must hold an RS256 key.
    pub async fn load(db: Db) -> Result<Self, KeyRingError> {
        let ring = Self { db, ring: Arc::new(RwLock::new(Arc::new(Ring::default()))) };
        ring.reload().await?;
        Ok(ring)
    }

    /// Reads the keys again: after a rotation, here or on another node.
    pub async fn reload(&self) -> Result<(), KeyRingError> {
        let mut conn = self.db.read().await?;
        let stored = keys::list_all(&mut conn).await?;
        drop(conn);
        let states = stored.iter().map(|key| (key.kid.clone(), key.state.clone())).collect();
        let mut ring = Ring { states, ..Ring::default() };
        let mut published = Vec::new();
        for key in stored.iter().filter(|key| key.state != "revoked") {
            let Some(alg) = Alg::parse(&key.algorithm) else { continue };
            let signing = SigningKey::from_pkcs8(alg, key.kid.as_str(), &key.private)?;
            ring.verifying.push(signing.verifying_key()?);
            published.push(key.public.clone());
            if key.state == "current" {
                ring.signing.push((alg, signing));
            }
        }
        ring.jwks = json!({ "keys": published });
        *self.ring.write().expect("no code panics while it holds this lock") = Arc::new(ring);
        Ok(())
    }

    /// Reads the keys again if they are not those of the database any more; returns whether they were not. Cheap enough for every second.
    pub async fn follow(&self) -> Result<bool, KeyRingError> {
        let states = keys::list_states(&mut self.db.read().await?).await?;
        if states == self.current().states {
            return Ok(false);
        }
        self.reload().await?;
        Ok(true)
    }

    /// Signs claims with the tenant's current key of an algorithm. The header has `alg`, `typ` and `kid`.
    pub async fn sign(&self, alg: Alg, typ: &str, claims: &impl Serialize) -> Result<String, KeyRingError> {
        let ring = self.current();
        if let Some((_, key)) = ring.signing.iter().find(|(a, _)| *a == alg) {
            return Ok(key.sign_jwt(typ, claims)?);
        }
        if !ALGORITHMS.contains(&alg) {
            return Err(KeyRingError::Algorithm(alg));
        }
        self.create_missing(alg).await?;
        let ring = self.current();
        let key = ring.signing.iter().find(|(a, _)| *a == alg).ok_or(KeyRingError::Algorithm(alg))?;
        Ok(key.1.sign_jwt(typ, claims)?)
    }

    /// Checks form and signature of a token that this tenant may have signed.
    pub fn verify(&self, token: &str) -> Result<Verified, JwtError> {
        jose::decode_any(token, &ALGORITHMS, self.current().verifying.iter())
    }

    /// Returns the published keys (RFC 7517).
    pub fn jwks(&self) -> Value {
        self.current().jwks.clone()
    }

    fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().expect("no code panics while it holds this lock"))
    }

    /// Makes the first key of an algorithm. Two nodes may do so at once; both keys then stay published, and each signs with its own.
    async fn create_missing(&self, alg: Alg) -> Result<(), KeyRingError> {
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(alg)).await;
        let key = made.unwrap_or(Err(jose::KeyError::Library))?;
        let now = stored_now(&self.db).await?;
        let stored = to_stored(&key, "current", now)?;
        let mut tx = self.db.write().await?;
        keys::create(&mut tx, &stored).await?;
        tx.commit().await?;
        self.reload().await
    }
}

/// The time of the newest key: keys that are made on demand need an order, not a date of their own.
async fn stored_now(db: &Db) -> Result<Timestamp, DbError> {
    let mut conn = db.read().await?;
    let all = keys::list_all(&mut conn).await?;
    Ok(all.iter().map(|k| k.created_at).max().unwrap_or(Timestamp::from_millis(0)))
}

/// Makes the tenant's first keys: the RS256 key that signs and the one that comes next.
pub async fn create_first(conn: &mut Conn, rng: &mut dyn Rng, now: Timestamp) -> Result<(), KeyRingError> {
    for state in ["current", "next"] {
        let kid = KeyId::new(rng);
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(Alg::RS256)).await;
        let key = made.unwrap_or(Err(jose::KeyError::Library))?.with_kid(kid.as_str());
        keys::create(conn, &to_stored(&key, state, now)?).await?;
    }
    Ok(())
}

/// Stores keys that exist already, the first as the current one: the twin keeps its keys between starts.
pub async fn import(conn: &mut Conn, ring: &[SigningKey], now: Timestamp) -> Result<(), KeyRingError> {
    for (n, key) in ring.iter().enumerate() {
        keys::create(conn, &to_stored(key, if n == 0 { "current" } else { "next" }, now)?).await?;
    }
    Ok(())
}

pub(crate) fn to_stored(key: &SigningKey, state: &str, now: Timestamp) -> Result<StoredKey, KeyRingError> {
    let private = key.to_pkcs8()?;
    let certificate = certificate(key, &private, now)?;
    let mut jwk: Jwk = key.public_jwk();
    jwk.use_ = Some("sig".to_owned());
    jwk.x5t = Some(digest::x5t(certificate.der()));
    jwk.x5c = Some(vec![STANDARD.encode(certificate.der())]);
    Ok(StoredKey {
        kid: KeyId::trusted(key.kid()),
        algorithm: key.alg().to_string(),
        state: state.to_owned(),
        private: Zeroizing::new(private.to_vec()),
        public: serde_json::to_value(&jwk).map_err(DbError::from)?,
        certificate: Some(certificate.pem()),
        created_at: now,
        rotated_at: None,
        revoked_at: None,
    })
}

/// Makes a self-signed certificate over a key, which some libraries (`x5c`) and the list of keys ask for.
fn certificate(key: &SigningKey, pkcs8: &[u8], now: Timestamp) -> Result<rcgen::Certificate, KeyRingError> {
    let algorithm = match key.alg() {
        Alg::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        _ => &rcgen::PKCS_RSA_SHA256,
    };
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), algorithm)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("Lockstep signing key {}", key.kid()));
    let year = now.to_iso().get(..4).and_then(|y| y.parse::<i32>().ok()).unwrap_or(2026);
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 20, 1, 1);
    Ok(params.self_signed(&pair)?)
}
