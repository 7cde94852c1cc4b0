//! Cookies: their names, their attributes, and reading them.
//!
//! All have the `__Host-` prefix, so that no sibling host can plant one (RFC 6265bis 4.1.3). A cookie that is broken, too long or
//! there twice counts as absent.

use axum::http::HeaderMap;
use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use lockstep_core::time::Span;

/// The session's handle. Cross-site, since silent authentication runs in an iframe of the application.
pub const SESSION: &str = "__Host-auth0";
/// The handle of a browser that is remembered for MFA.
pub const REMEMBERED: &str = "__Host-auth0-mf";
/// The handle of a browser on which something was declined. Same-site.
pub const DECLINED: &str = "__Host-auth0-declined";
/// Binds the running login to the browser (CSRF). Same-site.
pub const TRANSACTION: &str = "__Host-auth0-tx";

/// The longest handle that is looked at.
const MAX_VALUE: usize = 128;

/// Returns the value of a cookie, if there is exactly one of that name and it looks like one of ours.
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = None;
    for header in headers.get_all(COOKIE) {
        for pair in header.to_str().ok()?.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else { continue };
            if key != name {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    let plain = |v: &&str| {
        !v.is_empty()
            && v.len() <= MAX_VALUE
            && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    found.filter(plain)
}

/// A cookie to set.
#[derive(Clone, Copy, Debug)]
pub struct Cookie<'a> {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: &'a str,
    /// How long it lives; none: as long as the browser's window.
    pub max_age: Option<Span>,
}

impl Cookie<'_> {
    /// Returns the header that sets it.
    pub fn to_header(self) -> HeaderValue {
        let same_site = if matches!(self.name, TRANSACTION | DECLINED) { "Lax" } else { "None" };
        let age = self.max_age.map_or_else(String::new, |age| format!("; Max-Age={}", age.as_secs().max(0)));
        let text =
            format!("{}={}; Path=/; Secure; HttpOnly; SameSite={same_site}{age}", self.name, self.value);
        HeaderValue::from_str(&text)
            .expect("names are constants and values are drawn from URL-safe characters")
    }
}

/// Sets a cookie on an answer.
pub fn set(headers: &mut HeaderMap, cookie: Cookie<'_>) {
    headers.append(SET_COOKIE, cookie.to_header());
}

/// Removes a cookie.
pub fn clear(headers: &mut HeaderMap, name: &'static str) {
    set(headers, Cookie { name, value: "", max_age: Some(Span::ZERO) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn a_broken_cookie_is_no_cookie() {
        assert_eq!(read(&headers("a=1; __Host-auth0=abc-_9"), SESSION), Some("abc-_9"));
        for broken in
            ["__Host-auth0=", "__Host-auth0=%00", "__Host-auth0=a b", "__Host-auth0=\"x\"", "auth0=x", ""]
        {
            assert_eq!(read(&headers(broken), SESSION), None, "{broken}");
        }
        assert_eq!(read(&headers(&format!("__Host-auth0={}", "a".repeat(8192))), SESSION), None);
        assert_eq!(read(&headers("__Host-auth0=bad; __Host-auth0=good"), SESSION), None);
    }

    #[test]
    fn cookies_have_the_prefix_and_its_attributes() {
        let cookie = Cookie { name: SESSION, value: "v", max_age: Some(Span::hours(1)) };
        assert_eq!(
            cookie.to_header(),
            "__Host-auth0=v; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=3600"
        );
        let cookie = Cookie { name: TRANSACTION, value: "v", max_age: None };
        assert_eq!(cookie.to_header(), "__Host-auth0-tx=v; Path=/; Secure; HttpOnly; SameSite=Lax");
    }
}
