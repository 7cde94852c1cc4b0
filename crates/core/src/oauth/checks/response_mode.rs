//! OAuth 2.0 Multiple Response Type Encoding Practices section 2.1 and 5: a known mode, and never tokens in a query.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};
use crate::oauth::params::printable;
use crate::oauth::redirect_uri;
use crate::oauth::response::ResponseMode;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let Some(text) = draft.params.get("response_mode") else { return Ok(()) };
    let unsupported = |why: String| OAuthError::new(OAuthCode::UnsupportedResponseMode, why);
    let mode = ResponseMode::parse(text)
        .ok_or_else(|| unsupported(format!("Unsupported response mode: {}", printable(text))))?;
    let through_browser = draft.response_types.is_some_and(|t| t.through_browser());
    if mode == ResponseMode::Query && through_browser {
        return Err(unsupported("Tokens are never returned in the query".to_owned()));
    }
    draft.response_mode = Some(mode);
    Ok(())
}

/// The message goes to the origin of the redirect URI. Where that has none (a custom scheme), or the URI matched a wildcard
/// without being a listed origin, nobody may receive it: a page, and no message.
pub(super) fn check_target(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if draft.params.get("response_mode") != Some("web_message") {
        return Ok(());
    }
    let lists = || draft.client.web_origins().chain(draft.client.callbacks());
    let listed = draft
        .redirect_uri
        .as_deref()
        .and_then(redirect_uri::origin)
        .is_some_and(|origin| redirect_uri::is_allowed_origin(&origin, lists()));
    if listed {
        Ok(())
    } else {
        Err(OAuthError::new(OAuthCode::UnauthorizedClient, "The origin of the redirect_uri is not allowed"))
    }
}
