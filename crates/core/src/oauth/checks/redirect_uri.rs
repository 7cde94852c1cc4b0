//! RFC 6749 section 3.1.2.3, RFC 9700 section 2.1: the redirect URI is one of the registered, compared as written. A failure
//! shows a page: a redirect would make us the attacker's redirector.

use super::Draft;
use crate::codes::{OAuthCode, OAuthError};
use crate::oauth::redirect_uri;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if draft.params.is_ambiguous("redirect_uri") {
        return Err(OAuthError::invalid_request("Parameter given more than once: redirect_uri"));
    }
    let native = draft.client.app_type() == Some("native");
    let uri = match draft.params.get("redirect_uri") {
        Some(uri) if redirect_uri::is_allowed_callback(uri, draft.client.callbacks(), native) => uri,
        Some(_) => return Err(mismatch()),
        None => {
            let mut callbacks = draft.client.callbacks();
            match (callbacks.next(), callbacks.next()) {
                // A pattern is no place to send somebody to.
                (Some(only), None) if redirect_uri::is_allowed_callback(only, [only].into_iter(), false) => {
                    only
                }
                _ => return Err(OAuthError::missing("redirect_uri")),
            }
        }
    };
    draft.redirect_uri = Some(uri.to_owned());
    Ok(())
}

fn mismatch() -> OAuthError {
    OAuthError::new(
        OAuthCode::UnauthorizedClient,
        "Callback URL mismatch. URL is not in the list of allowed callback URLs",
    )
}
