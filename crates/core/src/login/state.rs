//! The states of a login. Each owns the facts that it needs; `steps.rs` moves from one to the next.
//!
//! ```text
//! begin ─┬─ AskIdentifier ─ AskPassword ─┐            (login-id, login-password; login; a passkey from either)
//!        ├─ AskSignup ───────────────────┤            (signup; see `signup`)
//!        │   └ AskSignupPasskey ─ AskSignupPassword ┤ (signup-id, passkey-enrollment, signup-password)
//!        └─ a session that will do ──────┴─► Deciding ◄───────────────────────────────┐
//!                                              ├─ Enrol (see `enrolment`) ───────────┤
//!                                              │   └ ShowEnrolled (a key) ───────────┤
//!                                              ├─ [AskChannel] ChallengeFactor ──────┤
//!                                              │   ├ ListAuthenticators ◄► back      │
//!                                              │   └ ChooseMethod ◄► back            │
//!                                              │        └ ChallengeRecovery ─ ShowNewRecoveryCode
//!                                              ├─ AskOffer (see `offer`) ────────────┤
//!                                              ├─ DetectBrowser (see `device_key`) ──┤
//!                                              ├─ AskConsent ────────────────────────┘
//!                                              ├─► LoggedIn
//!                                              └─► Refused
//! ```
//!
//! Every way to [`LoggedIn`] leads through [`Deciding`], which asks `demand.rs` anew with what is true at that moment. So
//! going back, a second tab, or a policy that changed meanwhile never leads past it.
//!
//! A login is stored sealed, under a version, between two requests. Reading one back trusts our own storage: outside of
//! that, a [`LoggedIn`], a [`FirstFactor`] and a [`Receipt`] come out of the transitions alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::demand::{Asks, Decision, NotNeeded};
use super::device_key::KeyOffer;
use super::enrolment::{Enrolment, Stage};
pub use super::offer::AskOffer;
use super::offer::OfferKind;
use super::session::{Proven, WhyLogIn};
use super::signup::SignupBy;
pub use super::signup::{AskSignup, AskSignupPasskey, AskSignupPassword};
use crate::assurance::Methods;
use crate::factors::{Challenge, FactorError, FactorKind, Passed, Sent, webauthn};
use crate::ids::{AuthenticatorId, UserId};
use crate::model::message::Channel;
use crate::time::Timestamp;

/// A login under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Login {
    /// Waits for the identifier (identifier-first).
    AskIdentifier(AskIdentifier),
    /// Waits for the password, and on the one-page form for the identifier too.
    AskPassword(AskPassword),
    /// Waits for a sign-up, or for the names alone.
    AskSignup(AskSignup),
    /// Waits for the passkey that makes the account.
    AskSignupPasskey(AskSignupPasskey),
    /// Waits for the password of a sign-up without one.
    AskSignupPassword(AskSignupPassword),
    /// The first factor stands; what follows is to be decided. Shows nothing: the flow loads the facts and goes on.
    Deciding(Deciding),
    /// Something is being enrolled: a factor, or the recovery code after it.
    Enrol(Enrol),
    /// Says that a key is enrolled.
    ShowEnrolled(ShowEnrolled),
    /// Waits for what the browser says of itself, before a key of the device is offered.
    DetectBrowser(DetectBrowser),
    /// Waits for the second factor.
    ChallengeFactor(ChallengeFactor),
    /// Waits for the choice between text and call; nothing is sent yet.
    AskChannel(AskChannel),
    /// Waits for the choice of another number or address.
    ListAuthenticators(ListAuthenticators),
    /// Waits for the choice of another method.
    ChooseMethod(ChooseMethod),
    /// Waits for the recovery code.
    ChallengeRecovery(ChallengeRecovery),
    /// Shows the recovery code that replaces the used one, and waits for the tick.
    ShowNewRecoveryCode(ShowNewRecoveryCode),
    /// Offers something that the person may leave.
    AskOffer(AskOffer),
    /// Waits for consent.
    AskConsent(AskConsent),
    /// Over: a code may be issued.
    LoggedIn(LoggedIn),
    /// Over: an error goes to the client, or a message to the person.
    Refused(Refused),
}

