//! Answers: JSON of the token endpoints, envelope A, and the four ways an authorization response travels.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::oauth::response::{AuthorizeResponse, ResponseMode};
use lockstep_engine::flows::authorize::AuthorizeError;
use lockstep_engine::flows::{OAuthFailure, branding};
use lockstep_engine::passwords::PasswordError;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::error;

use crate::http::{Web, pages};
use crate::ui::screens::ErrorPage;

/// Returns an answer that must not be kept anywhere.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Returns a refusal as envelope A.
pub fn error(error: &OAuthError) -> Response {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    json(status, &error.body())
}

/// Returns the answer to a failure. `client_refused` is how this endpoint speaks of a client that did not prove who it is.
///
/// No `WWW-Authenticate`, except to clients that used HTTP Basic: oauth4webapi stops reading at that header, and `mfa_required` would
/// be lost.
pub fn failure(failure: &OAuthFailure, client_refused: &OAuthError) -> Response {
    match failure {
        OAuthFailure::ClientRefused { by_basic } => {
            let mut response = error(client_refused);
            if *by_basic {
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"lockstep\""));
            }
            response
        }
        OAuthFailure::Refused(refused) => error(refused),
        OAuthFailure::Db(_) | OAuthFailure::Internal(_) => {
            error!(cause = %failure, "An OAuth request failed: {failure}");
            error(&OAuthError::new(OAuthCode::ServerError, OAuthCode::ServerError.text()).with_status(500))
        }
    }
}

/// Returns 503 for a server that has too many passwords to check.
pub fn overloaded(_: &PasswordError) -> Response {
    let error_body =
        OAuthError::new(OAuthCode::TemporarilyUnavailable, OAuthCode::TemporarilyUnavailable.text());
    let mut response = error(&error_body.with_status(503));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// Sends an authorization response on its way.
pub async fn authorize_response(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    answer: &AuthorizeResponse,
) -> Response {
    match answer.mode {
        ResponseMode::Query | ResponseMode::Fragment => match HeaderValue::from_str(&answer.location()) {
            Ok(location) => {
                let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                (StatusCode::FOUND, [(header::LOCATION, location), no_store]).into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        ResponseMode::FormPost | ResponseMode::WebMessage => {
            let look = branding::load(web.app()).await.unwrap_or_default();
            let ctx = pages::context(&look, headers, pages::About::default(), env);
            let page = if answer.mode == ResponseMode::FormPost {
                let params: Vec<(&str, &str)> = answer.params.iter().map(|(n, v)| (*n, v.as_str())).collect();
                web.pages().form_post(&ctx, &answer.redirect_uri, &params)
            } else {
                let response: Map<String, Value> =
                    answer.params.iter().map(|(n, v)| ((*n).to_owned(), Value::from(v.as_str()))).collect();
                let target = answer.target_origin().unwrap_or_default();
                web.pages().web_message(&ctx, &target, &Value::Object(response))
            };
            pages::respond(StatusCode::OK, page)
        }
    }
}

/// Tells a refused authorization request: to the client where its callback is known good, else on a page.
pub async fn refused(web: &Web, headers: &HeaderMap, env: &mut Env, refused: AuthorizeError) -> Response {
    match refused {
        AuthorizeError::Refused(refused) => match &refused.reply_to {
            Some(reply_to) => authorize_response(web, headers, env, &reply_to.error(&refused.error)).await,
            None => {
                let status =
                    StatusCode::from_u16(refused.error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
                error_page(web, headers, env, status, &refused.error).await
            }
        },
        AuthorizeError::Db(cause) => {
            error!(%cause, "An authorization request failed: {cause}");
            let error = OAuthError::new(OAuthCode::ServerError, OAuthCode::ServerError.text());
            error_page(web, headers, env, StatusCode::INTERNAL_SERVER_ERROR, &error).await
        }
    }
}

/// Returns the page that tells a person what a developer has to mend.
pub async fn error_page(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    error: &OAuthError,
) -> Response {
    let page = ErrorPage {
        kind: if status.is_server_error() { "generic" } else { "invalidRequest" },
        detail: &error.description,
        code: error.code.as_str(),
        ..ErrorPage::default()
    };
    pages::error(web, headers, env, status, &page).await
}
