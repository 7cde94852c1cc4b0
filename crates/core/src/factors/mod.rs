//! Factors: the ways to prove a second time who you are. Read this first, then [`totp`].
//!
//! A factor is a folder with a closed name in [`FactorKind`] and four calls in `Factor`. It is pure: it says what to
//! store and what is right, and sees no request and no database. The four functions of this module are the only way to
//! those calls; they make the checks that are the same for every factor (whose is it, is it confirmed, has the time run
//! out), so that no factor can forget one. Universal Login, the MFA API, the My Account API, enrolment tickets and the
//! dashboard are five faces over the same four functions.
//!
//! Counting attempts and locking is the flow's work. So is claiming what a success spends: see [`Passed::spend`].

pub mod email;
pub mod phone;
pub mod recovery_code;
mod salted_hash;
pub(crate) mod sent_code;
pub mod totp;
pub mod webauthn;

#[cfg(test)]
mod contract;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assurance::{FactorType, Method};
use crate::env::Env;
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::message::{Channel, CodeToSend};
use crate::model::settings::Profile;
use crate::time::{Span, Timestamp};

pub use phone::PhoneNumber;
pub use sent_code::RESEND_AFTER;
pub use webauthn::{
    KeyAsk, KeyAsks, KeyRules, Keys, Listed, Place, RelatedOrigins, RelyingParty, UserHandle,
    UserVerification,
};

/// The factors that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// The device's own authenticator.
    WebauthnPlatform,
    /// A security key.
    WebauthnRoaming,
    /// Codes of an authenticator app.
    Totp,
    /// Codes by text message or call.
    Phone,
    /// Codes by mail.
    Email,
    /// The code that was written down.
    RecoveryCode,
}

/// All factors, the most secure first: the order in which they are offered.
pub const ALL: &[FactorKind] = &[
    FactorKind::WebauthnPlatform,
    FactorKind::WebauthnRoaming,
    FactorKind::Totp,
    FactorKind::Phone,
    FactorKind::Email,
    FactorKind::RecoveryCode,
];

impl FactorKind {
    /// Returns the factor's name in `guardian/factors/{name}`.
    pub const fn guardian_name(self) -> &'static str {
        match self {
            Self::WebauthnPlatform => "webauthn-platform",
            Self::WebauthnRoaming => "webauthn-roaming",
            Self::Totp => "otp",
            Self::Phone => "sms",
            Self::Email => "email",
            Self::RecoveryCode => "recovery-code",
        }
    }

    /// Returns the type of its authentication methods, and the prefix of their ids: `totp`, `recovery-code`.
    pub const fn method_type(self) -> &'static str {
        match self {
            Self::WebauthnPlatform => "webauthn-platform",
            Self::WebauthnRoaming => "webauthn-roaming",
            Self::Totp => "totp",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::RecoveryCode => "recovery-code",
        }
    }

    /// Returns the type in evidence, `mfa_requirements` and Actions.
    pub const fn factor_type(self) -> FactorType {
        match self {
            Self::WebauthnPlatform => FactorType::WebauthnPlatform,
            Self::WebauthnRoaming => FactorType::WebauthnRoaming,
            Self::Totp => FactorType::Otp,
            Self::Phone => FactorType::Phone,
            Self::Email => FactorType::Email,
            Self::RecoveryCode => FactorType::RecoveryCode,
        }
    }

    /// Returns `authenticator_type` of the MFA API.
    pub const fn authenticator_type(self) -> &'static str {
        match self {
            Self::WebauthnPlatform => "webauthn-platform",
            Self::WebauthnRoaming => "webauthn-roaming",
            Self::Totp => "otp",
            Self::Phone | Self::Email => "oob",
            Self::RecoveryCode => "recovery-code",
        }
    }

    /// Returns whether it can stand alone. The others only go beside one that can, and never make a user "enrolled".
    pub const fn independent(self) -> bool {
        matches!(self, Self::WebauthnRoaming | Self::Totp | Self::Phone)
    }

    /// Returns whether it is a key: the browser asks for it, and nobody types anything.
    pub const fn is_key(self) -> bool {
        matches!(self, Self::WebauthnPlatform | Self::WebauthnRoaming)
    }

    /// Returns the id of an authenticator in the authentication-method API, `totp|dev_…`.
    pub fn method_id(self, id: &AuthenticatorId) -> String {
        format!("{}|{id}", self.method_type())
    }

    /// Returns the factor of a name in `guardian/factors/{name}`.
    pub fn from_guardian_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|kind| kind.guardian_name() == name)
    }

    /// Returns the factor of an authentication-method type.
    pub fn from_method_type(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|kind| kind.method_type() == name)
    }

    fn behaviour(self) -> &'static dyn Factor {
        match self {
            Self::WebauthnPlatform => &webauthn::Webauthn::Platform,
            Self::WebauthnRoaming => &webauthn::Webauthn::Roaming,
            Self::Totp => &totp::Totp,
            Self::Phone => &phone::Phone,
            Self::Email => &email::Email,
            Self::RecoveryCode => &recovery_code::RecoveryCode,
        }
    }
}