/// What the transaction was begun with. It never changes: not by another tab, nor by a changed URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked for; `policy_always` is read anew at each decision.
    pub asks: Asks,
    /// `screen_hint=signup`.
    pub signup_first: bool,
    /// Whether the tenant asks for the identifier on a page of its own.
    pub identifier_first: bool,
    /// With what people may make an account.
    #[serde(default)]
    pub signup_by: SignupBy,
    /// `login_hint`, or the identifier of the session that would not do: what the form is filled with.
    pub login_hint: Option<String>,
    /// Why the first factor has to be proven, for the decision record. Set by `begin`.
    #[serde(default)]
    pub(super) asked_because: Option<WhyLogIn>,
}

/// See [`Login::AskIdentifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskIdentifier {
    pub(super) request: Request,
    pub(super) identifier: Option<String>,
}

/// See [`Login::AskPassword`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskPassword {
    pub(super) request: Request,
    pub(super) identifier: Option<String>,
}

/// Proof that the first factor stands: given in this transaction, or by a session that the request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstFactor {
    pub(super) here: bool,
}

impl FirstFactor {
    /// Returns whether it was given in this transaction.
    pub const fn here(self) -> bool {
        self.here
    }
}

/// What is left of a [`Passed`] once its spending is on its way to the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    user: UserId,
    authenticator: AuthenticatorId,
    kind: FactorKind,
    at: Timestamp,
}

impl Receipt {
    pub(super) fn of(passed: &Passed) -> Self {
        Self {
            user: passed.user().clone(),
            authenticator: passed.authenticator().clone(),
            kind: passed.kind(),
            at: passed.method().at,
        }
    }
    /// Returns who passed.
    pub const fn user(&self) -> &UserId {
        &self.user
    }
    /// Returns with which authenticator.
    pub const fn authenticator(&self) -> &AuthenticatorId {
        &self.authenticator
    }
    /// Returns with which factor.
    pub const fn kind(&self) -> FactorKind {
        self.kind
    }
    /// Returns when.
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

/// How far a person has come after the first factor. Part of all states behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub(super) request: Request,
    pub(super) user: UserId,
    pub(super) first: FirstFactor,
    pub(super) second: Option<Receipt>,
    pub(super) methods: Methods,
    pub(super) auth_time: Timestamp,
    pub(super) enrolled_here: bool,
    pub(super) session_saved: bool,
    pub(super) consented: bool,
    /// Whether the first factor was a passkey of another device.
    #[serde(default)]
    pub(super) from_elsewhere: bool,
    /// What was offered in this login: nothing is offered twice.
    #[serde(default)]
    pub(super) offered: Vec<OfferKind>,
    #[serde(default)]
    pub(super) key_offer: KeyOffer,
}

impl Progress {
    /// Returns what is proven so far.
    pub fn proven(&self) -> Proven {
        Proven {
            methods: self.methods.clone(),
            auth_time: self.auth_time,
            first_here: self.first.here,
            second_here: self.second.is_some(),
        }
    }
}

/// See [`Login::Deciding`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deciding {
    pub(super) progress: Progress,
}

/// See [`Login::Enrol`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrol {
    pub(super) progress: Progress,
    pub(super) enrolment: Enrolment,
    /// Whether it is an offer that may be left: the login has succeeded without it.
    #[serde(default)]
    pub(super) offered: bool,
}

impl Enrol {
    /// Returns the enrolment.
    pub const fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }

    /// Returns whether the page may be left by "Remind me later" and "Not on this device".
    pub const fn may_be_left(&self) -> bool {
        self.offered && matches!(self.enrolment.stage(), Stage::Key { .. })
    }
}

