//! What is the same for every route: who calls, may they, the query, the body, the audit trail.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{OriginalUri, RawPathParams, State};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::UserId;
use lockstep_core::model::log_event::Origin;
use lockstep_engine::flows::management::audit::{self, Exchange};
use lockstep_engine::flows::management::jobs::MAX_FILE;
use lockstep_engine::flows::management::query::Query;
use lockstep_engine::flows::management::{Call, Outcome, access, user_id};
use serde_json::Value;

use super::answer::{Answer, unknown_route};
use super::spec::Takes;
use super::table::Route;
use crate::http::form_body::{self, FormError};
use crate::http::json_body::{self, BodyError};
use crate::http::{Web, origin};

/// The longest reason that is kept.
const MAX_REASON: usize = 500;

/// A request whose caller may make it.
pub(super) struct Request {
    /// What flows need.
    pub(super) call: Call,
    /// The query.
    pub(super) query: Query,
    /// The body.
    pub(super) body: Option<Value>,
    path: Vec<(String, String)>,
}

impl Request {
    /// Returns a parameter of the path, decoded once.
    pub(super) fn param(&self, name: &str) -> String {
        self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Returns the user in the path.
    pub(super) fn user(&self) -> Outcome<UserId> {
        user_id(&self.param("id"))
    }

    /// Takes the body.
    pub(super) fn body(&mut self) -> Option<Value> {
        self.body.take()
    }
}

/// Runs a route.
pub(super) async fn run(
    route: &'static Route,
    State(web): State<Web>,
    origin::From(from): origin::From,
    path: Result<RawPathParams, RawPathParamsRejection>,
    OriginalUri(uri): OriginalUri,
    request: axum::extract::Request,
) -> Response {
    match try_run(route, &web, from, path, &uri, request).await {
        Ok(answer) => answer.into_response(),
        Err(error) => Answer::error(&error).into_response(),
    }
}

async fn try_run(
    route: &'static Route,
    web: &Web,
    origin: Origin,
    path: Result<RawPathParams, RawPathParamsRejection>,
    uri: &http::Uri,
    request: axum::extract::Request,
) -> Outcome<Answer> {
    let app = web.app().clone();
    let env = app.env();
    let header = request.headers().get(AUTHORIZATION).map(|v| v.to_str().unwrap_or_default());
    let caller = access::authenticate(&app, &env, header).await?;
    let path = path.map_err(|_| {
        ManagementError::new(
            ManagementCode::InvalidUri,
            "Path validation error: 'The path is not valid UTF-8'.",
        )
    })?;
    // The router decodes each segment once, after it has told the segments apart: an encoded slash is data, not a separator.
    let request_path: Vec<(String, String)> =
        path.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    if let Some((name, _)) = request_path.iter().find(|(_, value)| value.contains('\0')) {
        let message = format!("Path validation error: 'The value has a null character' on property {name}.");
        return Err(ManagementError::new(ManagementCode::InvalidUri, message));
    }
    let (head, raw_body) = request.into_parts();
    let query = Query::parse(uri.query());
    let reason = head.headers.get("lockstep-reason").and_then(|v| v.to_str().ok());
    let reason = reason.map(|text| text.chars().take(MAX_REASON).collect());
    let end_sessions = query.text("end_sessions") == Some("true");
    let mut request = Request {
        call: Call { app, env, origin, caller, reason, end_sessions },
        query,
        body: None,
        path: request_path,
    };
    let target = if route.acts_on_caller() {
        request.call.caller.user.as_ref().map(ToString::to_string)
    } else {
        route.path.starts_with("/users/{id}").then(|| request.param("id"))
    };
    let reads_body = route.method != "GET";
    let result = match access::allow(&request.call.caller, &route.scopes, target.as_deref()) {
        Err(refused) => Err(refused),
        Ok(()) if let Takes::Form(parts) = route.spec.takes => {
            form_body::read(&head.headers, raw_body, parts, MAX_FILE).await.map(Some).map_err(not_a_form)
        }
        Ok(()) if reads_body => json_body::read(&head.headers, raw_body).await.map_err(unreadable),
        Ok(()) => Ok(None),
    };
    let mut sent = None;
    let result = match result {
        Ok(body) => {
            sent.clone_from(&body);
            // What a file holds is nothing for the log.
            if let (Takes::Form(parts), Some(Value::Object(form))) = (route.spec.takes, &mut sent)
                && let Some(file) = parts.first().and_then(|name| form.get_mut(*name))
            {
                *file = Value::String("[REDACTED]".to_owned());
            }
            request.body = body;
            (route.handler)(&mut request).await
        }
        Err(error) => Err(error),
    };
    let answer = result.unwrap_or_else(|error| Answer::error(&error));
    debug_assert!(
        route.spec.allows(route.method, answer.status.as_u16(), answer.body.as_ref()),
        "{} {} answered {} {:?}: the table says otherwise",
        route.method,
        route.path,
        answer.status,
        answer.body
    );
    audit::record(
        &request.call,
        &Exchange {
            title: route.title,
            method: route.method,
            path: uri.path(),
            query: uri.query(),
            body: sent.as_ref(),
            status: answer.status.as_u16(),
            answer: answer.body.as_ref(),
            secrets: answer.secrets,
        },
    );
    Ok(answer)
}

fn unreadable(error: BodyError) -> ManagementError {
    match error {
        BodyError::TooLarge => ManagementCode::PayloadTooLarge.into(),
        BodyError::NotJson => ManagementCode::UnsupportedMediaType.into(),
        BodyError::Malformed(cause) => ManagementError::new(
            ManagementCode::InvalidBody,
            format!("Invalid request payload JSON format: {cause}."),
        ),
    }
}

fn not_a_form(error: FormError) -> ManagementError {
    match error {
        FormError::TooLarge => ManagementCode::PayloadTooLarge.into(),
        FormError::NotForm => ManagementError::new(
            ManagementCode::UnsupportedMediaType,
            "Send the body as multipart/form-data.",
        ),
        FormError::Malformed(cause) => ManagementError::new(
            ManagementCode::InvalidBody,
            format!("Invalid request payload multipart format: {cause}."),
        ),
    }
}

/// Answers what is no route.
pub(super) async fn unknown() -> Response {
    unknown_route().into_response()
}

/// Adds the headers by which tools pace themselves. Nothing is limited here, so a whole budget is always left.
pub(super) async fn add_headers(State(()): State<()>, mut response: Response) -> Response {
    // Not the tenant's clock, which a twin may have moved: tools sleep until then by their own.
    let reset = lockstep_core::time::Clock::now(&lockstep_core::time::SystemClock).as_secs() + 1;
    for (name, value) in [
        ("x-ratelimit-limit", HeaderValue::from_static("50")),
        ("x-ratelimit-remaining", HeaderValue::from_static("49")),
        ("x-ratelimit-reset", HeaderValue::from(reset)),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
