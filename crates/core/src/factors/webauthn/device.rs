//! A virtual key with its browser: what tests and the development twin hold instead of a security key, a laptop or a passkey provider.
//!
//! It makes real keys and signs real answers, so whatever checks them does what it does in production.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::authenticator_data::Flags;
use super::ceremony::Attachment;
use super::virtual_maker;
use crate::crypto::cbor::Cbor;
use crate::crypto::cose::CoseAlg;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{Alg, SigningKey};
use crate::random::Rng;

/// A virtual authenticator, and the browser before it.
#[derive(Clone, Serialize, Deserialize)]
pub struct VirtualKey {
    model: Model,
    keys: Vec<Held>,
}

/// What a virtual authenticator is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// Whether it is carried around; else it is part of the device.
    pub roaming: bool,
    /// Whether it can verify its user.
    pub verifies_user: bool,
    /// Whether its keys may be copied to other devices of their owner.
    pub backup_eligible: bool,
    /// Whether they have been.
    pub backed_up: bool,
    /// Whether it counts its signatures.
    pub counts: bool,
    /// Whether it attests its keys by themselves; else it attests nothing.
    pub self_attests: bool,
    /// Whether its maker attests its keys, by the certificates of [`virtual_maker`], to who asks for it.
    pub attested: bool,
    /// The number of the only algorithm that it knows; else it takes the first that is asked for.
    pub only: Option<i64>,
}

impl Model {
    /// A security key with a PIN.
    pub const SECURITY_KEY: Self = Self {
        roaming: true,
        verifies_user: true,
        backup_eligible: false,
        backed_up: false,
        counts: true,
        self_attests: false,
        attested: false,
        only: None,
    };
    /// The same, and its maker vouches for it.
    pub const ATTESTED: Self = Self { attested: true, ..Self::SECURITY_KEY };
    /// A security key that can only be touched.
    pub const TOUCH_ONLY: Self = Self { verifies_user: false, ..Self::SECURITY_KEY };
    /// A laptop or telephone that keeps its keys to itself.
    pub const DEVICE: Self = Self { roaming: false, ..Self::SECURITY_KEY };
    /// A provider that copies keys to all devices of their owner, and has no counter.
    pub const SYNCED: Self = Self { backup_eligible: true, backed_up: true, counts: false, ..Self::DEVICE };
}

impl Default for Model {
    fn default() -> Self {
        Self::SECURITY_KEY
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Held {
    id: String,
    rp_id: String,
    user_handle: String,
    alg: i64,
    pkcs8: String,
    sign_count: u32,
}

/// Why a browser gives no answer, by the names of its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The options are none.
    #[error("TypeError")]
    Type,
    /// The page must not ask for this relying party.
    #[error("SecurityError")]
    Security,
    /// No algorithm that it knows is asked for.
    #[error("NotSupportedError")]
    NotSupported,
    /// It holds one of the excluded keys.
    #[error("InvalidStateError")]
    InvalidState,
    /// It holds none of the allowed keys, cannot verify its user, or is not of the kind that is asked for.
    #[error("NotAllowedError")]
    NotAllowed,
}

/// What is about to be signed, for tests that send something else.
#[derive(Debug)]
pub struct Signing {
    /// What the browser says.
    pub client_data: Value,
    /// What the authenticator says.
    pub authenticator_data: Vec<u8>,
}

impl VirtualKey {
    /// Returns a new one without keys.
    pub const fn new(model: Model) -> Self {
        Self { model, keys: Vec::new() }
    }

    /// Returns what it is like.
    pub const fn model(&self) -> Model {
        self.model
    }

    /// Changes what it is like from now on: a keychain begins to copy its keys.
    pub const fn become_model(&mut self, model: Model) {
        self.model = model;
    }

    /// Returns how many keys it holds.
    pub const fn held(&self) -> usize {
        self.keys.len()
    }

    /// Does what `navigator.credentials.create` does on a page of this origin; returns the credential as JSON.
    pub fn create(&mut self, options: &Value, origin: &str, rng: &mut dyn Rng) -> Result<Value, DeviceError> {
        self.create_but(options, origin, rng, &mut |_| {})
    }

