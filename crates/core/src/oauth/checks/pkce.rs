//! RFC 7636 section 4.3, RFC 9700 section 2.1.1: S256 challenges only, and always for public clients.

use super::Draft;
use crate::codes::OAuthError;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let challenge = draft.params.get("code_challenge");
    let method = draft.params.get("code_challenge_method");
    match (challenge, method) {
        (None, None) => {
            let code = draft.response_types.is_some_and(|t| t.code);
            if code && draft.client.is_public() {
                return Err(OAuthError::missing("code_challenge"));
            }
        }
        (None, Some(_)) => return Err(OAuthError::missing("code_challenge")),
        // Without a method RFC 7636 means "plain", which protects nothing against whoever reads the request.
        (Some(_), None | Some("plain")) => {
            return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
        }
        (Some(challenge), Some("S256")) => {
            let url_safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if challenge.len() != 43 || !challenge.bytes().all(url_safe) {
                return Err(OAuthError::invalid_request("code_challenge must be 43 characters of base64url"));
            }
            draft.code_challenge = Some(challenge.to_owned());
        }
        (Some(_), Some(_)) => return Err(OAuthError::invalid_request("Unknown code_challenge_method")),
    }
    Ok(())
}
