//! Passkeys: keys that log in by themselves, a first factor (contract/oidc.md 12). Nobody says a name first: the key knows whose it is, so the
//! options carry no list of keys and are the same for everybody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{FactorError, Remark, read, write};
use super::attestation::Unattested;
use super::ceremony::{self, Attachment, Known, Refused};
use super::relying_party::{
    KeyRules, RelatedOrigins, RelyingParty, RelyingPartyError, UserHandle, UserVerification,
};
use super::{Asked, BROWSER_WAITS, LIFE, Listed, Stored, bytes};
use crate::assurance::{Detail, Method, MethodName};
use crate::crypto::cose::CoseAlg;
use crate::crypto::digest::sha256_b64url;
use crate::env::{Env, Issuer};
use crate::model::settings::Profile;
use crate::time::{Span, Timestamp};

/// The algorithms that are asked for, in the order of the contract: the best first.
const OFFERED: [CoseAlg; 3] = [CoseAlg::EdDsa, CoseAlg::Es256, CoseAlg::Rs256];

/// How much of its life a challenge must have before it, to be shown by a page that is loaded.
const FRESH: Span = Span::millis(LIFE.as_millis() / 2);

/// Returns who asks for passkeys: the server's own domain. Besides its own pages, those of an application may ask that are on this domain or
/// below it, or that the operator has named as related: no browser lets others. An application on Android has no page that it could list, so
/// those that are named may all ask.
pub fn relying_party<'a>(
    issuer: &'a Issuer,
    pages: impl Iterator<Item = &'a str>,
    related: &'a RelatedOrigins,
) -> Result<RelyingParty, RelyingPartyError> {
    let mut origins = vec![issuer.origin()];
    origins.extend(pages.filter(|page| RelyingParty::with_related(issuer.host(), &[page], related).is_ok()));
    origins.extend(related.applications());
    RelyingParty::with_related(issuer.host(), &origins, related)
}

/// Returns who asks for passkeys on the server's own pages.
pub fn on_our_pages(issuer: &Issuer) -> Result<RelyingParty, RelyingPartyError> {
    RelyingParty::at(issuer, None)
}

/// Returns what a passkey is looked up by, however its identifier is written.
pub fn credential_hash(key_id: &str) -> Option<String> {
    bytes(key_id).map(sha256_b64url)
}

/// Returns what the passkey is looked up by that gave an answer.
pub fn credential_hash_of(answer: &str) -> Option<String> {
    ceremony::key_of(answer).map(sha256_b64url)
}

/// Returns the identifier of the passkey that gave an answer, as browsers write it.
pub fn credential_id_of(answer: &str) -> Option<String> {
    ceremony::key_of(answer).map(|id| URL_SAFE_NO_PAD.encode(id))
}

/// A passkey that is about to be made. Keep it sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    asked: Asked,
    /// Whether it has to be on the device that the browser runs on.
    #[serde(default)]
    on_this_device: bool,
    expires_at: Timestamp,
}

/// A login that waits for a passkey's answer. Keep it sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    asked: Asked,
    profile: Profile,
    expires_at: Timestamp,
}

/// What is known of a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// What is stored of it.
    pub data: &'a Value,
    /// The signature counter at its last use, if that is known.
    pub sign_count: Option<i64>,
}

/// A right answer: what it proves, and what is to be claimed and kept of the key before it is believed.
#[derive(Debug, PartialEq)]
pub struct Proven {
    /// The evidence.
    pub method: Method,
    /// What to store of the key now.
    pub data: Value,
    /// The signature counter to spend.
    pub sign_count: i64,
    /// What is worth a remark.
    pub remark: Option<Remark>,
    /// Whether the passkey is on another device than the browser: a telephone that logs in at a desk. A key that is plugged in is not.
    pub from_elsewhere: bool,
}

