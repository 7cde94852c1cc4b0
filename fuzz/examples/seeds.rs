//! Writes the inputs from which fuzzing starts: right answers of the virtual keys, of each kind and algorithm.
//!
//! ```sh
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

use std::path::Path;
use std::{fs, io};

use lockstep_core::crypto::cbor::Cbor;
use lockstep_core::factors::webauthn::ceremony::{self, Known};
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::random::SystemRng;
use lockstep_fuzz::{
    CHALLENGE, KNOWN_COUNT, ORIGIN, RP_ID, bytes, expected, joined, options, relying_party, text,
};
use serde_json::json;

fn main() -> io::Result<()> {
    let kinds = [
        ("security-key", Model::SECURITY_KEY),
        ("touch-only", Model::TOUCH_ONLY),
        ("device", Model::DEVICE),
        ("synced", Model { counts: true, ..Model::SYNCED }),
    ];
    for (kind, model) in kinds {
        for (name, alg) in [("es256", -7), ("eddsa", -8), ("rs256", -257)] {
            for self_attests in [false, true] {
                let model = Model { self_attests, only: Some(alg), ..model };
                let name = format!("{kind}-{name}{}", if self_attests { "-attested" } else { "" });
                write(model, &name)?;
            }
        }
    }
    for (name, alg) in [("es256", -7), ("eddsa", -8), ("rs256", -257)] {
        write(Model { only: Some(alg), ..Model::ATTESTED }, &format!("maker-{name}"))?;
    }
    let metadata = virtual_maker::metadata();
    save("metadata", "payload.json", metadata.to_string().as_bytes())?;
    let mut revoked = metadata.clone();
    revoked["entries"][0]["statusReports"][0]["status"] = json!("REVOKED");
    save("metadata", "revoked.json", revoked.to_string().as_bytes())?;
    let blob = format!("eyJhbGciOiJFUzI1NiJ9.{}.c2ln", text(metadata.to_string().as_bytes()));
    save("metadata", "blob.jwt", blob.as_bytes())
}

fn write(model: Model, name: &str) -> io::Result<()> {
    let mut key = VirtualKey::new(model);
    let new = key.create(&options(model.only.unwrap_or(-7)), ORIGIN, &mut SystemRng).map_err(io::Error::other)?;
    let asking = relying_party();
    let registered =
        ceremony::register(&new.to_string(), expected(&asking), &[], None).map_err(io::Error::other)?;
    let (client_data, object) =
        (bytes(&new["response"]["clientDataJSON"]), bytes(&new["response"]["attestationObject"]));
    save("attestation", name, &joined(&[&client_data, &object, &registered.credential_id]))?;
    if model.self_attests || model.attested {
        return Ok(());
    }
    save("attestation", &format!("{name}.json"), new.to_string().as_bytes())?;
    save("cbor", &format!("{name}-object"), &object)?;
    save("cbor", &format!("{name}-key"), &registered.public_key)?;
    assert!(Cbor::only(&object).is_some(), "the virtual key writes CBOR that is read");

    let options = json!({"rpId": RP_ID, "challenge": CHALLENGE});
    let got = key.get(&options, ORIGIN).map_err(io::Error::other)?;
    let known = Known {
        credential_id: registered.credential_id,
        public_key: registered.public_key,
        user_handle: None,
        sign_count: Some(KNOWN_COUNT),
    };
    ceremony::assert(&got.to_string(), expected(&asking), &known).map_err(io::Error::other)?;
    let part = |name: &str| bytes(&got["response"][name]);
    let (client_data, data, signature) =
        (part("clientDataJSON"), part("authenticatorData"), part("signature"));
    save("assertion", name, &joined(&[&client_data, &data, &signature, &known.public_key]))
}

fn save(target: &str, name: &str, input: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), input)
}
