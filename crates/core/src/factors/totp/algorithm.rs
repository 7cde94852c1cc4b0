//! The arithmetic of RFC 4226 and RFC 6238.

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// The hash under the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// HMAC-SHA-1, the one that every app knows. Collisions do not matter to an HMAC.
    #[default]
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// Returns the name in `otpauth://` URIs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// Parses the name in an `otpauth://` URI; case does not matter.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// Returns the code of a step, leading zeros included (RFC 4226 5.3, dynamic truncation).
pub(super) fn code(algorithm: Algorithm, secret: &[u8], step: i64, digits: u32) -> String {
    let key = hmac::Key::new(algorithm.hmac(), secret);
    // A step before 1970 wraps to a counter that no device shows.
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let hash = tag.as_ref();
    let offset = usize::from(hash[hash.len() - 1] & 0x0f);
    let word = u32::from_be_bytes([hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]]);
    let number = (word & 0x7fff_ffff) % 10u32.pow(digits.min(9));
    format!("{number:0width$}", width = digits.min(9) as usize)
}
