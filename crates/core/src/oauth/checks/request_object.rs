//! OpenID Connect Core section 6, RFC 9101: signed request objects are not supported, and a `request_uri` only means a pushed
//! request, which was resolved before this check.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if draft.params.get("request").is_some() {
        return Err(OAuthCode::RequestNotSupported.into());
    }
    if draft.params.get("request_uri").is_some() {
        return Err(OAuthCode::InvalidRequestUri.into());
    }
    Ok(())
}
