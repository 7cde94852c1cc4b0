//! `/account`: a person's own page.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Query, RawForm, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use lockstep_core::crypto::digest::same_secret;
use lockstep_core::env::Env;
use lockstep_core::factors::{FactorKind, masked, webauthn};
use lockstep_core::ids::TransactionId;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::session::Session;
use lockstep_core::model::settings::TenantSettings;
use lockstep_core::time::{Span, Timestamp};
use lockstep_engine::flows::account::enrolment::{self as flow, Adding, Given, Outcome, Under};
use lockstep_engine::flows::account::{self, AccountError, Change, Overview, Visitor};
use lockstep_engine::flows::branding;
use lockstep_engine::store::methods::Method;
use lockstep_engine::store::remembered_browsers::RememberedBrowser;
use tracing::error;

use super::login::{enrolment, passkey_said, see_other, with_cookies};
use super::origin::From;
use super::{Web, cookies, pages};
use crate::ui::browser_name;
use crate::ui::forms::FormError;
use crate::ui::screens::{self, BrowserRow, FactorRow};

type Fields = HashMap<String, String>;

/// The routes.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/account", get(home))
        .route("/account/add", get(add))
        .route("/account/add-passkey", get(add_passkey))
        .route("/account/recovery-code", get(recovery_code))
        .route("/account/enroll", get(show).post(answer))
        .route("/account/remove", get(ask_to_remove).post(remove))
        .route("/account/rename", post(rename))
        .route("/account/sessions/end", post(end_session))
        .route("/account/sessions/end-others", post(end_other_sessions))
        .route("/account/browsers/forget", post(forget_browser))
}

/// Shows the page. A login that was on the way here comes back with what the person wanted as `state`.
async fn home(State(web): State<Web>, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let mut env = web.app().env();
    if let Some(refused) = query.get("error") {
        let page = screens::ErrorPage {
            kind: "accessDenied",
            code: refused,
            back_url: Some("/account"),
            ..screens::ErrorPage::default()
        };
        return pages::error(&web, &headers, &mut env, StatusCode::FORBIDDEN, &page).await;
    }
    if query.contains_key("code") {
        return see_other(&on_the_way(query.get("state").map_or("", String::as_str)));
    }
    match account::overview(web.app(), &env, session(&headers)).await {
        Ok(overview) => draw_home(&web, &headers, &mut env, &overview, None).await,
        Err(error) => refuse(&web, &headers, &mut env, &error, "").await,
    }
}

/// Returns the page that a `state` stands for. All of them are pages that only ask, so it does not matter who made it up.
fn on_the_way(state: &str) -> String {
    match state.split_once(':') {
        None if ["add", "add-passkey", "recovery-code"].contains(&state) => format!("/account/{state}"),
        Some(("remove", id)) if id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            format!("/account/remove?id={id}")
        }
        _ => "/account".to_owned(),
    }
}

async fn add(State(web): State<Web>, From(origin): From, headers: HeaderMap) -> Response {
    begin(&web, &origin, &headers, Adding::Factor, "add").await
}

async fn add_passkey(State(web): State<Web>, From(origin): From, headers: HeaderMap) -> Response {
    begin(&web, &origin, &headers, Adding::Passkey, "add-passkey").await
}

async fn recovery_code(State(web): State<Web>, From(origin): From, headers: HeaderMap) -> Response {
    begin(&web, &origin, &headers, Adding::RecoveryCode, "recovery-code").await
}

async fn begin(web: &Web, origin: &Origin, headers: &HeaderMap, adding: Adding, next: &str) -> Response {
    let mut env = web.app().env();
    match flow::begin(web.app(), &mut env, origin, session(headers), adding).await {
        Ok(id) => see_other(&format!("/account/enroll?state={id}")),
        Err(error) => refuse(web, headers, &mut env, &error, next).await,
    }
}

