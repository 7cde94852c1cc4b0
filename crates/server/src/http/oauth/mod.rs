//! OAuth 2.0 and OpenID Connect endpoints (contract/oidc.md).

pub mod cors;
pub mod discovery;
pub mod respond;

mod dbconnections;
mod logout;
mod par;
mod passkey;
mod passwordless;
mod revoke;
mod token;
mod userinfo;

pub(in crate::http) use userinfo::bearer;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use http::header;
use lockstep_core::codes::OAuthError;
use lockstep_core::oauth::params::Params;
use lockstep_engine::flows::client_auth::Credentials;

use super::Web;

/// The routes. Those of the first group may be called by web pages.
pub fn routes(web: Web) -> Router<Web> {
    let from_pages = Router::new()
        .route("/dbconnections/change_password", post(dbconnections::change_password))
        .route("/dbconnections/signup", post(dbconnections::signup))
        .route("/oauth/token", post(token::exchange))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/passkey/challenge", post(passkey::challenge))
        .route("/passkey/register", post(passkey::register))
        .route("/passwordless/start", post(passwordless::start))
        .route("/userinfo", get(userinfo::get).post(userinfo::post))
        .layer(axum::middleware::from_fn_with_state(web, cors::layer));
    Router::new()
        .merge(from_pages)
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/.well-known/oauth-authorization-server", get(discovery::document))
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/.well-known/webauthn", get(discovery::related_origins))
        .route("/oauth/par", post(par::push))
        .route("/v2/logout", get(logout::v2))
        .route("/oidc/logout", get(logout::oidc).post(logout::oidc_post))
}

/// Reads a body as a form or as JSON, by its content type (contract/oidc.md 0.1).
pub(in crate::http) fn read_params(headers: &HeaderMap, body: &Bytes) -> Result<Params, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Params::from_json(body)
    } else {
        Params::from_form(body)
    }
}

/// Returns what the headers say of the client.
pub(in crate::http) fn credentials(headers: &HeaderMap) -> Credentials {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    Credentials { authorization }
}
