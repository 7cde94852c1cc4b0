//! The checks of the two ceremonies, in the order of WebAuthn sections 7.1 and 7.2: bytes in, what they prove out. They know nothing of
//! users, challenges that are kept, or what a refusal leads to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::attestation::{Demand, Unattested};
use super::authenticator_data::{AuthenticatorData, Flags};
use super::relying_party::{RelyingParty, UserVerification};
use crate::crypto::cbor::Cbor;
use crate::crypto::cose::{CoseAlg, CoseKey};
use crate::crypto::digest::{same_secret, sha256};

/// The longest answer that is looked at. With a chain of certificates it takes some 8 kB.
const LONGEST: usize = 64 * 1024;
/// The bytes of a credential id (WebAuthn section 4, "Credential ID").
pub(super) const ID_BYTES: std::ops::RangeInclusive<usize> = 16..=1023;

/// The registered attestation formats whose statements prove something about an authenticator's maker (WebAuthn section 8).
const NOT_LOOKED_AT: [&str; 7] =
    ["packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple", "compound"];

/// What an answer must fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The challenge that was issued, in base64url.
    pub challenge: &'a str,
    /// Who asked.
    pub relying_party: &'a RelyingParty,
    /// Whether the user had to be verified.
    pub user_verification: UserVerification,
}

/// Where a key is (WebAuthn section 5.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Part of the device.
    Platform,
    /// Carried from one to another.
    CrossPlatform,
}

impl Attachment {
    /// Returns the browser's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::CrossPlatform => "cross-platform",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Platform, Self::CrossPlatform].into_iter().find(|attachment| attachment.as_str() == text)
    }
}

/// A new key.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Its identifier.
    pub credential_id: Vec<u8>,
    /// The public key (COSE).
    pub public_key: Vec<u8>,
    /// How it stands with key and user.
    pub state: KeyState,
    /// The model of the authenticator; zeros where it does not tell.
    pub aaguid: [u8; 16],
    /// The format of its attestation, of which nothing is believed unless its model had to be proven.
    pub attestation_format: String,
    /// What proved its model, if it had to.
    pub attestation: Option<Attestation>,
    /// How the browser reaches it.
    pub transports: Vec<String>,
    /// The page on which it was made.
    pub origin: String,
    /// Where the browser says that it is.
    pub attachment: Option<Attachment>,
}

/// The proof of a key's model, whole, so that it can be checked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The attestation object.
    pub object: Vec<u8>,
    /// The hash of the client data that it is about.
    pub client_data_hash: [u8; 32],
}

/// A key that is known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its identifier.
    pub credential_id: Vec<u8>,
    /// The public key: COSE or SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// The name under which it knows its user, in base64url, if that is known.
    pub user_handle: Option<String>,
    /// The signature counter at its last use, if that is known.
    pub sign_count: Option<i64>,
}

/// What an authenticator says at one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The signature counter; always 0 if there is none.
    pub sign_count: i64,
    /// Whether it verified its user (PIN, fingerprint, face).
    pub user_verified: bool,
    /// Whether the key may be copied to other devices of its owner.
    pub backup_eligible: bool,
    /// Whether it has been.
    pub backed_up: bool,
}

