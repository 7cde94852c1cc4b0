//! Keys: WebAuthn credentials on security keys (`webauthn-roaming`) and in devices (`webauthn-platform`).
//!
//! The browser asks the key, the key signs what it was asked by which page, and we check both. [`relying_party`] says who asks and how,
//! [`ceremony`] checks what comes back, this page keeps what is known of a key.
//!
//! - A challenge is answered once, by any key of the person that belongs to this domain, within five minutes.
//! - The signature counter of a key only grows. One that does not shows a copy of the key: the answer is refused, in both profiles. A
//!   key that has no counter says 0 always.
//! - What a key says of copies (backup eligibility) may change, since some say it late. One that has ever been copyable is never taken for
//!   hardware again; in the `assured` profile it is refused when it says the opposite of what it said.

pub mod attestation;
mod authenticator_data;
pub mod ceremony;
pub mod device;
pub mod passkey;
mod place;
pub mod relying_party;
pub mod virtual_maker;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::attestation::Aaguid;
use self::ceremony::{Attachment, Expected, KeyState, Known, Refused, Registered};
use super::{
    Begun, Challenge, ChallengeAsk, Confirmed, Draft, EnrolAsk, Factor, FactorError, FactorKind, Finding,
    Input, Private, Remark, Shown, Spend, read, write,
};
use crate::assurance::{Detail, FactorType, Kept, Method};
use crate::crypto::cose::CoseKey;
use crate::env::Env;
use crate::model::authenticator::Authenticator;
use crate::model::settings::Profile;
use crate::time::{Span, Timestamp};

pub use place::{DeviceClass, Place};
pub use relying_party::{
    KeyRules, Keys, RelatedOrigins, RelyingParty, RelyingPartyError, UserHandle, UserVerification,
};

/// How long a challenge waits for its answer.
pub const LIFE: Span = Span::minutes(5);
/// How long the browser waits for the key, in milliseconds.
const BROWSER_WAITS: u32 = 60_000;

/// What is stored of a key. The names are those of the Management API, which reads and writes the same rows; what an imported key does not
/// tell is learnt at its first use. The signature counter stands beside it, where it can be claimed.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    key_id: String,
    public_key: String,
    relying_party_identifier: String,
    /// Whether it may be copied: `single_device`, `multi_device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential_device_type: Option<DeviceType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential_backed_up: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aaguid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_handle: Option<String>,
    /// Whether it ever said that it may be copied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    was_multi_device: bool,
    /// Whether it verified its user at its last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_verified: Option<bool>,
    /// The page of its last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation_format: Option<String>,
    /// What proved its model when it was enrolled, if it had to: the attestation object and the hash of the client data, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation_object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation_client_data_hash: Option<String>,
    /// Where a key of the device was enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeviceType {
    SingleDevice,
    MultiDevice,
}

/// What a draft or challenge keeps.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    challenge: String,
    relying_party: RelyingParty,
    user_verification: UserVerification,
    /// In a draft: whether the key has to prove its model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    direct: bool,
    /// In a draft: the name under which the new key will know its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_handle: Option<UserHandle>,
    /// In a draft of a key of the device: where it is enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    /// In a draft the keys that are enrolled already, in a challenge those that may answer.
    keys: Vec<Listed>,
}

/// A key as the browser is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its identifier, in base64url.
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transports: Vec<String>,
}

impl Listed {
    /// Returns its identifier, as browsers write it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the key that is stored so; none if it cannot be read, or answers to another relying party.
    pub fn stored(data: &Value, relying_party: &RelyingParty) -> Option<Self> {
        let stored: Stored = read(data).ok()?;
        let mine = stored.relying_party_identifier == relying_party.id();
        stored.listed().filter(|_| mine)
    }

