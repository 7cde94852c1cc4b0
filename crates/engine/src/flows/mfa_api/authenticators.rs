//! `GET /mfa/authenticators` and `DELETE /mfa/authenticators/{id}` (contract/mfa-api.md 5, 6).

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::factors::FactorKind;
use lockstep_core::mfa_api::{Listed, Named};
use lockstep_core::model::log_event::Origin;
use serde_json::Value;

use super::{Place, caller, facts};
use crate::app::App;
use crate::flows::{OAuthFailure, changes};
use crate::store::authenticators;

/// Lists what the person has, pending enrolments too, the newest last.
pub async fn list(app: &App, env: &Env, token: &str) -> Result<Value, OAuthFailure> {
    let mut conn = app.db().read().await?;
    let caller = caller(&mut conn, app, env, token, Place::Bearer).await?;
    if let Some(access) = &caller.access {
        access.require("read:authenticators")?;
    }
    let facts = facts(&mut conn, app, &caller, &caller.proven()).await?;
    let drafts = caller.stored.iter().flat_map(|stored| &stored.data.drafts);
    let pending: Vec<_> = drafts
        .filter(|p| !p.draft.expired(env.now))
        .map(|pending| (pending.draft.pending(), pending))
        .collect();
    let mut all: Vec<Value> = facts
        .held
        .iter()
        .flat_map(|on| Listed::of(on, &facts.channels))
        .map(|entry| entry.object())
        .collect();
    for (on, pending) in &pending {
        let channel = pending.draft.sent.map(|sent| sent.channel);
        all.push(Listed { on, channel }.object());
    }
    Ok(Value::Array(all))
}

/// Removes an authenticator and those that were made together with it. Only an access token may: an `mfa_token` is held by somebody who has
/// not passed MFA yet.
pub async fn remove(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    token: &str,
    id: &str,
) -> Result<(), OAuthFailure> {
    let mut tx = app.db().write().await?;
    let caller = caller(&mut tx, app, env, token, Place::Bearer).await?;
    let Some(access) = &caller.access else {
        return Err(OAuthError::new(
            OAuthCode::AccessDenied,
            "Access token with scope remove:authenticators is required",
        )
        .into());
    };
    access.require("remove:authenticators")?;
    let not_found =
        || OAuthError::new(OAuthCode::AuthenticatorNotFound, OAuthCode::AuthenticatorNotFound.text());
    let named = Named::parse(id).ok_or_else(not_found)?;
    let facts = facts(&mut tx, app, &caller, &caller.proven()).await?;
    let on = facts.held.iter().find(|on| named.is(on)).ok_or_else(not_found)?;
    let is_stored = authenticators::find_of_user(&mut tx, &caller.user.id, &on.id).await?.is_some();
    if on.kind == FactorKind::Email && !is_stored {
        return Err(OAuthError::invalid_request(
            "The verified email address of the account cannot be removed",
        )
        .into());
    }
    if !changes::removed(&mut tx, app, env, origin, &caller.user, on).await? {
        return Err(not_found().into());
    }
    tx.commit().await?;
    Ok(())
}
