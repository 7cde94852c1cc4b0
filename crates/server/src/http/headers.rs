//! Headers that every answer has.

use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};

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

/// Headers of a page that a person sees: not framed, not kept, and only our own nonce'd scripts and styles.
///
/// No `Cross-Origin-Opener-Policy`: it would cut `opener`, which popup logins post their answer to.
pub fn page(nonce: &str, extra_form_targets: &[&str]) -> Vec<(HeaderName, HeaderValue)> {
    let targets = extra_form_targets.join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data: https:; \
         font-src 'self' https:; connect-src 'self'; form-action 'self' {targets}; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut headers = vec![
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.push((header::CONTENT_SECURITY_POLICY, policy));
    }
    headers
}
