//! `/oauth/par` (RFC 9126).

use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::oauth::checks::{Endpoint, TEXTS};
use lockstep_core::oauth::params::Params;
use lockstep_core::time::Span;
use serde_json::json;

use super::authorize::{self, AuthorizeError, REQUEST_URI_PREFIX};
use super::client_auth::{self, Credentials};
use super::{OAuthFailure, token};
use crate::app::App;
use crate::store::pushed_requests;

/// How long a pushed request can be used.
pub const LIFETIME: Span = Span::seconds(30);

/// Checks and keeps a request; returns its `request_uri`.
pub async fn push(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
) -> Result<String, OAuthFailure> {
    let authenticated = client_auth::authenticate(app, env, params, credentials).await?;
    if !token::is_confidential(&authenticated) {
        return Err(OAuthFailure::ClientRefused { by_basic: false });
    }
    let client = &authenticated.client;
    if params.has("request_uri") {
        return Err(OAuthError::invalid_request("request_uri must not be pushed").into());
    }
    let mut tx = app.db().write().await?;
    match authorize::parse(app, &mut tx, env, Endpoint::Par, client, params, true).await? {
        Ok(_) => {}
        Err(AuthorizeError::Refused(refused)) => {
            let text = refused.error.description.clone();
            let mut event = LogEvent::new("fpar", text).client(&client.id, client.name()).from(origin);
            event.details =
                Some(json!({"error": token::told(&refused.error), "qs": authorize::shown(params)}));
            app.log(env, &event);
            return Err(refused.error.with_status(400).into());
        }
        Err(AuthorizeError::Db(error)) => return Err(error.into()),
    }
    let kept: Vec<(String, String)> = params
        .iter()
        .filter(|(name, _)| (TEXTS.contains(name) && *name != "client_id") || name.starts_with("ext-"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let id = env.rng().url_safe(32);
    pushed_requests::create(&mut tx, &sha256_b64url(&id), &client.id, &kept, env.now, env.now + LIFETIME)
        .await?;
    tx.commit().await?;
    Ok(format!("{REQUEST_URI_PREFIX}{id}"))
}
