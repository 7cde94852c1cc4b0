//! The answer of a known key: `{…}` is one as it comes, everything else is client data, authenticator data, signature and public key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_core::factors::webauthn::ceremony::{self, Known};
use lockstep_fuzz::{KNOWN_COUNT, KNOWN_ID, ORIGIN, credential, expected, parts, relying_party, text};
use serde_json::json;

fuzz_target!(|input: &[u8]| {
    let (answer, public_key) = if input.starts_with(b"{") {
        let Ok(answer) = std::str::from_utf8(input) else { return };
        (answer.to_owned(), Vec::new())
    } else {
        let Some([client_data, data, signature, public_key]) = parts(input) else { return };
        let response = json!({
            "clientDataJSON": text(client_data), "authenticatorData": text(data), "signature": text(signature),
        });
        (credential(&KNOWN_ID, response), public_key.to_vec())
    };
    let known = Known {
        credential_id: ceremony::key_of(&answer).unwrap_or_else(|| KNOWN_ID.to_vec()),
        public_key,
        user_handle: None,
        sign_count: Some(KNOWN_COUNT),
    };
    let asking = relying_party();
    let Ok(right) = ceremony::assert(&answer, expected(&asking), &known) else { return };
    assert_eq!(right.origin, ORIGIN);
    assert!(right.state.backup_eligible || !right.state.backed_up);
    assert!(right.state.sign_count > KNOWN_COUNT);
    let used = Known { sign_count: Some(right.state.sign_count), ..known };
    assert!(ceremony::assert(&answer, expected(&asking), &used).is_err(), "the answer was good twice");
});
