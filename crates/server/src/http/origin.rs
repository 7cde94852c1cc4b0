//! Where a request came from: the end user's address behind trusted proxies, browser, telemetry.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine as _;
use lockstep_core::model::log_event::Origin;

use super::Web;

/// The longest header value that is kept for the logs.
const MAX_TEXT: usize = 512;

/// Extracts [`Origin`]; never refuses a request.
#[derive(Clone, Debug)]
pub struct From(pub Origin);

impl FromRequestParts<Web> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
        // A route of a nested router sees the rest of its path only.
        let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |uri| uri.0.path());
        let ip = peer.map(|peer| end_user(peer, &parts.headers, &web.settings().trusted_proxies));
        Ok(Self(Origin {
            of_server: false,
            ip: ip.flatten().map(|ip| ip.to_canonical().to_string()),
            user_agent: text(&parts.headers, "user-agent"),
            hostname: text(&parts.headers, "host"),
            method: Some(parts.method.to_string()),
            path: Some(path.chars().take(MAX_TEXT).collect()),
            auth0_client: text(&parts.headers, "auth0-client").and_then(|t| decode_telemetry(&t)),
            correlation_id: text(&parts.headers, "x-correlation-id").map(|t| t.chars().take(64).collect()),
            languages: text(&parts.headers, "accept-language"),
        }))
    }
}

/// Returns the address of the end user: the last address in `X-Forwarded-For` that no trusted proxy has. An address that does not
/// parse is unknown, not skipped: a check that depends on it must not vanish.
fn end_user(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let mut current = Some(peer);
    if !trusted.contains(&peer.to_canonical()) {
        return current;
    }
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    for hop in forwarded.iter().rev().take(64) {
        current = parse(hop.trim());
        match current {
            Some(ip) if trusted.contains(&ip) => {}
            _ => return current,
        }
    }
    current
}

/// Parses an address with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()));
    ip.map(|ip| ip.to_canonical())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.chars().take(MAX_TEXT).collect())
}

fn decode_telemetry(text: &str) -> Option<serde_json::Value> {
    let text = text.trim_end_matches('=');
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(text))
        .ok()?;
    serde_json::from_slice(&bytes).ok().filter(serde_json::Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        end_user(peer.parse().unwrap(), &headers, &trusted).map(|ip| ip.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("192.0.2.9", "203.0.113.7").as_deref(), Some("192.0.2.9"));
        assert_eq!(seen("10.0.0.1", "203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(seen("10.0.0.1", "203.0.113.7, 10.0.0.2").as_deref(), Some("203.0.113.7"));
        assert_eq!(seen("10.0.0.1", "6.6.6.6, 203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(seen("10.0.0.1", "::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]:443").as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn an_address_that_does_not_parse_is_unknown() {
        for broken in ["a", "999.1.1.1", "127.0.0.1, a", ""] {
            assert_eq!(seen("10.0.0.1", broken), None, "{broken}");
        }
    }
}