    /// Returns those of these authenticators that are keys of a relying party, so that none of them is enrolled twice.
    pub fn of<'a>(
        held: impl IntoIterator<Item = &'a Authenticator>,
        relying_party: &RelyingParty,
    ) -> Vec<Self> {
        let keys = held.into_iter().filter(|on| belongs_to(on, relying_party));
        keys.filter_map(|on| Stored::of(on).ok()?.listed()).collect()
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = json!({"type": "public-key", "id": self.id});
        if !self.transports.is_empty() {
            descriptor["transports"] = json!(self.transports);
        }
        descriptor
    }
}

/// What the enrolment of a key needs to know.
#[derive(Clone, Debug)]
pub struct KeyAsk {
    /// Who asks for it, and how.
    pub rules: KeyRules,
    /// The name under which it will know the person.
    pub user_handle: UserHandle,
    /// The keys that the person has already.
    pub enrolled: Vec<Listed>,
    /// Where the person is, as far as the browser says.
    pub place: Option<Place>,
}

/// What the enrolment of a key of either kind needs to know.
#[derive(Clone, Debug, Default)]
pub struct KeyAsks {
    roaming: Option<KeyAsk>,
    platform: Option<KeyAsk>,
}

impl KeyAsks {
    /// Returns what the enrolment of a key needs to know, besides those that the person has. Of a key of the device there is one for each
    /// class of devices (contract/universal-login.md 7.4): where she has one of this class, none for another.
    pub fn new(
        keys: &Keys,
        user_handle: Option<&UserHandle>,
        held: &[Authenticator],
        place: Option<&Place>,
    ) -> Self {
        let ask = |kind| {
            let rules = keys.rules(kind)?.clone();
            let enrolled = Listed::of(held, &rules.relying_party);
            Some(KeyAsk { rules, user_handle: user_handle?.clone(), enrolled, place: place.cloned() })
        };
        let platform = ask(FactorKind::WebauthnPlatform);
        let platform = platform.filter(|ask| !held.iter().any(|on| ask.is_taken_by(on)));
        Self { roaming: ask(FactorKind::WebauthnRoaming), platform }
    }

    /// Returns it for a kind; none where nobody can ask for such keys, or the kind is none of keys.
    pub const fn of(&self, kind: FactorKind) -> Option<&KeyAsk> {
        match kind {
            FactorKind::WebauthnRoaming => self.roaming.as_ref(),
            FactorKind::WebauthnPlatform => self.platform.as_ref(),
            FactorKind::Totp | FactorKind::Phone | FactorKind::Email | FactorKind::RecoveryCode => None,
        }
    }
}

impl KeyAsk {
    /// Returns whether this is the key of the class of devices that the person sits at. Where either is not known, it is not.
    fn is_taken_by(&self, on: &Authenticator) -> bool {
        let class = |place: Option<&Place>| place.map(|place| place.class);
        on.kind == FactorKind::WebauthnPlatform
            && on.confirmed
            && belongs_to(on, &self.rules.relying_party)
            && self.place.is_some()
            && class(place_of(on).as_ref()) == class(self.place.as_ref())
    }
}

/// Why a key cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The identifier is not base64, or not of the length that identifiers have.
    #[error("key_id must be the base64 or base64url of 16 to 1023 bytes")]
    KeyId,
    /// The public key is not one that could verify anything.
    #[error(
        "public_key must be the base64 of a COSE key or a SubjectPublicKeyInfo for ES256, RS256 or EdDSA"
    )]
    PublicKey,
    /// The relying party is no domain.
    #[error("relying_party_identifier must be a domain name in lower case")]
    RelyingParty,
}

/// Returns the data of a security key that a tool brings along: as it was written, so that it reads back the same.
pub fn imported(key_id: &str, public_key: &str, relying_party: &str) -> Result<Value, ImportError> {
    let id = bytes(key_id).filter(|id| ceremony::ID_BYTES.contains(&id.len()));
    id.ok_or(ImportError::KeyId)?;
    bytes(public_key).and_then(|key| CoseKey::parse(&key)).ok_or(ImportError::PublicKey)?;
    if !relying_party::is_domain(relying_party) {
        return Err(ImportError::RelyingParty);
    }
    Ok(json!({"key_id": key_id, "public_key": public_key, "relying_party_identifier": relying_party}))
}

