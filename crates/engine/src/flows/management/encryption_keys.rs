//! `keys/encryption` (contract/management-api.md 18): entries that tools make, read and destroy. They encrypt nothing, and nothing can be
//! imported into them; what is at rest is sealed with the master key of the key file (`lockstep keys`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::jose::{Alg, KeyError, SigningKey};
use lockstep_core::ids::EncryptionKeyId;
use serde_json::{Value, json};

use super::query::{Page, Query};
use super::validate::{Kind, Schema, refused, required};
use super::{Call, Outcome, internal};
use crate::store::db::Conn;
use crate::store::encryption_keys::{self, EncryptionKey};

const ROOT: &str = "customer-provided-root-key";
/// What CKM_RSA_AES_KEY_WRAP makes of a key at least: a wrapping key under RSA of 2048 bits, then 16 bytes in AES-KWP (RFC 5649).
const SHORTEST_WRAPPED: usize = 256 + 24;

/// The body that makes an entry.
pub const CREATE: Schema = Schema::open(&[required("type", Kind::OneOf(&[ROOT, "tenant-encryption-key"]))]);
/// The body that would bring a key.
pub const IMPORT: Schema = Schema::open(&[required("wrapped_key", Kind::Long(1, 16_384))]);

/// Lists the entries, the newest first.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(false, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    let (found, total) = encryption_keys::list(&mut conn, &paging.slice()).await?;
    let page = Page { items: found.iter().map(render).collect(), total, next: None };
    Ok(page.answer("keys", &paging, call.env.now))
}

/// Makes an entry.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    if body.get("type") != Some(&json!(ROOT)) {
        return Err(not_built());
    }
    let now = call.env.now;
    let key = EncryptionKey {
        kid: EncryptionKeyId::new(call.env.rng()),
        kind: ROOT.to_owned(),
        state: "pre-activation".to_owned(),
        created_at: now,
        updated_at: now,
    };
    let mut tx = call.app.db().write().await?;
    encryption_keys::create(&mut tx, &key).await?;
    tx.commit().await?;
    Ok(render(&key))
}

/// Returns an entry.
pub async fn read(call: &mut Call, kid: &str) -> Outcome {
    Ok(render(&load(&mut call.app.db().read().await?, kid).await?))
}

/// Destroys an entry; it stays listed.
pub async fn delete(call: &mut Call, kid: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let key = load(&mut tx, kid).await?;
    encryption_keys::destroy(&mut tx, &key.kid, call.env.now).await?;
    Ok(tx.commit().await?)
}

/// Makes the public key for which a key to import is wrapped.
pub async fn wrapping_key(call: &mut Call, kid: &str) -> Outcome {
    let key = load(&mut call.app.db().read().await?, kid).await?;
    let made = tokio::task::spawn_blocking(|| SigningKey::generate(Alg::RS256)).await;
    let pair = made.unwrap_or(Err(KeyError::Library)).map_err(|cause| internal(&cause))?;
    let private = pair.to_pkcs8().map_err(|cause| internal(&cause))?;
    let public = pair.public_spki().map_err(|cause| internal(&cause))?;
    let mut tx = call.app.db().write().await?;
    if !encryption_keys::save_wrapping(&mut tx, &key.kid, &private, call.env.now).await? {
        return Err(refused("The encryption key is destroyed."));
    }
    tx.commit().await?;
    Ok(json!({"public_key": pem("PUBLIC KEY", &public), "algorithm": "CKM_RSA_AES_KEY_WRAP"}))
}

/// Would take a wrapped key.
pub async fn import(call: &mut Call, kid: &str, body: Option<Value>) -> Outcome {
    let body = IMPORT.check(body)?;
    load(&mut call.app.db().read().await?, kid).await?;
    let wrapped = body.get("wrapped_key").and_then(Value::as_str).unwrap_or_default();
    if STANDARD.decode(wrapped).is_ok_and(|bytes| bytes.len() >= SHORTEST_WRAPPED) {
        return Err(not_built());
    }
    Err(refused("Invalid input. Wrapped key material is invalid or unsupported key type."))
}

/// Would encrypt everything anew.
pub fn rekey() -> Outcome<()> {
    Err(not_built())
}

fn not_built() -> ManagementError {
    let text = "Keys of a customer's own are stored and encrypt nothing. Everything at rest is sealed with the master key: see `lockstep \
                keys rotate` and `lockstep keys reseal`.";
    ManagementError::new(ManagementCode::NotImplemented, text)
}

fn render(key: &EncryptionKey) -> Value {
    json!({
        "kid": key.kid, "type": key.kind, "state": key.state, "created_at": key.created_at.to_iso(),
        "updated_at": key.updated_at.to_iso(), "parent_kid": null, "public_key": null
    })
}

async fn load(conn: &mut Conn, kid: &str) -> Outcome<EncryptionKey> {
    let none = || ManagementError::new(ManagementCode::NotFound, "The encryption key does not exist.");
    let kid = EncryptionKeyId::parse(kid).map_err(|_| none())?;
    encryption_keys::find(conn, &kid).await?.ok_or_else(none)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
