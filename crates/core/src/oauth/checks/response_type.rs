//! RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices: a known response type, whose grant the client
//! has.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};
use crate::oauth::params::printable;
use crate::oauth::response::ResponseTypes;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let text = draft.params.require("response_type")?;
    let types = ResponseTypes::parse(text).ok_or_else(|| {
        OAuthError::new(
            OAuthCode::UnsupportedResponseType,
            format!("Unsupported response type: {}", printable(text)),
        )
    })?;
    if types.code && !draft.client.allows_grant("authorization_code") {
        return Err(OAuthError::grant_not_allowed("authorization_code"));
    }
    if types.through_browser() && !draft.client.allows_grant("implicit") {
        return Err(OAuthError::grant_not_allowed("implicit"));
    }
    draft.response_types = Some(types);
    Ok(())
}
