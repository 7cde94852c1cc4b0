//! `/me/v1/*`: the My Account API (contract/mfa-api.md 12).

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use lockstep_core::my_account::{MyAccountCode, MyAccountError};
use lockstep_engine::flows::my_account::{CHANGES, Call, Outcome, STEP_UP_AGE, enrolment, methods};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::Web;
use super::json_body::{self, BodyError};
use super::oauth::{bearer, cors, respond};
use super::origin::From;

/// Where the API lives.
const PREFIX: &str = "/me/v1";
const METHODS: &str = "authentication-methods";

/// What stands encoded in the last segment of a `Location`: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The routes; web pages may call them all.
pub(super) fn routes(web: Web) -> Router<Web> {
    let inner = Router::new()
        .route("/factors", get(factors))
        .route("/authentication-methods", get(list).post(enrol))
        .route("/authentication-methods/{id}", get(read).patch(update).delete(remove))
        .route("/authentication-methods/{id}/verify", post(verify))
        .method_not_allowed_fallback(unknown)
        .fallback(unknown)
        .layer(axum::middleware::from_fn_with_state(web, cors::layer));
    Router::new().nest(PREFIX, inner)
}

/// What a handler returns.
type Handled = Result<Response, Refused>;

/// A refusal before the call could begin.
struct Refused(MyAccountError);

impl std::convert::From<MyAccountError> for Refused {
    fn from(error: MyAccountError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(&self.0)
    }
}

/// The query of the list.
#[derive(Deserialize)]
struct Filter {
    r#type: Option<String>,
}

async fn factors(State(web): State<Web>, from: From, request: Request) -> Handled {
    let (call, _) = open(&web, from, request).await?;
    Ok(read_answer(methods::factors(&call).await))
}

async fn list(
    State(web): State<Web>,
    from: From,
    filter: Result<Query<Filter>, QueryRejection>,
    request: Request,
) -> Handled {
    let (call, _) = open(&web, from, request).await?;
    let Query(filter) = filter.map_err(|_| MyAccountError::from(MyAccountCode::InvalidQuery))?;
    Ok(read_answer(methods::list(&call, filter.r#type.as_deref()).await))
}

async fn read(State(web): State<Web>, from: From, Path(id): Path<String>, request: Request) -> Handled {
    let (call, _) = open(&web, from, request).await?;
    Ok(read_answer(methods::read(&call, &id).await))
}

async fn enrol(State(web): State<Web>, from: From, request: Request) -> Handled {
    let (mut call, body) = open(&web, from, request).await?;
    let outcome = enrolment::begin(&mut call, body).await;
    let outcome = outcome.map(|begun| located(&web, StatusCode::ACCEPTED, &begun.id, &begun.body));
    Ok(change_answer(&call, outcome).await)
}

async fn verify(State(web): State<Web>, from: From, Path(id): Path<String>, request: Request) -> Handled {
    let (mut call, body) = open(&web, from, request).await?;
    let outcome = enrolment::verify(&mut call, &id, body).await.map(|method| {
        let id = method["id"].as_str().unwrap_or_default().to_owned();
        located(&web, StatusCode::CREATED, &id, &method)
    });
    Ok(change_answer(&call, outcome).await)
}

async fn update(State(web): State<Web>, from: From, Path(id): Path<String>, request: Request) -> Handled {
    let (mut call, body) = open(&web, from, request).await?;
    let outcome = methods::update(&mut call, &id, body).await;
    Ok(change_answer(&call, outcome.map(|method| respond::json(StatusCode::OK, &method))).await)
}

async fn remove(State(web): State<Web>, from: From, Path(id): Path<String>, request: Request) -> Handled {
    let (mut call, _) = open(&web, from, request).await?;
    let outcome = methods::remove(&mut call, &id).await;
    Ok(change_answer(&call, outcome.map(|()| StatusCode::NO_CONTENT.into_response())).await)
}

async fn unknown() -> Response {
    refuse(&MyAccountCode::NoRoute.into())
}

/// Checks who calls, and reads the body of a change.
async fn open(web: &Web, From(origin): From, request: Request) -> Outcome<(Call, Option<Value>)> {
    let (parts, body) = request.into_parts();
    let token = bearer(&parts.headers);
    let call = Call::open(web.app(), web.app().env(), origin, token.as_deref()).await?;
    if !matches!(parts.method, Method::POST | Method::PATCH) {
        return Ok((call, None));
    }
    let body = json_body::read(&parts.headers, body).await.map_err(|error| match error {
        BodyError::TooLarge => MyAccountCode::PayloadTooLarge.into(),
        BodyError::NotJson => MyAccountCode::UnsupportedMediaType.into(),
        BodyError::Malformed(cause) => MyAccountError::new(MyAccountCode::InvalidBody, cause.to_string()),
    })?;
    Ok((call, body))
}

/// An answer with a `Location`: the SDKs read the id from its last segment.
fn located(web: &Web, status: StatusCode, id: &str, body: &Value) -> Response {
    let mut response = respond::json(status, body);
    let url = web.app().issuer().url(&format!(
        "{}/{METHODS}/{}",
        PREFIX.trim_start_matches('/'),
        utf8_percent_encode(id, RESERVED)
    ));
    if let Ok(url) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

/// The answer to a question. Those are not limited, so a whole budget is always left.
fn read_answer(outcome: Outcome) -> Response {
    let mut response = match outcome {
        Ok(body) => respond::json(StatusCode::OK, &body),
        Err(error) => refuse(&error),
    };
    pace(response.headers_mut(), 25, 24);
    response
}

/// The answer to a change, with what is left of the user's budget.
async fn change_answer(call: &Call, outcome: Outcome<Response>) -> Response {
    let mut response = outcome.unwrap_or_else(|error| refuse(&error));
    pace(response.headers_mut(), CHANGES.burst, call.changes_left().await.unwrap_or_default());
    response
}

fn pace(headers: &mut HeaderMap, limit: i64, remaining: i64) {
    // Not the tenant's clock, which a twin may have moved: clients sleep until then by their own.
    let reset = lockstep_core::time::Clock::now(&lockstep_core::time::SystemClock).as_secs() + 1;
    for (name, value) in
        [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset)]
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

fn refuse(error: &MyAccountError) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond::json(status, &error.body(status.canonical_reason().unwrap_or_default()));
    let headers = response.headers_mut();
    let challenge = match error.code {
        MyAccountCode::InvalidToken => Some("Bearer error=\"invalid_token\"".to_owned()),
        MyAccountCode::InsufficientScope => Some("Bearer error=\"insufficient_scope\"".to_owned()),
        // RFC 9470 section 3: what the application asks of /authorize before it comes back.
        MyAccountCode::StepUp => Some(format!(
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"{}\", max_age=\"{}\"",
            lockstep_core::assurance::PAPE,
            STEP_UP_AGE.as_secs()
        )),
        _ => None,
    };
    if let Some(challenge) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if matches!(error.code, MyAccountCode::TooMany | MyAccountCode::Busy) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(CHANGES.refill.as_secs()));
        headers.insert(HeaderName::from_static("x-auth0-error-kind"), HeaderValue::from_static("rate_limit"));
    }
    response
}
