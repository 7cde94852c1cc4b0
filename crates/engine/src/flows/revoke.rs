//! `/oauth/revoke` (RFC 7009): refresh tokens only.

use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::oauth::params::Params;
use serde_json::json;

use super::OAuthFailure;
use super::client_auth::{self, Credentials};
use crate::app::App;
use crate::store::grants::{self, Grant};
use crate::store::{opaque_tokens, settings};

/// Revokes a refresh token with its family. An unknown token is no error: it is as good as revoked.
pub async fn revoke(
    app: &App,
    env: &Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
) -> Result<(), OAuthFailure> {
    params.refuse_ambiguous(&[
        "client_id",
        "client_secret",
        "token",
        "token_type_hint",
        "client_assertion",
    ])?;
    let client = client_auth::authenticate(app, env, params, credentials).await?.client;
    let hash = sha256_b64url(params.require("token")?);
    let mut tx = app.db().write().await?;
    let Some(found) = grants::find_token(&mut tx, &hash).await? else { return Ok(()) };
    if found.grant.client != client.id {
        return Err(OAuthError::invalid_request("The token was not issued to this client").into());
    }
    let tenant = settings::tenant(&mut tx).await?;
    if tenant.flag("revoke_refresh_token_grant") {
        let audience = found.grant.audience.as_deref();
        grants::revoke_for(&mut tx, &found.grant.user, &client.id, audience, env.now).await?;
    } else {
        grants::revoke(&mut tx, &found.grant.id, env.now).await?;
    }
    opaque_tokens::revoke_of_grant(&mut tx, &found.grant.id, env.now).await?;
    let event = revoked(&found.grant, origin).client(&client.id, client.name());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the record of a revoked token (contract/log-events.md 3.4).
pub(super) fn revoked(grant: &Grant, origin: &Origin) -> LogEvent {
    let mut event = LogEvent::new("srrt", "Successfully revoked a refresh token").from(origin);
    event.client = Some(grant.client.clone());
    event.user = Some(grant.user.clone());
    event.audience.clone_from(&grant.audience);
    event.details = Some(json!({
        "credential_id": grant.id, "grant_id": grant.id, "audience": grant.audience, "session_id": grant.session,
        "method": origin.method, "host": origin.hostname, "origin": null, "originalUrl": origin.path, "xhr": false,
    }));
    event
}
