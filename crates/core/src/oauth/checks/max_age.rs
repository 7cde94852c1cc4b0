//! OpenID Connect Core section 3.1.2.1: `max_age` is a whole number of seconds, zero included.

use super::Draft;
use crate::codes::OAuthError;
use crate::time::Span;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if let Some(text) = draft.params.get("max_age") {
        // Digits only: `parse` alone would take "+5".
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        let seconds =
            number.ok_or_else(|| OAuthError::invalid_request("max_age must be a non-negative integer"))?;
        draft.max_age = Some(Span::seconds(i64::from(seconds)));
    }
    Ok(())
}
