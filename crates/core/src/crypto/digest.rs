//! Hashes of one-time secrets and comparisons that do not leak.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

/// Returns the SHA-256 of the bytes.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&SHA256, data).as_ref());
    out
}

/// Returns the SHA-256 of a text in base64url: how codes, tokens and handles are stored.
///
/// Those are random and long, so a fast hash is enough; a password goes to [`super::hasher`]. It is also the S256 transform of PKCE (RFC
/// 7636 section 4.2) and the `kid` of a client's key.
pub fn sha256_b64url(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_ref()))
}

/// Returns the SHA-256 of a text in base64, as a Content-Security-Policy names what it allows.
pub fn sha256_b64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(sha256(text.as_ref()))
}

/// Returns the SHA-1 of a DER certificate in base64url: the `x5t` of a JWK (RFC 7517 section 4.8).
///
/// It only names the certificate; nothing is trusted because of it.
pub fn x5t(certificate_der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate_der))
}

/// Returns the SHA-1 of a DER certificate in upper-case hexadecimal: what people compare a certificate by.
pub fn sha1_hex(certificate_der: &[u8]) -> String {
    let digest = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate_der);
    digest.as_ref().iter().map(|b| format!("{b:02X}")).collect()
}

/// Returns the SHA-256 of the bytes in hexadecimal.
pub fn sha256_hex(data: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(data))
}

/// Returns the HMAC-SHA-256 of a message (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::hmac::sign(&key, message).as_ref());
    out
}

/// Returns the HMAC-SHA-256 of a message in hexadecimal: how a hook tells that a call is ours.
pub fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&hmac_sha256(key, message))
}

/// Tells whether two secrets are equal, in a time that depends on their lengths only.
pub fn same_secret(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    a.as_ref().ct_eq(b.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_b64url_is_the_s256_transform_of_rfc_7636_appendix_b() {
        assert_eq!(
            sha256_b64url("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn secrets_of_other_length_or_content_differ() {
        assert!(same_secret("abc", b"abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", "ab"));
        assert!(same_secret("", ""));
    }
}
