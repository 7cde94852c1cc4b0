//! A certificate in the wrapping that some tools ask for: PKCS #7 `SignedData` with certificates and no signature (RFC 2315 section 9.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der::tag;

/// 1.2.840.113549.1.7.2, signedData
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1, data
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// The tag of an explicit or implicit constructed field 0.
const FIELD_0: u8 = 0xa0;

/// Returns a certificate (DER) as a PEM block `PKCS7`.
pub fn certificates_only(certificate: &[u8]) -> String {
    let data = value(tag::SEQUENCE, &value(tag::OID, DATA));
    let content = [
        value(tag::INTEGER, &[1]),
        value(tag::SET, &[]),
        data,
        value(FIELD_0, certificate),
        value(tag::SET, &[]),
    ]
    .concat();
    let signed = value(FIELD_0, &value(tag::SEQUENCE, &content));
    let all = value(tag::SEQUENCE, &[value(tag::OID, SIGNED_DATA), signed].concat());
    let text = STANDARD.encode(all);
    let mut pem = String::from("-----BEGIN PKCS7-----\r\n");
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push_str("\r\n");
    }
    pem + "-----END PKCS7-----\r\n"
}

/// Returns a value in DER: tag, shortest length, content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let shortest = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match (content.len(), u8::try_from(shortest.len())) {
        (0..=0x7f, _) => out.push(content.len() as u8),
        (_, Ok(count)) => {
            out.push(0x80 | count);
            out.extend_from_slice(shortest);
        }
        (_, Err(_)) => {}
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::super::der::Der;
    use super::*;

    #[test]
    fn a_certificate_is_found_again_in_its_wrapping() {
        for size in [5, 0x7f, 0x80, 0x1234] {
            let certificate = vec![7; size];
            let pem = certificates_only(&certificate);
            assert!(pem.lines().all(|line| line.len() <= 64));
            let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let bytes = STANDARD.decode(text).unwrap();
            let mut all = Der::new(&bytes).enter(tag::SEQUENCE).unwrap();
            assert_eq!(all.take(tag::OID), Some(SIGNED_DATA));
            let mut signed = all.enter(FIELD_0).unwrap().enter(tag::SEQUENCE).unwrap();
            assert_eq!(signed.take(tag::INTEGER), Some(&[1][..]));
            assert_eq!(signed.take(tag::SET), Some(&[][..]));
            assert_eq!(signed.enter(tag::SEQUENCE).unwrap().take(tag::OID), Some(DATA));
            assert_eq!(signed.take(FIELD_0), Some(&certificate[..]));
            assert_eq!(signed.take(tag::SET), Some(&[][..]));
            assert!(signed.is_empty() && all.is_empty());
        }
    }
}
