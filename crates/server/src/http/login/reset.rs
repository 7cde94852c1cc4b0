//! The pages of a forgotten password.

use std::collections::HashMap;

use axum::extract::{Path, Query, RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::model::client::Client;
use lockstep_engine::flows::branding;
use lockstep_engine::flows::login::{self, LoginError, Lost, Showing};
use lockstep_engine::flows::password_reset::passkey::{self, Given, Offer, Outcome};
use lockstep_engine::flows::password_reset::{self as flow, Done, ResetError};
use tracing::error;

use super::{browser, leave, passkey_said, refuse, render, see_other};
use crate::http::origin::From;
use crate::http::{Web, pages};
use crate::ui::forms::FormError;
use crate::ui::screens::{self, ResetProblem};
use crate::ui::{Ctx, Page, Pages};

type Fields = HashMap<String, String>;

/// Where a passkey is offered.
const OFFER: &str = "/u/reset-password/passkey";

/// Shows the form that asks where to send the link.
pub(super) async fn request(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(_connection): Path<String>,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let showing = match running(&web, &env, &headers, &query).await {
        Ok(showing) => showing,
        Err(error) => return refuse(&web, &headers, &mut env, &error).await,
    };
    let email = showing.running.login.identifier().unwrap_or_default().to_owned();
    form(&web, &headers, &mut env, &showing, &email, &[]).await
}

/// Sends the link, or does as if: the page is the same for everybody.
pub(super) async fn send(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    Path(_connection): Path<String>,
    Query(query): Query<Fields>,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let showing = match running(&web, &env, &headers, &fields).await {
        Ok(showing) => showing,
        Err(_) => match running(&web, &env, &headers, &query).await {
            Ok(showing) => showing,
            Err(error) => return refuse(&web, &headers, &mut env, &error).await,
        },
    };
    let email = fields.get("email").map(|e| e.trim().to_owned()).unwrap_or_default();
    if email.is_empty() {
        return form(&web, &headers, &mut env, &showing, "", &[FormError::new("no-email")]).await;
    }
    let Some(connection) = &showing.connection else {
        return refuse(&web, &headers, &mut env, &LoginError::NoConnection).await;
    };
    let language = showing.running.language.as_deref();
    let sent =
        flow::request(web.app(), &mut env, &origin, Some(&showing.client), connection, &email, language)
            .await;
    if let Err(error) = sent {
        return refuse(&web, &headers, &mut env, &LoginError::Db(error)).await;
    }
    see_other(&format!("/u/reset-password/sent?state={}", showing.transaction))
}

/// Says that the link is on its way.
pub(super) async fn sent(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let showing = match running(&web, &env, &headers, &query).await {
        Ok(showing) => showing,
        Err(error) => return refuse(&web, &headers, &mut env, &error).await,
    };
    let login_url = format!("/u/login?state={}", showing.transaction);
    let page =
        screens::ResetPasswordEmail { login_url: Some(&login_url), ..screens::ResetPasswordEmail::default() };
    let about = about(&showing);
    draw(&web, &headers, &mut env, StatusCode::OK, about, |pages, ctx| pages.reset_password_email(ctx, &page))
        .await
}

/// Shows the form for the new password. Looking does not spend the link.
pub(super) async fn new_password(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let ticket = query.get("ticket").map_or("", String::as_str);
    password_form(&web, &headers, &mut env, StatusCode::OK, ticket, &[]).await
}

/// Sets the new password.
pub(super) async fn set_password(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let (ticket, password) = (field("ticket"), field("password"));
    let wrong = match (password, field("re-enter-password")) {
        ("", _) => Some("no-password-reset"),
        (_, "") => Some("no-re-enter-password"),
        (a, b) if a != b => Some("password-mismatch"),
        _ => None,
    };
    if let Some(key) = wrong {
        let errors = [FormError::new(key)];
        return password_form(&web, &headers, &mut env, StatusCode::BAD_REQUEST, ticket, &errors).await;
    }
    match flow::set_password(web.app(), &mut env, &origin, ticket, password).await {
        Ok(Done { url: Some(url), .. }) => see_other(&url),
        Ok(Done { offer: Some(handle), .. }) => see_other(&format!("{OFFER}?ticket={handle}")),
        Ok(Done { client, offer: None, url: None }) => {
            success(&web, &headers, &mut env, client.as_ref()).await
        }
        Err(ResetError::WeakPassword(_)) => {
            let errors = [FormError::new("password-too-weak")];
            password_form(&web, &headers, &mut env, StatusCode::BAD_REQUEST, ticket, &errors).await
        }
        Err(error) => failed(&web, &headers, &mut env, &error).await,
    }
}

/// Offers a passkey after the new password.
pub(super) async fn offer(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let ticket = query.get("ticket").map_or("", String::as_str);
    match passkey::show(web.app(), &mut env, ticket).await {
        Ok(offer) => draw_offer(&web, &headers, &mut env, ticket, &offer).await,
        Err(error) => offer_over(&web, &headers, &mut env, &error).await,
    }
}

/// Takes the answer to that offer.
pub(super) async fn answer_offer(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let ticket = fields.get("ticket").map_or("", String::as_str);
    let given = match (fields.get("action").map(String::as_str), passkey_said(&fields)) {
        (Some("skip"), _) => Given::Leave(leave(&fields)),
        (_, Some(said)) => Given::Said(said),
        // Pressed where no script runs: the page says what is missing.
        (_, None) => return see_other(&format!("{OFFER}?ticket={ticket}")),
    };
    match passkey::answer(web.app(), &mut env, &origin, ticket, given).await {
        Ok(Outcome::Done(client)) => success(&web, &headers, &mut env, client.as_ref()).await,
        Ok(Outcome::Again(offer)) => draw_offer(&web, &headers, &mut env, ticket, &offer).await,
        Err(error) => offer_over(&web, &headers, &mut env, &error).await,
    }
}

async fn draw_offer(web: &Web, headers: &HeaderMap, env: &mut Env, ticket: &str, offer: &Offer) -> Response {
    let errors: Vec<FormError> =
        offer.trouble.map(|problem| FormError::new(problem.key())).into_iter().collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = screens::PasskeyEnrollment(screens::OfferedPasskey {
        options: &offer.options,
        ticket: Some(ticket),
        may_be_left: true,
        may_be_declined: true,
        errors: &errors,
        ..screens::OfferedPasskey::default()
    });
    let about = pages::About { client: offer.client.as_ref(), ..pages::About::default() };
    draw(web, headers, env, status, about, |pages, ctx| pages.passkey_enrollment(ctx, &page)).await
}

/// The password is set in any case: who comes too late for the offer, or twice, has missed nothing.
async fn offer_over(web: &Web, headers: &HeaderMap, env: &mut Env, error: &ResetError) -> Response {
    match error {
        ResetError::Used | ResetError::Expired => success(web, headers, env, None).await,
        other => failed(web, headers, env, other).await,
    }
}

/// Says that the password is set.
async fn success(web: &Web, headers: &HeaderMap, env: &mut Env, client: Option<&Client>) -> Response {
    let page = screens::ResetPasswordSuccess { continue_url: client.and_then(Client::initiate_login_uri) };
    let about = pages::About { client, ..pages::About::default() };
    draw(web, headers, env, StatusCode::OK, about, |pages, ctx| pages.reset_password_success(ctx, &page))
        .await
}

async fn password_form(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    ticket: &str,
    errors: &[FormError],
) -> Response {
    let (email, connection) = match flow::look(web.app(), env, ticket).await {
        Ok(found) => found,
        Err(error) => return failed(web, headers, env, &error).await,
    };
    let page =
        screens::ResetPassword { ticket, email: &email, rules: render::rules(Some(&connection)), errors };
    draw(web, headers, env, status, pages::About::default(), |pages, ctx| pages.reset_password(ctx, &page))
        .await
}

async fn failed(web: &Web, headers: &HeaderMap, env: &mut Env, error: &ResetError) -> Response {
    let (status, problem) = match error {
        ResetError::Used => (StatusCode::GONE, ResetProblem::Used),
        ResetError::Expired => (StatusCode::GONE, ResetProblem::Expired),
        ResetError::Unknown => (StatusCode::BAD_REQUEST, ResetProblem::Generic),
        ResetError::Password(_) => (StatusCode::SERVICE_UNAVAILABLE, ResetProblem::Generic),
        ResetError::WeakPassword(_) | ResetError::Db(_) => {
            error!(cause = %error, "A password reset failed: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, ResetProblem::Generic)
        }
    };
    let page = screens::ResetPasswordError { problem, request_url: None };
    draw(web, headers, env, status, pages::About::default(), |pages, ctx| {
        pages.reset_password_error(ctx, &page)
    })
    .await
}

async fn form(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    showing: &Showing,
    email: &str,
    errors: &[FormError],
) -> Response {
    let login_url = format!("/u/login?state={}", showing.transaction);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = screens::ResetPasswordRequest { email, login_url: Some(&login_url), errors };
    draw(web, headers, env, status, about(showing), |pages, ctx| pages.reset_password_request(ctx, &page))
        .await
}

fn about(showing: &Showing) -> pages::About<'_> {
    pages::About {
        client: Some(&showing.client),
        state: showing.transaction.as_str(),
        language: showing.running.language.as_deref(),
        ui_locales: showing.running.request.ui_locales.first().map(String::as_str),
        ..pages::About::default()
    }
}

async fn running(web: &Web, env: &Env, headers: &HeaderMap, fields: &Fields) -> Result<Showing, LoginError> {
    let id = fields.get("state").and_then(|s| TransactionId::parse(s.as_str()).ok());
    let id = id.ok_or(LoginError::Lost(Lost::Nowhere))?;
    login::show(web.app(), env, &browser(headers), &id).await
}

async fn draw(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    about: pages::About<'_>,
    render: impl FnOnce(&Pages, &Ctx) -> Page,
) -> Response {
    let look = branding::load(web.app()).await.unwrap_or_default();
    let ctx = pages::context(&look, headers, about, env);
    pages::respond(status, render(web.pages(), &ctx))
}
