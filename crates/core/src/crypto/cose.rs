//! Public keys as security keys give them (COSE, RFC 9052 section 7 and RFC 9053), and the signatures that they verify.
//!
//! A key belongs to the algorithm that it names, and to no other.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cbor::Cbor;
use super::jose::{Alg, Jwk, VerifyingKey};

/// An algorithm by its COSE number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoseAlg {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// EdDSA on Curve25519.
    EdDsa,
}

impl CoseAlg {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// Returns the number (RFC 9053 section 2, RFC 8812 section 2).
    pub const fn number(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::Rs256 => -257,
            Self::EdDsa => -8,
        }
    }
}

/// A public key.
pub struct CoseKey {
    alg: CoseAlg,
    material: Material,
}

enum Material {
    Point(ParsedPublicKey),
    Rsa(VerifyingKey),
}

// The labels of RFC 9052 section 7.1 and RFC 9053 section 7.
const KTY: i64 = 1;
const ALG: i64 = 3;
const CURVE_OR_N: i64 = -1;
const X_OR_E: i64 = -2;
const Y: i64 = -3;

impl CoseKey {
    /// Reads a key. WebAuthn section 6.5.1 wants the algorithm in it and nothing that is not needed; a point is not compressed.
    pub fn read(key: &Cbor<'_>) -> Option<Self> {
        let int = |label| key.number(label)?.as_int();
        let bytes = |label| key.number(label)?.as_bytes();
        let (alg, parameters) = match (int(KTY)?, int(ALG)?) {
            (2, -7) => (CoseAlg::Es256, 5),
            (3, -257) => (CoseAlg::Rs256, 4),
            (1, -8) => (CoseAlg::EdDsa, 4),
            _ => return None,
        };
        if key.entries()?.len() != parameters {
            return None;
        }
        let material = match alg {
            CoseAlg::Es256 => {
                let (1, [x, y]) = (int(CURVE_OR_N)?, [bytes(X_OR_E)?, bytes(Y)?]) else { return None };
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                let point = [&[4], x, y].concat();
                Material::Point(ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()?)
            }
            CoseAlg::EdDsa => {
                let (6, x) = (int(CURVE_OR_N)?, bytes(X_OR_E)?) else { return None };
                if x.len() != 32 {
                    return None;
                }
                Material::Point(ParsedPublicKey::new(&ED25519, x).ok()?)
            }
            CoseAlg::Rs256 => {
                let number = |label| bytes(label).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
                let jwk =
                    Jwk { kty: "RSA".into(), n: number(CURVE_OR_N), e: number(X_OR_E), ..Jwk::default() };
                Material::Rsa(VerifyingKey::from_jwk(Alg::RS256, &jwk).ok()?)
            }
        };
        Some(Self { alg, material })
    }

    /// Reads a stored key: COSE, or a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), as tools import it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Some(cbor) = Cbor::only(bytes) {
            return Self::read(&cbor);
        }
        if let Ok(key) = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes) {
            // A bare point is no SubjectPublicKeyInfo.
            return (bytes.len() > 65)
                .then_some(Self { alg: CoseAlg::Es256, material: Material::Point(key) });
        }
        if let (Ok(key), true) = (ParsedPublicKey::new(&ED25519, bytes), bytes.len() > 32) {
            return Some(Self { alg: CoseAlg::EdDsa, material: Material::Point(key) });
        }
        let key = VerifyingKey::from_spki(Alg::RS256, bytes).ok()?;
        Some(Self { alg: CoseAlg::Rs256, material: Material::Rsa(key) })
    }

    /// Returns the algorithm.
    pub const fn alg(&self) -> CoseAlg {
        self.alg
    }

    /// Tells whether the signature fits the message (WebAuthn section 6.5.5: ECDSA in DER).
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Point(key) => key.verify_sig(message, signature).is_ok(),
            Material::Rsa(key) => key.verifies(message, signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn es256(x: &[u8], y: &[u8], mut more: Vec<(i64, Cbor<'static>)>) -> Vec<u8> {
        let mut entries: Vec<(Cbor<'_>, Cbor<'_>)> = vec![
            (Cbor::Int(KTY), Cbor::Int(2)),
            (Cbor::Int(ALG), Cbor::Int(-7)),
            (Cbor::Int(CURVE_OR_N), Cbor::Int(1)),
            (Cbor::Int(X_OR_E), Cbor::Bytes(x)),
            (Cbor::Int(Y), Cbor::Bytes(y)),
        ];
        entries.extend(more.drain(..).map(|(label, value)| (Cbor::Int(label), value)));
        Cbor::Map(entries).to_bytes()
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_and_a_key_with_more_in_it_are_refused() {
        // The generator of P-256 (SEC 2 section 2.4.2).
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let x = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
        let y = hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
        assert!(CoseKey::parse(&es256(&x, &y, vec![])).is_some());
        let mut off = y.clone();
        off[31] ^= 1;
        assert!(CoseKey::parse(&es256(&x, &off, vec![])).is_none());
        assert!(CoseKey::parse(&es256(&x[..31], &y, vec![])).is_none());
        assert!(CoseKey::parse(&es256(&x, &y, vec![(2, Cbor::Bytes(b"kid"))])).is_none());
        // The bare point, which is neither form.
        assert!(CoseKey::parse(&[&[4], x.as_slice(), &y].concat()).is_none());
        assert!(CoseKey::parse(b"").is_none());
    }
}
