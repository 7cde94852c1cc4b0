//! `authorization_code` (RFC 6749 section 4.1.3, RFC 7636). The MFA decision was made at `/authorize`; here the evidence is only
//! copied.

use lockstep_core::assurance::claims as assurance;
use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::ids::GrantId;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use serde_json::json;

use super::issue::{self, TokenResponse, UserGrant};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::authorize::CodeData;
use crate::flows::client_auth::Authenticated;
use crate::store::authorization_codes::{self, Claimed};
use crate::store::db::Conn;
use crate::store::grants;
use crate::store::{opaque_tokens, users};

/// Redeems a code.
pub async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let hash = sha256_b64url(params.require("code")?);
    let mut tx = app.db().write().await?;
    let claimed = authorization_codes::claim::<CodeData>(&mut tx, &hash, &client.id, env.now).await?;
    let Some(Claimed { user, data }) = claimed else {
        return Err(reused_or_unknown(tx, env, &hash, authenticated).await?);
    };
    // From here on the code is burnt, whatever else is wrong: what follows is committed, not rolled back.
    if let Err(error) = check_binding(params, &data) {
        tx.commit().await?;
        return Err(error.into());
    }
    let Some(user) = users::find(&mut tx, &user).await?.filter(|u| !u.blocked) else {
        tx.commit().await?;
        return Err(OAuthError::user_blocked().into());
    };
    let scope = Scopes::trusted(&data.scope);
    let rules = app.config().rules();
    let asked = UserGrant {
        user: &user,
        session: data.session.as_ref(),
        audience: data.audience.as_deref(),
        scope: &scope,
        assurance: assurance(&data.methods, data.auth_time, rules),
        nonce: data.nonce.as_deref(),
        gty: None,
    };
    let granted = issue::grant(app, &mut tx, &env.issuer.clone(), client, &asked, true).await?;
    let id = GrantId::new(env.rng());
    let refresh_token = if granted.scopes.has("offline_access") {
        let family = issue::Family { id: &id, methods: &data.methods, auth_time: data.auth_time };
        Some(issue::begin_family(&mut tx, env, origin, client, &asked, &granted, &family).await?)
    } else {
        None
    };
    authorization_codes::note_grant(&mut tx, &hash, &id).await?;
    let mut response = issue::for_user(env, &mut tx, client, &asked, &granted, Some(&id)).await?;
    response.refresh_token = refresh_token;
    let mut event = LogEvent::new("seacft", "Authorization Code for Access Token")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.audience.clone_from(&data.audience);
    event.scope = Some(response.scope.clone());
    event.details = Some(json!({
        "code": shortened(params.get("code").unwrap_or_default()), "access_token_jti": response.jti,
    }));
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Returns of a code what a record may show: enough to find it again, not enough to use it.
pub(super) fn shortened(code: &str) -> String {
    format!("{}...", code.chars().take(3).collect::<String>())
}

/// A second use of a code ends what came of the first (RFC 6749 section 4.1.2).
async fn reused_or_unknown(
    mut tx: Conn,
    env: &Env,
    hash: &str,
    authenticated: &Authenticated,
) -> Result<OAuthFailure, OAuthFailure> {
    if let Some(Some(grant)) = authorization_codes::find_used(&mut tx, hash, &authenticated.client.id).await?
    {
        grants::revoke(&mut tx, &grant, env.now).await?;
        opaque_tokens::revoke_of_grant(&mut tx, &grant, env.now).await?;
        tx.commit().await?;
    }
    Ok(OAuthError::invalid_grant("Invalid authorization code").into())
}

fn check_binding(params: &Params, data: &CodeData) -> Result<(), OAuthError> {
    match params.get("redirect_uri") {
        Some(uri) if uri == data.redirect_uri => {}
        None if !data.redirect_uri_sent => {}
        _ => {
            return Err(OAuthError::invalid_grant(
                "The redirect URI is wrong. It must be the one that the authorization request was sent with.",
            ));
        }
    }
    let verified = match (&data.code_challenge, params.get("code_verifier")) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            (43..=128).contains(&verifier.len()) && same_secret(sha256_b64url(verifier), challenge)
        }
        // A verifier without a challenge: the challenge was stripped on the way (RFC 9700 section 4.8.2).
        (None, Some(_)) | (Some(_), None) => false,
    };
    if verified { Ok(()) } else { Err(OAuthError::invalid_grant("Failed to verify code verifier")) }
}
