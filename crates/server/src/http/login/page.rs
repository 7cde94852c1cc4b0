//! The pages of a running login: GET shows, POST takes an answer.

use std::collections::HashMap;

use axum::extract::{Query, RawForm, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use http::StatusCode;
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::login::enrolment::Stage;
use lockstep_core::login::state::Login;
use lockstep_core::login::steps::Answer;
use lockstep_core::model::log_event::Origin;
use lockstep_engine::flows::login::{self, FirstInput, LoginError, Lost, NewCookie, Next, Showing};
use lockstep_engine::flows::signup::Signup;

use super::{browser, enrolment, leave, passkey_said, refuse, render, see_other, with_cookies};
use crate::http::oauth::respond as oauth_respond;
use crate::http::origin::From;
use crate::http::{Web, pages};
use crate::ui::forms::picked;

/// The fields of a form, the last of each name.
type Fields = HashMap<String, String>;

/// Old addresses of the login page.
pub(super) async fn legacy(uri: Uri) -> Response {
    see_other(&format!("/u/login?{}", uri.query().unwrap_or_default()))
}

/// Shows the page of a login. Asked for another page than the present one, it sends the browser there.
pub(super) async fn show(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Response {
    let mut env = web.app().env();
    let Some(id) = transaction(&query) else {
        return refuse(&web, &headers, &mut env, &LoginError::Lost(Lost::Nowhere)).await;
    };
    let shown = login::open(web.app(), &mut env, &browser(&headers), &id).await;
    let showing = match shown {
        Ok(showing) => showing,
        Err(error) => return refuse(&web, &headers, &mut env, &error).await,
    };
    let path = render::path(&showing.running.login);
    if path == uri.path() {
        return draw(&web, &headers, &mut env, StatusCode::OK, &showing).await;
    }
    // The links between login and sign-up, and "Edit", are ordinary links.
    let wish = match (uri.path(), &showing.running.login) {
        ("/u/signup", Login::AskPassword(_) | Login::AskIdentifier(_)) => Some(FirstInput::GoToSignup),
        (
            "/u/login" | "/u/login/identifier",
            Login::AskSignup(_) | Login::AskSignupPasskey(_) | Login::AskSignupPassword(_),
        ) => Some(FirstInput::GoToLogin),
        ("/u/signup/identifier", Login::AskSignupPasskey(_) | Login::AskSignupPassword(_)) => {
            Some(FirstInput::EditIdentifier)
        }
        ("/u/login/identifier", Login::AskPassword(_)) => Some(FirstInput::EditIdentifier),
        _ => None,
    };
    match wish {
        Some(wish) => {
            let result =
                login::first_factor(web.app(), &mut env, &origin, &browser(&headers), &id, wish).await;
            advance(&web, &headers, &mut env, result).await
        }
        None => see_other(&format!("{path}?state={id}")),
    }
}

/// Takes an answer.
pub(super) async fn submit(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    Query(query): Query<Fields>,
    RawForm(body): RawForm,
) -> Response {
    let mut env = web.app().env();
    let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    // The state of the form counts; the one in the address only says where the form was.
    let Some(id) = transaction(&fields).or_else(|| transaction(&query)) else {
        return refuse(&web, &headers, &mut env, &LoginError::Lost(Lost::Nowhere)).await;
    };
    let browser = browser(&headers);
    let action = fields.get("action").map_or("default", String::as_str);
    if action == "change-language" {
        let language = fields.get("language").map_or("", String::as_str);
        let result = login::language(web.app(), &env, &browser, &id, language).await;
        return match result {
            Ok(showing) => see_other(&format!("{}?state={id}", render::path(&showing.running.login))),
            Err(error) => refuse(&web, &headers, &mut env, &error).await,
        };
    }
    let showing = match login::show(web.app(), &env, &browser, &id).await {
        Ok(showing) => showing,
        Err(error) => return refuse(&web, &headers, &mut env, &error).await,
    };
    let result = take(&web, &mut env, &origin, &browser, &id, &showing.running.login, action, &fields).await;
    advance(&web, &headers, &mut env, result).await
}

#[expect(clippy::too_many_arguments, reason = "all parts of one request; a struct would only rename them")]
async fn take(
    web: &Web,
    env: &mut Env,
    origin: &Origin,
    browser: &login::Browser<'_>,
    id: &TransactionId,
    at: &Login,
    action: &str,
    fields: &Fields,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let first = match at {
        Login::AskIdentifier(_) | Login::AskPassword(_) if passkey_said(fields).is_some() => {
            passkey_said(fields).map(|input| FirstInput::Passkey { input, identifier: field("username") })
        }
        Login::AskIdentifier(_) => Some(FirstInput::Identifier(field("username"))),
        Login::AskPassword(_) => {
            let identifier = if at.screen().is_some_and(|s| s.name == "login-password") {
                String::new()
            } else {
                field("username")
            };
            Some(FirstInput::Password { identifier, password: field("password") })
        }
        Login::AskSignupPasskey(_) if action == "skip" => Some(FirstInput::WithoutPasskey),
        // Pressed where no script runs: the page says what is missing.
        Login::AskSignupPasskey(_) => {
            Some(passkey_said(fields).map_or(FirstInput::GoToSignup, FirstInput::SignupPasskey))
        }
        Login::AskSignup(_) | Login::AskSignupPassword(_) => Some(FirstInput::Signup(Signup {
            email: field("email"),
            username: fields.get("username").cloned(),
            password: field("password"),
            ..Signup::default()
        })),
        _ => None,
    };
    if let Some(input) = first {
        return login::first_factor(web.app(), env, origin, browser, id, input).await;
    }
    let writes_down = match at {
        Login::ShowNewRecoveryCode(_) => true,
        Login::Enrol(s) => matches!(s.enrolment().stage(), Stage::WriteDown { .. }),
        _ => false,
    };
    let answer = match (action, at, picked(action)) {
        ("accept", ..) => Answer::Consent { accepted: true },
        ("deny", ..) => Answer::Consent { accepted: false },
        ("skip", Login::AskOffer(_), _) => Answer::Leave(leave(fields)),
        (_, Login::ListAuthenticators(list), Some((_, row))) => match list.options().get(row) {
            Some((id, _)) => Answer::PickAuthenticator(id.clone()),
            None => Answer::Back,
        },
        _ => enrolment::answer(action, fields, writes_down),
    };
    let mut result = login::answer(web.app(), env, origin, browser, id, answer).await;
    if let Ok((Next::Again(showing), _)) = &mut result {
        showing.typed.identifier = enrolment::typed(fields);
    }
    result
}

/// Answers a step: the next page at its own address, the same page with what is wrong, or the way back to the application.
async fn advance(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    result: Result<(Next, Vec<NewCookie>), LoginError>,
) -> Response {
    let (next, cookies) = match result {
        Ok(done) => done,
        Err(error) => return refuse(web, headers, env, &error).await,
    };
    let response = match next {
        Next::GoTo(showing) => {
            see_other(&format!("{}?state={}", render::path(&showing.running.login), showing.transaction))
        }
        Next::Again(showing) => draw(web, headers, env, StatusCode::BAD_REQUEST, &showing).await,
        Next::Status(showing) => draw(web, headers, env, StatusCode::FORBIDDEN, &showing).await,
        Next::Answer(answer) => oauth_respond::authorize_response(web, headers, env, &answer).await,
    };
    with_cookies(response, &cookies)
}

/// Renders the page of a login.
pub(super) async fn draw(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    showing: &Showing,
) -> Response {
    let look = match lockstep_engine::flows::branding::load(web.app()).await {
        Ok(look) => look,
        Err(error) => return refuse(web, headers, env, &LoginError::Db(error)).await,
    };
    let ui_locales = showing.running.request.ui_locales.join(" ");
    let about = pages::About {
        client: Some(&showing.client),
        state: showing.transaction.as_str(),
        language: showing.running.language.as_deref(),
        ui_locales: Some(&ui_locales),
        ..pages::About::default()
    };
    let ctx = pages::context(&look, headers, about, env);
    let countries = enrolment::Countries::new(web, &showing.tenant, headers);
    pages::respond(status, render::page(web.pages(), &ctx, showing, &countries, env.now))
}

fn transaction(fields: &Fields) -> Option<TransactionId> {
    TransactionId::parse(fields.get("state")?.as_str()).ok()
}
