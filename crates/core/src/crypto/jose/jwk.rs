//! Public keys as JSON (RFC 7517, RFC 7518 section 6) and their parts.

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::KeyError;
use super::alg::{Alg, Curve, Family};
use crate::crypto::digest::sha256_b64url;

/// A public key as JSON. Members that it does not name are ignored; a private member is never written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwk {
    /// `RSA` or `EC`.
    pub kty: String,
    /// `sig`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// The algorithm that the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The name of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The public exponent of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The curve of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The first coordinate of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The SHA-1 of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5t: Option<String>,
    /// The certificate, in standard base64. We publish ours and read nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5c: Option<Vec<String>>,
}

impl Jwk {
    /// Returns the thumbprint of the key's required members (RFC 7638); `None` when one of them is missing.
    pub fn thumbprint(&self) -> Option<String> {
        PublicParts::from_jwk(self).map(|parts| parts.thumbprint())
    }
}

/// The numbers of a public key: the one form that JWK, PEM and certificate are brought into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PublicParts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
}

impl PublicParts {
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let number = |member: &Option<String>| URL_SAFE_NO_PAD.decode(member.as_deref()?).ok();
        match jwk.kty.as_str() {
            "RSA" => {
                // Some encoders write the sign byte of DER (RFC 7518 section 6.3.1.1 warns of them).
                let strip = |bytes: Vec<u8>| bytes.into_iter().skip_while(|b| *b == 0).collect();
                Some(Self::Rsa { n: strip(number(&jwk.n)?), e: strip(number(&jwk.e)?) })
            }
            "EC" => {
                let curve =
                    [Curve::P256, Curve::P384].into_iter().find(|c| Some(c.name()) == jwk.crv.as_deref())?;
                let (x, y) = (number(&jwk.x)?, number(&jwk.y)?);
                // RFC 7518 section 6.2.1.2: full size, leading zeros included.
                let full = x.len() == curve.coordinate_len() && y.len() == curve.coordinate_len();
                full.then_some(Self::Ec { curve, x, y })
            }
            _ => None,
        }
    }

    /// Takes an uncompressed point apart (SEC 1 section 2.3.3).
    pub(super) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let (4, rest) = point.split_first()? else { return None };
        let (x, y) = rest.split_at_checked(curve.coordinate_len())?;
        (y.len() == x.len()).then(|| Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    pub(super) fn to_jwk(&self, alg: Alg, kid: Option<&str>) -> Jwk {
        let jwk = Jwk {
            use_: Some("sig".to_owned()),
            alg: Some(alg.as_str().to_owned()),
            kid: kid.map(str::to_owned),
            ..Jwk::default()
        };
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        match self {
            Self::Rsa { n, e } => Jwk { kty: "RSA".to_owned(), n: text(n), e: text(e), ..jwk },
            Self::Ec { curve, x, y } => Jwk {
                kty: "EC".to_owned(),
                crv: Some(curve.name().to_owned()),
                x: text(x),
                y: text(y),
                ..jwk
            },
        }
    }

    /// Returns the thumbprint of RFC 7638: the required members in alphabetical order, without spaces.
    pub(super) fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        sha256_b64url(match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::Ec { curve, x, y } => {
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), text(x), text(y))
            }
        })
    }

    /// Makes the key that verifies; checks kind, size and, for a point, that it lies on the curve.
    pub(super) fn to_key(&self, alg: Alg) -> Result<ParsedPublicKey, KeyError> {
        match (self, alg.family()) {
            (Self::Rsa { n, e }, Family::Rsa { verify, .. }) => {
                let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::RsaSize { bits });
                }
                // An exponent of 1 would make every message its own signature; an even one has no inverse.
                if e.as_slice() == [1] || e.last().is_none_or(|last| last % 2 == 0) || e.len() > 4 {
                    return Err(KeyError::Malformed(alg));
                }
                RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(verify)
                    .map_err(|_| KeyError::Malformed(alg))
            }
            (Self::Ec { curve, x, y }, Family::Ec { curve: wanted, verify, .. }) if *curve == wanted => {
                ParsedPublicKey::new(verify, [&[4], x.as_slice(), y].concat())
                    .map_err(|_| KeyError::Malformed(alg))
            }
            _ => Err(KeyError::Malformed(alg)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_matches_the_example_of_rfc_7638() {
        let jwk: Jwk = serde_json::from_str(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
        )
        .unwrap();
        assert_eq!(jwk.thumbprint().as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    }

    #[test]
    fn a_missing_or_short_member_is_no_key() {
        for text in [
            r#"{"kty":"RSA","n":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#,
            r#"{"kty":"oct","k":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AQ","y":"AQ"}"#,
            "{}",
        ] {
            let jwk: Jwk = serde_json::from_str(text).unwrap();
            assert_eq!(jwk.thumbprint(), None, "{text}");
        }
    }
}
