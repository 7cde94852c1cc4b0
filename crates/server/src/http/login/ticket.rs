//! The pages of an enrolment ticket.

use std::collections::HashMap;

use axum::extract::{Query, RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::model::settings::TenantSettings;
use lockstep_engine::flows::branding;
use lockstep_engine::flows::enrollment_ticket::{self as flow, Outcome, Page, TicketError};
use lockstep_engine::flows::login::NewCookie;
use tracing::error;

use super::{browser, enrolment, see_other, with_cookies};
use crate::http::origin::From;
use crate::http::{Web, pages};
use crate::ui::forms::FormError;
use crate::ui::screens::{self, EnrollOutcome};

type Fields = HashMap<String, String>;

/// Shows what the link is for. Changes nothing: mail scanners open links too.
pub(super) async fn welcome(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let ticket = query.get("ticket").map_or("", String::as_str);
    match flow::look(web.app(), &env, ticket).await {
        Ok(account) => {
            let page = screens::MfaEnrollWelcome { ticket, account: &account };
            draw(&web, &headers, &mut env, StatusCode::OK, "", |pages, ctx, _| {
                pages.mfa_enroll_welcome(ctx, &page)
            })
            .await
        }
        Err(error) => outcome(&web, &headers, &mut env, &error).await,
    }
}

/// Begins: the person pressed the button.
pub(super) async fn open(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let ticket = fields.get("ticket").map_or("", String::as_str);
    match flow::begin(web.app(), &mut env, &origin, &browser(&headers), ticket).await {
        Ok((id, handle)) => {
            let cookies: Vec<_> =
                handle.into_iter().map(|handle| NewCookie::Transaction { handle }).collect();
            with_cookies(see_other(&format!("/u/enroll?state={id}")), &cookies)
        }
        Err(error) => outcome(&web, &headers, &mut env, &error).await,
    }
}

/// Shows the enrolment.
pub(super) async fn show(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let Some(id) = query.get("state").and_then(|s| TransactionId::parse(s.as_str()).ok()) else {
        return outcome(&web, &headers, &mut env, &TicketError::Lost).await;
    };
    match flow::show(web.app(), &env, &browser(&headers), &id).await {
        Ok(page) => draw_page(&web, &headers, &mut env, StatusCode::OK, &page, "").await,
        Err(error) => outcome(&web, &headers, &mut env, &error).await,
    }
}

/// Takes an answer.
pub(super) async fn answer(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    Query(query): Query<Fields>,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let state = fields.get("state").or_else(|| query.get("state"));
    let Some(id) = state.and_then(|s| TransactionId::parse(s.as_str()).ok()) else {
        return outcome(&web, &headers, &mut env, &TicketError::Lost).await;
    };
    let writes_down = !fields.contains_key("code") && !fields.contains_key("phone");
    let action = fields.get("action").map_or("default", String::as_str);
    let given = enrolment::answer(action, &fields, writes_down);
    let typed = enrolment::typed(&fields).unwrap_or_default();
    match flow::answer(web.app(), &mut env, &origin, &browser(&headers), &id, given).await {
        Ok(Outcome::Page(page)) if page.trouble.is_some() => {
            draw_page(&web, &headers, &mut env, StatusCode::BAD_REQUEST, &page, &typed).await
        }
        Ok(Outcome::Page(page)) => see_other(&format!("/u/enroll?state={}", page.id)),
        Ok(Outcome::Done) => {
            let page = screens::MfaEnrollResult { outcome: EnrollOutcome::Enrolled, continue_url: None };
            draw(&web, &headers, &mut env, StatusCode::OK, "", |pages, ctx, _| {
                pages.mfa_enroll_result(ctx, &page)
            })
            .await
        }
        Err(error) => outcome(&web, &headers, &mut env, &error).await,
    }
}

async fn draw_page(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    page: &Page,
    typed: &str,
) -> Response {
    let now = env.now;
    let errors: Vec<FormError> =
        page.trouble.map(|problem| FormError::new(problem.key())).into_iter().collect();
    draw(web, headers, env, status, page.id.as_str(), |pages, ctx, tenant| {
        let countries = enrolment::Countries::new(web, tenant, headers);
        let about = enrolment::About {
            account: &page.account,
            typed,
            now,
            errors: &errors,
            channels: &page.channels,
            countries: &countries,
            may_be_left: false,
        };
        enrolment::page(pages, ctx, &page.enrolment, &about).unwrap_or_else(|| {
            pages.error(ctx, &screens::ErrorPage { kind: "generic", ..screens::ErrorPage::default() })
        })
    })
    .await
}

async fn outcome(web: &Web, headers: &HeaderMap, env: &mut Env, error: &TicketError) -> Response {
    let (status, outcome) = match error {
        TicketError::Invalid | TicketError::Lost => (StatusCode::BAD_REQUEST, EnrollOutcome::InvalidTicket),
        TicketError::Expired => (StatusCode::GONE, EnrollOutcome::ExpiredTicket),
        TicketError::Used => (StatusCode::GONE, EnrollOutcome::AlreadyUsed),
        TicketError::AlreadyEnrolled => (StatusCode::CONFLICT, EnrollOutcome::AlreadyEnrolled),
        TicketError::NoFactor => (StatusCode::CONFLICT, EnrollOutcome::Generic),
        TicketError::Db(_) | TicketError::Factor(_) => {
            error!(cause = %error, "An enrolment by ticket failed: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, EnrollOutcome::Generic)
        }
    };
    let page = screens::MfaEnrollResult { outcome, continue_url: None };
    draw(web, headers, env, status, "", |pages, ctx, _| pages.mfa_enroll_result(ctx, &page)).await
}

async fn draw(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    state: &str,
    render: impl FnOnce(&crate::ui::Pages, &crate::ui::Ctx, &TenantSettings) -> crate::ui::Page,
) -> Response {
    let look = branding::load(web.app()).await.unwrap_or_default();
    let about = pages::About { state, ..pages::About::default() };
    let ctx = pages::context(&look, headers, about, env);
    pages::respond(status, render(web.pages(), &ctx, &look.tenant))
}