/// Shows an enrolment.
async fn show(State(web): State<Web>, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let mut env = web.app().env();
    let Some(id) = query.get("state").and_then(|s| TransactionId::parse(s.as_str()).ok()) else {
        return see_other("/account");
    };
    match flow::show(web.app(), &mut env, session(&headers), &id).await {
        Ok(page) => draw_enrolment(&web, &headers, &mut env, StatusCode::OK, &page, "").await,
        Err(error) => refuse(&web, &headers, &mut env, &error, "").await,
    }
}

/// Takes an answer. The `state` is its form token: it is unguessable, and counts in this session only.
async fn answer(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let Some(id) = fields.get("state").and_then(|s| TransactionId::parse(s.as_str()).ok()) else {
        return see_other("/account");
    };
    let writes_down = !fields.contains_key("code") && !fields.contains_key("phone");
    let action = fields.get("action").map_or("default", String::as_str);
    let given = |under: &Under| match (under, passkey_said(&fields)) {
        (Under::Passkey(_), Some(said)) => Given::Passkey(said),
        _ => Given::Factor(enrolment::answer(action, &fields, writes_down)),
    };
    let typed = enrolment::typed(&fields).unwrap_or_default();
    let answered = flow::answer(web.app(), &mut env, &origin, session(&headers), &id, given).await;
    let (outcome, cookie) = match answered {
        Ok(answered) => answered,
        Err(error) => return refuse(&web, &headers, &mut env, &error, "").await,
    };
    let response = match outcome {
        Outcome::Page(page) if page.trouble.is_some() => {
            draw_enrolment(&web, &headers, &mut env, StatusCode::BAD_REQUEST, &page, &typed).await
        }
        Outcome::Page(page) => see_other(&format!("/account/enroll?state={}", page.id)),
        Outcome::Done => see_other("/account"),
    };
    with_cookies(response, &Vec::from_iter(cookie))
}

/// Asks whether to remove a factor.
async fn ask_to_remove(State(web): State<Web>, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let mut env = web.app().env();
    let id = query.get("id").map_or("", String::as_str);
    let found = account::before_change(web.app(), &env, session(&headers)).await;
    let visitor = match found {
        Ok(visitor) => visitor,
        Err(error) => return refuse(&web, &headers, &mut env, &error, &format!("remove:{id}")).await,
    };
    let row = visitor.factor(id).map(|on| row(&visitor, on, env.now));
    let row = row.or_else(|_| visitor.passkey(id).map(|passkey| passkey_row(&visitor, passkey, env.now)));
    let factor = match row {
        Ok(row) => row,
        Err(error) => return refuse(&web, &headers, &mut env, &error, "").await,
    };
    let page = screens::AccountRemove { form_token: &visitor.form_token, factor, errors: &[] };
    draw(&web, &headers, &mut env, StatusCode::OK, "", |pages, ctx, _| pages.account_remove(ctx, &page)).await
}

async fn remove(web: State<Web>, from: From, headers: HeaderMap, body: RawForm) -> Response {
    change(web, from, headers, body, |id, _| Change::Remove { id }).await
}

async fn rename(web: State<Web>, from: From, headers: HeaderMap, body: RawForm) -> Response {
    change(web, from, headers, body, |id, name| Change::Rename { id, name }).await
}

async fn end_session(web: State<Web>, from: From, headers: HeaderMap, body: RawForm) -> Response {
    change(web, from, headers, body, |id, _| Change::EndSession { id }).await
}

async fn end_other_sessions(web: State<Web>, from: From, headers: HeaderMap, body: RawForm) -> Response {
    change(web, from, headers, body, |_, _| Change::EndOtherSessions).await
}

async fn forget_browser(web: State<Web>, from: From, headers: HeaderMap, body: RawForm) -> Response {
    change(web, from, headers, body, |id, _| Change::ForgetBrowser { id }).await
}