impl fmt::Display for FactorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method_type())
    }
}

/// What a factor's folder implements. Called through the functions of this module only.
pub(crate) trait Factor: Sync {
    /// Draws what the new authenticator will hold. Nothing is enrolled by it.
    fn begin_enrolment(&self, ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError>;
    /// Returns what the person is shown, again and again until they confirm.
    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError>;
    /// Checks that the person holds it.
    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError>;
    /// Returns the private data of a challenge on at least one authenticator of this kind, and what has to be sent for it.
    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        ask: &ChallengeAsk,
        env: &mut Env,
    ) -> Result<Begun, FactorError>;
    /// Checks an answer by one of the authenticators that were challenged.
    fn verify(&self, on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Finding;
}

/// What a factor's folder makes of a wish to enrol or to be challenged.
pub(crate) struct Begun {
    /// Its own data. Never the code itself: that is in the message alone.
    pub(crate) data: Value,
    /// The code that has to reach the person.
    pub(crate) send: Option<CodeToSend>,
    /// How long a challenge stays open.
    pub(crate) life: Span,
}

impl Begun {
    /// Nothing has to be sent.
    const fn with(data: Value) -> Self {
        Self { data, send: None, life: CHALLENGE_LIFE }
    }
}

/// What a factor's folder found in an answer.
pub(crate) enum Finding {
    /// It is right; this is the proof, what it spends, and what is odd about it.
    Right { method: Method, spend: Option<Spend>, remark: Option<Remark> },
    /// It is not of the form that answers have. Not to be counted as a guess.
    Malformed,
    /// It is wrong.
    Wrong,
    /// It was right once, and has been spent.
    Replayed,
    /// It is right, and shows that there is a copy of the authenticator.
    Copied,
}

/// What a factor's folder makes of a confirmed draft.
pub(crate) struct Confirmed {
    /// The data that the authenticator keeps.
    pub(crate) data: Value,
    /// The proof, where confirming shows possession; and the step it spends.
    pub(crate) proof: Option<(Method, Option<Spend>)>,
}

/// How long an enrolment stays open without being touched.
pub const ENROLMENT_IDLE: Span = Span::minutes(5);

/// How long a drawn recovery code waits to be written down: as long as a login may take.
pub const WRITING_DOWN: Span = Span::hours(1);

/// How long a challenge stays open. Longer than any code lives: what ends a login is its own hour.
pub const CHALLENGE_LIFE: Span = Span::hours(1);

/// A wish to enrol.
#[derive(Clone, Debug)]
pub struct EnrolAsk {
    /// For whom.
    pub user: UserId,
    /// Who an authenticator app or key will say asks: the tenant's name.
    pub issuer: String,
    /// Which account it will show: email, username or phone number.
    pub account: String,
    /// Which rules count.
    pub profile: Profile,
    /// How the new authenticator is reached, for factors that send something.
    pub reach: Option<Reach>,
    /// Who asks for a key, for factors that are keys.
    pub key: Option<KeyAsk>,
}

/// A wish to challenge somebody.
#[derive(Clone, Debug)]
pub struct ChallengeAsk {
    /// Whom.
    pub user: UserId,
    /// By which channel, where the factor has several.
    pub channel: Option<Channel>,
    /// Which rules count.
    pub profile: Profile,
    /// Who asks for keys.
    pub keys: Keys,
}

/// How a person is reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// At a telephone.
    Phone {
        /// Its number.
        number: PhoneNumber,
        /// By text or call.
        channel: Channel,
    },
    /// At an address, in its normal spelling.
    Email(String),
}

