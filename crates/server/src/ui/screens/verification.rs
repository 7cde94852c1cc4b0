//! The pages of a link that proves an address.

use serde::Serialize;

use super::{Screen, named_words};

/// `email-verification`: opening the link changes nothing, the button does.
#[derive(Debug, Default, Serialize)]
pub struct EmailVerification<'a> {
    /// The ticket, posted back as `ticket`.
    pub ticket: &'a str,
    /// The address.
    pub account: &'a str,
}
screen!(EmailVerification, "email-verification", "email-verification", vars = ["email" = account]);

/// How such a link ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VerificationOutcome {
    /// The address is proven.
    #[default]
    Verified,
    /// No such link, or the account has another address.
    Invalid,
    /// Too old.
    Expired,
    /// Used before.
    AlreadyUsed,
    /// Anything else.
    Generic,
}

impl VerificationOutcome {
    fn words(self) -> (String, String) {
        named_words(match self {
            Self::Verified => "verified",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::AlreadyUsed => "alreadyUsed",
            Self::Generic => "generic",
        })
    }
}

/// `email-verification-result`.
#[derive(Debug, Default, Serialize)]
pub struct EmailVerificationResult<'a> {
    /// What happened.
    pub outcome: VerificationOutcome,
    /// Where to go on; `None` if the window may be closed.
    pub continue_url: Option<&'a str>,
}
screen!(
    EmailVerificationResult,
    "email-verification",
    "email-verification-result",
    words = |page: &EmailVerificationResult<'_>| page.outcome.words()
);
