//! Headers that every answer has.

use axum::response::Response;
use http::header::{self, HeaderValue};

const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Adds what protects any answer: no sniffing of types, no referrer, HTTPS from now on. What an answer set itself stays.
pub async fn security(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::STRICT_TRANSPORT_SECURITY, HSTS),
    ] {
        headers.entry(name).or_insert(value);
    }
    response
}
