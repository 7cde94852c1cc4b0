//! What a person has and could have: `/me/v1/factors`, and the methods that are listed, renamed and removed.

use lockstep_core::factors::{FactorKind, phone};
use lockstep_core::mfa_api::Named;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::message::Channel;
use lockstep_core::my_account::{self, MyAccountCode, MyAccountError};
use serde_json::{Value, json};

use super::{Call, Facts, Outcome, enrolment, internal, passkeys};
use crate::flows::changes;
use crate::flows::management::validate::{Kind, Schema, optional};
use crate::store::authenticators;
use crate::store::methods as stored_methods;

/// The types that exist on this API, for the filter of the list.
const TYPES: &[&str] = &[
    "password",
    "passkey",
    "webauthn-platform",
    "webauthn-roaming",
    "totp",
    "phone",
    "email",
    "push-notification",
    "recovery-code",
];

const UPDATE: Schema = Schema::closed(&[
    optional("name", Kind::Text(1, 100)),
    optional("preferred_authentication_method", Kind::OneOf(&["sms", "voice"])),
]);

/// Lists what the person may enrol.
pub async fn factors(call: &Call) -> Outcome {
    call.require("read:me:factors")?;
    let mut conn = call.app.db().read().await?;
    let facts = call.facts(&mut conn).await?;
    let mut all = Vec::new();
    let connection = facts.connection.as_ref();
    for (kind, may) in [
        ("password", connection.is_some_and(Connection::is_database)),
        ("passkey", connection.is_some_and(passkeys::may_enrol)),
    ] {
        all.extend(may.then(|| json!({"type": kind, "usage": ["primary"]})));
    }
    let enrollable = facts.guardian.enabled().into_iter().filter(|kind| facts.may_enrol(*kind));
    all.extend(enrollable.map(|kind| json!({"type": kind.method_type(), "usage": ["secondary"]})));
    Ok(json!({"factors": all}))
}

/// Lists the person's methods, pending enrolments too.
pub async fn list(call: &Call, kind: Option<&str>) -> Outcome {
    call.require("read:me:authentication_methods")?;
    if let Some(kind) = kind
        && !TYPES.contains(&kind)
    {
        let text = format!("type must be one of {}", TYPES.join(", "));
        return Err(MyAccountError::new(MyAccountCode::InvalidQuery, text));
    }
    let mut all = all(call).await?;
    all.retain(|method| kind.is_none_or(|kind| method["type"] == kind));
    Ok(json!({"authentication_methods": all}))
}

/// Returns one method.
pub async fn read(call: &Call, id: &str) -> Outcome {
    call.require("read:me:authentication_methods")?;
    let wanted = Named::parse(id).map(|named| named.id.to_string());
    let is = |method: &Value| {
        let own = method["id"].as_str().unwrap_or_default();
        own == id
            || wanted.as_deref().is_some_and(|id| own.rsplit_once('|').is_some_and(|(_, own)| own == id))
    };
    all(call).await?.into_iter().find(is).ok_or_else(|| MyAccountCode::NotFound.into())
}

/// Changes the name of a method, or how a telephone is reached.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let outcome = try_update(call, id, body).await;
    call.record("update", id, ("PATCH", "/me/v1/authentication-methods/{id}"), &outcome);
    outcome
}

async fn try_update(call: &Call, id: &str, body: Option<Value>) -> Outcome {
    call.require("update:me:authentication_methods")?;
    call.count_change().await?;
    let body = UPDATE.parse(body)?;
    if body.is_empty() {
        return Err(MyAccountError::property("name or preferred_authentication_method is required", ""));
    }
    let mut tx = call.app.db().write().await?;
    let facts = call.facts(&mut tx).await?;
    call.require_step_up(&facts)?;
    if let Some(passkey) = passkeys::find(&facts, id) {
        if body.contains_key("preferred_authentication_method") {
            return Err(MyAccountError::property("only a phone has it", "preferred_authentication_method"));
        }
        let mut passkey = passkey.clone();
        passkey.name = body.get("name").and_then(Value::as_str).map(str::to_owned);
        stored_methods::save(&mut tx, &passkey).await?;
        tx.commit().await?;
        return Ok(passkeys::object(&passkey));
    }
    let mut on = held(&facts, id)?.clone();
    if let Some(channel) =
        body.get("preferred_authentication_method").and_then(Value::as_str).and_then(Channel::parse)
    {
        let field = "preferred_authentication_method";
        if on.kind != FactorKind::Phone {
            return Err(MyAccountError::property("only a phone has it", field));
        }
        if !facts.guardian.channels().contains(&channel) {
            return Err(MyAccountError::property("the tenant does not send such messages", field));
        }
        phone::prefer(&mut on, channel).map_err(|e| internal(&e))?;
    }
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        on.name = Some(name.to_owned());
    }
    let mut method = stored_methods::find_of_user(&mut tx, &call.user.id, &on.id)
        .await?
        .ok_or_else(|| MyAccountError::property("the verified address of the account has no name", "name"))?;
    method.name.clone_from(&on.name);
    method.data.clone_from(&on.data);
    stored_methods::save(&mut tx, &method).await?;
    tx.commit().await?;
    Ok(my_account::method(&on))
}

