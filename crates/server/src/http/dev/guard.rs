//! Keeps other origins' pages away from `/_dev/`: a website that a developer visits must not drive the twin (CSRF), nor read it by
//! pointing its own name at the loopback address (DNS rebinding).

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, header};

use super::Twin;
use crate::tls::is_local_name;

/// Refuses requests for a foreign host name, and changes that another origin's page asks for.
pub(super) async fn same_origin(State(twin): State<Twin>, request: Request, next: Next) -> Response {
    let host = host(&request);
    let own = twin.web.app().issuer().authority();
    if !host.as_deref().is_some_and(|host| is_ours(host, own)) {
        return (StatusCode::MISDIRECTED_REQUEST, "this twin is not reached by that host name\n")
            .into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_same_origin(request.headers(), host.as_deref().unwrap_or_default()) {
        let text =
            "a page of another origin may not drive the twin; programs send content-type: application/json\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// The host that was asked: HTTP/2 has it in the URL, HTTP/1.1 in a header.
fn host(request: &Request) -> Option<String> {
    let from_url = request.uri().authority().map(|a| a.as_str().to_owned());
    from_url.or_else(|| Some(request.headers().get(header::HOST)?.to_str().ok()?.to_owned()))
}

fn is_ours(host: &str, own: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    // Addresses cannot be rebound; only names can.
    host == own || is_local_name(name) || bare.parse::<std::net::IpAddr>().is_ok()
}

/// Browsers say where a request comes from. Those that do not, and programs, prove themselves by a JSON body: no page can send one
/// to another origin without asking first (CORS), and we never allow it.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()) {
        return site == "same-origin" || site == "none";
    }
    if let Some(origin) = text(header::ORIGIN) {
        return origin.split_once("://").is_some_and(|(_, rest)| rest == host);
    }
    text(header::CONTENT_TYPE).is_some_and(|t| t.trim().to_ascii_lowercase().starts_with("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (header::HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_on_another_site_cannot_drive_the_twin() {
        let host = "localhost:8443";
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json; charset=utf-8");
        assert!(!is_same_origin(&headers(&[form]), host), "an old browser without any header");
        assert!(!is_same_origin(&headers(&[form, ("origin", "https://evil.example")]), host));
        assert!(
            !is_same_origin(&headers(&[json, ("origin", "http://localhost:3000")]), host),
            "another port"
        );
        assert!(!is_same_origin(&headers(&[json, ("sec-fetch-site", "cross-site")]), host));
        assert!(!is_same_origin(&headers(&[form, ("sec-fetch-site", "same-site")]), host), "another port");
        assert!(is_same_origin(&headers(&[form, ("sec-fetch-site", "same-origin")]), host));
        assert!(is_same_origin(&headers(&[form, ("origin", "https://localhost:8443")]), host));
        assert!(is_same_origin(&headers(&[json]), host), "curl");
    }

    #[test]
    fn a_foreign_name_for_the_loopback_address_is_refused() {
        let own = "login.acme.test:8443";
        for host in
            ["localhost:8080", "127.0.0.1:8443", "[::1]:8443", "login.acme.test:8443", "lockstep:8443"]
        {
            assert!(is_ours(host, own), "{host}");
        }
        for host in ["evil.example", "evil.example:8443", "localhost.evil.example:8443", ""] {
            assert!(!is_ours(host, own), "{host}");
        }
    }
}
