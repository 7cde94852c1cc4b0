//! `keys/signing` (contract/management-api.md 18).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::{digest, pkcs7};
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

use super::validate::refused;
use super::{Call, Outcome, internal};
use crate::flows::signing_keys::{self, ChangeError};
use crate::store::keys::StoredKey;

/// Lists the signing keys: the one that signs, the next one, and those that did.
pub async fn list(call: &mut Call) -> Outcome {
    let all = signing_keys::list(call.app.db()).await?;
    Ok(all.iter().map(|key| render(key, &all)).collect())
}

/// Returns a signing key.
pub async fn read(call: &mut Call, kid: &str) -> Outcome {
    let all = signing_keys::list(call.app.db()).await?;
    let key = all.iter().find(|key| key.kid.as_str() == kid).ok_or_else(unknown)?;
    Ok(render(key, &all))
}

/// Puts the next key in the place of the one that signs; returns it.
pub async fn rotate(call: &mut Call) -> Outcome {
    let db = call.app.db().clone();
    let key = signing_keys::rotate(&db, &mut call.env).await.map_err(told)?;
    call.app.keyring().reload().await.map_err(|cause| internal(&cause))?;
    let all = signing_keys::list(&db).await?;
    Ok(render(&key, &all))
}

/// Revokes a key that was replaced.
pub async fn revoke(call: &mut Call, kid: &str) -> Outcome {
    let key = signing_keys::revoke(call.app.db(), &call.env, kid).await.map_err(told)?;
    call.app.keyring().reload().await.map_err(|cause| internal(&cause))?;
    Ok(json!({"kid": key.kid, "cert": key.certificate.unwrap_or_default()}))
}

fn unknown() -> ManagementError {
    ManagementError::new(ManagementCode::NotFound, "The signing key does not exist.")
}

fn told(cause: ChangeError) -> ManagementError {
    match cause {
        ChangeError::Unknown => unknown(),
        ChangeError::InUse | ChangeError::Revoked => refused(cause.to_string()),
        ChangeError::Raced => ManagementError::new(ManagementCode::Conflict, cause.to_string()),
        ChangeError::Keys(cause) => internal(&cause),
    }
}

/// Returns the object of the wire. `all` tells since when a key signs: since the one before it was replaced.
fn render(key: &StoredKey, all: &[StoredKey]) -> Value {
    let state = key.state.as_str();
    let certificate = key.certificate.clone().unwrap_or_default();
    let mut out = json!({
        "kid": key.kid, "alg": key.algorithm, "cert": certificate, "current": state == "current",
        "next": state == "next", "previous": state == "previous", "revoked": state == "revoked"
    });
    if let Some(der) = der(&certificate) {
        let thumbprint = digest::sha1_hex(&der);
        let pairs: Vec<&str> = (0..thumbprint.len()).step_by(2).map(|at| &thumbprint[at..at + 2]).collect();
        out["fingerprint"] = pairs.join(":").into();
        out["pkcs7"] = pkcs7::certificates_only(&der).into();
        out["thumbprint"] = thumbprint.into();
    }
    let mut date = |name: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            out[name] = at.to_iso().into();
        }
    };
    if state == "current" {
        let before = all.iter().filter(|other| other.algorithm == key.algorithm).filter_map(|k| k.rotated_at);
        date("current_since", Some(before.max().unwrap_or(key.created_at)));
    }
    date("current_until", key.rotated_at);
    date("revoked_at", key.revoked_at);
    out
}

/// Returns the bytes of a certificate in PEM.
pub(super) fn der(pem: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).map(str::trim).collect();
    base64::engine::general_purpose::STANDARD.decode(text).ok().filter(|der| !der.is_empty())
}
