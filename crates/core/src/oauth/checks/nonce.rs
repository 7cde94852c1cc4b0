//! OpenID Connect Core section 3.2.2.1 and 3.3.2.11: an ID token that goes through the browser needs a nonce.

use super::Draft;
use crate::codes::OAuthError;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if draft.response_types.is_some_and(|t| t.id_token) {
        draft.params.require("nonce")?;
    }
    Ok(())
}
