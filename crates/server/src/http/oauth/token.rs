//! `POST /oauth/token`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::codes::OAuthError;
use lockstep_engine::flows::token;

use super::{credentials, read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Exchanges a grant for tokens.
pub(super) async fn exchange(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match read_params(&headers, &body) {
        Ok(params) => params,
        Err(error) => return respond::error(&error),
    };
    let mut env = web.app().env();
    match token::exchange(web.app(), &mut env, &origin, &params, &credentials(&headers)).await {
        Ok(tokens) => respond::json(StatusCode::OK, &tokens),
        Err(failure) => respond::failure(&failure, &OAuthError::client_unauthorized()),
    }
}