/// See [`Login::ShowEnrolled`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowEnrolled {
    pub(super) progress: Progress,
    pub(super) kind: FactorKind,
}

impl ShowEnrolled {
    /// Returns what is enrolled.
    pub const fn kind(&self) -> FactorKind {
        self.kind
    }
}

/// See [`Login::DetectBrowser`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectBrowser {
    pub(super) progress: Progress,
}

/// See [`Login::ChallengeFactor`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengeFactor {
    pub(super) progress: Progress,
    pub(super) kind: FactorKind,
    /// On each authenticator of this kind, unless a code was sent to one: who has two apps may use either.
    pub(super) challenge: Challenge,
    pub(super) others: Vec<FactorKind>,
    pub(super) remember_offered: bool,
    /// Where a code was sent, masked.
    pub(super) to: Option<String>,
    /// The channels that another code may take.
    pub(super) channels: Vec<Channel>,
    /// Whether there are other numbers or addresses.
    pub(super) listed: bool,
}

impl ChallengeFactor {
    /// Returns which factor is asked for.
    pub const fn kind(&self) -> FactorKind {
        self.kind
    }

    /// Returns what the browser is given to ask for a key, where one is asked for.
    pub fn key_options(&self) -> Option<Result<Value, FactorError>> {
        self.kind.is_key().then(|| webauthn::request_options(&self.challenge))
    }

    /// Returns whether the page shows "Remember this device".
    pub const fn remember_offered(&self) -> bool {
        self.remember_offered
    }

    /// Returns whether the page shows "Try another method".
    pub fn can_try_another(&self) -> bool {
        !self.others.is_empty()
    }

    /// Returns where the code was sent, masked.
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// Returns the code that is on its way.
    pub fn sent(&self) -> Option<Sent> {
        self.challenge.sent
    }

    /// Returns the channel that another code could take instead.
    pub fn other_channel(&self) -> Option<Channel> {
        let used = self.sent()?.channel;
        self.channels.iter().copied().find(|channel| *channel != used)
    }

    /// Returns whether there are other numbers or addresses to choose from.
    pub const fn listed(&self) -> bool {
        self.listed
    }
}

/// See [`Login::AskChannel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskChannel {
    pub(super) progress: Progress,
    pub(super) authenticator: AuthenticatorId,
    pub(super) to: String,
    pub(super) channels: Vec<Channel>,
    pub(super) others: Vec<FactorKind>,
    pub(super) remember_offered: bool,
    pub(super) listed: bool,
}

impl AskChannel {
    /// Returns the number, masked.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Returns the channels to choose from.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Returns whether the page shows "Try another method".
    pub fn can_try_another(&self) -> bool {
        !self.others.is_empty()
    }

    /// Returns whether there are other numbers to choose from.
    pub const fn listed(&self) -> bool {
        self.listed
    }
}

/// See [`Login::ListAuthenticators`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListAuthenticators {
    pub(super) progress: Progress,
    pub(super) kind: FactorKind,
    pub(super) options: Vec<(AuthenticatorId, String)>,
    pub(super) others: Vec<FactorKind>,
    pub(super) remember_offered: bool,
    /// Where Back leads: the page as it was, so that nothing is sent again.
    pub(super) before: Box<Login>,
}

impl ListAuthenticators {
    /// Returns what there is to choose from: id and masked number or address.
    pub fn options(&self) -> &[(AuthenticatorId, String)] {
        &self.options
    }
}

/// Returns the screen that waits for a code that was sent.
pub(super) const fn code_screen(channel: Option<Channel>) -> (&'static str, &'static str) {
    match channel {
        Some(Channel::Voice) => ("mfa-voice", "mfa-voice-challenge"),
        Some(Channel::Email) => ("mfa-email", "mfa-email-challenge"),
        Some(Channel::Sms) | None => ("mfa-sms", "mfa-sms-challenge"),
    }
}

