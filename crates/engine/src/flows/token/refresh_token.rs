//! `refresh_token` (RFC 6749 section 6; rotation and reuse as in RFC 9700 section 4.14, contract/oidc.md 6.3).

use lockstep_core::assurance::claims as assurance;
use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::Keys;
use lockstep_core::login::demand::{
    Asks, Decision, Held, Means, RefreshMfa, RefreshSituation, decide_refresh,
};
use lockstep_core::login::session::Proven;
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use lockstep_core::oauth::checks;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::time::Span;
use serde_json::json;

use super::issue::{self, TokenResponse, Unsigned, UserGrant};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::Authenticated;
use crate::flows::held;
use crate::flows::mfa_api::{self, Wanted};
use crate::store::db::Conn;
use crate::store::grants::{self, Found};
use crate::store::users;

/// Exchanges a refresh token.
pub async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let hash = sha256_b64url(params.require("refresh_token")?);
    let mut tx = app.db().write().await?;
    let found = grants::find_token(&mut tx, &hash).await?;
    let Some(found) = found.filter(|f| f.grant.client == client.id) else {
        return Err(OAuthError::invalid_refresh_token().into());
    };
    if !found.grant.is_live(env.now) {
        return Err(OAuthError::invalid_refresh_token().noted("grant_revoked").into());
    }
    if found.grant.rotating && is_reuse(env, client, &found) {
        return Err(revoke_family(app, env, origin, client, tx, &found).await?);
    }
    let Some(user) = users::find(&mut tx, &found.grant.user).await? else {
        return Err(OAuthError::invalid_grant(
            "The refresh_token was generated for a user who doesn't exist anymore.",
        )
        .noted("grant_revoked")
        .into());
    };
    if user.blocked {
        return Err(OAuthError::user_blocked().into());
    }
    let decision = decide(&mut tx, app, env, params, &found, &user).await?;
    if decision.not_needed().is_none() {
        // Nothing is spent: the token is rotated when the MFA is passed, or presented again.
        let wanted = Wanted {
            scope: narrowed(&found.grant.scope, params.get("scope"))?.to_string(),
            audience: found.grant.audience.clone(),
            methods: found.grant.methods.clone(),
            auth_time: found.grant.auth_time,
            gty: Some("refresh_token".to_owned()),
            refresh: Some(hash),
        };
        return Err(mfa_api::required(app, tx, env, origin, client, &user, &decision, wanted).await?);
    }
    let scope = narrowed(&found.grant.scope, params.get("scope"))?;
    let (response, tx) = redeem(app, env, origin, tx, client, &user, &hash, found, &scope).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Goes on with a refresh once its MFA is passed: the family keeps what was proven, and the token that was presented is spent now.
#[expect(clippy::too_many_arguments, reason = "the parts of one exchange")]
pub(in crate::flows) async fn after_mfa(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    mut tx: Conn,
    client: &Client,
    user: &User,
    hash: &str,
    wanted: &Wanted,
) -> Result<(Unsigned, Conn), OAuthFailure> {
    let found = grants::find_token(&mut tx, hash).await?;
    let Some(mut found) = found.filter(|f| f.grant.client == client.id && f.grant.is_live(env.now)) else {
        return Err(OAuthError::invalid_refresh_token().into());
    };
    if found.grant.rotating && is_reuse(env, client, &found) {
        return Err(revoke_family(app, env, origin, client, tx, &found).await?);
    }
    found.grant.methods = wanted.methods.clone();
    found.grant.auth_time = wanted.auth_time;
    if !grants::save_proof(&mut tx, &found.grant).await? {
        return Err(OAuthError::invalid_refresh_token().into());
    }
    redeem(app, env, origin, tx, client, user, hash, found, &Scopes::trusted(&wanted.scope)).await
}

