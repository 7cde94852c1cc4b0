//! RFC 6749 section 2.2 and 3.1: `client_id` names a registered client. A failure shows a page: there is nobody to send
//! the person back to.

use super::Draft;
use crate::codes::OAuthError;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if draft.params.is_ambiguous("client_id") {
        return Err(OAuthError::invalid_request("Parameter given more than once: client_id"));
    }
    // The "All Applications" object only holds settings.
    if draft.client.is_global() {
        return Err(OAuthError::invalid_request(format!("Unknown client: {}", draft.client.id)));
    }
    Ok(())
}
