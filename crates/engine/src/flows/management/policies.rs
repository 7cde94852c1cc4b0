//! When MFA is asked for: the policies (contract/management-api.md 2.2).

use lockstep_core::model::settings::Guardian;
use serde_json::{Value, json};

use super::factors::tenant_update;
use super::validate::{Kind, refused};
use super::{Call, Outcome};
use crate::store::settings;

/// The policies.
pub const POLICIES: Kind = Kind::Set(&Kind::OneOf(&["all-applications", "confidence-score"]), 0, 2);

/// Returns the policies.
pub async fn list(call: &mut Call) -> Outcome {
    let guardian = settings::guardian(&mut call.app.db().read().await?).await?;
    Ok(json!(guardian.policies))
}

/// Replaces the policies.
pub async fn replace(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = POLICIES.check(body)?;
    let policies: Vec<String> = serde_json::from_value(body.clone()).unwrap_or_default();
    // Accepting it without acting on it would leave every login unprotected that the operator believes is assessed.
    if policies.iter().any(|p| p == "confidence-score") {
        return Err(refused(
            "The policy confidence-score (adaptive MFA) is not available yet. Use all-applications, or an empty list.",
        ));
    }
    let mut tx = call.app.db().write().await?;
    let guardian = settings::guardian(&mut tx).await?;
    settings::save_guardian(&mut tx, &Guardian { policies, ..guardian }, call.env.now).await?;
    call.log(&mut tx, tenant_update(json!({"policies": body}))).await?;
    tx.commit().await?;
    Ok(body)
}
