//! Auth0's `audience`, RFC 8707's purpose: the API exists, and people may get tokens of it through this client.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let Some(audience) = draft.audience.as_deref() else { return Ok(()) };
    let Some(api) = draft.api else { return Err(OAuthError::service_not_found(audience)) };
    let allowed = match api.user_policy() {
        "deny_all" => false,
        "require_client_grant" => draft.client_grant.is_some(),
        _ => true,
    };
    if allowed {
        return Ok(());
    }
    // Third-party applications get the newer code (contract/oidc.md 3.5).
    let code =
        if draft.client.is_first_party() { OAuthCode::AccessDenied } else { OAuthCode::UnauthorizedClient };
    let text =
        format!("Client \"{}\" is not authorized to access resource server \"{audience}\".", draft.client.id);
    Err(OAuthError::new(code, text))
}