/// Why an answer proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum No {
    /// It has not the form of an answer.
    #[error("the answer is malformed")]
    Malformed,
    /// It came too late.
    #[error("the answer came too late")]
    Expired,
    /// It is wrong.
    #[error("the answer is wrong")]
    Wrong,
    /// The model of a new passkey may not be enrolled, or is not proven.
    #[error(transparent)]
    Model(Unattested),
    /// The signature counter did not grow: there may be a copy of the key.
    #[error("there may be a copy of the key")]
    Copied,
}

impl Registration {
    /// Draws the challenge for a new passkey, which will know its user by this handle.
    pub fn draw(relying_party: RelyingParty, user_handle: UserHandle, env: &mut Env) -> Self {
        let direct = env.key_models.is_some();
        let asked = Asked { direct, user_handle: Some(user_handle), ..ask(relying_party, env) };
        Self { asked, on_this_device: false, expires_at: env.now + LIFE }
    }

    /// Returns it with the passkeys that the user has: none of them is made again.
    #[must_use]
    pub fn excluding(mut self, held: Vec<Listed>) -> Self {
        self.asked.keys = held;
        self
    }

    /// Returns it for a passkey on the device that the browser runs on.
    #[must_use]
    pub fn on_this_device(self) -> Self {
        Self { on_this_device: true, ..self }
    }

    /// Returns the same with another challenge.
    #[must_use]
    pub fn anew(&self, env: &mut Env) -> Self {
        let challenge = ask(self.asked.relying_party.clone(), env).challenge;
        let asked = Asked { challenge, ..self.asked.clone() };
        Self { asked, on_this_device: self.on_this_device, expires_at: env.now + LIFE }
    }

    /// Returns it with another life: an API has no page that would be closed.
    #[must_use]
    pub fn lasting(self, life: Span, now: Timestamp) -> Self {
        Self { expires_at: now + life, ..self }
    }

    /// Returns when it is over.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns whether a page that is loaded now may ask this still.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at.since(now) > FRESH
    }

    /// Returns the name under which the passkey will know its user.
    pub const fn user_handle(&self) -> Option<&UserHandle> {
        self.asked.user_handle.as_ref()
    }

    /// Returns what the browser is given (`PublicKeyCredentialCreationOptions` as JSON). `issuer` and `account` are what people read.
    pub fn options(&self, issuer: &str, account: &str) -> Value {
        let handle = self.asked.user_handle.as_ref().map(UserHandle::as_str);
        let offered = OFFERED.map(|alg| json!({"type": "public-key", "alg": alg.number()}));
        let mut options = json!({
            "challenge": self.asked.challenge,
            "timeout": BROWSER_WAITS,
            "rp": {"id": self.asked.relying_party.id(), "name": issuer},
            "user": {"id": handle, "name": account, "displayName": account},
            "pubKeyCredParams": offered,
            "authenticatorSelection": {
                "residentKey": "required",
                "userVerification": self.asked.user_verification.as_str(),
            },
        });
        if !self.asked.keys.is_empty() {
            options["excludeCredentials"] = json!(self.asked.descriptors());
        }
        if self.on_this_device {
            options["authenticatorSelection"]["authenticatorAttachment"] =
                json!(Attachment::Platform.as_str());
        }
        self.asked.ask_for_model(&mut options);
        options
    }

    /// Judges the answer of the new passkey. Who has it in hand is logged in by it too.
    pub fn answer(&self, answer: &str, env: &Env) -> Result<Proven, No> {
        in_time(self.expires_at, env.now)?;
        let held: Vec<Vec<u8>> = self.asked.keys.iter().filter_map(|key| bytes(&key.id)).collect();
        let new = ceremony::register(answer, self.asked.expected(), &held, env.key_demand())?;
        let state = new.state;
        let stored = Stored::new(new, &self.asked);
        let method = evidence(&stored, state.user_verified, env.now);
        let (data, sign_count) = (write(&stored)?, state.sign_count);
        Ok(Proven { method, data, sign_count, remark: None, from_elsewhere: false })
    }
}

