//! What we say about ourselves: the discovery document and the keys (contract/oidc.md 1).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use lockstep_core::assurance::PAPE;
use lockstep_engine::flows::branding;
use serde_json::{Value, json};

use crate::http::Web;

const ANYBODY: (HeaderName, HeaderValue) =
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));

/// Answers the discovery document, under both of its names.
pub(super) async fn document(State(web): State<Web>) -> Response {
    let issuer = web.app().issuer();
    let end_session = branding::load(web.app()).await.map_or(true, |look| {
        look.tenant.0.flag("oidc_logout.rp_logout_end_session_endpoint_discovery").unwrap_or(true)
    });
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url("authorize"),
        "token_endpoint": issuer.url("oauth/token"),
        "userinfo_endpoint": issuer.url("userinfo"),
        "jwks_uri": issuer.url(".well-known/jwks.json"),
        "revocation_endpoint": issuer.url("oauth/revoke"),
        "pushed_authorization_request_endpoint": issuer.url("oauth/par"),
        "scopes_supported": ["openid", "profile", "offline_access", "name", "given_name", "family_name", "nickname", "email",
            "email_verified", "picture", "created_at", "identities", "phone", "address"],
        "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token",
            "code token id_token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256", "PS384", "ES256", "ES384"],
        "claims_supported": ["aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name", "given_name",
            "iat", "identities", "iss", "name", "nickname", "phone_number", "picture", "sub", "acr", "amr", "sid"],
        "acr_values_supported": [PAPE],
        "request_uri_parameter_supported": false,
        "request_parameter_supported": false,
    });
    if end_session {
        document["end_session_endpoint"] = Value::from(issuer.url("oidc/logout"));
    }
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([ANYBODY, cache], Json(document)).into_response()
}

/// Answers which pages on other domains may ask for passkeys of this one (WebAuthn Level 3 section 5.11); nothing where there are none.
pub(super) async fn related_origins(State(web): State<Web>) -> Response {
    let origins: Vec<&str> = web.app().config().related_origins.pages().collect();
    if origins.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([ANYBODY, cache], Json(json!({"origins": origins}))).into_response()
}

/// Answers the keys (RFC 7517).
pub(super) async fn jwks(State(web): State<Web>) -> Response {
    let cache =
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=15, stale-while-revalidate=15"));
    ([ANYBODY, cache], Json(web.app().keyring().jwks())).into_response()
}