/// Makes a change that a form of the page asks for, and shows the page again.
async fn change(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
    what: impl FnOnce(String, String) -> Change,
) -> Response {
    let mut env = web.app().env();
    let mut fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let overview = match account::overview(web.app(), &env, session(&headers)).await {
        Ok(overview) => overview,
        Err(error) => return refuse(&web, &headers, &mut env, &error, "").await,
    };
    let token = fields.get("form_token").map_or("", String::as_str);
    if !same_secret(token, &overview.visitor.form_token) {
        // Another site's form, or one of before the last login.
        return see_other("/account");
    }
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    let wanted = what(field("id"), field("name"));
    match account::change(web.app(), &mut env, &origin, session(&headers), wanted).await {
        Ok(()) | Err(AccountError::NotFound) => see_other("/account"),
        Err(AccountError::BadName) => {
            draw_home(&web, &headers, &mut env, &overview, Some("invalid-name")).await
        }
        Err(AccountError::LastFactor) => {
            draw_home(&web, &headers, &mut env, &overview, Some("last-factor")).await
        }
        Err(AccountError::LastPasskey) => {
            draw_home(&web, &headers, &mut env, &overview, Some("last-passkey")).await
        }
        Err(error) => refuse(&web, &headers, &mut env, &error, "").await,
    }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    cookies::read(headers, cookies::SESSION)
}

async fn draw_home(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    overview: &Overview,
    problem: Option<&'static str>,
) -> Response {
    let visitor = &overview.visitor;
    let factors: Vec<FactorRow> = visitor.factors().map(|on| row(visitor, on, env.now)).collect();
    let passkeys: Vec<FactorRow> =
        visitor.passkeys().iter().map(|one| passkey_row(visitor, one, env.now)).collect();
    let sessions: Vec<BrowserRow> =
        overview.sessions.iter().map(|one| session_row(visitor, one, env.now)).collect();
    let remembered: Vec<BrowserRow> =
        overview.remembered.iter().map(|one| remembered_row(one, env.now)).collect();
    let errors: Vec<FormError> = problem.map(FormError::new).into_iter().collect();
    let keys = overview.keys.as_ref().map(ToString::to_string);
    let page = screens::Account {
        account: visitor.user.display_name(),
        form_token: &visitor.form_token,
        keeps_last: factors.iter().any(|row| !row.removable && !row.address_of_account),
        factors: &factors,
        can_add: !visitor.addable().is_empty(),
        passkeys: &passkeys,
        can_add_passkey: visitor.may_add_passkey(),
        recovery_code: visitor.may_have_recovery_code().then(|| visitor.recovery_code().is_some()),
        sessions: &sessions,
        remembered: &remembered,
        keys: keys.as_deref(),
        errors: &errors,
    };
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    draw(web, headers, env, status, "", |pages, ctx, _| pages.account(ctx, &page)).await
}

fn row(visitor: &Visitor, on: &Authenticator, now: Timestamp) -> FactorRow {
    FactorRow {
        id: on.id.to_string(),
        method: if on.kind == FactorKind::Phone { "phone" } else { on.kind.guardian_name() },
        name: on.name.clone().unwrap_or_default(),
        detail: masked(on).unwrap_or_default(),
        added_days: days(now, on.created_at),
        last_used_days: on.last_auth_at.map(|at| days(now, at)),
        removable: visitor.may_remove(on),
        address_of_account: visitor.is_address_of_account(on),
        synced: webauthn::is_synced(&on.data).filter(|_| on.kind.is_key()),
    }
}

fn passkey_row(visitor: &Visitor, passkey: &Method, now: Timestamp) -> FactorRow {
    FactorRow {
        id: passkey.id.to_string(),
        method: "passkey",
        name: passkey.name.clone().unwrap_or_default(),
        added_days: days(now, passkey.created_at),
        last_used_days: passkey.last_auth_at.map(|at| days(now, at)),
        removable: visitor.may_remove_passkey(),
        synced: webauthn::is_synced(&passkey.data),
        ..FactorRow::default()
    }
}