/// Returns whether two identifiers of keys are the same, however each is written.
pub fn same_key(a: &str, b: &str) -> bool {
    bytes(a).is_some_and(|a| Some(a) == bytes(b))
}

/// Returns the identifier and the public key of a key, as lists show them.
pub fn public_parts(on: &Authenticator) -> Option<(String, String)> {
    Stored::of(on).ok().map(|stored| (stored.key_id, stored.public_key))
}

/// Returns whether a stored key can be on several devices, as those are that a provider copies; none if it never said.
pub fn is_synced(data: &Value) -> Option<bool> {
    let stored: Stored = read(data).ok()?;
    stored.credential_device_type.map(|_| stored.was_multi_device)
}

/// Returns whether an authenticator is a key of this relying party: it answers to no other.
pub fn belongs_to(on: &Authenticator, relying_party: &RelyingParty) -> bool {
    Stored::of(on).is_ok_and(|stored| stored.relying_party_identifier == relying_party.id())
}

/// Returns where a key of the device was enrolled, if that is known.
pub fn place_of(on: &Authenticator) -> Option<Place> {
    Stored::of(on).ok()?.place
}

/// Returns what the browser is given to ask for a key that answers this challenge (`PublicKeyCredentialRequestOptions` as JSON).
pub fn request_options(asked: &Challenge) -> Result<Value, FactorError> {
    let asked: Asked = read(&asked.data)?;
    Ok(json!({
        "challenge": asked.challenge,
        "timeout": BROWSER_WAITS,
        "rpId": asked.relying_party.id(),
        "allowCredentials": asked.descriptors(),
        "userVerification": asked.user_verification.as_str(),
    }))
}

/// One of the two kinds.
pub(super) enum Webauthn {
    Roaming,
    Platform,
}

impl Webauthn {
    const fn kind(&self) -> FactorKind {
        match self {
            Self::Roaming => FactorKind::WebauthnRoaming,
            Self::Platform => FactorKind::WebauthnPlatform,
        }
    }

    const fn attachment(&self) -> Attachment {
        match self {
            Self::Roaming => Attachment::CrossPlatform,
            Self::Platform => Attachment::Platform,
        }
    }

    const fn factor_type(&self) -> FactorType {
        match self {
            Self::Roaming => FactorType::WebauthnRoaming,
            Self::Platform => FactorType::WebauthnPlatform,
        }
    }

    fn method(&self, stored: &Stored, state: KeyState, now: Timestamp) -> Method {
        let detail = Detail::Key { kept: stored.kept(), user_verified: state.user_verified };
        Method::second(self.factor_type(), now).with(detail)
    }
}

