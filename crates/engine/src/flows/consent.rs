//! What a person allows an application (contract/oidc.md 3.6).

use lockstep_core::env::Env;
use lockstep_core::ids::{ConsentId, UserId};
use lockstep_core::model::client::Client;
use lockstep_core::model::resource_server::ResourceServer;
use lockstep_core::oauth::redirect_uri;
use lockstep_core::oauth::request::AuthorizeRequest;

use crate::store::consents::{self, NO_AUDIENCE};
use crate::store::db::{Conn, DbError};
use crate::store::resource_servers;

/// Scopes that describe the person and need no words of an API.
const PROFILE: &[(&str, &str)] = &[
    ("profile", "Your name and picture"),
    ("email", "Your e-mail address"),
    ("phone", "Your phone number"),
    ("address", "Your address"),
    ("offline_access", "Access while you are away"),
];

/// Returns whether the person has to be asked.
pub async fn is_needed(
    conn: &mut Conn,
    client: &Client,
    request: &AuthorizeRequest,
    user: &UserId,
) -> Result<bool, DbError> {
    if request.prompt.consent {
        return Ok(true);
    }
    if client.is_first_party() {
        let Some(audience) = &request.audience else { return Ok(false) };
        let api = resource_servers::find_by_identifier(conn, audience).await?;
        let skips = api.is_none_or(|api| api.is_system() || api.skips_consent_for_first_party());
        // A callback that anybody's program can listen on proves nothing about who asks.
        if skips && redirect_uri::is_verifiable(&request.reply_to.redirect_uri) {
            return Ok(false);
        }
    }
    let audience = request.audience.as_deref().unwrap_or(NO_AUDIENCE);
    let allowed = consents::find(conn, user, &client.id, audience).await?.unwrap_or_default();
    Ok(request.scope.iter().any(|scope| scope != "openid" && !allowed.iter().any(|a| a == scope))
        || allowed.is_empty())
}

/// Saves the person's consent to what the request asks for, beside what was allowed before.
pub async fn save(
    conn: &mut Conn,
    env: &mut Env,
    client: &Client,
    request: &AuthorizeRequest,
    user: &UserId,
) -> Result<(), DbError> {
    let audience = request.audience.as_deref().unwrap_or(NO_AUDIENCE);
    let mut scopes = consents::find(conn, user, &client.id, audience).await?.unwrap_or_default();
    for scope in request.scope.iter() {
        if !scopes.iter().any(|s| s == scope) {
            scopes.push(scope.to_owned());
        }
    }
    let id = ConsentId::new(env.rng());
    consents::save(conn, &id, user, &client.id, audience, &scopes, env.now).await
}

/// Returns the asked scopes with what they mean, for the consent page.
pub fn described(request: &AuthorizeRequest, api: Option<&ResourceServer>) -> Vec<(String, String)> {
    let meaning = |scope: &str| {
        let known = PROFILE.iter().find(|(name, _)| *name == scope).map(|(_, text)| (*text).to_owned());
        known.or_else(|| api.and_then(|a| a.scope_description(scope)).map(str::to_owned)).unwrap_or_default()
    };
    request.scope.iter().filter(|s| *s != "openid").map(|s| (s.to_owned(), meaning(s))).collect()
}