/// See [`Login::ChooseMethod`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChooseMethod {
    pub(super) progress: Progress,
    pub(super) options: Vec<FactorKind>,
    pub(super) remember_offered: bool,
    /// Where Back leads: the challenge as it was, so that nothing is sent again.
    pub(super) before: Box<Login>,
}

impl ChooseMethod {
    /// Returns the methods to choose from.
    pub fn options(&self) -> &[FactorKind] {
        &self.options
    }
}

/// See [`Login::ChallengeRecovery`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengeRecovery {
    pub(super) progress: Progress,
    pub(super) challenge: Challenge,
    pub(super) others: Vec<FactorKind>,
    /// Not for this page, which never shows the box, but for the method that is picked after it.
    pub(super) remember_offered: bool,
}

/// See [`Login::ShowNewRecoveryCode`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ShowNewRecoveryCode {
    pub(super) progress: Progress,
    pub(super) code: String,
}

impl ShowNewRecoveryCode {
    /// Returns the code. It is active already.
    pub fn code(&self) -> &str {
        &self.code
    }
}

/// Without the code: debug output ends in logs.
impl std::fmt::Debug for ShowNewRecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShowNewRecoveryCode").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// See [`Login::AskConsent`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskConsent {
    pub(super) progress: Progress,
}

/// The end of a login that succeeded. Only `steps.rs` makes one, and only from a first factor and an [`MfaOutcome`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedIn {
    pub(super) user: UserId,
    pub(super) first: FirstFactor,
    pub(super) mfa: MfaOutcome,
    pub(super) methods: Methods,
    pub(super) auth_time: Timestamp,
    pub(super) decision: Decision,
    #[serde(default)]
    pub(super) consented: bool,
}

/// What became of MFA. "None" must say why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MfaOutcome {
    /// Passed in this transaction.
    Passed(Receipt),
    /// Not needed, for this reason.
    NotNeeded(NotNeeded),
}

impl LoggedIn {
    /// Returns who logged in.
    pub const fn user(&self) -> &UserId {
        &self.user
    }
    /// Returns the first factor.
    pub const fn first(&self) -> FirstFactor {
        self.first
    }
    /// Returns what became of MFA.
    pub const fn mfa(&self) -> &MfaOutcome {
        &self.mfa
    }
    /// Returns the evidence for the code: the copy that code and grant keep.
    pub const fn methods(&self) -> &Methods {
        &self.methods
    }
    /// Returns when the last interactive ceremony ended.
    pub const fn auth_time(&self) -> Timestamp {
        self.auth_time
    }
    /// Returns the last decision.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }
    /// Returns whether the person was asked for consent in this login, and gave it.
    pub const fn consented(&self) -> bool {
        self.consented
    }
}

/// The end of a login that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
}

/// Why a login ends without a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// `login_required`, "Login required": prompt=none, and the person would have to log in.
    LoginRequired,
    /// `login_required`, "Multifactor authentication required": prompt=none, and MFA would be needed.
    MfaRequired,
    /// `consent_required`: prompt=none, and consent would be needed.
    ConsentRequired,
    /// `access_denied`: the person declined.
    ConsentDeclined,
    /// `unmet_authentication_requirements`: the request asks for MFA, and no factor is enabled.
    UnmetAuthenticationRequirements,
    /// The status screen with the text `mfa-required`: the policy asks for MFA, and no factor is enabled.
    NoFactorAvailable,
    /// What is stored cannot be read: a fault of ours.
    Internal,
}

/// A screen by Auth0's names; its texts are keyed `prompt.screen.key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The prompt.
    pub prompt: &'static str,
    /// The screen.
    pub name: &'static str,
}

