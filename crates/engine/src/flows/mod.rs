//! What somebody does, one file a thing: load, decide, save.

pub mod account;
pub mod admin_reset;
mod apis;
pub mod attempts;
pub mod authorize;
pub mod branding;
mod changes;
pub mod client_auth;
pub mod consent;
pub mod cors;
pub mod credentials;
pub mod dbconnections;
pub mod demo;
pub mod doctor;
pub mod email_verification;
mod enrolling;
pub mod enrollment_ticket;
pub mod first_client;
pub mod first_start;
pub mod held;
pub(crate) mod key_domain;
mod linked;
pub mod login;
pub mod logout;
pub mod management;
pub mod messages;
pub mod mfa_api;
pub mod my_account;
mod new_passkey;
pub mod page_frame;
pub mod par;
pub mod passkey;
mod passkey_answer;
pub mod password_reset;
pub mod passwordless;
pub mod reseal;
pub mod revoke;
pub mod sending;
pub mod signing_keys;
pub mod signup;
pub mod token;
pub mod twin;
pub mod user_import;
pub mod userinfo;

use lockstep_core::codes::OAuthError;

pub use passkey_answer::PasskeyInput;

use crate::store::db::DbError;

/// Why an OAuth endpoint does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum OAuthFailure {
    /// The client is unknown, or did not prove who it is. Each endpoint has its own words for it.
    #[error("client authentication failed")]
    ClientRefused {
        /// Whether HTTP Basic was used.
        by_basic: bool,
    },
    /// The request is refused.
    #[error(transparent)]
    Refused(Box<OAuthError>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Something of ours failed.
    #[error("{0}")]
    Internal(String),
}

impl From<OAuthError> for OAuthFailure {
    fn from(error: OAuthError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// Returns where somebody goes after a ticket: the operator's address, which is told what happened as Auth0 tells it.
fn result_url(to: &str, message: &str, email: Option<&str>) -> Option<String> {
    let mut url = url::Url::parse(to).ok()?;
    url.query_pairs_mut().extend_pairs(email.map(|email| ("email", email)));
    url.query_pairs_mut().append_pair("message", message).append_pair("success", "true");
    Some(url.into())
}
