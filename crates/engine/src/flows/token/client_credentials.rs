//! `client_credentials` (RFC 6749 section 4.4): a machine gets what its client grant allows.

use lockstep_core::codes::OAuthError;
use lockstep_core::env::Env;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use serde_json::json;

use super::issue::{self, TokenResponse};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::Authenticated;
use crate::store::settings;

/// Answers a machine: nothing is read but what the catalog keeps, and nothing written but a queued log record.
pub async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    if client.is_public() {
        return Err(OAuthFailure::ClientRefused { by_basic: false });
    }
    let audience = match params.get("audience") {
        Some(audience) => audience.to_owned(),
        None => {
            let tenant = settings::tenant(&mut app.db().read().await?).await?;
            tenant.default_audience().map(str::to_owned).ok_or_else(|| OAuthError::missing("audience"))?
        }
    };
    let api = app.catalog().api(&audience).await?.ok_or_else(|| OAuthError::service_not_found(&audience))?;
    let grant = app.catalog().machine_grant(&client.id, &audience).await?;
    let denied = api.data.text("subject_type_authorization.client.policy") == Some("deny_all");
    let grant = grant.filter(|_| !denied).ok_or_else(|| issue::not_authorized(&audience))?;
    let granted: Vec<&str> =
        if grant.allows_all_scopes() { api.scopes().collect() } else { grant.scopes().collect() };
    // A client grant may outlive a scope of its API: what the API no longer defines is not granted.
    let defined: std::collections::HashSet<&str> = api.scopes().collect();
    let asked = params.get("scope").map(Scopes::parse).transpose()?;
    let mut scopes = Scopes::default();
    for scope in granted {
        if defined.contains(scope) && asked.as_ref().is_none_or(|a| a.has(scope)) {
            scopes.add(scope);
        }
    }
    let (response, jti) = issue::for_machine(app, env, client, &api, &scopes).await?;
    let mut event = LogEvent::new("seccft", "").client(&client.id, client.name()).from(origin);
    event.details = Some(json!({"access_token_jti": jti}));
    event.audience = Some(audience);
    event.scope = Some(response.scope.clone());
    app.log(env, &event);
    Ok(response)
}