impl Factor for Webauthn {
    fn begin_enrolment(&self, ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError> {
        let wish = ask.key.as_ref().ok_or(FactorError::Unreachable)?;
        write(&Asked {
            direct: env.key_models.is_some(),
            user_handle: Some(wish.user_handle.clone()),
            keys: wish.enrolled.clone(),
            place: wish.place.clone().filter(|_| matches!(self, Self::Platform)),
            ..Asked::draw(&wish.rules, env)
        })
        .map(Begun::with)
    }

    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError> {
        let asked: Asked = read(&draft.data)?;
        let handle = asked.user_handle.as_ref().ok_or(FactorError::Broken)?;
        let offered = ceremony::offered().map(|alg| json!({"type": "public-key", "alg": alg}));
        let mut options = json!({
            "rp": {"id": asked.relying_party.id(), "name": draft.issuer},
            "user": {"id": handle.as_str(), "name": draft.account, "displayName": draft.account},
            "challenge": asked.challenge,
            "pubKeyCredParams": offered.collect::<Vec<_>>(),
            "timeout": BROWSER_WAITS,
            "excludeCredentials": asked.descriptors(),
            "authenticatorSelection": {
                "authenticatorAttachment": self.attachment().as_str(),
                // A second factor needs no room on the key: we tell it which one we mean.
                "residentKey": "discouraged",
                "requireResidentKey": false,
                "userVerification": asked.user_verification.as_str(),
            },
            "attestation": "none",
        });
        asked.ask_for_model(&mut options);
        Ok(Shown::PublicKey(options))
    }

    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError> {
        let Input::Key(answer) = input else { return Err(FactorError::Malformed) };
        // A page that is looked at again keeps the draft alive, and not its challenge.
        if env.now > draft.begun_at + LIFE {
            return Err(FactorError::Expired);
        }
        let asked: Asked = read(&draft.data)?;
        let enrolled: Vec<Vec<u8>> = asked.keys.iter().filter_map(|key| bytes(&key.id)).collect();
        let new = ceremony::register(answer, asked.expected(), &enrolled, env.key_demand()).and_then(|new| {
            let elsewhere = new.attachment.is_some_and(|attachment| attachment != self.attachment());
            if elsewhere { Err(Refused::Attachment) } else { Ok(new) }
        });
        let new = new.map_err(|refused| match refused {
            Refused::Malformed(_) => FactorError::Malformed,
            Refused::Model(why) => FactorError::Model(why),
            _ => FactorError::Wrong,
        })?;
        let state = new.state;
        let stored = Stored { place: asked.place.clone(), ..Stored::new(new, &asked) };
        let method = self.method(&stored, state, env.now);
        let data = write(&stored)?;
        let spend = Spend::Counter { count: state.sign_count, data: Private(data.clone()) };
        Ok(Confirmed { data, proof: Some((method, Some(spend))) })
    }

    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        ask: &ChallengeAsk,
        env: &mut Env,
    ) -> Result<Begun, FactorError> {
        let rules = ask.keys.rules(self.kind()).ok_or(FactorError::Unreachable)?;
        let keys = Listed::of(on.iter().copied(), &rules.relying_party);
        // Keys of another domain cannot answer here: the person would look at a dead prompt.
        if keys.is_empty() {
            return Err(FactorError::Unreachable);
        }
        Ok(Begun { life: LIFE, ..Begun::with(write(&Asked { keys, ..Asked::draw(rules, env) })?) })
    }

    fn verify(&self, on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Finding {
        let Input::Key(answer) = input else { return Finding::Malformed };
        let (Ok(mut stored), Ok(ceremony)) = (Stored::of(on), read::<Asked>(&asked.data)) else {
            return Finding::Wrong;
        };
        if stored.relying_party_identifier != ceremony.relying_party.id() {
            return Finding::Wrong;
        }
        let Some(known) = stored.known(on.spent_step) else { return Finding::Wrong };
        match ceremony::assert(answer, ceremony.expected(), &known) {
            Ok(right) => {
                let remark = stored.learn(right.state, &right.origin);
                if remark == Some(Remark::NotBackupEligible) && asked.profile == Profile::Assured {
                    return Finding::Wrong;
                }
                let Ok(data) = write(&stored) else { return Finding::Wrong };
                let spend = Spend::Counter { count: right.state.sign_count, data: Private(data) };
                let method = self.method(&stored, right.state, env.now);
                Finding::Right { method, spend: Some(spend), remark }
            }
            Err(Refused::Malformed(_)) => Finding::Malformed,
            Err(Refused::Counter { .. }) => Finding::Copied,
            Err(_) => Finding::Wrong,
        }
    }
}

impl Asked {
    /// Draws a challenge: 32 bytes, so that none ever comes twice (WebAuthn section 13.4.3 wants 16 or more).
    fn draw(rules: &KeyRules, env: &mut Env) -> Self {
        Self {
            challenge: URL_SAFE_NO_PAD.encode(env.rng().bytes::<32>()),
            relying_party: rules.relying_party.clone(),
            user_verification: rules.user_verification,
            direct: false,
            user_handle: None,
            place: None,
            keys: Vec::new(),
        }
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            challenge: &self.challenge,
            relying_party: &self.relying_party,
            user_verification: self.user_verification,
        }
    }

