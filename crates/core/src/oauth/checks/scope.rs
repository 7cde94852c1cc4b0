//! RFC 6749 section 3.3: the scope parameter's syntax. Unknown scopes are dropped when tokens are made, never refused here.

use super::Draft;
use crate::codes::OAuthError;
use crate::oauth::scope::Scopes;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    draft.scope = Scopes::parse(draft.params.get("scope").unwrap_or_default())?;
    // OpenID Connect Core section 3.1.2.1: without openid it is no OpenID Connect request, so there is no ID token to return.
    if draft.response_types.is_some_and(|t| t.id_token) && !draft.scope.has("openid") {
        return Err(OAuthError::invalid_request("response_type id_token needs the scope openid"));
    }
    Ok(())
}
