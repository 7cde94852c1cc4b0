//! The maker of the virtual keys: a certificate that vouches for them, and an authority above it.
//!
//! Its private key stands beside this file for everybody to read, so that a test can pin it and a server for real users refuses it. All are valid
//! from 1970 to 9999: the twin's clock may stand anywhere.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::attestation::Aaguid;

/// The authority's certificate (DER).
pub const ROOT: &[u8] = include_bytes!("virtual_maker/root.der");
/// The certificate that vouches for the keys (DER).
pub const BATCH: &[u8] = include_bytes!("virtual_maker/batch.der");
const BATCH_KEY: &[u8] = include_bytes!("virtual_maker/batch.p8");
/// The model of virtual keys that are vouched for.
pub const MODEL: Aaguid = Aaguid::new(AAGUID);
pub(super) const AAGUID: [u8; 16] = *b"lockstep-virtual";

/// Signs as the maker does; none if there is no randomness.
pub(super) fn sign(message: &[u8]) -> Option<Vec<u8>> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, BATCH_KEY).ok()?;
    Some(key.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec())
}

/// Returns the payload of a FIDO metadata BLOB that knows this model and no other.
pub fn metadata() -> Value {
    json!({
        "legalHeader": "For tests: the private key of this maker is public.",
        "no": 1,
        "nextUpdate": "9999-12-31",
        "entries": [{
            "aaguid": MODEL.to_string(),
            "metadataStatement": {
                "description": "Lockstep virtual key",
                "aaguid": MODEL.to_string(),
                "protocolFamily": "fido2",
                "schema": 3,
                "attestationTypes": ["basic_full"],
                "attestationRootCertificates": [STANDARD.encode(ROOT)],
            },
            "statusReports": [{"status": "NOT_FIDO_CERTIFIED", "effectiveDate": "2025-01-01"}],
            "timeOfLastStatusChange": "2025-01-01",
        }],
    })
}
