//! Keys and JSON Web Tokens (RFC 7515, 7517, 7518, 7519; the rules of RFC 8725).
//!
//! A key belongs to exactly one algorithm from the moment it is made, so a token can never choose how a key is used. Keys are parsed once and
//! kept: signing costs the RSA or EC operation and some base64.
//!
//! - [`SigningKey::sign_jwt`] makes tokens; [`sign_hs256`] makes those with a shared secret.
//! - [`decode`] and [`decode_any`] check form and signature; [`claims`] checks what a token says.
//! - [`Jwk`] and [`pem`] bring public keys in and out.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

mod alg;
pub mod claims;
mod decode;
mod der;
mod jwk;
pub mod pem;
mod sign;
mod verify;

pub use alg::Alg;
pub use decode::{Header, JwtError, MAX_TOKEN_BYTES, Verified, decode, decode_any, peek_header};
pub use jwk::Jwk;
pub use sign::{SignError, SigningKey, sign_hs256};
pub use verify::VerifyingKey;

/// Why something is no key that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not parse, or not as the kind of key that the algorithm needs.
    #[error("this is not a key for {0}")]
    Malformed(Alg),
    /// An RSA key outside of 2048 to 8192 bits.
    #[error("RSA keys must have 2048 to 8192 bits; this one has {bits}")]
    RsaSize {
        /// The bits of the modulus.
        bits: usize,
    },
    /// A JWK that is marked for another use or another algorithm.
    #[error("the key is marked for another use than signatures with {0}")]
    OtherUse(Alg),
    /// The operation needs another kind of algorithm: HS256 has no public key.
    #[error("{0} has no key pair")]
    NoKeyPair(Alg),
    /// A shared secret of no bytes.
    #[error("a shared secret must not be empty")]
    EmptySecret,
    /// A key could not be generated or exported.
    #[error("the cryptographic library failed to generate or export a key")]
    Library,
}

/// Returns the left half of a token's hash in base64url: `at_hash` and `c_hash` (OpenID Connect Core section 3.3.2.11).
pub fn left_half_hash(alg: Alg, text: &str) -> String {
    let hash = digest::digest(alg.digest(), text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[cfg(test)]
mod tests;
