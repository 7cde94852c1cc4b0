//! An `/authorize` request that passed every check: parsed once, then only carried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::response::{ReplyTo, ResponseTypes};
use super::scope::Scopes;
use crate::assurance::PAPE;
use crate::ids::ClientId;
use crate::time::Span;

/// What `prompt` asked for (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Show nothing.
    pub none: bool,
    /// Authenticate again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
    /// Let the person choose the account.
    pub select_account: bool,
}

/// Which page comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScreenHint {
    /// The login page.
    Login,
    /// The sign-up page.
    Signup,
    /// The page that asks where to send the password link.
    ResetPassword,
}

/// A request that passed every check. Serialised into login transactions, so new fields need `#[serde(default)]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeRequest {
    /// The application.
    pub client_id: ClientId,
    /// Where the answer goes, how, and with which state.
    pub reply_to: ReplyTo,
    /// Whether `redirect_uri` was sent: then the token request must repeat it (RFC 6749 section 4.1.3).
    pub redirect_uri_sent: bool,
    /// What is answered.
    pub response_types: ResponseTypes,
    /// The requested scopes, before any was dropped.
    pub scope: Scopes,
    /// The API; the tenant's default one included. None: an opaque access token for `/userinfo`.
    pub audience: Option<String>,
    /// Echoed in the ID token.
    pub nonce: Option<String>,
    /// The S256 challenge.
    pub code_challenge: Option<String>,
    /// `prompt`.
    pub prompt: Prompt,
    /// How old the authentication may be.
    pub max_age: Option<Span>,
    /// `acr_values`, and what `claims` asked as essential.
    pub acr_values: Vec<String>,
    /// Fills the identifier field; never authenticates.
    pub login_hint: Option<String>,
    /// Which page comes first.
    pub screen_hint: Option<ScreenHint>,
    /// Languages in the client's order.
    pub ui_locales: Vec<String>,
    /// The connection to use.
    pub connection: Option<String>,
    /// The raw `id_token_hint`; whoever reads it verifies it.
    pub id_token_hint: Option<String>,
    /// `ext-*` parameters, for templates and Actions.
    pub ext: BTreeMap<String, String>,
    /// For the log.
    pub correlation_id: Option<String>,
}

impl AuthorizeRequest {
    /// Returns whether multi-factor authentication was asked for.
    pub fn asks_mfa(&self) -> bool {
        self.acr_values.iter().any(|v| v == PAPE)
    }

    /// Returns whether no page may be shown.
    pub const fn is_silent(&self) -> bool {
        self.prompt.none
    }
}
