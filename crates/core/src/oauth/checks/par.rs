//! RFC 9126 section 5 and 6: a client or tenant that requires pushed requests accepts no others.

use super::Draft;
use crate::codes::OAuthError;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if !draft.pushed && (draft.client.requires_par() || draft.tenant.requires_par()) {
        return Err(OAuthError::invalid_request("Pushed Authorization Requests are required"));
    }
    Ok(())
}