impl Login {
    /// Draws the challenge of a login.
    pub fn draw(relying_party: RelyingParty, profile: Profile, env: &mut Env) -> Self {
        Self { asked: ask(relying_party, env), profile, expires_at: env.now + LIFE }
    }

    /// Returns when it is over.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns whether a page that is loaded now may ask this still: who reads it for a while before she answers is in time.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at.since(now) > FRESH
    }

    /// Returns what the browser is given (`PublicKeyCredentialRequestOptions` as JSON).
    pub fn options(&self) -> Value {
        json!({
            "challenge": self.asked.challenge,
            "timeout": BROWSER_WAITS,
            "rpId": self.asked.relying_party.id(),
            "userVerification": self.asked.user_verification.as_str(),
        })
    }

    /// Judges the answer of a passkey.
    pub fn answer(&self, answer: &str, held: Held<'_>, now: Timestamp) -> Result<Proven, No> {
        in_time(self.expires_at, now)?;
        let mut stored: Stored = read(held.data)?;
        if stored.relying_party_identifier != self.asked.relying_party.id() {
            return Err(No::Wrong);
        }
        // WebAuthn section 7.2, step 6: where nobody said a name before, the key has to say one.
        if !says_a_user(answer) {
            return Err(No::Malformed);
        }
        let known = Known {
            user_handle: stored.user_handle.as_deref().map(spelled_as_by_browsers),
            ..stored.known(held.sign_count).ok_or(No::Wrong)?
        };
        let right = ceremony::assert(answer, self.asked.expected(), &known)?;
        let carried = right.attachment == Some(Attachment::CrossPlatform);
        let in_a_device = stored.transports.iter().any(|way| matches!(way.as_str(), "hybrid" | "internal"));
        let remark = stored.learn(right.state, &right.origin);
        if remark == Some(Remark::NotBackupEligible) && self.profile == Profile::Assured {
            return Err(No::Wrong);
        }
        // What others wrote beside it stays: the Management API has more properties than a login needs.
        let mut data = held.data.clone();
        if let (Some(data), Value::Object(learnt)) = (data.as_object_mut(), write(&stored)?) {
            data.extend(learnt);
        }
        let method = evidence(&stored, right.state.user_verified, now);
        let (sign_count, from_elsewhere) = (right.state.sign_count, carried && in_a_device);
        Ok(Proven { method, data, sign_count, remark, from_elsewhere })
    }
}

/// Without the challenge: debug output ends in logs.
impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The same of a login.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(_) => Self::Malformed,
            Refused::Counter { .. } => Self::Copied,
            Refused::Model(why) => Self::Model(why),
            _ => Self::Wrong,
        }
    }
}

/// What is stored of a passkey cannot be read: it logs nobody in.
impl From<FactorError> for No {
    fn from(_: FactorError) -> Self {
        Self::Wrong
    }
}

fn ask(relying_party: RelyingParty, env: &mut Env) -> Asked {
    Asked::draw(&KeyRules { relying_party, user_verification: UserVerification::Preferred }, env)
}

fn in_time(expires_at: Timestamp, now: Timestamp) -> Result<(), No> {
    if now < expires_at { Ok(()) } else { Err(No::Expired) }
}

fn evidence(stored: &Stored, user_verified: bool, now: Timestamp) -> Method {
    Method::first(MethodName::Passkey, now).with(Detail::Key { kept: stored.kept(), user_verified })
}

fn says_a_user(answer: &str) -> bool {
    let answer: Option<Value> = serde_json::from_str(answer).ok();
    answer.is_some_and(|answer| answer["response"]["userHandle"].as_str().is_some_and(|it| !it.is_empty()))
}