    /// The same, with a last change to what is signed.
    pub fn create_but(
        &mut self,
        options: &Value,
        origin: &str,
        rng: &mut dyn Rng,
        change: &mut dyn FnMut(&mut Signing),
    ) -> Result<Value, DeviceError> {
        let rp_id = options["rp"]["id"].as_str().ok_or(DeviceError::Type)?;
        let challenge = options["challenge"].as_str().ok_or(DeviceError::Type)?;
        let user_handle = options["user"]["id"].as_str().ok_or(DeviceError::Type)?;
        may_ask(rp_id, origin)?;
        let asked = options["pubKeyCredParams"].as_array().ok_or(DeviceError::Type)?;
        let knows = |alg: &i64| {
            let known = CoseAlg::ALL.iter().any(|known| known.number() == *alg);
            known && self.model.only.is_none_or(|only| only == *alg)
        };
        let alg = asked.iter().filter_map(|param| param["alg"].as_i64()).find(knows);
        let alg = alg.ok_or(DeviceError::NotSupported)?;
        let selection = &options["authenticatorSelection"];
        if selection["authenticatorAttachment"].as_str().is_some_and(|kind| kind != self.attachment()) {
            return Err(DeviceError::NotAllowed);
        }
        let verified = self.verify_user(&selection["userVerification"])?;
        if self.chosen(&options["excludeCredentials"], rp_id).is_some() {
            return Err(DeviceError::InvalidState);
        }
        let pair = Pair::generate(alg, rng).ok_or(DeviceError::NotSupported)?;
        let id = rng.bytes::<32>();
        let held = Held {
            id: URL_SAFE_NO_PAD.encode(id),
            rp_id: rp_id.to_owned(),
            user_handle: user_handle.to_owned(),
            alg,
            pkcs8: URL_SAFE_NO_PAD.encode(pair.pkcs8().ok_or(DeviceError::NotSupported)?),
            sign_count: u32::from(self.model.counts),
        };
        let mut authenticator_data =
            self.authenticator_data(rp_id, held.sign_count, verified, Flags::ATTESTED);
        authenticator_data.extend(if self.model.attested { virtual_maker::AAGUID } else { [0; 16] });
        authenticator_data.extend([0, 32]);
        authenticator_data.extend(id);
        authenticator_data.extend(pair.cose());
        let mut signing =
            Signing { client_data: client_data("webauthn.create", challenge, origin), authenticator_data };
        change(&mut signing);
        let client_data = signing.client_data.to_string();
        let signed = signed(&signing.authenticator_data, &client_data);
        // Browsers pass a maker's attestation on to who asks for it only (WebAuthn section 5.1.3).
        let by_maker = self.model.attested && options["attestation"] == "direct";
        let signature = if by_maker { virtual_maker::sign(&signed) } else { pair.sign(&signed) };
        let (alg, signature) =
            (if by_maker { CoseAlg::Es256.number() } else { alg }, signature.unwrap_or_default());
        let mut statement = Vec::new();
        if by_maker || self.model.self_attests {
            statement.push((Cbor::Text("alg"), Cbor::Int(alg)));
            statement.push((Cbor::Text("sig"), Cbor::Bytes(&signature)));
        }
        if by_maker {
            statement.push((Cbor::Text("x5c"), Cbor::Array(vec![Cbor::Bytes(virtual_maker::BATCH)])));
        }
        let format = if statement.is_empty() { "none" } else { "packed" };
        let object = Cbor::Map(vec![
            (Cbor::Text("fmt"), Cbor::Text(format)),
            (Cbor::Text("attStmt"), Cbor::Map(statement)),
            (Cbor::Text("authData"), Cbor::Bytes(&signing.authenticator_data)),
        ]);
        let credential = json!({
            "id": held.id, "rawId": held.id, "type": "public-key",
            "authenticatorAttachment": self.attachment(),
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(object.to_bytes()),
                "transports": if self.model.roaming { ["usb"] } else { ["internal"] },
            },
        });
        self.keys.push(held);
        Ok(credential)
    }

    /// Does what `navigator.credentials.get` does on a page of this origin; returns the credential as JSON.
    pub fn get(&mut self, options: &Value, origin: &str) -> Result<Value, DeviceError> {
        self.get_but(options, origin, &mut |_| {})
    }

    /// The same, with a last change to what is signed.
    pub fn get_but(
        &mut self,
        options: &Value,
        origin: &str,
        change: &mut dyn FnMut(&mut Signing),
    ) -> Result<Value, DeviceError> {
        let challenge = options["challenge"].as_str().ok_or(DeviceError::Type)?;
        let rp_id = options["rpId"].as_str().ok_or(DeviceError::Type)?;
        may_ask(rp_id, origin)?;
        let verified = self.verify_user(&options["userVerification"])?;
        let anyone = options["allowCredentials"].as_array().is_none_or(Vec::is_empty);
        let at = if anyone {
            self.keys.iter().rposition(|key| key.rp_id == rp_id)
        } else {
            self.chosen(&options["allowCredentials"], rp_id)
        };
        let at = at.ok_or(DeviceError::NotAllowed)?;
        if self.model.counts {
            self.keys[at].sign_count = self.keys[at].sign_count.saturating_add(1);
        }
        let key = &self.keys[at];
        let mut signing = Signing {
            client_data: client_data("webauthn.get", challenge, origin),
            authenticator_data: self.authenticator_data(rp_id, key.sign_count, verified, 0),
        };
        change(&mut signing);
        let client_data = signing.client_data.to_string();
        let pair = Pair::read(key.alg, &key.pkcs8).ok_or(DeviceError::NotAllowed)?;
        let signature = pair.sign(&signed(&signing.authenticator_data, &client_data));
        Ok(json!({
            "id": key.id, "rawId": key.id, "type": "public-key",
            "authenticatorAttachment": self.attachment(),
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(&signing.authenticator_data),
                "signature": URL_SAFE_NO_PAD.encode(signature.ok_or(DeviceError::NotAllowed)?),
                "userHandle": key.user_handle,
            },
        }))
    }

    const fn attachment(&self) -> &'static str {
        if self.model.roaming { Attachment::CrossPlatform.as_str() } else { Attachment::Platform.as_str() }
    }

    fn verify_user(&self, wish: &Value) -> Result<bool, DeviceError> {
        match wish.as_str() {
            Some("required") if !self.model.verifies_user => Err(DeviceError::NotAllowed),
            Some("discouraged") => Ok(false),
            _ => Ok(self.model.verifies_user),
        }
    }

    /// The place of the first key that a list of descriptors names.
    fn chosen(&self, descriptors: &Value, rp_id: &str) -> Option<usize> {
        let named = |key: &Held| {
            let all = descriptors.as_array().map(Vec::as_slice).unwrap_or_default();
            key.rp_id == rp_id && all.iter().any(|descriptor| descriptor["id"] == key.id)
        };
        self.keys.iter().position(named)
    }

    fn authenticator_data(&self, rp_id: &str, sign_count: u32, verified: bool, flags: u8) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flags
            | Flags::USER_PRESENT
            | flag(verified, Flags::USER_VERIFIED)
            | flag(self.model.backup_eligible, Flags::BACKUP_ELIGIBLE)
            | flag(self.model.backed_up, Flags::BACKED_UP);
        let mut data = sha256(rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend(sign_count.to_be_bytes());
        data
    }
}

