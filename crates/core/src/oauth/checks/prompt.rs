//! OpenID Connect Core section 3.1.2.1: known prompts, and `none` stands alone.

use super::Draft;
use crate::codes::OAuthError;
use crate::oauth::params::printable;
use crate::oauth::request::Prompt;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let mut prompt = Prompt::default();
    let mut words = 0;
    for word in draft.params.get("prompt").unwrap_or_default().split_ascii_whitespace() {
        words += 1;
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            other => {
                return Err(OAuthError::invalid_request(format!("Unknown prompt: {}", printable(other))));
            }
        }
    }
    if prompt.none && words > 1 {
        return Err(OAuthError::invalid_request("prompt none cannot be combined with other values"));
    }
    draft.prompt = prompt;
    Ok(())
}