/// Removes a method and what was made together with it, or gives up an enrolment.
pub async fn remove(call: &mut Call, id: &str) -> Outcome<()> {
    let outcome = try_remove(call, id).await;
    call.record("delete", id, ("DELETE", "/me/v1/authentication-methods/{id}"), &outcome);
    outcome
}

async fn try_remove(call: &mut Call, id: &str) -> Outcome<()> {
    call.require("delete:me:authentication_methods")?;
    call.count_change().await?;
    let mut tx = call.app.db().write().await?;
    // Before it is looked up what would be left.
    authenticators::lock_of_user(&mut tx, &call.user.id).await?;
    let facts = call.facts(&mut tx).await?;
    call.require_step_up(&facts)?;
    if id == my_account::password_id(&call.user) {
        let text = "The password cannot be removed: it is the last way to begin a login";
        return Err(MyAccountError::new(MyAccountCode::NotDeletable, text));
    }
    if enrolment::give_up(call, &mut tx, id).await? {
        tx.commit().await?;
        return Ok(());
    }
    if let Some(passkey) = passkeys::find(&facts, id) {
        passkeys::remove(call, &mut tx, &facts, passkey).await?;
        tx.commit().await?;
        return Ok(());
    }
    let on = held(&facts, id)?;
    let is_stored = authenticators::find_of_user(&mut tx, &call.user.id, &on.id).await?.is_some();
    if on.kind == FactorKind::Email && !is_stored {
        let text = "The verified address of the account cannot be removed";
        return Err(MyAccountError::new(MyAccountCode::NotDeletable, text));
    }
    if !changes::removed(&mut tx, &call.app, &mut call.env, &call.origin, &call.user, on).await? {
        return Err(MyAccountCode::NotFound.into());
    }
    tx.commit().await?;
    Ok(())
}

async fn all(call: &Call) -> Outcome<Vec<Value>> {
    let mut conn = call.app.db().read().await?;
    let facts = call.facts(&mut conn).await?;
    let mut all = Vec::new();
    all.extend(facts.has_password.then(|| my_account::password(&call.user)));
    all.extend(facts.passkeys.iter().map(passkeys::object));
    all.extend(facts.held.iter().map(my_account::method));
    all.extend(enrolment::pending(call, &mut conn).await?);
    Ok(all)
}

/// Finds a confirmed method by its id, `phone|dev_…` or `dev_…` alone.
fn held<'f>(facts: &'f Facts, id: &str) -> Outcome<&'f Authenticator> {
    let named = Named::parse(id).ok_or(MyAccountCode::NotFound)?;
    facts.held.iter().find(|on| named.is(on)).ok_or_else(|| MyAccountCode::NotFound.into())
}

impl Facts {
    /// Returns whether a factor may be enrolled by this API: a recovery code only beside a factor that it recovers from the loss of, and
    /// never a key, which a browser has to make.
    pub(super) fn may_enrol(&self, kind: FactorKind) -> bool {
        let enabled = self.guardian.enabled();
        let stands_alone = |on: &Authenticator| on.confirmed && on.kind.independent();
        enabled.contains(&kind)
            && !kind.is_key()
            && (kind != FactorKind::RecoveryCode || self.held.iter().any(stands_alone))
            && (kind != FactorKind::Phone || !self.guardian.channels().is_empty())
    }
}