/// Tools import handles in either alphabet; browsers write base64url without padding.
fn spelled_as_by_browsers(handle: &str) -> String {
    bytes(handle).map_or_else(|| handle.to_owned(), |handle| URL_SAFE_NO_PAD.encode(handle))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::super::device::{Model, Signing, VirtualKey};
    use super::*;
    use crate::assurance::Kept;
    use crate::random::SeededRng;

    const HERE: &str = "https://login.example.org";
    const ELIGIBLE: u8 = 1 << 3;
    const BACKED_UP: u8 = 1 << 4;

    /// A passkey that was registered, and what is stored of it.
    struct Story {
        env: Env,
        key: VirtualKey,
        data: Value,
        sign_count: Option<i64>,
        profile: Profile,
    }

    fn here() -> RelyingParty {
        RelyingParty::parse("login.example.org", &[HERE]).unwrap()
    }

    fn env() -> Env {
        let issuer = Issuer::parse("https://login.example.org/").unwrap();
        let mut env = Env::new(Timestamp::from_secs(1_234_567_890), issuer);
        env.rng = Box::new(SeededRng::new(3));
        env
    }

    impl Story {
        fn of(model: Model) -> Self {
            let mut env = env();
            let handle = UserHandle::new(env.rng());
            let registration = Registration::draw(here(), handle, &mut env);
            let options = registration.options("Acme", "ana@example.com");
            let mut key = VirtualKey::new(model);
            let answer = key.create(&options, HERE, env.rng()).unwrap();
            let proven = registration.answer(&answer.to_string(), &env).unwrap();
            let sign_count = Some(proven.sign_count);
            Self { env, key, data: proven.data, sign_count, profile: Profile::Faithful }
        }

        fn judge(
            &mut self,
            change: &mut dyn FnMut(&mut Signing),
            edit: impl Fn(&mut Value),
        ) -> Result<Proven, No> {
            let login = Login::draw(here(), self.profile, &mut self.env);
            let mut answer = self.key.get_but(&login.options(), HERE, change).unwrap();
            edit(&mut answer);
            let held = Held { data: &self.data, sign_count: self.sign_count };
            let judged = login.answer(&answer.to_string(), held, self.env.now);
            if let Ok(proven) = &judged {
                (self.data, self.sign_count) = (proven.data.clone(), Some(proven.sign_count));
            }
            judged
        }

        fn log_in(&mut self) -> Result<Proven, No> {
            self.judge(&mut |_| {}, |_| {})
        }

        fn log_in_with_flags(&mut self, set: u8, clear: u8) -> Result<Proven, No> {
            self.judge(
                &mut |signing| signing.authenticator_data[32] = signing.authenticator_data[32] & !clear | set,
                |_| {},
            )
        }
    }

    fn detail(proven: &Proven) -> Option<Detail> {
        proven.method.detail
    }

    #[test]
    fn options_have_the_members_of_the_contract_and_no_list_of_keys() {
        let mut env = env();
        let registration = Registration::draw(here(), UserHandle::trusted("YW5h"), &mut env);
        let options = registration.options("Acme", "ana@example.com");
        let challenge = options["challenge"].as_str().unwrap().to_owned();
        assert_eq!(
            options,
            json!({
                "challenge": challenge, "timeout": 60000, "rp": {"id": "login.example.org", "name": "Acme"},
                "user": {"id": "YW5h", "name": "ana@example.com", "displayName": "ana@example.com"},
                "pubKeyCredParams": [
                    {"type": "public-key", "alg": -8}, {"type": "public-key", "alg": -7},
                    {"type": "public-key", "alg": -257},
                ],
                "authenticatorSelection": {"residentKey": "required", "userVerification": "preferred"},
            })
        );
        let login = Login::draw(here(), Profile::Faithful, &mut env).options();
        let other = login["challenge"].as_str().unwrap();
        assert_ne!(other, challenge);
        assert_eq!(
            login,
            json!({"challenge": other, "timeout": 60000, "rpId": "login.example.org", "userVerification": "preferred"})
        );
    }

    #[test]
    fn what_is_kept_and_whether_the_user_was_verified_is_in_the_evidence() {
        for (model, kept, user_verified) in [
            (Model::SYNCED, Kept::Software, true),
            (Model::DEVICE, Kept::Hardware, true),
            (Model::TOUCH_ONLY, Kept::Hardware, false),
        ] {
            let mut story = Story::of(model);
            let proven = story.log_in().unwrap();
            assert_eq!(proven.method.name, MethodName::Passkey);
            assert_eq!(detail(&proven), Some(Detail::Key { kept, user_verified }), "{model:?}");
        }
    }

    #[test]
    fn all_that_is_told_of_a_passkey_is_stored() {
        let story = Story::of(Model::SYNCED);
        assert_eq!(story.data["credential_device_type"], "multi_device");
        assert_eq!(
            (&story.data["credential_backed_up"], &story.data["transports"]),
            (&json!(true), &json!(["internal"]))
        );
        assert_eq!(story.data["aaguid"], "00000000-0000-0000-0000-000000000000");
        assert_eq!(story.data["relying_party_identifier"], "login.example.org");
        assert_eq!(story.data["user_handle"].as_str().unwrap().len(), 43);
        assert_eq!(story.sign_count, Some(0));
    }

    #[test]
    fn a_counter_that_does_not_grow_shows_a_copy() {
        let mut story = Story::of(Model::DEVICE);
        let mut copy = story.key.clone();
        story.log_in().unwrap();
        story.log_in().unwrap();
        std::mem::swap(&mut story.key, &mut copy);
        assert_eq!(story.log_in().unwrap_err(), No::Copied);
        // A key without a counter says 0 always.
        let mut synced = Story::of(Model::SYNCED);
        assert!(synced.log_in().is_ok() && synced.log_in().is_ok());
    }

    #[test]
    fn an_answer_without_a_user_or_of_another_user_logs_nobody_in() {
        let mut story = Story::of(Model::SYNCED);
        let without = |answer: &mut Value| {
            answer["response"].as_object_mut().unwrap().remove("userHandle");
        };
        assert_eq!(story.judge(&mut |_| {}, without).unwrap_err(), No::Malformed);
        let empty = |answer: &mut Value| answer["response"]["userHandle"] = json!("");
        assert_eq!(story.judge(&mut |_| {}, empty).unwrap_err(), No::Malformed);
        let other = |answer: &mut Value| answer["response"]["userHandle"] = json!("b3RoZXI");
        assert_eq!(story.judge(&mut |_| {}, other).unwrap_err(), No::Wrong);
        assert!(story.log_in().is_ok());
    }

    #[test]
    fn a_challenge_lives_five_minutes_and_belongs_to_one_domain() {
        let mut story = Story::of(Model::SYNCED);
        let login = Login::draw(here(), Profile::Faithful, &mut story.env);
        let answer = story.key.get(&login.options(), HERE).unwrap().to_string();
        let held = Held { data: &story.data, sign_count: story.sign_count };
        let end = story.env.now + Span::minutes(5);
        assert_eq!(login.expires_at(), end);
        assert_eq!(login.answer(&answer, held, end), Err(No::Expired));
        assert!(login.answer(&answer, held, story.env.now).is_ok());
        let second = Login::draw(here(), Profile::Faithful, &mut story.env);
        assert_eq!(second.answer(&answer, held, story.env.now), Err(No::Wrong), "of another challenge");
        let mut elsewhere = story.data.clone();
        elsewhere["relying_party_identifier"] = json!("example.org");
        let held = Held { data: &elsewhere, ..held };
        assert_eq!(login.answer(&answer, held, story.env.now), Err(No::Wrong));
        let registration = Registration::draw(here(), UserHandle::trusted("YW5h"), &mut story.env);
        let made =
            VirtualKey::new(Model::SYNCED).create(&registration.options("A", "a"), HERE, story.env.rng());
        let made = made.unwrap().to_string();
        let late = Env::new(registration.expires_at(), story.env.issuer.clone());
        assert_eq!(registration.answer(&made, &late), Err(No::Expired));
        assert_eq!(registration.answer(&answer, &story.env), Err(No::Malformed), "an assertion is none");
        assert!(registration.answer(&made, &story.env).is_ok());
    }

    #[test]
    fn a_changed_backup_eligible_flag_does_not_lock_the_owner_out() {
        let mut late = Story::of(Model::DEVICE);
        let proven = late.log_in_with_flags(ELIGIBLE | BACKED_UP, 0).unwrap();
        assert_eq!(proven.remark, Some(Remark::BackupEligible));
        assert_eq!(late.data["credential_device_type"], "multi_device");
        assert_eq!(detail(&proven), Some(Detail::Key { kept: Kept::Software, user_verified: true }));
        let mut synced = Story::of(Model { backed_up: false, ..Model::SYNCED });
        assert!(synced.log_in_with_flags(BACKED_UP, 0).is_ok());
        assert!(synced.log_in_with_flags(0, BACKED_UP).is_ok());
        assert_eq!(synced.log_in_with_flags(BACKED_UP, ELIGIBLE).unwrap_err(), No::Wrong, "no such state");
        synced.profile = Profile::Assured;
        assert_eq!(synced.log_in_with_flags(0, ELIGIBLE | BACKED_UP).unwrap_err(), No::Wrong);
        synced.profile = Profile::Faithful;
        let proven = synced.log_in_with_flags(0, ELIGIBLE | BACKED_UP).unwrap();
        assert_eq!(proven.remark, Some(Remark::NotBackupEligible));
        assert_eq!(
            detail(&proven),
            Some(Detail::Key { kept: Kept::Software, user_verified: true }),
            "what was ever copied is never hardware again"
        );
    }

    #[test]
    fn an_imported_passkey_logs_in_learns_its_flags_and_keeps_what_was_written_beside_it() {
        let mut story = Story::of(Model::SYNCED);
        let key_id = bytes(story.data["key_id"].as_str().unwrap()).unwrap();
        let handle = bytes(story.data["user_handle"].as_str().unwrap()).unwrap();
        let public_key = story.data["public_key"].as_str().unwrap().to_owned();
        story.data =
            super::super::imported(&STANDARD.encode(key_id), &public_key, "login.example.org").unwrap();
        story.data["user_agent"] = json!("Mozilla");
        story.sign_count = None;
        let mut with_handle = story.data.clone();
        assert!(story.log_in().is_ok());
        assert_eq!(story.data["user_agent"], "Mozilla");
        assert_eq!(story.data["credential_device_type"], "multi_device");
        with_handle["user_handle"] = json!(STANDARD.encode(handle));
        story.data = with_handle.clone();
        assert!(story.log_in().is_ok(), "in the other alphabet");
        with_handle["user_handle"] = json!("b3RoZXI=");
        story.data = with_handle;
        assert_eq!(story.log_in().unwrap_err(), No::Wrong);
    }

    #[test]
    fn pages_of_an_application_may_ask_only_on_the_domain_or_below() {
        let issuer = Issuer::parse("https://login.example.org/").unwrap();
        let pages =
            ["https://app.login.example.org", "https://login.example.org:8443", "https://example.org", "*"];
        let party = relying_party(&issuer, pages.into_iter(), &RelatedOrigins::default()).unwrap();
        assert_eq!(party.id(), "login.example.org");
        let may = |page| party.has_origin(page);
        assert!(
            may(HERE)
                && may(pages[0])
                && may(pages[1])
                && !may(pages[2])
                && !may("https://b.login.example.org")
        );
        let by_number = Issuer::parse("https://127.0.0.1/").unwrap();
        assert!(on_our_pages(&by_number).is_err());
    }

    #[test]
    fn one_key_has_one_hash_however_it_is_written() {
        let hash = credential_hash("_-7_-7_-7_-7_-7_-7_-7w").unwrap();
        assert_eq!(credential_hash("/+7/+7/+7/+7/+7/+7/+7w=="), Some(hash));
        assert_eq!(credential_hash("no base64!"), None);
    }
}
