//! Auth0's `audience`, RFC 8707's purpose: the API exists, and people may get tokens of it through this client.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};
use crate::model::client::Client;
use crate::model::resource_server::ResourceServer;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let Some(audience) = draft.audience.as_deref() else { return Ok(()) };
    let Some(api) = draft.api else { return Err(OAuthError::service_not_found(audience)) };
    admits(api, draft.client, draft.client_grant.is_some())
}

/// Checks that people may get tokens of an API through a client: asked at `/authorize`, and again whenever tokens are made, since not every
/// grant begins there and a client grant can be withdrawn.
pub fn admits(api: &ResourceServer, client: &Client, has_grant: bool) -> Result<(), OAuthError> {
    let allowed = match api.user_policy() {
        "deny_all" => false,
        "require_client_grant" => has_grant,
        _ => true,
    };
    if allowed {
        return Ok(());
    }
    // Third-party applications get the newer code (contract/oidc.md 3.5).
    let code = if client.is_first_party() { OAuthCode::AccessDenied } else { OAuthCode::UnauthorizedClient };
    let api = &api.identifier;
    Err(OAuthError::new(
        code,
        format!("Client \"{}\" is not authorized to access resource server \"{api}\".", client.id),
    ))
}