/// Something that a page accepts: which forms and links it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// An identifier.
    Identifier,
    /// A password, with the identifier on the one-page form.
    Password,
    /// "Edit" beside a fixed identifier.
    EditIdentifier,
    /// The sign-up form.
    Signup,
    /// A link from login to sign-up.
    GoToSignup,
    /// A link from sign-up to login.
    GoToLogin,
    /// A code.
    Code,
    /// A key.
    Key,
    /// A name for it.
    Name,
    /// The box "Remember this device" beside it.
    Remember,
    /// The tick "I have saved it".
    Saved,
    /// "Trouble scanning?": show the key.
    ShowKey,
    /// Show the QR code.
    ShowQr,
    /// A telephone number, with the channel where there are two.
    Number,
    /// An address.
    Address,
    /// Send another code.
    Resend,
    /// Edit beside the number that is being enrolled.
    Edit,
    /// Send the code by the other channel.
    OtherChannel,
    /// The choice between text and call.
    Channel,
    /// Another number or address.
    List,
    /// The choice of one.
    PickAuthenticator,
    /// The list of countries.
    ListCountries,
    /// The choice of one.
    PickCountry,
    /// "Try another method".
    TryAnother,
    /// The choice of a method.
    Pick,
    /// "Back".
    Back,
    /// What the browser can do.
    Browser,
    /// Nothing but Continue.
    Continue,
    /// Accept or decline.
    Consent,
    /// "Not now", with "do not show again".
    Leave,
}

impl Login {
    /// Returns the screen that the state shows; `None` where it shows no page of the login.
    pub fn screen(&self) -> Option<Screen> {
        let (prompt, name) = match self {
            Self::AskIdentifier(_) => ("login-id", "login-id"),
            Self::AskPassword(s) if s.request.identifier_first => ("login-password", "login-password"),
            Self::AskPassword(_) => ("login", "login"),
            Self::AskSignup(s) if s.names_only() => ("signup-id", "signup-id"),
            Self::AskSignup(_) => ("signup", "signup"),
            Self::AskSignupPasskey(_) => ("passkeys", "passkey-enrollment"),
            Self::AskSignupPassword(_) => ("signup-password", "signup-password"),
            Self::Enrol(s) => return Some(s.enrolment.screen()),
            Self::ShowEnrolled(_) => ("mfa-webauthn", "mfa-webauthn-enrollment-success"),
            Self::DetectBrowser(_) => ("mfa", "mfa-detect-browser-capabilities"),
            Self::ChallengeFactor(s) => match s.kind {
                FactorKind::WebauthnRoaming => ("mfa-webauthn", "mfa-webauthn-roaming-challenge"),
                FactorKind::WebauthnPlatform => ("mfa-webauthn", "mfa-webauthn-platform-challenge"),
                FactorKind::Totp | FactorKind::RecoveryCode => ("mfa-otp", "mfa-otp-challenge"),
                FactorKind::Phone | FactorKind::Email => code_screen(s.sent().map(|sent| sent.channel)),
            },
            Self::AskChannel(_) => ("mfa-phone", "mfa-phone-challenge"),
            Self::ListAuthenticators(s) if s.kind == FactorKind::Email => ("mfa-email", "mfa-email-list"),
            Self::ListAuthenticators(_) => ("mfa-sms", "mfa-sms-list"),
            Self::ChooseMethod(_) => ("mfa", "mfa-login-options"),
            Self::ChallengeRecovery(_) => ("mfa-recovery-code", "mfa-recovery-code-challenge"),
            Self::ShowNewRecoveryCode(_) => ("mfa-recovery-code", "mfa-recovery-code-challenge-new-code"),
            Self::AskOffer(s) => match s.kind() {
                // A key of the device is offered by an enrolment, never by this page.
                OfferKind::Passkey | OfferKind::DeviceKey => ("passkeys", "passkey-enrollment"),
                OfferKind::PasskeyHere => ("passkeys", "passkey-enrollment-local"),
            },
            Self::AskConsent(_) => ("consent", "consent"),
            Self::Refused(Refused { why: Refusal::NoFactorAvailable }) => ("status", "status"),
            Self::Deciding(_) | Self::LoggedIn(_) | Self::Refused(_) => return None,
        };
        Some(Screen { prompt, name })
    }

