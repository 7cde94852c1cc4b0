//! `/userinfo` (OpenID Connect Core section 5.3).

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::crypto::jose::claims;
use lockstep_core::env::Env;
use lockstep_core::ids::UserId;
use lockstep_core::oauth::claims::profile;
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::time::Span;
use serde_json::Value;

use super::OAuthFailure;
use crate::app::App;
use crate::store::{opaque_tokens, users};

/// Returns the claims about the bearer's person: an opaque token, or a JWT whose audience includes `/userinfo`.
pub async fn claims_of(app: &App, env: &Env, token: &str) -> Result<Value, OAuthFailure> {
    let invalid =
        || OAuthFailure::from(OAuthError::new(OAuthCode::InvalidToken, OAuthCode::InvalidToken.text()));
    let mut conn = app.db().read().await?;
    let (user, scope) = if token.contains('.') {
        let verified = app.keyring().verify(token).map_err(|_| invalid())?;
        let c = &verified.claims;
        let audience = app.issuer().userinfo_audience();
        let fits = claims::issued_by(c, app.issuer().as_str()).is_ok()
            && claims::addressed_to(c, &[audience.as_str()]).is_ok()
            && claims::not_expired(c, env.now, Span::ZERO).is_ok()
            && (verified.header.is_type("JWT") || verified.header.is_type("at+jwt"));
        let subject = claims::text(c, "sub").ok().and_then(|s| UserId::parse(s).ok());
        let (true, Some(user)) = (fits, subject) else { return Err(invalid()) };
        (user, claims::text(c, "scope").unwrap_or_default().to_owned())
    } else {
        let found =
            opaque_tokens::find(&mut conn, &sha256_b64url(token), env.now).await?.ok_or_else(invalid)?;
        (found.user, found.scope)
    };
    let scopes = Scopes::trusted(&scope);
    if !scopes.has("openid") {
        return Err(OAuthError::new(
            OAuthCode::InsufficientScope,
            "The token was not granted the scope openid",
        )
        .into());
    }
    let user = users::find(&mut conn, &user).await?.filter(|u| !u.blocked).ok_or_else(invalid)?;
    let mut claims = profile(&user, &scopes);
    claims.insert("sub".to_owned(), user.id.as_str().into());
    Ok(Value::Object(claims))
}
