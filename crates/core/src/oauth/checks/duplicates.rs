//! RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."

use super::Draft;
use crate::codes::OAuthError;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    draft.params.refuse_ambiguous(super::TEXTS)
}