    /// Returns what the page accepts.
    pub fn accepts(&self) -> Vec<Accepts> {
        use Accepts as A;
        match self {
            Self::AskIdentifier(_) => vec![A::Identifier, A::GoToSignup],
            Self::AskPassword(s) if s.request.identifier_first => {
                vec![A::Password, A::EditIdentifier, A::GoToSignup]
            }
            Self::AskPassword(_) => vec![A::Password, A::GoToSignup],
            Self::AskSignup(_) => vec![A::Signup, A::GoToLogin],
            Self::AskSignupPasskey(s) => {
                let leave = s.may_be_left().then_some(A::Leave);
                [A::Key, A::EditIdentifier, A::GoToLogin].into_iter().chain(leave).collect()
            }
            Self::AskSignupPassword(_) => vec![A::Password, A::EditIdentifier, A::GoToLogin],
            Self::Enrol(s) => {
                let mut all = s.enrolment.accepts();
                all.extend(s.may_be_left().then_some(A::Leave));
                all
            }
            Self::ShowEnrolled(_) => vec![A::Continue],
            Self::DetectBrowser(_) => vec![A::Browser],
            Self::ShowNewRecoveryCode(_) => vec![A::Saved],
            Self::AskChannel(s) => {
                [Some(A::Channel), s.listed.then_some(A::List), s.can_try_another().then_some(A::TryAnother)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::ListAuthenticators(_) => vec![A::PickAuthenticator, A::Back],
            Self::ChallengeFactor(s) => [
                Some(if s.kind.is_key() { A::Key } else { A::Code }),
                s.remember_offered.then_some(A::Remember),
                s.to.is_some().then_some(A::Resend),
                s.other_channel().map(|_| A::OtherChannel),
                s.listed.then_some(A::List),
                s.can_try_another().then_some(A::TryAnother),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Self::ChallengeRecovery(_) => vec![A::Code, A::TryAnother],
            Self::ChooseMethod(_) => vec![A::Pick, A::Back],
            Self::AskOffer(_) => vec![A::Key, A::Leave],
            Self::AskConsent(_) => vec![A::Consent],
            Self::Deciding(_) | Self::LoggedIn(_) | Self::Refused(_) => vec![],
        }
    }

    /// Returns what the identifier field shows.
    pub fn identifier(&self) -> Option<&str> {
        match self {
            Self::AskIdentifier(AskIdentifier { identifier, .. })
            | Self::AskPassword(AskPassword { identifier, .. })
            | Self::AskSignup(AskSignup { identifier, .. }) => identifier.as_deref(),
            Self::AskSignupPasskey(s) => Some(&s.names.email),
            Self::AskSignupPassword(s) => Some(&s.names.email),
            _ => None,
        }
    }

    /// Returns the user, once the first factor stands: whose facts the flow has to load.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::LoggedIn(s) => Some(&s.user),
            other => other.progress().map(|p| &p.user),
        }
    }

    /// Returns how far the person has come, in the states between first factor and end.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::Deciding(Deciding { progress })
            | Self::Enrol(Enrol { progress, .. })
            | Self::ShowEnrolled(ShowEnrolled { progress, .. })
            | Self::DetectBrowser(DetectBrowser { progress })
            | Self::AskChannel(AskChannel { progress, .. })
            | Self::ListAuthenticators(ListAuthenticators { progress, .. })
            | Self::ChallengeFactor(ChallengeFactor { progress, .. })
            | Self::ChooseMethod(ChooseMethod { progress, .. })
            | Self::ChallengeRecovery(ChallengeRecovery { progress, .. })
            | Self::ShowNewRecoveryCode(ShowNewRecoveryCode { progress, .. })
            | Self::AskOffer(AskOffer { progress, .. })
            | Self::AskConsent(AskConsent { progress }) => Some(progress),
            _ => None,
        }
    }
}