fn session_row(visitor: &Visitor, session: &Session, now: Timestamp) -> BrowserRow {
    let device = &session.device;
    let agent = device.last_user_agent.as_deref().or(device.initial_user_agent.as_deref());
    BrowserRow {
        id: session.id.to_string(),
        browser: browser_name(agent.unwrap_or_default()),
        ip: device.last_ip.clone().or_else(|| device.initial_ip.clone()).unwrap_or_default(),
        active_days: days(now, session.last_used_at),
        current: visitor.is_current(session),
    }
}

fn remembered_row(browser: &RememberedBrowser, now: Timestamp) -> BrowserRow {
    BrowserRow {
        id: browser.id.to_string(),
        browser: browser_name(&browser.user_agent),
        active_days: days(now, browser.last_used_at),
        ..BrowserRow::default()
    }
}

/// Returns how many whole days ago something was.
fn days(now: Timestamp, then: Timestamp) -> u32 {
    u32::try_from(now.since(then).as_millis() / Span::days(1).as_millis()).unwrap_or(0)
}

async fn draw_enrolment(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    page: &flow::Page,
    typed: &str,
) -> Response {
    let now = env.now;
    let errors: Vec<FormError> =
        page.trouble.map(|problem| FormError::new(problem.key())).into_iter().collect();
    draw(web, headers, env, status, page.id.as_str(), |pages, ctx, tenant| {
        let enrolment = match &page.under {
            Under::Factor(enrolment) => enrolment,
            Under::Passkey(registration) => {
                let name = page.visitor.user.display_name();
                let options = registration.options(&page.tenant_name, name).to_string();
                return pages
                    .account_passkey(ctx, &screens::AccountPasskey { options: &options, errors: &errors });
            }
        };
        let countries = enrolment::Countries::new(web, tenant, headers);
        let about = enrolment::About {
            account: page.visitor.user.display_name(),
            typed,
            now,
            errors: &errors,
            channels: &page.channels,
            countries: &countries,
            may_be_left: false,
        };
        enrolment::page(pages, ctx, enrolment, &about).unwrap_or_else(|| {
            pages.error(ctx, &screens::ErrorPage { kind: "generic", ..screens::ErrorPage::default() })
        })
    })
    .await
}

/// Sends the person to log in, or back to the page, or says that something is wrong. `next` is what the person wanted.
async fn refuse(web: &Web, headers: &HeaderMap, env: &mut Env, error: &AccountError, next: &str) -> Response {
    match error {
        AccountError::LogIn(proof) => see_other(&proof.url(&env.issuer, next)),
        AccountError::NotFound
        | AccountError::NoFactor
        | AccountError::LastFactor
        | AccountError::LastPasskey
        | AccountError::BadName => see_other("/account"),
        AccountError::Db(_) | AccountError::Internal(_) => {
            error!(cause = %error, "The account page failed: {error}");
            let page = screens::ErrorPage { kind: "generic", ..screens::ErrorPage::default() };
            pages::error(web, headers, env, StatusCode::INTERNAL_SERVER_ERROR, &page).await
        }
    }
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
    // Whoever is in the middle of something can go back to the page.
    let cancel_url = if state.is_empty() { "" } else { "/account" };
    let about = pages::About { state, cancel_url, ..pages::About::default() };
    let ctx = pages::context(&look, headers, about, env);
    pages::respond(status, render(web.pages(), &ctx, &look.tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_leads_to_our_own_pages_and_nowhere_else() {
        assert_eq!(on_the_way("add"), "/account/add");
        assert_eq!(on_the_way("add-passkey"), "/account/add-passkey");
        assert_eq!(on_the_way("remove:dev_abc"), "/account/remove?id=dev_abc");
        for other in ["add-x", "", "//evil.example", "remove:x&y=z", "remove:/../x", "rename", "remove"] {
            assert_eq!(on_the_way(other), "/account", "{other}");
        }
    }
}
