//! `/passkey/challenge` and `/passkey/register` (contract/oidc.md 12).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_engine::flows::passkey::{self, Purpose};

use super::{credentials, read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Begins a login.
pub(super) async fn challenge(web: State<Web>, from: From, headers: HeaderMap, body: Bytes) -> Response {
    begin(web, from, &headers, &body, Purpose::Login).await
}

/// Begins a sign-up.
pub(super) async fn register(web: State<Web>, from: From, headers: HeaderMap, body: Bytes) -> Response {
    begin(web, from, &headers, &body, Purpose::Register).await
}

async fn begin(
    State(web): State<Web>,
    From(origin): From,
    headers: &HeaderMap,
    body: &Bytes,
    purpose: Purpose,
) -> Response {
    let mut env = web.app().env();
    let begun = match read_params(headers, body) {
        Ok(params) => {
            passkey::begin(web.app(), &mut env, &origin, &params, &credentials(headers), purpose).await
        }
        Err(error) => Err(error.into()),
    };
    match begun {
        Ok(body) => respond::json(StatusCode::OK, &body),
        Err(failure) => respond::failure(
            &failure,
            &OAuthError::new(OAuthCode::InvalidClient, OAuthCode::InvalidClient.text()),
        ),
    }
}
