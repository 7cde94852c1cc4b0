//! The answer of a new key: `{…}` is one as it comes, everything else is client data, attestation object and identifier.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use lockstep_core::crypto::cose::CoseKey;
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::ceremony;
use lockstep_fuzz::{ORIGIN, credential, demand, expected, models, parts, relying_party, text};
use serde_json::json;

static MODELS: OnceLock<Models> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let answer = if input.starts_with(b"{") {
        let Ok(answer) = std::str::from_utf8(input) else { return };
        answer.to_owned()
    } else {
        let Some([client_data, object, id]) = parts(input) else { return };
        credential(id, json!({"clientDataJSON": text(client_data), "attestationObject": text(object)}))
    };
    let asking = relying_party();
    let models = MODELS.get_or_init(models);
    let proven = ceremony::register(&answer, expected(&asking), &[], Some(demand(models)));
    let Ok(new) = ceremony::register(&answer, expected(&asking), &[], None) else {
        assert!(proven.is_err(), "who asks for more takes more");
        return;
    };
    if let Ok(proven) = proven {
        assert_eq!((proven.aaguid, proven.attestation_format.as_str()), (*b"lockstep-virtual", "packed"));
        assert!(proven.attestation.is_some() && new.attestation.is_none());
    }
    assert_eq!(new.origin, ORIGIN);
    assert!(new.state.backup_eligible || !new.state.backed_up);
    assert!(CoseKey::parse(&new.public_key).is_some(), "a key that verifies nothing was enrolled");
    let again = ceremony::register(&answer, expected(&asking), &[new.credential_id], None);
    assert_eq!(again, Err(ceremony::Refused::AlreadyEnrolled));
});
