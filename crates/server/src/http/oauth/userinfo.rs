//! `/userinfo` (OpenID Connect Core section 5.3, RFC 6750).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use http::header::{self, HeaderValue};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_engine::flows::{OAuthFailure, userinfo};

use super::{read_params, respond};
use crate::http::Web;

/// Answers a GET.
pub(super) async fn get(State(web): State<Web>, headers: HeaderMap) -> Response {
    answer(&web, bearer(&headers).as_deref()).await
}

/// Answers a POST: the token may stand in the form (RFC 6750 section 2.2).
pub(super) async fn post(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    let token = bearer(&headers)
        .or_else(|| read_params(&headers, &body).ok().and_then(|p| p.get("access_token").map(str::to_owned)));
    answer(&web, token.as_deref()).await
}

async fn answer(web: &Web, token: Option<&str>) -> Response {
    let env = web.app().env();
    let missing =
        || OAuthFailure::from(OAuthError::new(OAuthCode::InvalidToken, OAuthCode::InvalidToken.text()));
    let claims = match token {
        Some(token) => userinfo::claims_of(web.app(), &env, token).await,
        None => Err(missing()),
    };
    match claims {
        Ok(claims) => respond::json(StatusCode::OK, &claims),
        Err(failure) => {
            let mut response = respond::failure(&failure, &OAuthError::client_unauthorized());
            if let OAuthFailure::Refused(error) = &failure {
                let challenge = format!("Bearer error=\"{}\"", error.code.as_str());
                if let Ok(value) = HeaderValue::from_str(&challenge) {
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
                }
            }
            response
        }
    }
}

/// Returns the bearer token of the header; the scheme's name is written in any case.
pub(in crate::http) fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
