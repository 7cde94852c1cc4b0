//! `POST /oauth/revoke`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_engine::flows::revoke as flow;

use super::{credentials, read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Revokes a refresh token.
pub(super) async fn revoke(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match read_params(&headers, &body) {
        Ok(params) => params,
        Err(error) => return respond::error(&error),
    };
    let env = web.app().env();
    match flow::revoke(web.app(), &env, &origin, &params, &credentials(&headers)).await {
        Ok(()) => {
            let mut response = Response::new(axum::body::Body::empty());
            *response.status_mut() = StatusCode::OK;
            response
        }
        Err(failure) => respond::failure(
            &failure,
            &OAuthError::new(OAuthCode::InvalidClient, OAuthCode::InvalidClient.text()),
        ),
    }
}
