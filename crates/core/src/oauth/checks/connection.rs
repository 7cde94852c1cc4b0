//! Auth0's `connection`: a named connection exists and is enabled for the application. Organizations are not there yet.

use super::Draft;
use crate::codes::OAuthError;
use crate::oauth::params::printable;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    if let Some(organization) = draft.params.get("organization") {
        let text = format!("parameter organization is invalid: {}", printable(organization));
        return Err(OAuthError::invalid_request(text));
    }
    match draft.params.get("connection") {
        Some(name) if !draft.connections.iter().any(|c| c == name) => {
            Err(OAuthError::invalid_request("the connection is not enabled for the client"))
        }
        _ => Ok(()),
    }
}
