//! Universal Login: `/authorize` and the pages below `/u/`.

mod authorize;
pub(in crate::http) mod enrolment;
mod page;
mod render;
mod reset;
mod ticket;
mod verification;

use std::collections::HashMap;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::LOCATION;
use lockstep_core::env::Env;
use lockstep_core::login::offer::Leave;
use lockstep_core::login::steps::KeyFailure;
use lockstep_engine::flows::PasskeyInput;
use lockstep_engine::flows::login::{Browser, LoginError, Lost, NewCookie};
use tracing::error;

use super::cookies::{self, Cookie};
use super::{Web, pages};
use crate::ui::screens::ErrorPage;

/// The routes of Universal Login.
pub fn routes() -> Router<Web> {
    Router::new()
        .route("/authorize", get(authorize::get).post(authorize::post))
        .route("/login", get(page::legacy))
        .route("/u/reset-password/request/{connection}", get(reset::request).post(reset::send))
        .route("/u/reset-password/sent", get(reset::sent))
        .route("/u/reset-password/passkey", get(reset::offer).post(reset::answer_offer))
        .route("/u/reset-verify", get(reset::new_password).post(reset::set_password))
        .route("/u/email-verification", get(verification::ask).post(verification::verify))
        .route("/guardian/enroll", get(ticket::welcome).post(ticket::open))
        .route("/u/enroll", get(ticket::show).post(ticket::answer))
        .route("/u/login", get(page::show).post(page::submit))
        .route("/u/login/identifier", get(page::show).post(page::submit))
        .route("/u/login/password", get(page::show).post(page::submit))
        .route("/u/signup", get(page::show).post(page::submit))
        .route("/u/signup/identifier", get(page::show).post(page::submit))
        .route("/u/signup/password", get(page::show).post(page::submit))
        .route("/u/{screen}", get(page::show).post(page::submit))
}

/// Returns the cookies of the browser that matter here.
pub(super) fn browser(headers: &HeaderMap) -> Browser<'_> {
    Browser {
        session: cookies::read(headers, cookies::SESSION),
        remembered: cookies::read(headers, cookies::REMEMBERED),
        declined: cookies::read(headers, cookies::DECLINED),
        transaction: cookies::read(headers, cookies::TRANSACTION),
    }
}

/// Reads how somebody leaves an offer.
fn leave(fields: &HashMap<String, String>) -> Leave {
    if fields.contains_key("unable") {
        Leave::Unable
    } else if fields.contains_key("doNotShowAgain") {
        Leave::Never
    } else {
        Leave::Later
    }
}

/// Reads what the browser says of a passkey.
pub(super) fn passkey_said(fields: &HashMap<String, String>) -> Option<PasskeyInput> {
    let failed = fields.get("failure").map(|name| PasskeyInput::Failed(KeyFailure::parse(name)));
    failed.or_else(|| fields.get("response").cloned().map(PasskeyInput::Answer))
}

/// Puts new cookies on an answer.
pub(super) fn with_cookies(mut response: Response, new: &[NewCookie]) -> Response {
    for cookie in new {
        let cookie = match cookie {
            NewCookie::Session { handle, lifetime } => {
                Cookie { name: cookies::SESSION, value: handle, max_age: *lifetime }
            }
            NewCookie::Declined { handle, lifetime } => {
                Cookie { name: cookies::DECLINED, value: handle, max_age: *lifetime }
            }
            NewCookie::Remembered { handle, lifetime } => {
                Cookie { name: cookies::REMEMBERED, value: handle, max_age: *lifetime }
            }
            NewCookie::Transaction { handle } => {
                Cookie { name: cookies::TRANSACTION, value: handle, max_age: None }
            }
        };
        cookies::set(response.headers_mut(), cookie);
    }
    response
}

/// Sends the browser elsewhere by GET. The location is made of ASCII already, or the answer is an error.
pub(super) fn see_other(location: &str) -> Response {
    match http::HeaderValue::from_str(location) {
        Ok(value) => (StatusCode::FOUND, [(LOCATION, value)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Returns the page for a login that cannot go on.
async fn refuse(web: &Web, headers: &HeaderMap, env: &mut Env, error: &LoginError) -> Response {
    let (status, kind) = match error {
        LoginError::Lost(Lost::StartAgain(uri)) => return Redirect::to(uri).into_response(),
        LoginError::Lost(Lost::Nowhere) => (StatusCode::BAD_REQUEST, "transactionNotFound"),
        LoginError::NoConnection => (StatusCode::BAD_REQUEST, "invalidRequest"),
        LoginError::Password(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        LoginError::Db(_) | LoginError::Internal(_) => {
            error!(cause = %error, "A login step failed: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "generic")
        }
    };
    let page = ErrorPage { kind, ..ErrorPage::default() };
    let mut response = pages::error(web, headers, env, status, &page).await;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("2"));
    }
    response
}