/// A code that is on its way: what a page may say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// How.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
    /// When the code stops working.
    pub expires_at: Timestamp,
}

impl Sent {
    fn of(send: &CodeToSend, now: Timestamp) -> Self {
        Self { channel: send.channel, at: now, expires_at: send.expires_at }
    }

    /// Returns whether another code may be asked for.
    pub fn may_resend(&self, now: Timestamp) -> bool {
        now >= self.at + RESEND_AFTER || now < self.at
    }
}

/// An enrolment that waits for confirmation. Secret: keep it sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The identifier that the authenticator will have.
    pub id: AuthenticatorId,
    /// For whom.
    pub user: UserId,
    /// Which factor.
    pub kind: FactorKind,
    /// Who the authenticator app will say asks for the code.
    pub issuer: String,
    /// Which account it will show.
    pub account: String,
    /// Which rules count.
    pub profile: Profile,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was last looked at or answered.
    pub touched_at: Timestamp,
    /// The code that was sent to confirm it.
    #[serde(default)]
    pub sent: Option<Sent>,
    #[serde(default)]
    misses: u8,
    /// How long it may be left alone, where that is not the pages' time.
    #[serde(default)]
    idle: Option<Span>,
    data: Value,
}

impl Draft {
    /// Returns the same with another time that it may be left alone: an API has no page whose buttons would say that somebody is still there.
    #[must_use]
    pub const fn lasting(mut self, idle: Span) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Returns whether it was left alone for too long.
    pub fn expired(&self, now: Timestamp) -> bool {
        now.since(self.touched_at) > self.idle()
    }

    /// Returns how long it may be left alone.
    pub const fn idle(&self) -> Span {
        match (self.idle, self.kind) {
            (Some(idle), _) => idle,
            (None, FactorKind::RecoveryCode) => WRITING_DOWN,
            (
                None,
                FactorKind::WebauthnPlatform
                | FactorKind::WebauthnRoaming
                | FactorKind::Totp
                | FactorKind::Phone
                | FactorKind::Email,
            ) => ENROLMENT_IDLE,
        }
    }

    /// Notes that the person is still at it. An expired draft stays expired.
    pub fn touch(&mut self, now: Timestamp) {
        if !self.expired(now) {
            self.touched_at = self.touched_at.max(now);
        }
    }

    /// Notes a wrong answer. A code that was sent dies after a few, what a key was asked at the first.
    pub fn miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Returns whether the code that was sent, or what a key was asked, has died of age or wrong answers. The draft lives: it may be asked
    /// anew.
    pub fn code_is_dead(&self, now: Timestamp) -> bool {
        is_dead(self.kind, self.sent, self.misses, now)
    }

    /// Returns the authenticator that lists show as not yet active.
    pub fn pending(&self) -> Authenticator {
        Authenticator {
            id: self.id.clone(),
            user: self.user.clone(),
            kind: self.kind,
            confirmed: false,
            name: None,
            data: Value::Null,
            spent_step: None,
            created_at: self.begun_at,
            enrolled_at: None,
            last_auth_at: None,
            link_id: None,
        }
    }
}

/// Without the secret: debug output ends in logs.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What the page or answer of an enrolment shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// A seed for an authenticator app.
    Totp {
        /// The seed in base32, for answers of the API.
        secret: String,
        /// The same in groups of four, to be typed by hand.
        manual_key: String,
        /// What the QR code says.
        uri: String,
    },
    /// A recovery code to write down.
    RecoveryCode(String),
    /// A code is on its way.
    Sent {
        /// How.
        channel: Channel,
        /// Where to, masked.
        to: String,
    },
    /// What the browser is given to make a key (`PublicKeyCredentialCreationOptions` as JSON).
    PublicKey(Value),
}

/// An answer of the person.
#[derive(Clone)]
pub enum Input {
    /// A typed code.
    Code(String),
    /// "I have saved it": the tick under a recovery code.
    Saved,
    /// The browser's `PublicKeyCredential` as JSON.
    Key(String),
}

