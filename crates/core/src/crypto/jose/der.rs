//! Just enough DER (X.690) to take public keys apart: definite lengths, low tags.

use super::alg::Curve;
use super::jwk::PublicParts;
use crate::time::Timestamp;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// Takes a SubjectPublicKeyInfo apart (RFC 5280 section 4.1.2.7, RFC 5480).
pub(super) fn spki(der: &[u8]) -> Option<PublicParts> {
    let mut body = Reader::only(der, SEQUENCE)?;
    let mut algorithm = Reader(body.read(SEQUENCE)?);
    // The first byte counts unused bits, of which keys have none.
    let (0, key) = body.read(BIT_STRING)?.split_first()? else { return None };
    body.end()?;
    match algorithm.read(OID)? {
        OID_RSA => rsa_public_key(key),
        OID_EC => {
            let curve = match algorithm.read(OID)? {
                OID_P256 => Curve::P256,
                OID_P384 => Curve::P384,
                _ => return None,
            };
            PublicParts::from_point(curve, key)
        }
        _ => None,
    }
}

/// Takes an RSAPublicKey of PKCS #1 apart (RFC 8017 appendix A.1.1).
pub(super) fn rsa_public_key(der: &[u8]) -> Option<PublicParts> {
    let mut body = Reader::only(der, SEQUENCE)?;
    let (n, e) = (body.positive()?, body.positive()?);
    body.end()?;
    Some(PublicParts::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// Returns the SubjectPublicKeyInfo of a certificate and the moment of `notAfter` (RFC 5280 section 4.1). Its signature is not checked:
/// whoever uploads it vouches for it.
pub(super) fn certificate(der: &[u8]) -> Option<(&[u8], Timestamp)> {
    let mut outer = Reader::only(der, SEQUENCE)?;
    let mut tbs = Reader(outer.read(SEQUENCE)?);
    if tbs.peek() == Some(EXPLICIT_0) {
        tbs.read(EXPLICIT_0)?; // version
    }
    tbs.read(INTEGER)?; // serial number
    tbs.read(SEQUENCE)?; // signature algorithm
    tbs.read(SEQUENCE)?; // issuer
    let mut validity = Reader(tbs.read(SEQUENCE)?);
    tbs.read(SEQUENCE)?; // subject
    let spki = tbs.read_whole(SEQUENCE)?;
    validity.read_any()?; // notBefore
    let (tag, not_after, _) = validity.read_any()?;
    Some((spki, time(tag, not_after)?))
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the only forms that RFC 5280 section 4.1.2.5 allows.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = text.split_at_checked(match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    })?;
    if rest.len() != 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let century = match (tag, year.parse::<u8>().ok()) {
        (UTC_TIME, Some(50..)) => "19",
        (UTC_TIME, _) => "20",
        _ => "",
    };
    let (month, day, hour, minute, second) = (&rest[..2], &rest[2..4], &rest[4..6], &rest[6..8], &rest[8..]);
    Timestamp::parse_iso(&format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Opens a value that must be all there is.
    fn only(der: &'a [u8], tag: u8) -> Option<Self> {
        let mut outer = Self(der);
        let inner = outer.read(tag)?;
        outer.end()?;
        Some(Self(inner))
    }

    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, _) = self.read_any()?;
        (found == tag).then_some(content)
    }

    fn read_whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, _, whole) = self.read_any()?;
        (found == tag).then_some(whole)
    }

    fn positive(&mut self) -> Option<&'a [u8]> {
        match self.read(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|b| b & 0x80 != 0) => Some(rest),
            number @ [1..0x80, ..] => Some(number),
            _ => None,
        }
    }

    /// Returns tag, content, and the whole value with tag and length.
    fn read_any(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0usize, |sum, b| sum << 8 | usize::from(*b)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some((tag, content, whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_times_of_both_forms_are_read() {
        let iso = |tag, text: &str| time(tag, text.as_bytes()).map(Timestamp::to_iso);
        assert_eq!(iso(UTC_TIME, "260115093012Z").as_deref(), Some("2026-01-15T09:30:12.000Z"));
        assert_eq!(iso(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00.000Z"));
        assert_eq!(iso(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00.000Z"));
        for text in ["260115093012", "2601150930Z", "261315093012Z", "", "26011509301éZ"] {
            assert_eq!(iso(UTC_TIME, text), None, "{text}");
        }
    }

    #[test]
    fn broken_lengths_are_refused_without_panic() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x30, 0x84, 255, 255, 255, 255],
            &[0x30, 5, 2, 1],
        ] {
            assert!(spki(der).is_none());
            assert!(rsa_public_key(der).is_none());
            assert!(certificate(der).is_none());
        }
    }
}
