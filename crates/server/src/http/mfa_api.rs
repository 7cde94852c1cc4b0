//! `/mfa/*`: the MFA API (contract/mfa-api.md).

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_engine::flows::OAuthFailure;
use lockstep_engine::flows::mfa_api::{associate, authenticators, challenge};

use super::Web;
use super::oauth::{bearer, cors, credentials, read_params, respond};
use super::origin::From;

/// The routes; web pages may call them all.
pub(super) fn routes(web: Web) -> Router<Web> {
    Router::new()
        .route("/mfa/authenticators", get(list))
        .route("/mfa/authenticators/{id}", delete(remove))
        .route("/mfa/associate", post(enrol))
        .route("/mfa/challenge", post(begin))
        .layer(axum::middleware::from_fn_with_state(web, cors::layer))
}

async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let env = web.app().env();
    let result = match token(&headers) {
        Ok(token) => authenticators::list(web.app(), &env, &token).await,
        Err(error) => Err(error.into()),
    };
    answer(result.map(|list| respond::json(StatusCode::OK, &list)))
}

async fn remove(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let mut env = web.app().env();
    let result = match token(&headers) {
        Ok(token) => authenticators::remove(web.app(), &mut env, &origin, &token, &id).await,
        Err(error) => Err(error.into()),
    };
    answer(result.map(|()| StatusCode::NO_CONTENT.into_response()))
}

async fn enrol(State(web): State<Web>, From(origin): From, headers: HeaderMap, body: Bytes) -> Response {
    let mut env = web.app().env();
    let result = match (token(&headers), read_params(&headers, &body)) {
        (Ok(token), Ok(params)) => associate::associate(web.app(), &mut env, &origin, &token, &params).await,
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    };
    answer(result.map(|body| respond::json(StatusCode::OK, &body)))
}

async fn begin(State(web): State<Web>, From(origin): From, headers: HeaderMap, body: Bytes) -> Response {
    let mut env = web.app().env();
    let result = match read_params(&headers, &body) {
        Ok(params) => {
            challenge::challenge(web.app(), &mut env, &origin, &params, &credentials(&headers)).await
        }
        Err(error) => Err(error.into()),
    };
    answer(result.map(|body| respond::json(StatusCode::OK, &body)))
}

fn token(headers: &HeaderMap) -> Result<String, OAuthError> {
    bearer(headers).ok_or_else(|| {
        OAuthError::new(
            OAuthCode::InvalidGrant,
            "Send an mfa_token or access token: Authorization: Bearer TOKEN",
        )
        .with_status(401)
    })
}

/// No `WWW-Authenticate`: oauth4webapi stops reading at that header.
fn answer(result: Result<Response, OAuthFailure>) -> Response {
    result.unwrap_or_else(|failure| respond::failure(&failure, &OAuthError::client_unauthorized()))
}
