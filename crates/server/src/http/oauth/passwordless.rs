//! `/passwordless/start` (contract/oidc.md 11.3).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::codes::OAuthError;
use lockstep_engine::flows::passwordless;

use super::{credentials, read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Sends a code.
pub(super) async fn start(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut env = web.app().env();
    let language = headers.get("x-request-language").and_then(|v| v.to_str().ok());
    let result = match read_params(&headers, &body) {
        Ok(params) => {
            let given = credentials(&headers);
            passwordless::start(web.app(), &mut env, &origin, &params, &given, language).await
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(body) => respond::json(StatusCode::OK, &body),
        Err(failure) => respond::failure(&failure, &OAuthError::client_unauthorized()),
    }
}
