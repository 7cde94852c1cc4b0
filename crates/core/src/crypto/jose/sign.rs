//! Making tokens.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::alg::{Alg, Family};
use super::jwk::{Jwk, PublicParts};
use super::verify::VerifyingKey;
use super::{KeyError, der};

/// Why a token was not made. Both are our own faults.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims do not become a JSON object.
    #[error("the claims do not become JSON")]
    Claims(#[from] serde_json::Error),
    /// The library refused to sign.
    #[error("the cryptographic library refused to sign")]
    Library,
}

/// A private key, parsed once, bound to its algorithm and its name.
pub struct SigningKey {
    alg: Alg,
    kid: String,
    pair: Pair,
    public: PublicParts,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl SigningKey {
    /// Generates a key pair: RSA of 2048 bits, or EC. Takes a good part of a second for RSA. Its `kid` is its thumbprint (RFC 7638).
    pub fn generate(alg: Alg) -> Result<Self, KeyError> {
        let pair = match alg.family() {
            Family::Rsa { sign, .. } => RsaKeyPair::generate(KeySize::Rsa2048).map(|p| Pair::Rsa(p, sign)),
            Family::Ec { sign, .. } => EcdsaKeyPair::generate(sign).map(Pair::Ec),
            Family::Hmac => return Err(KeyError::NoKeyPair(alg)),
        };
        let mut key = Self::new(alg, String::new(), pair.map_err(|_| KeyError::Library)?)?;
        key.kid = key.public.thumbprint();
        Ok(key)
    }

    /// Parses an unencrypted PKCS #8 key.
    pub fn from_pkcs8(alg: Alg, kid: impl Into<String>, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = match alg.family() {
            Family::Rsa { sign, .. } => RsaKeyPair::from_pkcs8(pkcs8).map(|p| Pair::Rsa(p, sign)),
            Family::Ec { sign, .. } => EcdsaKeyPair::from_pkcs8(sign, pkcs8).map(Pair::Ec),
            Family::Hmac => return Err(KeyError::NoKeyPair(alg)),
        };
        Self::new(alg, kid.into(), pair.map_err(|_| KeyError::Malformed(alg))?)
    }

    /// Returns the key under another name.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { kid: kid.into(), ..self }
    }

    /// Returns the private key as PKCS #8 DER, wiped when dropped. Seal it before it is stored.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = match &self.pair {
            Pair::Rsa(pair, _) => {
                aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(pair)
                    .map(|der| der.as_ref().to_vec())
            }
            Pair::Ec(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
        };
        bytes.map(Zeroizing::new).map_err(|_| KeyError::Library)
    }

    /// Returns the algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Returns the name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public half for the JWKS.
    pub fn public_jwk(&self) -> Jwk {
        self.public.to_jwk(self.alg, Some(&self.kid))
    }

    /// Returns the public half as SubjectPublicKeyInfo in DER.
    pub fn public_spki(&self) -> Result<Vec<u8>, KeyError> {
        let key = self.public.to_key(self.alg)?;
        Ok(key.as_der().map_err(|_| KeyError::Library)?.as_ref().to_vec())
    }

    /// Returns the key that verifies what this one signs.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_parts(self.alg, &self.public, Some(self.kid.clone()))
    }

    /// Makes a signed token with the header `alg`, `typ`, `kid`.
    pub fn sign_jwt(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let mut token = unsigned(self.alg, typ, Some(&self.kid), claims)?;
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Signs bytes; the form of the signature is that of JWS (RFC 7518 section 3).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let rng = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &rng, message, &mut signature).map_err(|_| SignError::Library)?;
                Ok(signature)
            }
            Pair::Ec(pair) => Ok(pair.sign(&rng, message).map_err(|_| SignError::Library)?.as_ref().to_vec()),
        }
    }

    fn new(alg: Alg, kid: String, pair: Pair) -> Result<Self, KeyError> {
        let public = match (&pair, alg.family()) {
            (Pair::Rsa(pair, _), _) => der::rsa_public_key(pair.public_key().as_ref()),
            (Pair::Ec(pair), Family::Ec { curve, .. }) => {
                PublicParts::from_point(curve, pair.public_key().as_ref())
            }
            (Pair::Ec(_), _) => None,
        }
        .ok_or(KeyError::Malformed(alg))?;
        // What nobody could verify, by our own rules, is not signed either.
        public.to_key(alg)?;
        Ok(Self { alg, kid, pair, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Makes a token under a shared secret, with the header `alg`, `typ`.
pub fn sign_hs256(secret: &[u8], typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
    let mut token = unsigned(Alg::HS256, typ, None, claims)?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, &mut token);
    Ok(token)
}

#[derive(Serialize)]
struct OutHeader<'a> {
    alg: Alg,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// Returns header and claims, encoded and joined: what is signed.
fn unsigned(alg: Alg, typ: &str, kid: Option<&str>, claims: &impl Serialize) -> Result<String, SignError> {
    let header = serde_json::to_vec(&OutHeader { alg, typ, kid })?;
    let claims = serde_json::to_vec(claims)?;
    // Room for the signature of an RSA key of 2048 bits too.
    let mut token = String::with_capacity((header.len() + claims.len() + 256) * 4 / 3 + 8);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    Ok(token)
}
