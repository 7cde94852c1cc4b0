//! The factor switches (contract/management-api.md 2.1).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::model::log_event::LogEvent;
use serde_json::{Value, json};

use super::validate::{Kind, Schema, optional, required};
use super::{Call, Outcome};
use crate::store::settings;

/// The factors in the order in which they are always listed.
pub const NAMES: [&str; 8] = [
    "sms",
    "push-notification",
    "otp",
    "email",
    "duo",
    "webauthn-roaming",
    "webauthn-platform",
    "recovery-code",
];

/// `name` and `trial_expired` come along when a tool sends back what it read.
/// On or off.
pub const SWITCH: Schema = Schema::closed(&[
    required("enabled", Kind::Bool),
    optional("name", Kind::Any),
    optional("trial_expired", Kind::Any),
]);

/// Lists all factors, enabled or not.
pub async fn list(call: &mut Call) -> Outcome {
    let guardian = settings::guardian(&mut call.app.db().read().await?).await?;
    let all = NAMES
        .iter()
        .map(|name| json!({"name": name, "enabled": guardian.is_enabled(name), "trial_expired": false}));
    Ok(all.collect())
}

/// Switches a factor on or off.
pub async fn switch(call: &mut Call, name: &str, body: Option<Value>) -> Outcome {
    let name = NAMES.into_iter().find(|known| *known == name || (*known == "sms" && name == "phone"));
    let Some(name) = name else { return Err(unknown_factor()) };
    let body = SWITCH.check(body)?;
    let enabled = body.get("enabled").and_then(Value::as_bool).unwrap_or(false);
    let mut tx = call.app.db().write().await?;
    let mut guardian = settings::guardian(&mut tx).await?;
    guardian.factors.retain(|factor| factor != name);
    if enabled {
        guardian.factors.push(name.to_owned());
    }
    settings::save_guardian(&mut tx, &guardian, call.env.now).await?;
    call.log(&mut tx, tenant_update(json!({"factor": name, "enabled": enabled}))).await?;
    tx.commit().await?;
    Ok(json!({"enabled": enabled}))
}

/// Returns the record that a `guardian/*` setting changed.
pub(super) fn tenant_update(details: Value) -> LogEvent {
    LogEvent::new("gd_tenant_update", "Guardian - Updates tenant settings")
        .details(json!({"update": details}))
}

fn unknown_factor() -> ManagementError {
    let names = NAMES.join(", ");
    let message = format!(
        "Path validation error: 'No enum match' on property name (Factor name. It has to be one of {names})."
    );
    ManagementError::new(ManagementCode::InvalidUri, message)
}
