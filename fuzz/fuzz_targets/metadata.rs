//! The operator's file of FIDO metadata, and what a right attestation makes of it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::ceremony;
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::random::SystemRng;
use lockstep_fuzz::{ORIGIN, demand, expected, options, relying_party};

static ANSWER: OnceLock<String> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let Ok(file) = std::str::from_utf8(input) else { return };
    let Ok(models) = Models::read(file, &[]) else { return };
    let _: Option<&str> = models.overdue(demand(&models).now);
    let answer = ANSWER.get_or_init(|| {
        let made = VirtualKey::new(Model::ATTESTED).create(&options(-7), ORIGIN, &mut SystemRng);
        made.expect("a virtual key answers").to_string()
    });
    let asking = relying_party();
    if ceremony::register(answer, expected(&asking), &[], Some(demand(&models))).is_ok() {
        let known = models.trusts(virtual_maker::ROOT) || models.trusts(virtual_maker::BATCH);
        assert!(known, "somebody vouched for a key who is not its maker");
    }
});