fn is_dead(kind: FactorKind, sent: Option<Sent>, misses: u8, now: Timestamp) -> bool {
    let asked_and_missed = kind.is_key() && misses > 0;
    asked_and_missed || sent.is_some_and(|sent| now > sent.expires_at || misses >= sent_code::GUESSES)
}

impl Input {
    /// Returns a typed code.
    pub fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }
}

/// A challenge that waits for its answer. Secret: keep it sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Challenge {
    /// Who must answer: the user of the transaction, whoever owns the authenticator that turns up.
    pub user: UserId,
    /// With which authenticators: any one of them will do.
    pub authenticators: Vec<AuthenticatorId>,
    /// Which factor it is.
    pub kind: FactorKind,
    /// Which rules count.
    pub profile: Profile,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The code that was sent for it.
    #[serde(default)]
    pub sent: Option<Sent>,
    #[serde(default)]
    misses: u8,
    data: Value,
}

impl Challenge {
    /// Notes a wrong answer. A code that was sent dies after a few, what a key was asked at the first.
    pub fn miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Returns whether the code that was sent, or what a key was asked, has died of age or wrong answers.
    pub fn code_is_dead(&self, now: Timestamp) -> bool {
        is_dead(self.kind, self.sent, self.misses, now)
    }
}

/// Without the secret: debug output ends in logs.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("authenticators", &self.authenticators).finish_non_exhaustive()
    }
}

/// The verdict over an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Right.
    Passed(Passed),
    /// Not of the form that answers have; no guess.
    Malformed,
    /// Wrong.
    Wrong,
    /// It was right once, and has been spent. To the person it is as wrong as any.
    Replayed,
    /// This key signed rightly, and its counter shows that there is a copy of it. It does not pass; its owner has to be told.
    Copied(AuthenticatorId),
    /// The challenge is too old, or its code has died of wrong answers.
    Expired,
    /// No answer yet (push).
    Pending,
    /// Refused: by the person (push), or because the authenticator is gone, unconfirmed or somebody else's.
    Denied,
}

impl Verdict {
    /// Of the verdicts of several authenticators over one answer, the most telling counts.
    const fn tells(&self) -> u8 {
        match self {
            Self::Passed(_) => 6,
            Self::Copied(_) => 5,
            Self::Wrong | Self::Replayed => 4,
            Self::Expired => 3,
            Self::Malformed => 2,
            Self::Pending => 1,
            Self::Denied => 0,
        }
    }
}

/// Proof that a user has passed a factor. Made by [`verify`] and [`confirm`] alone.
#[must_use = "a success counts only when it reaches the login machine, and what it spends is claimed"]
#[derive(Debug, PartialEq)]
pub struct Passed {
    user: UserId,
    authenticator: AuthenticatorId,
    kind: FactorKind,
    method: Method,
    spend: Option<Spend>,
    remark: Option<Remark>,
}

/// What a success uses up. The store claims it in one statement; who loses the race has not passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Spend {
    /// This time step and all before it: `update … set spent_step = $2 where id = $1 and (spent_step is null or spent_step < $2)`.
    Step(i64),
    /// The authenticator itself, which is dead from then on: claim it with `update … set spent_at … where spent_at is null`
    /// or delete it; exactly one row must be hit.
    Once,
    /// The signature counter of a key up to this one, and what the key is known by from now on: `update … set spent_step = $2, data = $3
    /// where id = $1 and (spent_step is null or spent_step < $2 or (spent_step = 0 and $2 = 0))`. A key without a counter says 0 always: so
    /// the challenge is spent too, as with [`Self::Challenge`].
    Counter {
        /// The counter.
        count: i64,
        /// The authenticator's new data.
        data: Private,
    },
    /// The challenge or draft that was answered: whoever keeps it forgets it in the commit of the success, under the version that was read.
    Challenge,
}

/// A factor's own data on its way to the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Private(pub Value);

/// Without the data: debug output ends in logs.
impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private")
    }
}

/// Something odd about a right answer, for the tenant's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A key says that it may be copied to other devices, and did not say so before.
    BackupEligible,
    /// A key says that it may not be copied to other devices, and said the opposite before.
    NotBackupEligible,
}

impl Remark {
    /// Returns the word for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackupEligible => "backup_eligible_now",
            Self::NotBackupEligible => "backup_eligible_no_longer",
        }
    }
}