#[expect(clippy::too_many_arguments, reason = "the parts of one exchange")]
async fn redeem(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    mut tx: Conn,
    client: &Client,
    user: &User,
    hash: &str,
    found: Found,
    scope: &Scopes,
) -> Result<(Unsigned, Conn), OAuthFailure> {
    let rules = app.config().rules();
    let asked = UserGrant {
        user,
        session: found.grant.session.as_ref(),
        audience: found.grant.audience.as_deref(),
        scope,
        assurance: assurance(&found.grant.methods, found.grant.auth_time, rules),
        nonce: None,
        gty: Some("refresh_token"),
    };
    let issuer = env.issuer.clone();
    let granted = issue::grant(app, &mut tx, &issuer, client, &asked, true).await?;
    let mut response = issue::for_user(env, &mut tx, client, &asked, &granted, Some(&found.grant.id)).await?;
    if found.grant.rotating {
        response.refresh_token = match rotate(&mut tx, env, client, hash, &found).await? {
            Some(token) => Some(token),
            None => return Err(revoke_family(app, env, origin, client, tx, &found).await?),
        };
    }
    let mut grant = found.grant.clone();
    grant.last_exchanged_at = Some(env.now);
    grant.idle_expires_at = client.refresh_token().idle.map(|idle| env.now + idle);
    grant.device.last_ip.clone_from(&origin.ip);
    grant.device.last_user_agent.clone_from(&origin.user_agent);
    if !grants::save_use(&mut tx, &grant).await? {
        // Revoked since it was read.
        return Err(OAuthError::invalid_refresh_token().into());
    }
    let mut event = LogEvent::new("sertft", "Refresh Token for Access Token")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.audience.clone_from(&grant.audience);
    event.scope = Some(response.scope.clone());
    let counter = grant.rotating.then_some(found.sequence + 1);
    event.details = Some(json!({
        "familyId": grant.id, "tokenCounter": counter, "access_token_jti": response.jti,
        "requested_audience": grant.audience, "requested_scope": scope.to_string(),
    }));
    app.logs().insert(&mut tx, env, &event).await?;
    Ok((response, tx))
}

/// Returns whether presenting this token is a reuse: it was spent before, and is not the one before the newest within the leeway.
fn is_reuse(env: &Env, client: &Client, found: &Found) -> bool {
    let Some(used_at) = found.used_at else { return false };
    let leeway = client.refresh_token().leeway;
    let in_time = leeway > Span::ZERO && env.now.since(used_at) <= leeway;
    !(in_time && found.sequence + 1 == found.newest)
}

/// Spends the token and makes the next one; none if another request spent it first and the leeway does not cover that.
async fn rotate(
    tx: &mut Conn,
    env: &mut Env,
    client: &Client,
    hash: &str,
    found: &Found,
) -> Result<Option<String>, OAuthFailure> {
    let first = grants::claim_token(tx, hash, env.now).await?;
    if !first && found.used_at.is_none() && client.refresh_token().leeway == Span::ZERO {
        return Ok(None);
    }
    let token = format!("v1.{}", env.rng().url_safe(43));
    grants::create_token(tx, &sha256_b64url(&token), &found.grant.id, found.sequence + 1, env.now).await?;
    Ok(Some(token))
}

async fn revoke_family(
    app: &App,
    env: &Env,
    origin: &Origin,
    client: &Client,
    mut tx: Conn,
    found: &Found,
) -> Result<OAuthFailure, OAuthFailure> {
    grants::revoke(&mut tx, &found.grant.id, env.now).await?;
    let mut event = LogEvent::new("ferrt", "").client(&client.id, client.name()).from(origin);
    event.details = Some(json!({
        "familyId": found.grant.id, "latestCounter": found.newest, "tokenCounter": found.sequence,
    }));
    event.user = Some(found.grant.user.clone());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(OAuthError::invalid_refresh_token().into())
}

/// A refresh may ask for fewer scopes, never for more (RFC 6749 section 6): those are dropped.
fn narrowed(granted: &str, asked: Option<&str>) -> Result<Scopes, OAuthError> {
    let granted = Scopes::trusted(granted);
    match asked {
        None => Ok(granted),
        Some(asked) => {
            let asked = Scopes::parse(asked)?;
            Ok(granted.filter(|scope| asked.has(scope)))
        }
    }
}

async fn decide(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    params: &Params,
    found: &Found,
    user: &User,
) -> Result<Decision, OAuthFailure> {
    let guardian = app.catalog().guardian_in(tx).await?;
    let connection = app.catalog().connection_in(tx, &user.connection).await?;
    let held = held::load(tx, user, &guardian).await?;
    let keys = Keys::of(app.issuer(), &guardian);
    let rules = app.config().rules();
    let asks_mfa = checks::asks_mfa(params);
    Ok(decide_refresh(&RefreshSituation {
        now: env.now,
        rules,
        policy_means: RefreshMfa::of(&*app.catalog().tenant_in(tx).await?),
        asks: Asks {
            policy_always: guardian.always() && connection.is_none_or(|c| c.mfa_active()),
            acr_mfa: asks_mfa,
            mfa_audience: found.grant.audience.as_deref() == Some(env.issuer.mfa_audience().as_str()),
            ..Asks::default()
        },
        proven: Proven::by_session(found.grant.methods.clone(), found.grant.auth_time),
        means: Means::new(
            held.iter().map(|on| Held::of(on, &keys)),
            &guardian.enabled(),
            &found.grant.methods,
            rules,
        ),
    }))
}
