//! The page of a link that proves an address.

use std::collections::HashMap;

use axum::extract::{Query, RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::env::Env;
use lockstep_core::model::client::Client;
use lockstep_engine::flows::branding;
use lockstep_engine::flows::email_verification::{self as flow, Done, VerificationError};
use tracing::error;

use super::see_other;
use crate::http::origin::From;
use crate::http::{Web, pages};
use crate::ui::screens::{EmailVerification, EmailVerificationResult, VerificationOutcome};
use crate::ui::{Ctx, Page, Pages};

type Fields = HashMap<String, String>;

/// Asks to press the button. Changes nothing: mail scanners open links too.
pub(super) async fn ask(State(web): State<Web>, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let mut env = web.app().env();
    let ticket = query.get("ticket").map_or("", String::as_str);
    match flow::look(web.app(), &env, ticket).await {
        Ok(account) => {
            let page = EmailVerification { ticket, account: &account };
            draw(&web, &headers, &mut env, StatusCode::OK, None, |pages, ctx| {
                pages.email_verification(ctx, &page)
            })
            .await
        }
        Err(error) => failed(&web, &headers, &mut env, &error).await,
    }
}

/// Marks the address verified: the person pressed the button.
pub(super) async fn verify(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let ticket = fields.get("ticket").map_or("", String::as_str);
    match flow::verify(web.app(), &mut env, &origin, ticket).await {
        Ok(Done { url: Some(url), .. }) => see_other(&url),
        Ok(Done { client, url: None }) => {
            let outcome = VerificationOutcome::Verified;
            result(&web, &headers, &mut env, StatusCode::OK, outcome, client.as_ref()).await
        }
        Err(error) => failed(&web, &headers, &mut env, &error).await,
    }
}

async fn failed(web: &Web, headers: &HeaderMap, env: &mut Env, error: &VerificationError) -> Response {
    let (status, outcome) = match error {
        VerificationError::Unknown => (StatusCode::BAD_REQUEST, VerificationOutcome::Invalid),
        VerificationError::Used => (StatusCode::GONE, VerificationOutcome::AlreadyUsed),
        VerificationError::Expired => (StatusCode::GONE, VerificationOutcome::Expired),
        VerificationError::Db(_) => {
            error!(cause = %error, "An address could not be verified: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, VerificationOutcome::Generic)
        }
    };
    result(web, headers, env, status, outcome, None).await
}

async fn result(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    outcome: VerificationOutcome,
    client: Option<&Client>,
) -> Response {
    let continue_url = client.and_then(Client::initiate_login_uri);
    let page = EmailVerificationResult { outcome, continue_url };
    draw(web, headers, env, status, client, |pages, ctx| pages.email_verification_result(ctx, &page)).await
}

async fn draw(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    client: Option<&Client>,
    render: impl FnOnce(&Pages, &Ctx) -> Page,
) -> Response {
    let look = branding::load(web.app()).await.unwrap_or_default();
    let about = pages::About { client, ..pages::About::default() };
    let ctx = pages::context(&look, headers, about, env);
    pages::respond(status, render(web.pages(), &ctx))
}