impl Passed {
    /// Returns who has passed.
    pub const fn user(&self) -> &UserId {
        &self.user
    }
    /// Returns with which authenticator.
    pub const fn authenticator(&self) -> &AuthenticatorId {
        &self.authenticator
    }
    /// Returns which factor it is.
    pub const fn kind(&self) -> FactorKind {
        self.kind
    }
    /// Returns the evidence for session and grant.
    pub const fn method(&self) -> &Method {
        &self.method
    }
    /// Returns what has to be claimed atomically for the success to count.
    pub const fn spend(&self) -> Option<&Spend> {
        self.spend.as_ref()
    }
    /// Returns what is odd about it.
    pub const fn remark(&self) -> Option<Remark> {
        self.remark
    }
}

/// A finished enrolment.
#[derive(Debug)]
pub struct Enrolled {
    /// The authenticator to save. The step that confirmed it is already spent in it.
    pub authenticator: Authenticator,
    /// The proof, if confirming showed possession. Writing down a recovery code shows none.
    pub passed: Option<Passed>,
}

/// Why a call to a factor came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// The answer has not the form that answers have.
    #[error("the answer is malformed")]
    Malformed,
    /// The answer is wrong.
    #[error("the answer is wrong")]
    Wrong,
    /// The model of the key may not be enrolled, or is not proven.
    #[error(transparent)]
    Model(webauthn::attestation::Unattested),
    /// The enrolment was left alone for too long.
    #[error("the enrolment has expired")]
    Expired,
    /// There is no number or address to send a code to, or no domain that could ask for the key.
    #[error("this factor needs a number, address or domain")]
    Unreachable,
    /// The authenticator is not this user's, or not confirmed.
    #[error("this authenticator cannot be used here")]
    Unusable,
    /// What is stored cannot be read: a fault of ours.
    #[error("the stored data of this authenticator cannot be read")]
    Broken,
}

/// Begins an enrolment. The draft is kept until it is confirmed or forgotten; it replaces nothing. What comes with it has to be sent in
/// the commit that keeps the draft.
pub fn begin_enrolment(
    kind: FactorKind,
    ask: &EnrolAsk,
    env: &mut Env,
) -> Result<(Draft, Option<CodeToSend>), FactorError> {
    let Begun { data, send, .. } = kind.behaviour().begin_enrolment(ask, env)?;
    let draft = Draft {
        id: AuthenticatorId::new(env.rng()),
        user: ask.user.clone(),
        kind,
        issuer: ask.issuer.clone(),
        account: ask.account.clone(),
        profile: ask.profile,
        begun_at: env.now,
        touched_at: env.now,
        sent: send.as_ref().map(|send| Sent::of(send, env.now)),
        misses: 0,
        idle: None,
        data,
    };
    Ok((draft, send))
}

/// Returns what the person is shown. It is the same however often it is asked.
pub fn shown(draft: &Draft) -> Result<Shown, FactorError> {
    draft.kind.behaviour().shown(draft)
}

/// Confirms an enrolment with the person's first answer.
pub fn confirm(draft: &Draft, input: &Input, env: &mut Env) -> Result<Enrolled, FactorError> {
    if draft.expired(env.now) || draft.code_is_dead(env.now) {
        return Err(FactorError::Expired);
    }
    let Confirmed { data, proof } = draft.kind.behaviour().confirm(draft, input, env)?;
    let passed = proof.map(|(method, spend)| Passed {
        user: draft.user.clone(),
        authenticator: draft.id.clone(),
        kind: draft.kind,
        method,
        spend,
        remark: None,
    });
    let authenticator = Authenticator {
        confirmed: true,
        data,
        spent_step: match passed.as_ref().and_then(Passed::spend) {
            Some(Spend::Step(step)) => Some(*step),
            Some(Spend::Counter { count, .. }) => Some(*count),
            _ => None,
        },
        enrolled_at: Some(env.now),
        last_auth_at: passed.as_ref().map(|_| env.now),
        ..draft.pending()
    };
    Ok(Enrolled { authenticator, passed })
}

