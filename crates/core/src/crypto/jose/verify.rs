//! Keys that verify, each bound to one algorithm.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use super::KeyError;
use super::alg::Alg;
use super::der;
use super::jwk::{Jwk, PublicParts};
use super::pem::PublicPem;

/// A key that verifies signatures of one algorithm.
pub struct VerifyingKey {
    alg: Alg,
    kid: Option<String>,
    material: Material,
}

/// A public key cannot become a shared secret: the two have no bytes in common, only this enum.
enum Material {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

impl VerifyingKey {
    /// Parses a JWK. One that is marked for encryption or for another algorithm is refused.
    pub fn from_jwk(alg: Alg, jwk: &Jwk) -> Result<Self, KeyError> {
        let other_use = jwk.use_.as_deref().is_some_and(|u| u != "sig");
        let other_alg = jwk.alg.as_deref().is_some_and(|a| a != alg.as_str());
        if other_use || other_alg {
            return Err(KeyError::OtherUse(alg));
        }
        let parts = PublicParts::from_jwk(jwk).ok_or(KeyError::Malformed(alg))?;
        Self::from_parts(alg, &parts, jwk.kid.clone())
    }

    /// Binds a key out of a PEM text to an algorithm and, where it has one, a name.
    pub fn from_pem(alg: Alg, kid: Option<&str>, pem: &PublicPem) -> Result<Self, KeyError> {
        Self::from_parts(alg, &pem.parts, kid.map(str::to_owned))
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    pub fn from_spki(alg: Alg, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_parts(alg, &der::spki(der).ok_or(KeyError::Malformed(alg))?, None)
    }

    /// Makes an HS256 key of a shared secret.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::EmptySecret);
        }
        let material = Material::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        Ok(Self { alg: Alg::HS256, kid: None, material })
    }

    /// Returns the algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Returns the name of the key, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Tells whether the signature of JWS form fits the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    pub(super) fn from_parts(alg: Alg, parts: &PublicParts, kid: Option<String>) -> Result<Self, KeyError> {
        Ok(Self { alg, kid, material: Material::Public(parts.to_key(alg)?) })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}
