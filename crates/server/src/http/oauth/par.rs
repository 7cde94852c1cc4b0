//! `POST /oauth/par` (RFC 9126).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::{StatusCode, header};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::oauth::params::Params;
use lockstep_engine::flows::par as flow;
use serde_json::json;

use super::{credentials, respond};
use crate::http::Web;
use crate::http::origin::From;

/// The largest body (contract/oidc.md 7).
const MAX_BODY: usize = 10 * 1024;

/// Keeps an authorization request. Forms only.
pub(super) async fn push(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/x-www-form-urlencoded"));
    if !form {
        return respond::error(&OAuthError::invalid_request(
            "The body must be application/x-www-form-urlencoded",
        ));
    }
    if body.len() > MAX_BODY {
        return respond::error(&OAuthError::invalid_request("The body must not be larger than 10 KB"));
    }
    let params = match Params::from_form(&body) {
        Ok(params) => params,
        Err(error) => return respond::error(&error),
    };
    let mut env = web.app().env();
    match flow::push(web.app(), &mut env, &origin, &params, &credentials(&headers)).await {
        Ok(uri) => respond::json(
            StatusCode::CREATED,
            &json!({"request_uri": uri, "expires_in": flow::LIFETIME.as_secs()}),
        ),
        Err(failure) => respond::failure(
            &failure,
            &OAuthError::new(OAuthCode::InvalidClient, OAuthCode::InvalidClient.text()),
        ),
    }
}
