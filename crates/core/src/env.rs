//! What pure code may know of the world: the time, chance, and who we are.

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::factors::webauthn::attestation::{Demand, Models};
use crate::random::{Rng, SystemRng};
use crate::time::Timestamp;

/// The world as one request sees it. Made once per request; `now` does not move while it is answered.
pub struct Env {
    /// The moment at which the request arrived.
    pub now: Timestamp,
    /// The source of randomness.
    pub rng: Box<dyn Rng>,
    /// Who we are on the wire.
    pub issuer: Issuer,
    /// The models of keys that may be enrolled; none: all, and no key has to prove its model.
    pub key_models: Option<Arc<Models>>,
}

impl Env {
    /// Returns an environment with the system's randomness.
    pub fn new(now: Timestamp, issuer: Issuer) -> Self {
        Self { now, rng: Box::new(SystemRng), issuer, key_models: None }
    }

    /// Returns what a new key has to prove of its model.
    pub fn key_demand(&self) -> Option<Demand<'_>> {
        self.key_models.as_deref().map(|models| Demand { models, now: self.now })
    }

    /// Returns the source of randomness, for `env.rng().digits(6)`.
    pub fn rng(&mut self) -> &mut dyn Rng {
        self.rng.as_mut()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The issuer identifier, `https://DOMAIN/`, always with the trailing slash (contract/oidc.md 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

/// Why a text is no issuer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IssuerError {
    /// It does not parse as a URL.
    #[error("{0:?} is not a URL; write it as https://login.example.org/")]
    NotAUrl(String),
    /// It has a path, query, fragment or user, or another scheme than http and https.
    #[error("{0:?} must be scheme and host only, such as https://login.example.org/")]
    NotAnOrigin(String),
}

impl Issuer {
    /// Parses an issuer; a missing trailing slash is added.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl(text.to_owned()))?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        if !bare || url.host_str().is_none() || !matches!(url.scheme(), "https" | "http") {
            return Err(IssuerError::NotAnOrigin(text.to_owned()));
        }
        Ok(Self(url.to_string()))
    }

    /// Returns the identifier, with its trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URL of a path below the issuer: `url("oauth/token")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}", self.0, path.trim_start_matches('/'))
    }

    /// Returns the origin: the issuer without the trailing slash.
    pub fn origin(&self) -> &str {
        self.0.trim_end_matches('/')
    }

    /// Returns host and port as they stand in the issuer, `localhost:8443`.
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, rest)| rest)
    }

    /// Returns the host without a port.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// Returns the audience of the Management API (contract/management-api.md 1.2).
    pub fn management_audience(&self) -> String {
        self.url("api/v2/")
    }

    /// Returns the audience that stands for `/userinfo`.
    pub fn userinfo_audience(&self) -> String {
        self.url("userinfo")
    }

    /// Returns the audience of the MFA API.
    pub fn mfa_audience(&self) -> String {
        self.url("mfa/")
    }

    /// Returns the audience of the My Account API.
    pub fn my_account_audience(&self) -> String {
        self.url("me/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trailing_slash_is_always_there() {
        let issuer = Issuer::parse("https://login.example.org").unwrap();
        assert_eq!(issuer.as_str(), "https://login.example.org/");
        assert_eq!(issuer.management_audience(), "https://login.example.org/api/v2/");
        let local = Issuer::parse("https://localhost:8443/").unwrap();
        assert_eq!((local.authority(), local.host()), ("localhost:8443", "localhost"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["https://a.example/x", "https://a.example/?q", "ftp://a.example/", "https://u@a.example/"]
        {
            assert_eq!(Issuer::parse(text), Err(IssuerError::NotAnOrigin(text.to_owned())));
        }
        assert!(matches!(Issuer::parse("login.example.org"), Err(IssuerError::NotAUrl(_))));
    }
}
