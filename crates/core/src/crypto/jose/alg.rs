//! The algorithms that we know. `none` is not among them.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
    RsaParameters,
};
use serde::{Deserialize, Serialize};

/// A signature algorithm by its name in RFC 7518 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Alg {
    /// RSA, PKCS #1 v1.5, SHA-256: the default.
    RS256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    RS384,
    /// RSA, PSS, SHA-256.
    PS256,
    /// RSA, PSS, SHA-384.
    PS384,
    /// ECDSA, P-256, SHA-256.
    ES256,
    /// ECDSA, P-384, SHA-384.
    ES384,
    /// HMAC with SHA-256 under a shared secret.
    HS256,
}

impl Alg {
    /// All algorithms.
    pub const ALL: [Self; 7] =
        [Self::RS256, Self::RS384, Self::PS256, Self::PS384, Self::ES256, Self::ES384, Self::HS256];

    /// Returns the name that stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::HS256 => "HS256",
        }
    }

    /// Parses a name; names are case-sensitive.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text)
    }

    pub(super) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::RS256 | Self::PS256 | Self::ES256 | Self::HS256 => &digest::SHA256,
            Self::RS384 | Self::PS384 | Self::ES384 => &digest::SHA384,
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::RS256 => Family::Rsa { sign: &RSA_PKCS1_SHA256, verify: &RSA_PKCS1_2048_8192_SHA256 },
            Self::RS384 => Family::Rsa { sign: &RSA_PKCS1_SHA384, verify: &RSA_PKCS1_2048_8192_SHA384 },
            Self::PS256 => Family::Rsa { sign: &RSA_PSS_SHA256, verify: &RSA_PSS_2048_8192_SHA256 },
            Self::PS384 => Family::Rsa { sign: &RSA_PSS_SHA384, verify: &RSA_PSS_2048_8192_SHA384 },
            Self::ES256 => Family::Ec {
                curve: Curve::P256,
                sign: &ECDSA_P256_SHA256_FIXED_SIGNING,
                verify: &ECDSA_P256_SHA256_FIXED,
            },
            Self::ES384 => Family::Ec {
                curve: Curve::P384,
                sign: &ECDSA_P384_SHA384_FIXED_SIGNING,
                verify: &ECDSA_P384_SHA384_FIXED,
            },
            Self::HS256 => Family::Hmac,
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an algorithm is in terms of the library.
pub(super) enum Family {
    Rsa { sign: &'static dyn RsaEncoding, verify: &'static RsaParameters },
    Ec { curve: Curve, sign: &'static EcdsaSigningAlgorithm, verify: &'static EcdsaVerificationAlgorithm },
    Hmac,
}

/// A curve of NIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// Returns the bytes of one coordinate.
    pub(super) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_none_is_no_algorithm() {
        for alg in Alg::ALL {
            assert_eq!(Alg::parse(alg.as_str()), Some(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.as_str());
        }
        for name in ["none", "None", "NONE", "", "rs256", "HS512", "RS256 "] {
            assert_eq!(Alg::parse(name), None, "{name}");
        }
    }
}
