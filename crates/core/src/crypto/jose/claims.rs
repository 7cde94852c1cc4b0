//! Checks of what a token claims (RFC 7519 section 4.1). Each is one rule; the caller lists those it needs.

use serde_json::{Map, Value};

use crate::time::{Span, Timestamp};

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// Why a claim is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The claim is not there.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// The claim is of another type than it must be.
    #[error("the claim {0} has the wrong type")]
    WrongType(&'static str),
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet (`nbf`).
    #[error("the token is not valid yet")]
    TooEarly,
    /// The token says it was issued in the future.
    #[error("the token was issued in the future")]
    FromTheFuture,
    /// Somebody else issued it.
    #[error("the token has another issuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token is meant for somebody else")]
    Audience,
}

/// Checks that `exp` is there and not reached. Returns it.
pub fn not_expired(claims: &Claims, now: Timestamp, leeway: Span) -> Result<Timestamp, ClaimError> {
    let exp = date(claims, "exp")?.ok_or(ClaimError::Missing("exp"))?;
    // "On or after which the JWT MUST NOT be accepted": at exp itself it is too late.
    if now >= exp + leeway { Err(ClaimError::Expired) } else { Ok(exp) }
}

/// Checks that `nbf`, if it is there, is reached.
pub fn already_valid(claims: &Claims, now: Timestamp, leeway: Span) -> Result<(), ClaimError> {
    match date(claims, "nbf")? {
        Some(nbf) if nbf > now + leeway => Err(ClaimError::TooEarly),
        _ => Ok(()),
    }
}

/// Checks that `iat`, if it is there, is not in the future. Returns it.
pub fn issued_in_the_past(
    claims: &Claims,
    now: Timestamp,
    leeway: Span,
) -> Result<Option<Timestamp>, ClaimError> {
    match date(claims, "iat")? {
        Some(iat) if iat > now + leeway => Err(ClaimError::FromTheFuture),
        iat => Ok(iat),
    }
}

/// Checks that `iss` is exactly this.
pub fn issued_by(claims: &Claims, issuer: &str) -> Result<(), ClaimError> {
    if text(claims, "iss")? == issuer { Ok(()) } else { Err(ClaimError::Issuer) }
}

/// Checks that one of these names is in `aud`, which is a string or a list of strings.
pub fn addressed_to(claims: &Claims, names: &[&str]) -> Result<(), ClaimError> {
    let known = |value: &Value| value.as_str().map(|aud| names.contains(&aud));
    let found = match claims.get("aud").ok_or(ClaimError::Missing("aud"))? {
        Value::Array(list) => {
            let each: Option<Vec<bool>> = list.iter().map(known).collect();
            each.map(|each| each.contains(&true))
        }
        one => known(one),
    };
    match found {
        Some(true) => Ok(()),
        Some(false) => Err(ClaimError::Audience),
        None => Err(ClaimError::WrongType("aud")),
    }
}

/// Returns a claim that must be a text.
pub fn text<'c>(claims: &'c Claims, name: &'static str) -> Result<&'c str, ClaimError> {
    let value = claims.get(name).ok_or(ClaimError::Missing(name))?;
    value.as_str().ok_or(ClaimError::WrongType(name))
}

/// Returns a claim that must be a NumericDate if it is there. Fractions of seconds are allowed (RFC 7519 section 2).
pub fn date(claims: &Claims, name: &'static str) -> Result<Option<Timestamp>, ClaimError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let moment = match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => Timestamp::from_secs(seconds),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and a saturated date is far off all the same"
        )]
        (None, Some(seconds)) => Timestamp::from_millis((seconds * 1000.0) as i64),
        (None, None) => return Err(ClaimError::WrongType(name)),
    };
    Ok(Some(moment))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    const NOW: Timestamp = Timestamp::from_secs(1000);
    const LEEWAY: Span = Span::seconds(10);

    #[test]
    fn exp_is_needed_and_too_late_at_its_own_second() {
        let check = |value: Value, leeway| not_expired(&claims(value), NOW, leeway);
        assert_eq!(check(json!({}), LEEWAY), Err(ClaimError::Missing("exp")));
        assert_eq!(check(json!({"exp": "1001"}), LEEWAY), Err(ClaimError::WrongType("exp")));
        assert_eq!(check(json!({"exp": null}), LEEWAY), Err(ClaimError::WrongType("exp")));
        assert_eq!(check(json!({"exp": 1000}), Span::ZERO), Err(ClaimError::Expired));
        assert_eq!(check(json!({"exp": 1000.5}), Span::ZERO), Ok(Timestamp::from_millis(1_000_500)));
        assert!(check(json!({"exp": 991}), LEEWAY).is_ok());
        assert_eq!(check(json!({"exp": 990}), LEEWAY), Err(ClaimError::Expired));
        assert!(check(json!({"exp": 1e300}), LEEWAY).is_ok());
        assert!(check(json!({"exp": u64::MAX}), LEEWAY).is_ok());
        assert_eq!(check(json!({"exp": -1e300}), LEEWAY), Err(ClaimError::Expired));
    }

    #[test]
    fn nbf_and_iat_count_only_when_they_are_there() {
        assert_eq!(already_valid(&claims(json!({})), NOW, LEEWAY), Ok(()));
        assert_eq!(already_valid(&claims(json!({"nbf": 1010})), NOW, LEEWAY), Ok(()));
        assert_eq!(already_valid(&claims(json!({"nbf": 1011})), NOW, LEEWAY), Err(ClaimError::TooEarly));
        assert_eq!(issued_in_the_past(&claims(json!({})), NOW, LEEWAY), Ok(None));
        assert_eq!(
            issued_in_the_past(&claims(json!({"iat": 1010})), NOW, LEEWAY),
            Ok(Some(Timestamp::from_secs(1010)))
        );
        assert_eq!(
            issued_in_the_past(&claims(json!({"iat": 1011})), NOW, LEEWAY),
            Err(ClaimError::FromTheFuture)
        );
        assert_eq!(
            already_valid(&claims(json!({"nbf": true})), NOW, LEEWAY),
            Err(ClaimError::WrongType("nbf"))
        );
    }

    #[test]
    fn the_issuer_is_compared_to_the_last_character() {
        let check = |value: Value| issued_by(&claims(value), "https://a.example/");
        assert_eq!(check(json!({"iss": "https://a.example/"})), Ok(()));
        assert_eq!(check(json!({"iss": "https://a.example"})), Err(ClaimError::Issuer));
        assert_eq!(check(json!({"iss": ["https://a.example/"]})), Err(ClaimError::WrongType("iss")));
        assert_eq!(check(json!({})), Err(ClaimError::Missing("iss")));
    }

    #[test]
    fn the_audience_is_a_text_or_a_list_of_texts() {
        let check = |value: Value| addressed_to(&claims(value), &["a", "b"]);
        assert_eq!(check(json!({"aud": "b"})), Ok(()));
        assert_eq!(check(json!({"aud": ["x", "a"]})), Ok(()));
        assert_eq!(check(json!({"aud": "ab"})), Err(ClaimError::Audience));
        assert_eq!(check(json!({"aud": []})), Err(ClaimError::Audience));
        assert_eq!(check(json!({"aud": ["a", 1]})), Err(ClaimError::WrongType("aud")));
        assert_eq!(check(json!({"aud": {"a": "a"}})), Err(ClaimError::WrongType("aud")));
        assert_eq!(check(json!({})), Err(ClaimError::Missing("aud")));
    }
}
