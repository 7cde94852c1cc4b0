//! `/v2/logout` and `/oidc/logout` (contract/oidc.md 10).

use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};
use lockstep_core::codes::OAuthError;
use lockstep_core::env::Env;
use lockstep_core::model::client::Client;
use lockstep_core::oauth::params::Params;
use lockstep_engine::flows::logout::{self as flow, LoggedOut};
use lockstep_engine::flows::{OAuthFailure, branding};

use super::respond;
use crate::http::origin::From;
use crate::http::{Web, cookies, login, pages};
use crate::ui::screens;
use crate::ui::{Ctx, Page, Pages};

/// Ends the session and goes to a listed URL.
pub(super) async fn v2(State(web): State<Web>, From(origin): From, headers: HeaderMap, uri: Uri) -> Response {
    let mut env = web.app().env();
    let params = match Params::from_form(uri.query().unwrap_or_default().as_bytes()) {
        Ok(params) => params,
        Err(error) => {
            return respond::error_page(&web, &headers, &mut env, StatusCode::BAD_REQUEST, &error).await;
        }
    };
    let result = flow::v2(web.app(), &env, &origin, &login::browser(&headers), &params).await;
    finish(&web, &headers, &mut env, result, &params).await
}

/// Ends the session if the request proves that it may, else asks.
pub(super) async fn oidc(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    run(&web, &origin, &headers, uri.query().unwrap_or_default().as_bytes()).await
}

/// The same by POST; also the answer to the question.
pub(super) async fn oidc_post(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    uri: Uri,
    RawForm(body): RawForm,
) -> Response {
    // The question is a form without an address of its own: what was asked stands in the query, the answer in the body.
    let answer = Params::from_form(&body).ok().and_then(|p| p.get("action").map(str::to_owned));
    match answer.as_deref() {
        Some("accept") => {
            confirmed(&web, &origin, &headers, uri.query().unwrap_or_default().as_bytes()).await
        }
        Some("deny") => {
            let mut env = web.app().env();
            let page = screens::LogoutAborted { back_url: None };
            draw(&web, &headers, &mut env, None, |pages, ctx| pages.logout_aborted(ctx, &page)).await
        }
        _ => run(&web, &origin, &headers, &body).await,
    }
}

async fn run(
    web: &Web,
    origin: &lockstep_core::model::log_event::Origin,
    headers: &HeaderMap,
    query: &[u8],
) -> Response {
    answer(web, origin, headers, query, false).await
}

async fn confirmed(
    web: &Web,
    origin: &lockstep_core::model::log_event::Origin,
    headers: &HeaderMap,
    query: &[u8],
) -> Response {
    // SameSite=None sends the session cookie along from anywhere: only our own page may answer for the person.
    let from_us =
        headers.get(header::ORIGIN).and_then(|o| o.to_str().ok()) == Some(web.app().issuer().origin());
    answer(web, origin, headers, query, from_us).await
}

async fn answer(
    web: &Web,
    origin: &lockstep_core::model::log_event::Origin,
    headers: &HeaderMap,
    query: &[u8],
    confirmed: bool,
) -> Response {
    let mut env = web.app().env();
    let params = match Params::from_form(query) {
        Ok(params) => params,
        Err(error) => {
            return respond::error_page(web, headers, &mut env, StatusCode::BAD_REQUEST, &error).await;
        }
    };
    let result = flow::oidc(web.app(), &env, origin, &login::browser(headers), &params, confirmed).await;
    finish(web, headers, &mut env, result, &params).await
}

async fn finish(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    result: Result<LoggedOut, OAuthFailure>,
    params: &Params,
) -> Response {
    let mut response = match result {
        Ok(LoggedOut::GoTo(url)) => match HeaderValue::from_str(&url) {
            Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        },
        Ok(LoggedOut::Here(client)) => {
            let login_url = client.as_ref().and_then(|c| c.initiate_login_uri().map(str::to_owned));
            let page = screens::LogoutComplete { login_url: login_url.as_deref() };
            draw(web, headers, env, client.as_deref(), |pages, ctx| pages.logout_complete(ctx, &page)).await
        }
        Ok(LoggedOut::Ask { user_name, client }) => {
            let page = screens::Logout { user: &user_name };
            let _ = params;
            return draw(web, headers, env, client.as_deref(), |pages, ctx| pages.logout(ctx, &page)).await;
        }
        Err(OAuthFailure::Refused(error)) => {
            let error = OAuthError { status: Some(400), ..*error };
            return respond::error_page(web, headers, env, StatusCode::BAD_REQUEST, &error).await;
        }
        Err(failure) => return respond::failure(&failure, &OAuthError::client_unauthorized()),
    };
    cookies::clear(response.headers_mut(), cookies::SESSION);
    response
}

async fn draw(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    client: Option<&Client>,
    render: impl FnOnce(&Pages, &Ctx) -> Page,
) -> Response {
    let look = branding::load(web.app()).await.unwrap_or_default();
    let about = pages::About { client, ..pages::About::default() };
    let ctx = pages::context(&look, headers, about, env);
    pages::respond(StatusCode::OK, render(web.pages(), &ctx))
}
