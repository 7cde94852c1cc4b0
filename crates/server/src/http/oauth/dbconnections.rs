//! `/dbconnections/signup` and `/dbconnections/change_password` (contract/oidc.md 11).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::dbconnections::Refusal;
use lockstep_core::env::Env;
use lockstep_engine::flows::dbconnections::{self as flow, Failure};
use tracing::error;

use super::{read_params, respond};
use crate::http::Web;
use crate::http::origin::From;

/// Makes an account.
pub(super) async fn signup(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut env = web.app().env();
    let made = match read_params(&headers, &body) {
        Ok(params) => flow::sign_up(web.app(), &mut env, &origin, &params).await,
        Err(error) => Err(error.into()),
    };
    match made {
        Ok(body) => respond::json(StatusCode::OK, &body),
        Err(failure) => refused(&env, &failure),
    }
}

/// Sends a link for a new password.
pub(super) async fn change_password(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut env = web.app().env();
    let language = headers.get("x-request-language").and_then(|v| v.to_str().ok());
    let sent = match read_params(&headers, &body) {
        Ok(params) => flow::change_password(web.app(), &mut env, &origin, &params, language).await,
        Err(error) => Err(error.into()),
    };
    match sent {
        Ok(()) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let text = "We've just sent you an email to reset your password.";
            ([(header::CONTENT_TYPE, html)], text).into_response()
        }
        Err(failure) => refused(&env, &failure),
    }
}

fn refused(env: &Env, failure: &Failure) -> Response {
    match failure {
        Failure::Refused(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = respond::json(status, &refusal.body());
            if let Refusal::TooMany { limit, seconds } = refusal {
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
                headers.insert("x-ratelimit-limit", HeaderValue::from(*limit));
                headers.insert("x-ratelimit-remaining", HeaderValue::from(0));
                headers.insert("x-ratelimit-reset", HeaderValue::from(env.now.as_secs() + seconds));
            }
            response
        }
        Failure::Password(error) => respond::overloaded(error),
        Failure::Db(cause) => {
            error!(%cause, "A request about a password failed: {cause}");
            let error = OAuthError::new(OAuthCode::ServerError, OAuthCode::ServerError.text());
            respond::error(&error.with_status(500))
        }
    }
}
