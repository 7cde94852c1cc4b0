//! `details` of the records of second factors (contract/log-events.md 3.2): what is the same for all of them, by one hand.

use serde_json::{Map, Value, json};

use super::LogEvent;
use crate::factors::{FactorKind, masked};
use crate::ids::AuthenticatorId;
use crate::model::authenticator::Authenticator;

/// Stands for a code that was typed.
const HIDDEN: &str = "********";

/// Returns what a record says of an authenticator: a telephone number only by its last digits.
pub fn authenticator(on: &Authenticator) -> Value {
    let number = masked(on).filter(|_| on.kind == FactorKind::Phone);
    json!({"id": on.method_id(), "type": on.kind.method_type(), "phone_number": number})
}

/// Returns what a record says of an authenticator of which no more is at hand.
pub fn named(kind: FactorKind, id: Option<&AuthenticatorId>) -> Value {
    json!({"id": id.map(|id| kind.method_id(id)), "type": kind.method_type(), "phone_number": null})
}

/// Returns the details of the wire: what the event says itself, and what is known from where it came.
pub(super) fn details(event: &LogEvent) -> Value {
    let origin = &event.origin;
    let own = event.details.as_ref().and_then(Value::as_object);
    let said = |name: &str| own.and_then(|own| own.get(name));
    let authenticator = said("authenticator").cloned().unwrap_or(Value::Null);
    let kind = authenticator["type"].as_str().unwrap_or_default();
    let strategy = event.strategy.or_else(|| strategy(origin.path.as_deref()?));
    let mut all = json!({
        "request": {
            "method": origin.method, "path": origin.path, "query": {}, "userAgent": origin.user_agent, "ip": origin.ip,
            "body": body(event.code, kind, origin.path.as_deref().unwrap_or_default()),
            "auth": {"subject": null, "strategy": strategy, "scopes": []},
        },
        "response": {"statusCode": null, "body": {}},
        "authenticator": authenticator, "session_id": null, "first_factor": false,
    });
    if let Some((_, id)) = authenticator["id"].as_str().and_then(|id| id.split_once('|')) {
        let number = &authenticator["phone_number"];
        all["enrollment"] = json!({
            "_id": id, "identifier": number, "name": null, "phone_number": number, "tenant": "lockstep",
            "user_id": event.user,
        });
    }
    if let Some((code, message)) = failure(event.code, kind) {
        all["failure_details"] = json!({"errorCode": code, "message": message});
    }
    if let (Value::Object(all), Some(own)) = (&mut all, own) {
        all.extend(own.clone());
    }
    all
}

/// Returns how somebody proved who he is to the page or endpoint of this path.
fn strategy(path: &str) -> Option<&'static str> {
    const ALL: &[(&str, &str)] = &[
        ("/guardian/enroll", "ticket"),
        ("/u/enroll", "ticket"),
        ("/oauth/", "mfa_token"),
        ("/mfa/", "mfa_token"),
        ("/me/", "access_token"),
        ("/api/", "access_token"),
    ];
    let named = ALL.iter().find(|(prefix, _)| path.starts_with(prefix));
    Some(named.map_or("universal_login", |(_, strategy)| strategy))
}

/// Returns what was sent, with the answer hidden: where one was given, the record shows under which name.
fn body(code: &str, kind: &str, path: &str) -> Value {
    const ANSWERS: &[&str] =
        &["gd_auth_succeed", "gd_auth_failed", "gd_recovery_succeed", "gd_recovery_failed"];
    if !ANSWERS.contains(&code) {
        return json!({});
    }
    let name = match (path.starts_with("/oauth/"), kind) {
        (_, "webauthn-roaming" | "webauthn-platform") => "response",
        (true, "totp") => "otp",
        (true, "recovery-code") => "recovery_code",
        (true, _) => "binding_code",
        (false, _) => "code",
    };
    Value::Object(Map::from_iter([(name.to_owned(), json!(HIDDEN))]))
}

/// Returns what went wrong.
fn failure(code: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    match (code, kind) {
        ("gd_recovery_failed", _) => Some(("invalid_recovery_code", "Invalid recovery code")),
        ("gd_auth_failed", "webauthn-roaming" | "webauthn-platform") => {
            Some(("invalid_assertion", "Invalid WebAuthn assertion"))
        }
        ("gd_auth_failed", _) => Some(("invalid_otp", "Invalid OTP code")),
        ("gd_otp_rate_limit_exceed" | "gd_recovery_rate_limit_exceed", _) => {
            Some(("too_many_failures", "Too many failures"))
        }
        _ => None,
    }
}