fn client_data(kind: &str, challenge: &str, origin: &str) -> Value {
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
}

fn signed(authenticator_data: &[u8], client_data: &str) -> Vec<u8> {
    [authenticator_data, &sha256(client_data.as_bytes())].concat()
}

/// A page may ask for its own domain and for those above it.
fn may_ask(rp_id: &str, origin: &str) -> Result<(), DeviceError> {
    let url = Url::parse(origin).map_err(|_| DeviceError::Security)?;
    let rest = url.host_str().and_then(|host| host.strip_suffix(rp_id));
    let fits = rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if fits { Ok(()) } else { Err(DeviceError::Security) }
}

/// A key pair.
enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(SigningKey),
}

impl Pair {
    fn generate(alg: i64, rng: &mut dyn Rng) -> Option<Self> {
        Some(match Self::alg(alg)? {
            CoseAlg::Es256 => Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok()?),
            CoseAlg::EdDsa => Self::EdDsa(Ed25519KeyPair::from_seed_unchecked(&rng.bytes::<32>()).ok()?),
            CoseAlg::Rs256 => Self::Rs256(SigningKey::generate(Alg::RS256).ok()?),
        })
    }

    fn read(alg: i64, pkcs8: &str) -> Option<Self> {
        let pkcs8 = URL_SAFE_NO_PAD.decode(pkcs8).ok()?;
        Some(match Self::alg(alg)? {
            CoseAlg::Es256 => {
                Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).ok()?)
            }
            CoseAlg::EdDsa => Self::EdDsa(Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?),
            CoseAlg::Rs256 => Self::Rs256(SigningKey::from_pkcs8(Alg::RS256, "", &pkcs8).ok()?),
        })
    }

    fn alg(alg: i64) -> Option<CoseAlg> {
        CoseAlg::ALL.into_iter().find(|known| known.number() == alg)
    }

    fn pkcs8(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Es256(pair) => pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
            Self::EdDsa(pair) => pair.to_pkcs8().ok()?.as_ref().to_vec(),
            Self::Rs256(pair) => pair.to_pkcs8().ok()?.to_vec(),
        })
    }

    /// The public key in COSE.
    fn cose(&self) -> Vec<u8> {
        let entry = |label, value| (Cbor::Int(label), value);
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                Cbor::Map(vec![
                    entry(1, Cbor::Int(2)),
                    entry(3, Cbor::Int(-7)),
                    entry(-1, Cbor::Int(1)),
                    entry(-2, Cbor::Bytes(&point[1..33])),
                    entry(-3, Cbor::Bytes(&point[33..])),
                ])
                .to_bytes()
            }
            Self::EdDsa(pair) => Cbor::Map(vec![
                entry(1, Cbor::Int(1)),
                entry(3, Cbor::Int(-8)),
                entry(-1, Cbor::Int(6)),
                entry(-2, Cbor::Bytes(pair.public_key().as_ref())),
            ])
            .to_bytes(),
            Self::Rs256(pair) => {
                let jwk = pair.public_jwk();
                let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text.unwrap_or_default());
                let (n, e) = (number(jwk.n).unwrap_or_default(), number(jwk.e).unwrap_or_default());
                Cbor::Map(vec![
                    entry(1, Cbor::Int(3)),
                    entry(3, Cbor::Int(-257)),
                    entry(-1, Cbor::Bytes(&n)),
                    entry(-2, Cbor::Bytes(&e)),
                ])
                .to_bytes()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Self::Rs256(pair) => pair.sign(message).ok(),
        }
    }
}
