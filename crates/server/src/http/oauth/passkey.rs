//! `/passkey/challenge` and `/passkey/register` (contract/oidc.md 12).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_engine::flows::{OAuthFailure, passkey};
use serde_json::Value;

use super::{credentials, read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Begins a login.
pub(super) async fn challenge(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut env = web.app().env();
    answer(match read_params(&headers, &body) {
        Ok(params) => passkey::challenge(web.app(), &mut env, &origin, &params, &credentials(&headers)).await,
        Err(error) => Err(error.into()),
    })
}

/// Begins a sign-up.
pub(super) async fn register(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut env = web.app().env();
    answer(match read_params(&headers, &body) {
        Ok(params) => passkey::register(web.app(), &mut env, &origin, &params, &credentials(&headers)).await,
        Err(error) => Err(error.into()),
    })
}

fn answer(result: Result<Value, OAuthFailure>) -> Response {
    match result {
        Ok(body) => respond::json(StatusCode::OK, &body),
        Err(failure) => respond::failure(
            &failure,
            &OAuthError::new(OAuthCode::InvalidClient, OAuthCode::InvalidClient.text()),
        ),
    }
}
