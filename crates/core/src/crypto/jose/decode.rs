//! Taking tokens apart: form, algorithm, signature (RFC 7515 section 5.2, RFC 8725 section 3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::alg::Alg;
use super::verify::VerifyingKey;

/// The largest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is larger than [`MAX_TOKEN_BYTES`].
    #[error("the token is larger than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// It is not three parts of base64url, or the first two are no JSON objects.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// Its algorithm is unknown, or not among those that are allowed here.
    #[error("the token's algorithm is not allowed")]
    AlgNotAllowed,
    /// It demands an extension (`crit`), and we have none.
    #[error("the token demands an extension that is not supported")]
    Critical,
    /// No key is known for it.
    #[error("no key is known for the token")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
}

/// The header of a token. Members that name or bring a key (`jwk`, `jku`, `x5c`, `x5u`) are not even read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm.
    pub alg: Alg,
    /// The type, as it stands there.
    pub typ: Option<String>,
    /// The name of the key.
    pub kid: Option<String>,
}

impl Header {
    /// Tells whether the token is of this type: any case, with or without `application/` (RFC 7515 section 4.1.9).
    pub fn is_type(&self, wanted: &str) -> bool {
        let Some(typ) = self.typ.as_deref() else { return false };
        let short = match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
            _ => typ,
        };
        short.eq_ignore_ascii_case(wanted)
    }
}

/// A token whose form and signature are right. What it claims is still to be checked: see [`super::claims`].
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The header.
    pub header: Header,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Checks form and signature of a token under the key that the lookup finds for its `kid` and algorithm.
pub fn decode<'k>(
    token: &str,
    allowed: &[Alg],
    key_lookup: impl FnOnce(Option<&str>, Alg) -> Option<&'k VerifyingKey>,
) -> Result<Verified, JwtError> {
    let parts = Parts::split(token, allowed)?;
    let key = key_lookup(parts.header.kid.as_deref(), parts.header.alg).ok_or(JwtError::UnknownKey)?;
    parts.verify([key])
}

/// Checks form and signature of a token under several keys: the one that its `kid` names, or, without a `kid`, each that fits its algorithm.
pub fn decode_any<'k>(
    token: &str,
    allowed: &[Alg],
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<Verified, JwtError> {
    let parts = Parts::split(token, allowed)?;
    let (alg, kid) = (parts.header.alg, parts.header.kid.clone());
    let fits = |key: &&VerifyingKey| key.alg() == alg && (kid.is_none() || key.kid() == kid.as_deref());
    parts.verify(keys.into_iter().filter(fits))
}

/// Reads the header of a token and verifies nothing: to find out whose keys to ask for.
pub fn peek_header(token: &str) -> Result<Header, JwtError> {
    Parts::split(token, &Alg::ALL).map(|parts| parts.header)
}

struct Parts<'t> {
    header: Header,
    message: &'t [u8],
    payload: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct InHeader {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Any value of `crit`, even null or an empty list, counts.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'t> Parts<'t> {
    fn split(token: &'t str, allowed: &[Alg]) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwtError::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(JwtError::Malformed)?;
        // A fourth part leaves a dot in the payload, which base64url refuses; an early look costs nothing and says why.
        if payload.contains('.') {
            return Err(JwtError::Malformed);
        }
        let header: InHeader = serde_json::from_slice(&bytes(header)?).map_err(|_| JwtError::Malformed)?;
        let alg = Alg::parse(&header.alg).filter(|alg| allowed.contains(alg));
        let alg = alg.ok_or(JwtError::AlgNotAllowed)?;
        if header.crit {
            return Err(JwtError::Critical);
        }
        let header = Header { alg, typ: header.typ, kid: header.kid };
        Ok(Self { header, message: message.as_bytes(), payload, signature: bytes(signature)? })
    }

    fn verify<'k>(self, keys: impl IntoIterator<Item = &'k VerifyingKey>) -> Result<Verified, JwtError> {
        let mut outcome = JwtError::UnknownKey;
        for key in keys {
            // The key says how it is used. A token that says otherwise does not fit it, whatever a lookup returned.
            if key.alg() != self.header.alg {
                continue;
            }
            if key.verifies(self.message, &self.signature) {
                let claims =
                    serde_json::from_slice(&bytes(self.payload)?).map_err(|_| JwtError::Malformed)?;
                return Ok(Verified { header: self.header, claims });
            }
            outcome = JwtError::Signature;
        }
        Err(outcome)
    }
}

/// Decodes base64url without padding, without spaces and with no stray bits at the end.
fn bytes(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)
}
