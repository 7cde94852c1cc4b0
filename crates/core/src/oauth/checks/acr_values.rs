//! OpenID Connect Core section 3.1.2.1 and 5.5.1.1: `acr_values` is a wish; unknown values are ignored. Of `claims` only an
//! essential `acr` of the ID token is read.

use serde_json::Value;

use super::Draft;
use crate::codes::OAuthError;

/// A client names one or two; the rest would only fill the transaction.
const MAX_VALUES: usize = 16;

pub(super) fn check(draft: &mut Draft<'_>) -> Result<(), OAuthError> {
    let asked = draft.params.get("acr_values").unwrap_or_default();
    let mut values: Vec<String> =
        asked.split_ascii_whitespace().take(MAX_VALUES).map(str::to_owned).collect();
    values.extend(essential_acr(draft.params.get("claims").unwrap_or_default()));
    draft.acr_values = values;
    Ok(())
}

fn essential_acr(claims: &str) -> Vec<String> {
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return Vec::new() };
    let acr = &claims["id_token"]["acr"];
    if acr["essential"] != Value::Bool(true) {
        return Vec::new();
    }
    let many = acr["values"].as_array().into_iter().flatten();
    many.chain([&acr["value"]]).filter_map(Value::as_str).take(MAX_VALUES).map(str::to_owned).collect()
}
