//! What the fuzz targets share: how bytes become an answer of a key, and what is expected of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_core::factors::webauthn::attestation::{Demand, Models};
use lockstep_core::factors::webauthn::ceremony::Expected;
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::factors::{RelyingParty, UserVerification};
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

/// The relying party.
pub const RP_ID: &str = "login.example.test";
/// The only page that may ask.
pub const ORIGIN: &str = "https://login.example.test";
/// The challenge that was issued: 32 zeros.
pub const CHALLENGE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The identifier of the known key.
pub const KNOWN_ID: [u8; 32] = [7; 32];
/// The counter of the known key at its last use.
pub const KNOWN_COUNT: i64 = 1;

/// Who asks.
pub fn relying_party() -> RelyingParty {
    RelyingParty::parse(RP_ID, &[ORIGIN]).expect("the constants are a relying party")
}

/// What an answer must fit.
pub fn expected(relying_party: &RelyingParty) -> Expected<'_> {
    Expected { challenge: CHALLENGE, relying_party, user_verification: UserVerification::Preferred }
}

/// What a key is asked to make.
pub fn options(alg: i64) -> Value {
    json!({
        "rp": {"id": RP_ID}, "challenge": CHALLENGE, "user": {"id": "dXNlcg"}, "attestation": "direct",
        "pubKeyCredParams": [{"alg": alg}],
    })
}

/// The models that may be enrolled: virtual keys whose maker vouches for them.
pub fn models() -> Models {
    Models::read(&virtual_maker::metadata().to_string(), &[]).expect("the twin's metadata can be read")
}

/// What a new key has to prove, at some moment.
pub fn demand(models: &Models) -> Demand<'_> {
    Demand { models, now: Timestamp::from_secs(1_700_000_000) }
}

/// The parts of an input: each has its length in two bytes before it, and the last is what is left.
pub fn parts<const N: usize>(mut input: &[u8]) -> Option<[&[u8]; N]> {
    let mut parts = [&[][..]; N];
    let (last, first) = parts.split_last_mut()?;
    for part in first {
        let (length, rest) = input.split_first_chunk::<2>()?;
        (*part, input) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    }
    *last = input;
    Some(parts)
}

/// The opposite of [`parts`].
pub fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 < parts.len() {
            input.extend(u16::try_from(part.len()).expect("seeds are short").to_be_bytes());
        }
        input.extend_from_slice(part);
    }
    input
}

/// The credential that a browser would send.
pub fn credential(id: &[u8], response: Value) -> String {
    let id = text(id);
    json!({"id": id, "rawId": id, "type": "public-key", "response": response}).to_string()
}

/// base64url.
pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The opposite of [`text`].
pub fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap_or_default()).unwrap_or_default()
}