    /// Lets the browser bring along what proves the model, if it has to be proven (WebAuthn section 5.4.7).
    fn ask_for_model(&self, options: &mut Value) {
        if self.direct {
            options["attestation"] = json!("direct");
            options["attestationFormats"] = json!(["packed"]);
        }
    }

    fn descriptors(&self) -> Vec<Value> {
        self.keys.iter().map(Listed::descriptor).collect()
    }
}

impl Stored {
    /// Returns what is kept of a new key.
    fn new(new: Registered, asked: &Asked) -> Self {
        let (object, client_data_hash) =
            new.attestation.map(|kept| (kept.object, kept.client_data_hash)).unzip();
        let mut stored = Self {
            key_id: URL_SAFE_NO_PAD.encode(&new.credential_id),
            public_key: STANDARD.encode(&new.public_key),
            relying_party_identifier: asked.relying_party.id().to_owned(),
            credential_device_type: None,
            credential_backed_up: None,
            transports: new.transports,
            aaguid: Some(Aaguid::new(new.aaguid).to_string()),
            user_handle: asked.user_handle.as_ref().map(|handle| handle.as_str().to_owned()),
            was_multi_device: false,
            user_verified: None,
            origin: None,
            attestation_format: Some(new.attestation_format),
            attestation_object: object.map(|object| URL_SAFE_NO_PAD.encode(object)),
            attestation_client_data_hash: client_data_hash.map(|hash| URL_SAFE_NO_PAD.encode(hash)),
            place: None,
        };
        stored.learn(new.state, &new.origin);
        stored
    }

    fn of(on: &Authenticator) -> Result<Self, FactorError> {
        match on.kind {
            FactorKind::WebauthnRoaming | FactorKind::WebauthnPlatform => read(&on.data),
            FactorKind::Totp | FactorKind::Phone | FactorKind::Email | FactorKind::RecoveryCode => {
                Err(FactorError::Unusable)
            }
        }
    }

    fn listed(&self) -> Option<Listed> {
        let id = URL_SAFE_NO_PAD.encode(bytes(&self.key_id)?);
        Some(Listed { id, transports: self.transports.clone() })
    }

    fn known(&self, sign_count: Option<i64>) -> Option<Known> {
        Some(Known {
            credential_id: bytes(&self.key_id)?,
            public_key: bytes(&self.public_key)?,
            user_handle: self.user_handle.clone(),
            sign_count,
        })
    }

    /// Returns where it is kept, as far as we know.
    const fn kept(&self) -> Kept {
        if self.was_multi_device { Kept::Software } else { Kept::Hardware }
    }

    /// Keeps what a key says of itself at a use; returns what is worth a remark.
    fn learn(&mut self, state: KeyState, origin: &str) -> Option<Remark> {
        let now = if state.backup_eligible { DeviceType::MultiDevice } else { DeviceType::SingleDevice };
        let before = self.credential_device_type.replace(now);
        self.was_multi_device |= [before, Some(now)].contains(&Some(DeviceType::MultiDevice));
        self.credential_backed_up = Some(state.backed_up);
        self.user_verified = Some(state.user_verified);
        self.origin = Some(origin.to_owned());
        match (before, now) {
            (Some(DeviceType::SingleDevice), DeviceType::MultiDevice) => Some(Remark::BackupEligible),
            (Some(DeviceType::MultiDevice), DeviceType::SingleDevice) => Some(Remark::NotBackupEligible),
            _ => None,
        }
    }
}

/// Reads base64 of either alphabet, padded or not: tools import keys in each of them.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let all = [URL_SAFE_NO_PAD.decode(text), URL_SAFE.decode(text), STANDARD.decode(text)];
    all.into_iter().find_map(Result::ok).or_else(|| STANDARD_NO_PAD.decode(text).ok())
}
