//! What a handler answers, and how it goes over the wire.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lockstep_core::codes::{ManagementCode, ManagementError};
use serde_json::Value;

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    /// The URL of the next page, for the `Link` header.
    pub(super) next: Option<String>,
    /// The secrets that are in it.
    pub(super) secrets: &'static [&'static str],
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: Value) -> Self {
        Self::with(StatusCode::OK, Some(body))
    }

    /// 201 with a body.
    pub(super) fn created(body: Value) -> Self {
        Self::with(StatusCode::CREATED, Some(body))
    }

    /// 202 with a body.
    pub(super) fn accepted(body: Value) -> Self {
        Self::with(StatusCode::ACCEPTED, Some(body))
    }

    /// 200 without a body.
    pub(super) fn empty() -> Self {
        Self::with(StatusCode::OK, None)
    }

    /// 204.
    pub(super) fn none() -> Self {
        Self::with(StatusCode::NO_CONTENT, None)
    }

    /// Names the secrets in it, for the audit trail.
    pub(super) fn giving(self, secrets: &'static [&'static str]) -> Self {
        Self { secrets, ..self }
    }

    fn with(status: StatusCode, body: Option<Value>) -> Self {
        Self { status, body, next: None, secrets: &[] }
    }

    /// Returns the answer that tells an error.
    pub(super) fn error(error: &ManagementError) -> Self {
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::with(status, Some(error.body(status.canonical_reason().unwrap_or_default())))
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = match &self.body {
            Some(body) => Response::new(Body::from(body.to_string())),
            None => Response::new(Body::empty()),
        };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(link) =
            self.next.and_then(|url| HeaderValue::try_from(format!("<{url}>; rel=\"next\"")).ok())
        {
            headers.insert(LINK, link);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// Returns the answer to a path or method that the API does not have.
pub(super) fn unknown_route() -> Answer {
    Answer::error(&ManagementCode::NotFound.into())
}