/// Returns how the code of a draft was sent, to send another one: by the same channel unless another is named.
pub fn reach_of(draft: &Draft, channel: Option<Channel>) -> Option<Reach> {
    match draft.kind {
        FactorKind::Phone => phone::reach(draft, channel),
        FactorKind::Email => email::reach(draft),
        FactorKind::WebauthnPlatform
        | FactorKind::WebauthnRoaming
        | FactorKind::Totp
        | FactorKind::RecoveryCode => None,
    }
}

/// Returns the number or address of an authenticator as it is shown to somebody who has not proven yet that it is theirs.
pub fn masked(on: &Authenticator) -> Option<String> {
    match on.kind {
        FactorKind::Phone => phone::number(on).map(|number| number.masked()),
        FactorKind::Email => email::address(on).map(|address| email::masked(&address)),
        FactorKind::WebauthnPlatform
        | FactorKind::WebauthnRoaming
        | FactorKind::Totp
        | FactorKind::RecoveryCode => None,
    }
}

/// Begins a challenge on authenticators of one kind, all of one user: any of them may answer. A code is sent to one only. What comes with
/// it has to be sent in the commit that keeps the challenge.
pub fn begin_challenge(
    on: &[&Authenticator],
    ask: &ChallengeAsk,
    env: &mut Env,
) -> Result<(Challenge, Option<CodeToSend>), FactorError> {
    let kind = on.first().map(|on| on.kind).ok_or(FactorError::Unusable)?;
    if !on.iter().all(|on| on.confirmed && on.user == ask.user && on.kind == kind) {
        return Err(FactorError::Unusable);
    }
    let Begun { data, send, life } = kind.behaviour().begin_challenge(on, ask, env)?;
    let challenge = Challenge {
        user: ask.user.clone(),
        authenticators: on.iter().map(|on| on.id.clone()).collect(),
        kind,
        profile: ask.profile,
        begun_at: env.now,
        expires_at: env.now + life,
        sent: send.as_ref().map(|send| Sent::of(send, env.now)),
        misses: 0,
        data,
    };
    Ok((challenge, send))
}

/// Checks an answer to a challenge. `held` are authenticators as they are stored now; those that were not challenged do not count, and one
/// that has been removed is not among them.
pub fn verify<'a>(
    held: impl IntoIterator<Item = &'a Authenticator>,
    asked: &Challenge,
    input: &Input,
    env: &Env,
) -> Verdict {
    let mut best = Verdict::Denied;
    for on in held {
        let verdict = verify_one(on, asked, input, env);
        if verdict.tells() > best.tells() {
            best = verdict;
        }
    }
    best
}

fn verify_one(on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Verdict {
    let challenged = on.kind == asked.kind && asked.authenticators.contains(&on.id);
    if !challenged || !on.confirmed || on.user != asked.user {
        return Verdict::Denied;
    }
    if env.now > asked.expires_at || asked.code_is_dead(env.now) {
        return Verdict::Expired;
    }
    match on.kind.behaviour().verify(on, asked, input, env) {
        Finding::Right { method, spend, remark } => Verdict::Passed(Passed {
            user: on.user.clone(),
            authenticator: on.id.clone(),
            kind: on.kind,
            method,
            spend,
            remark,
        }),
        Finding::Malformed => Verdict::Malformed,
        Finding::Wrong => Verdict::Wrong,
        Finding::Replayed => Verdict::Replayed,
        Finding::Copied => Verdict::Copied(on.id.clone()),
    }
}

/// Returns a text in groups of four, as people read and type long codes.
fn grouped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for (i, c) in text.chars().enumerate() {
        if i > 0 && i % 4 == 0 {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Reads a typed code: exactly `count` ASCII digits once blanks and dashes are gone.
fn digits(input: &Input, count: u32) -> Option<String> {
    let Input::Code(text) = input else { return None };
    // Nobody types more separators than digits; a long text is not walked through.
    if text.len() > 64 {
        return None;
    }
    let code: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\t' | '\u{a0}')).collect();
    (code.len() == count as usize && code.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

fn read<T: for<'a> Deserialize<'a>>(data: &Value) -> Result<T, FactorError> {
    T::deserialize(data).map_err(|_| FactorError::Broken)
}

fn write(data: &impl Serialize) -> Result<Value, FactorError> {
    serde_json::to_value(data).map_err(|_| FactorError::Broken)
}
