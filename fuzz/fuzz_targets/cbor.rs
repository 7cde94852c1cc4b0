//! Any bytes are refused, or written back as they were; what reads a public key in them must not fall over either.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_core::crypto::cbor::Cbor;
use lockstep_core::crypto::cose::CoseKey;

fuzz_target!(|input: &[u8]| {
    if let Some((value, rest)) = Cbor::first(input) {
        assert_eq!(value.to_bytes(), input[..input.len() - rest.len()]);
        assert_eq!(Cbor::only(input).is_some(), rest.is_empty());
    }
    if let Some(key) = CoseKey::parse(input) {
        assert!(!key.verifies(b"message", b"no signature"));
    }
});