/// A right answer of a known key.
#[derive(Clone, Debug, PartialEq)]
pub struct Asserted {
    /// How it stands with key and user.
    pub state: KeyState,
    /// The page that asked.
    pub origin: String,
    /// Where the browser says that it is.
    pub attachment: Option<Attachment>,
}

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has not the form of an answer.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// It answers another ceremony.
    #[error("the answer belongs to another ceremony")]
    Type,
    /// It answers another challenge.
    #[error("the challenge is not the one that was issued")]
    Challenge,
    /// It was given on a page that may not ask.
    #[error("the page that asked is none of ours")]
    Origin,
    /// It was given in a frame of another site.
    #[error("the page that asked was in a frame of another site")]
    CrossOrigin,
    /// The authenticator answered another relying party.
    #[error("the answer is for another relying party")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody confirmed to be present")]
    UserPresence,
    /// The user had to be verified and was not.
    #[error("the user was not verified")]
    UserVerification,
    /// It is backed up although it cannot be.
    #[error("the key says that it is backed up and cannot be")]
    BackupState,
    /// Not an algorithm that was offered, or not a key of it.
    #[error("the key is not of an algorithm that was offered")]
    Algorithm,
    /// The attestation contradicts itself.
    #[error("the attestation does not fit the key")]
    Attestation,
    /// Its model may not be enrolled, or is not proven.
    #[error(transparent)]
    Model(#[from] Unattested),
    /// The key is enrolled already.
    #[error("the key is enrolled already")]
    AlreadyEnrolled,
    /// It is where it was not asked for: in the device instead of at hand, or the other way round.
    #[error("the key is not of the kind that was asked for")]
    Attachment,
    /// Another key than this one.
    #[error("the answer is of another key")]
    OtherKey,
    /// The key knows another user.
    #[error("the key is of another user")]
    OtherUser,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// The signature counter did not grow: there may be a copy of the key.
    #[error("the signature counter is {got} after {stored}: there may be a copy of the key")]
    Counter {
        /// The highest one so far.
        stored: i64,
        /// The one of this answer.
        got: i64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential<R> {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
    #[serde(default)]
    authenticator_attachment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// Returns the identifier of the key that gave an answer, for who has to look it up.
pub fn key_of(answer: &str) -> Option<Vec<u8>> {
    parse::<AssertionResponse>(answer).ok()?.credential_id().ok()
}

/// Checks the answer of a new key (WebAuthn section 7.1). `enrolled` are the keys that the user has already, `demand` is what it has to prove of
/// its model.
pub fn register(
    answer: &str,
    expected: Expected<'_>,
    enrolled: &[Vec<u8>],
    demand: Option<Demand<'_>>,
) -> Result<Registered, Refused> {
    let answer: Credential<AttestationResponse> = parse(answer)?;
    let credential_id = answer.credential_id()?;
    let client_data = decode(&answer.response.client_data, "clientDataJSON")?;
    let origin = expected.client(&client_data, "webauthn.create")?;
    let object = decode(&answer.response.attestation_object, "attestationObject")?;
    let attestation = Cbor::only(&object).ok_or(Refused::Malformed("attestationObject"))?;
    let data = attestation.at("authData").and_then(Cbor::as_bytes);
    let format = attestation.at("fmt").and_then(Cbor::as_text);
    let statement = attestation.at("attStmt").filter(|statement| statement.entries().is_some());
    let (Some(data), Some(format), Some(statement)) = (data, format, statement) else {
        return Err(Refused::Malformed("attestationObject"));
    };
    let parsed = AuthenticatorData::parse(data).ok_or(Refused::Malformed("authData"))?;
    let state = expected.authenticator(&parsed)?;
    let attested = parsed.attested.as_ref().ok_or(Refused::Malformed("authData has no key"))?;
    if attested.credential_id != credential_id {
        return Err(Refused::OtherKey);
    }
    let key = CoseKey::parse(attested.public_key).ok_or(Refused::Algorithm)?;
    let signed = signed(data, &client_data);
    check_attestation(format, statement, &key, &signed)?;
    if enrolled.contains(&credential_id) {
        return Err(Refused::AlreadyEnrolled);
    }
    let mut aaguid = [0; 16];
    aaguid.copy_from_slice(attested.aaguid);
    let attestation = match demand {
        Some(demand) => {
            demand.check(format, statement, aaguid, &signed)?;
            let client_data_hash = sha256(&client_data);
            Some(Attestation { object: object.clone(), client_data_hash })
        }
        None => None,
    };
    Ok(Registered {
        public_key: attested.public_key.to_vec(),
        state,
        aaguid,
        attestation_format: format.to_owned(),
        attestation,
        transports: transports(answer.response.transports),
        origin,
        attachment: answer.authenticator_attachment.as_deref().and_then(Attachment::parse),
        credential_id,
    })
}

/// Checks the answer of a known key (WebAuthn section 7.2).
pub fn assert(answer: &str, expected: Expected<'_>, known: &Known) -> Result<Asserted, Refused> {
    let answer: Credential<AssertionResponse> = parse(answer)?;
    if answer.credential_id()? != known.credential_id {
        return Err(Refused::OtherKey);
    }
    let handle = answer.response.user_handle.as_deref().filter(|handle| !handle.is_empty());
    if let (Some(handle), Some(known)) = (handle, &known.user_handle)
        && handle != known
    {
        return Err(Refused::OtherUser);
    }
    let client_data = decode(&answer.response.client_data, "clientDataJSON")?;
    let origin = expected.client(&client_data, "webauthn.get")?;
    let data = decode(&answer.response.authenticator_data, "authenticatorData")?;
    let parsed = AuthenticatorData::parse(&data).ok_or(Refused::Malformed("authenticatorData"))?;
    // WebAuthn section 6.1: an assertion carries no new key.
    if parsed.attested.is_some() {
        return Err(Refused::Malformed("authenticatorData with a key"));
    }
    let state = expected.authenticator(&parsed)?;
    let signature = decode(&answer.response.signature, "signature")?;
    let key = CoseKey::parse(&known.public_key).ok_or(Refused::Algorithm)?;
    if !key.verifies(&signed(&data, &client_data), &signature) {
        return Err(Refused::Signature);
    }
    if let Some(stored) = known.sign_count
        && (stored, state.sign_count) != (0, 0)
        && state.sign_count <= stored
    {
        return Err(Refused::Counter { stored, got: state.sign_count });
    }
    let attachment = answer.authenticator_attachment.as_deref().and_then(Attachment::parse);
    Ok(Asserted { state, origin, attachment })
}

impl Expected<'_> {
    /// Checks what the browser says of the ceremony; returns the page.
    fn client(&self, client_data: &[u8], kind: &str) -> Result<String, Refused> {
        // As a text first: of bytes, the reader would pass over members that are none of ours and no UTF-8.
        let text = std::str::from_utf8(client_data).map_err(|_| Refused::Malformed("clientDataJSON"))?;
        let client: ClientData =
            serde_json::from_str(text).map_err(|_| Refused::Malformed("clientDataJSON"))?;
        if client.kind != kind {
            return Err(Refused::Type);
        }
        // Never the copy beside it: only this one is signed.
        if !same_secret(&client.challenge, self.challenge) {
            return Err(Refused::Challenge);
        }
        if !self.relying_party.has_origin(&client.origin) {
            return Err(Refused::Origin);
        }
        if client.cross_origin == Some(true) || client.top_origin.is_some() {
            return Err(Refused::CrossOrigin);
        }
        Ok(client.origin)
    }

    /// Checks what the authenticator says of the ceremony.
    fn authenticator(&self, data: &AuthenticatorData<'_>) -> Result<KeyState, Refused> {
        if data.rp_id_hash != sha256(self.relying_party.id().as_bytes()) {
            return Err(Refused::RelyingParty);
        }
        let has = |flag| data.flags.has(flag);
        if !has(Flags::USER_PRESENT) {
            return Err(Refused::UserPresence);
        }
        if self.user_verification == UserVerification::Required && !has(Flags::USER_VERIFIED) {
            return Err(Refused::UserVerification);
        }
        if has(Flags::BACKED_UP) && !has(Flags::BACKUP_ELIGIBLE) {
            return Err(Refused::BackupState);
        }
        Ok(KeyState {
            sign_count: data.sign_count.into(),
            user_verified: has(Flags::USER_VERIFIED),
            backup_eligible: has(Flags::BACKUP_ELIGIBLE),
            backed_up: has(Flags::BACKED_UP),
        })
    }
}

/// What holds of any attestation, also where none was asked for: then an authenticator has nothing to prove by one. `none` must be empty (section 8.7), and a key that signs for
/// itself must do it right (section 8.2). Statements of other registered formats are of somebody whom nobody asked: they are not looked at, and
/// nothing follows from them.
fn check_attestation(
    format: &str,
    statement: &Cbor<'_>,
    key: &CoseKey,
    signed: &[u8],
) -> Result<(), Refused> {
    let right = match format {
        "none" => statement.entries().is_some_and(<[_]>::is_empty),
        "packed" if statement.at("x5c").is_none() => {
            let alg = statement.at("alg").and_then(Cbor::as_int);
            let signature = statement.at("sig").and_then(Cbor::as_bytes);
            alg == Some(key.alg().number()) && signature.is_some_and(|sig| key.verifies(signed, sig))
        }
        other => NOT_LOOKED_AT.contains(&other),
    };
    if right { Ok(()) } else { Err(Refused::Attestation) }
}

/// What is signed: the authenticator's data and the hash of the browser's.
fn signed(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, &sha256(client_data)].concat()
}

/// Keeps what the browser says of the ways to a key, as it is, within bounds.
fn transports(all: Vec<String>) -> Vec<String> {
    let fits = |text: &String| {
        (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    };
    all.into_iter().filter(fits).take(8).collect()
}

impl<R> Credential<R> {
    fn credential_id(&self) -> Result<Vec<u8>, Refused> {
        let id = decode(&self.id, "id")?;
        if self.kind != "public-key" || self.raw_id != self.id || !ID_BYTES.contains(&id.len()) {
            return Err(Refused::Malformed("id"));
        }
        Ok(id)
    }
}

fn parse<R: DeserializeOwned>(answer: &str) -> Result<Credential<R>, Refused> {
    if answer.len() > LONGEST {
        return Err(Refused::Malformed("too long"));
    }
    serde_json::from_str(answer).map_err(|_| Refused::Malformed("not the JSON of a public-key credential"))
}

fn decode(text: &str, what: &'static str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed(what))
}

/// Returns what `pubKeyCredParams` says: the algorithms whose keys we read.
pub(super) fn offered() -> impl Iterator<Item = i64> {
    CoseAlg::ALL.into_iter().map(CoseAlg::number)
}
