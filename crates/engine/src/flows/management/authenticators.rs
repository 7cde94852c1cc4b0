//! What a user has enrolled, seen the other ways: `authenticators`, `enrollments`, `multifactor`, recovery codes, remembered
//! browsers (contract/management-api.md 4.7 to 4.9).

use lockstep_core::factors::recovery_code;
use lockstep_core::ids::UserId;
use serde_json::{Value, json};

use super::authentication_methods::{self as authentication, Face, View, take_away};
use super::validate::{Kind, Schema, malformed_path, required};
use super::{Call, Outcome, internal, load_user};
use crate::flows::admin_reset::is_mfa;
use crate::flows::changes;
use crate::store::methods::{self, Method};
use crate::store::remembered_browsers;

/// Lists what a user can pass MFA with.
pub async fn list(call: &mut Call, user: &UserId) -> Outcome {
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let view = View::load(&mut conn, Face::Read).await?;
    let all = methods::list_of_user(&mut conn, user).await?;
    Ok(all.iter().filter(|m| is_mfa(m)).map(|method| with_mfa_fields(view.of(method), method)).collect())
}

fn with_mfa_fields(mut object: Value, method: &Method) -> Value {
    let (kind, channel) = match method.kind.as_str() {
        "totp" => ("otp", None),
        "phone" => {
            let preferred = method.data.get("preferred_authentication_method").and_then(Value::as_str);
            ("oob", Some(preferred.unwrap_or("sms").to_owned()))
        }
        "push" => ("oob", Some("auth0".to_owned())),
        "email" => ("oob", Some("email".to_owned())),
        other => (other, None),
    };
    object["authenticator_type"] = json!(kind);
    object["active"] = json!(method.confirmed);
    if let Some(channel) = channel {
        object["oob_channel"] = json!(channel);
    }
    object
}

/// Deletes one, by any id that a list has shown.
pub async fn delete(call: &mut Call, user: &UserId, id: &str) -> Outcome<()> {
    authentication::delete(call, user, id).await
}

/// Deletes all; passkeys and the password stay.
pub async fn delete_all(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    take_away(call, &mut tx, &owner, is_mfa).await?;
    tx.commit().await?;
    Ok(())
}

/// Lists the enrolments of Guardian: an e-mail address is none.
pub async fn enrollments(call: &mut Call, user: &UserId) -> Outcome {
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let view = View::load(&mut conn, Face::Read).await?;
    let all = methods::list_of_user(&mut conn, user).await?;
    Ok(all.iter().filter_map(|method| enrollment(&view, method)).collect())
}

fn enrollment(view: &View, method: &Method) -> Option<Value> {
    let (kind, auth_method) = match method.kind.as_str() {
        "totp" => ("authenticator", "authenticator"),
        "push" => ("pn", "guardian"),
        "phone" => ("sms", "sms"),
        "webauthn-roaming" => ("webauthn-roaming", "webauthn-roaming"),
        "webauthn-platform" => ("webauthn-platform", "webauthn-platform"),
        _ => return None,
    };
    if !method.confirmed {
        return None;
    }
    let mut object =
        json!({"id": method.id, "status": "confirmed", "type": kind, "auth_method": auth_method});
    let shown = view.of(method);
    for (name, value) in [
        ("name", shown.get("name").cloned()),
        ("phone_number", shown.get("phone_number").cloned()),
        ("enrolled_at", method.enrolled_at.or(Some(method.created_at)).map(|t| json!(t.to_iso()))),
        ("last_auth", method.last_auth_at.map(|t| json!(t.to_iso()))),
    ] {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    Some(object)
}

/// Deletes what a provider stands for: `google-authenticator`, `duo`, or `guardian` for all.
pub async fn delete_provider(call: &mut Call, user: &UserId, provider: &str) -> Outcome<()> {
    let kind = match provider {
        "google-authenticator" => Some("totp"),
        "duo" => Some("duo"),
        "guardian" => None,
        other => {
            return Err(malformed_path(
                "multifactor-provider",
                other,
                "provider",
                "The multi-factor provider.",
            ));
        }
    };
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    take_away(call, &mut tx, &owner, |m| kind.map_or_else(|| is_mfa(m), |kind| m.kind == kind)).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets the browsers in which MFA is not asked for.
pub async fn forget_browsers(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    remembered_browsers::delete_of_user(&mut tx, user).await?;
    tx.commit().await?;
    Ok(())
}

/// Draws a new recovery code; the old one dies. It is answered once and not kept in clear.
pub async fn regenerate_recovery_code(call: &mut Call, user: &UserId) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    let fresh = recovery_code::replacement(user, &mut call.env).map_err(|cause| internal(&cause))?;
    let (origin, new) = (call.origin_of_operator(), &fresh.authenticator);
    changes::recovery_code_replaced(&mut tx, &call.app, &mut call.env, &origin, &owner, new).await?;
    tx.commit().await?;
    Ok(json!({"recovery_code": fresh.code}))
}

/// Which assessors are to forget.
pub const CLEAR: Schema = Schema::closed(&[
    required("connection", Kind::Text(1, 128)),
    required("assessors", Kind::Set(&Kind::OneOf(&["new-device"]), 1, 5)),
]);

/// Forgets what risk assessment has learnt of a user: nothing yet, since no assessor runs.
pub async fn clear_risk_assessments(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    CLEAR.check(body)?;
    load_user(&mut call.app.db().read().await?, user).await?;
    Ok(())
}
