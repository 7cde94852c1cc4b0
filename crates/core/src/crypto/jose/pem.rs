//! Public keys and certificates as PEM (RFC 7468): what a client uploads for `private_key_jwt`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der;
use super::jwk::PublicParts;
use crate::time::Timestamp;

/// The largest PEM text that is looked at.
const MAX_BYTES: usize = 64 * 1024;

/// Why a PEM text holds no public key for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is not PEM, or of a label that is no public key.
    #[error("expected a PEM block PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")]
    Label,
    /// It is a private key, which must not leave its owner.
    #[error("this is a private key; upload the public key")]
    PrivateKey,
    /// The content is broken or holds another kind of key than RSA, P-256 and P-384.
    #[error("the PEM block holds no RSA, P-256 or P-384 public key")]
    Content,
}

/// A public key out of a PEM text, not yet bound to an algorithm.
#[derive(Debug, Clone)]
pub struct PublicPem {
    pub(super) parts: PublicParts,
    not_after: Option<Timestamp>,
}

impl PublicPem {
    /// Parses the first block of a PEM text: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`.
    pub fn parse(text: &str) -> Result<Self, PemError> {
        let (label, content) = first_block(text).ok_or(PemError::Label)?;
        if label.ends_with("PRIVATE KEY") {
            return Err(PemError::PrivateKey);
        }
        let (parts, not_after) = match label {
            "PUBLIC KEY" => (der::spki(&content), None),
            "RSA PUBLIC KEY" => (der::rsa_public_key(&content), None),
            "CERTIFICATE" => {
                let (spki, not_after) = der::certificate(&content).ok_or(PemError::Content)?;
                (der::spki(spki), Some(not_after))
            }
            _ => return Err(PemError::Label),
        };
        Ok(Self { parts: parts.ok_or(PemError::Content)?, not_after })
    }

    /// Returns the key's thumbprint (RFC 7638): the `kid` of a credential that came without one.
    pub fn thumbprint(&self) -> String {
        self.parts.thumbprint()
    }

    /// Returns when the certificate ends; `None` for a bare key.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

/// Returns label and content of the first block. Text before it and line lengths do not matter.
fn first_block(text: &str) -> Option<(&str, Vec<u8>)> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}
