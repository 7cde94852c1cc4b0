//! What a step asks the flow to write, all in the commit that saves the next state.

use super::demand::Decision;
use super::input::KeyFailure;
use super::offer::OfferKind;
use super::state::Login;
use crate::assurance::Methods;
use crate::factors::webauthn::attestation::Unattested;
use crate::factors::webauthn::passkey::{self, No};
use crate::factors::{FactorKind, Spend};
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::message::{Channel, CodeToSend};
use crate::time::Timestamp;

/// The outcome of a step.
#[must_use = "the next state and all effects are written in one commit"]
#[derive(Debug)]
pub struct Step {
    /// The next state.
    pub next: Login,
    /// What to write with it, in this order.
    pub effects: Vec<Effect>,
    /// What the page says is wrong. Belongs to the answer, not to the state: a reload shows the page without it.
    pub problem: Option<Problem>,
}

impl Step {
    /// Continues with the step that the next state took at once: effects in order, the later state.
    pub fn then(mut self, later: Self) -> Self {
        self.effects.extend(later.effects);
        Self { next: later.next, effects: self.effects, problem: self.problem.or(later.problem) }
    }

    pub(super) fn to(next: Login) -> Self {
        Self { next, effects: Vec::new(), problem: None }
    }

    pub(super) fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// The same step, with this effect first.
    pub(super) fn before(mut self, effect: Effect) -> Self {
        self.effects.insert(0, effect);
        self
    }

    pub(super) fn but(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }
}

/// Something to write.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Claim what a success spends, and note its time. If nothing is left to claim, roll the whole step back and show
    /// [`Problem::InvalidCode`]: another request was faster.
    Spend {
        /// Of which authenticator.
        authenticator: AuthenticatorId,
        /// What.
        spend: Option<Spend>,
        /// The time of the success, for `last_auth_at`.
        at: Timestamp,
    },
    /// Send a code. If it may not be sent, the page says why ([`Problem::TooManySends`], [`Problem::NotSent`]) and the person can choose
    /// another method; the code is never known to anybody then.
    Send(CodeToSend),
    /// Save a newly enrolled, confirmed authenticator.
    SaveAuthenticator(Authenticator),
    /// Save the user's new recovery code, active at once. The old one is dead by the [`Effect::Spend`] before.
    ReplaceRecoveryCode {
        /// The old one.
        old: AuthenticatorId,
        /// The new one.
        new: Authenticator,
    },
    /// Save the session and rotate its handle. `sid` stays when the user is the same.
    SaveSession {
        /// Whose.
        user: UserId,
        /// What it proves.
        methods: Methods,
        /// When the last interactive ceremony ended.
        auth_time: Timestamp,
        /// Whether a first factor began a new list; else MFA was added to the session that was there.
        new_login: bool,
    },
    /// Remember this browser for this user: a record and the cookie.
    RememberBrowser(UserId),
    /// Save the person's consent to what the request asks for.
    SaveConsent,
    /// Save the passkey that the person has just made. If somebody has it already, roll the whole step back and show
    /// [`Problem::PasskeyNotAdded`].
    SavePasskey(Box<passkey::Proven>),
    /// Keep that the person declined an offer: until then, or for ever.
    DeclineOffer {
        /// What was offered.
        kind: OfferKind,
        /// Until when it is not offered again.
        until: Option<Timestamp>,
    },
    /// Log why the browser made no passkey.
    PasskeyReport(&'static str),
    /// Tell the person that there may be a copy of this key.
    TellOfCopy(AuthenticatorId),
    /// Count a wrong answer in the user's bucket of this factor.
    CountFailure(FactorKind),
    /// Empty that bucket.
    ClearFailures(FactorKind),
    /// Save the decision record.
    Decided(Box<Decision>),
    /// Write a tenant log record of this code.
    Log {
        /// The code: `gd_auth_succeed` …
        code: &'static str,
        /// The factor it is about.
        kind: Option<FactorKind>,
        /// The authenticator, where one is known.
        authenticator: Option<AuthenticatorId>,
        /// What is odd about it, in a word.
        note: Option<&'static str>,
    },
}

/// What a page says is wrong, by Auth0's text keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Unknown user or wrong password: the two look the same.
    WrongCredentials,
    /// The account is blocked.
    UserBlocked,
    /// Nothing was typed.
    NoCode,
    /// Not the form of a code of an authenticator app.
    InvalidOtpFormat,
    /// Not the form of a recovery code.
    InvalidRecoveryFormat,
    /// Wrong, old or used.
    InvalidCode,
    /// The code has died of age or wrong answers: another one has to be sent.
    CodeDied,
    /// No number was typed.
    NoPhone,
    /// Not the form of a telephone number.
    InvalidPhoneFormat,
    /// No country has such a number.
    InvalidPhone,
    /// No address was typed.
    NoEmail,
    /// Not an address.
    InvalidEmail,
    /// Too many codes were sent.
    TooManySends(Channel),
    /// The code cannot be sent there.
    NotSent(Channel),
    /// Too many wrong codes.
    TooManyFailures,
    /// Too many answers of keys.
    TooManyKeyFailures,
    /// The key could not be enrolled.
    KeyNotEnrolled(FactorKind),
    /// The model of the key may not be enrolled, or is not proven.
    KeyModel(FactorKind, Unattested),
    /// The answer of the key was not accepted.
    KeyRefused(FactorKind),
    /// There may be a copy of the key.
    KeyCopied,
    /// The browser has no answer of a key.
    KeyFailed(KeyFailure),
    /// No passkey answered, or too late.
    PasskeyFailed,
    /// The answer of a passkey was not accepted.
    PasskeyRefused,
    /// Nobody here has this passkey.
    PasskeyUnknown,
    /// Nobody logs in by passkeys here.
    PasskeysOff,
    /// The new passkey was not accepted.
    PasskeyNotAdded,
    /// The model of what keeps the new passkey may not be used, or is not proven.
    PasskeyModel(Unattested),
    /// There is a passkey of this account already.
    PasskeyThere,
    /// No account could be made of these names. Whether somebody has them is not told.
    NotSignedUp,
    /// No name was given to a key.
    NoNickname,
    /// The name is too long.
    NicknameTooLong,
    /// "I have saved it" was not ticked.
    NoConfirmation,
    /// The user enrolled elsewhere in the meantime.
    UserAlreadyEnrolled,
    /// The enrolment or challenge has expired; a new one is shown.
    TransactionNotFound,
}

impl Problem {
    /// Returns what is told to who has answered wrongly too often.
    pub const fn too_many(kind: FactorKind) -> Self {
        if kind.is_key() { Self::TooManyKeyFailures } else { Self::TooManyFailures }
    }

    /// Returns what is told to whose new passkey was not accepted.
    pub const fn not_made(why: No) -> Self {
        match why {
            No::Expired => Self::PasskeyFailed,
            No::Model(why) => Self::PasskeyModel(why),
            No::Malformed | No::Wrong | No::Copied => Self::PasskeyNotAdded,
        }
    }

    /// Returns what is told to whose browser made no passkey.
    pub const fn no_passkey_made(why: KeyFailure) -> Self {
        match why {
            KeyFailure::InvalidState => Self::PasskeyThere,
            KeyFailure::NotAllowed => Self::PasskeyFailed,
            _ => Self::PasskeyNotAdded,
        }
    }

    /// Returns the key of the text, the last part of `prompt.screen.key`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong-credentials",
            Self::UserBlocked => "user-blocked",
            Self::NoCode => "no-code",
            Self::InvalidOtpFormat => "invalid-otp-code-format",
            Self::InvalidRecoveryFormat => "invalid-code-format",
            Self::InvalidCode => "invalid-code",
            Self::CodeDied => "no-transaction-in-progress",
            Self::NoPhone => "no-phone",
            Self::InvalidPhoneFormat => "invalid-phone-format",
            Self::InvalidPhone => "invalid-phone",
            Self::NoEmail => "no-email",
            Self::InvalidEmail => "invalid-email-format",
            Self::TooManySends(Channel::Sms) => "too-many-sms",
            Self::TooManySends(Channel::Voice) => "too-many-voice",
            Self::TooManySends(Channel::Email) => "too-many-email",
            Self::NotSent(Channel::Sms) => "send-sms-failed",
            Self::NotSent(Channel::Voice) => "send-voice-failed",
            Self::NotSent(Channel::Email) => "mfa-email-challenge-authenticator-error",
            Self::TooManyFailures => "too-many-failures",
            Self::TooManyKeyFailures => "too-many-webauthn-challenge-attempts-error",
            Self::KeyNotEnrolled(FactorKind::WebauthnPlatform) => "webauthn-platform-associate-error",
            Self::KeyNotEnrolled(_) => "webauthn-associate-error",
            Self::KeyModel(FactorKind::WebauthnPlatform, _) => "webauthn-platform-model-refused",
            Self::KeyModel(..) => "webauthn-model-refused",
            Self::KeyRefused(FactorKind::WebauthnPlatform) => "webauthn-platform-challenge-error",
            Self::KeyRefused(_) => "webauthn-challenge-error",
            Self::KeyCopied => "webauthn-copied-key",
            Self::KeyFailed(KeyFailure::NotAllowed) => "webauthn-not-allowed",
            Self::KeyFailed(KeyFailure::InvalidState) => "webauthn-already-enrolled",
            Self::KeyFailed(KeyFailure::NotSupported | KeyFailure::Constraint) => "webauthn-not-supported",
            Self::KeyFailed(KeyFailure::Security | KeyFailure::Unknown) => "webauthn-failed",
            Self::PasskeyFailed => "passkey-authentication-failed",
            Self::PasskeyRefused => "invalid-passkey",
            Self::PasskeyUnknown => "no-passkey",
            Self::PasskeysOff => "passkey-not-allowed",
            Self::PasskeyNotAdded => "passkey-not-added",
            Self::PasskeyModel(_) => "passkey-model-refused",
            Self::PasskeyThere => "passkey-already-there",
            Self::NotSignedUp => "email-in-use",
            Self::NoNickname => "no-nickname",
            Self::NicknameTooLong => "nickname-too-long",
            Self::NoConfirmation => "no-confirmation",
            Self::UserAlreadyEnrolled => "user-already-enrolled",
            Self::TransactionNotFound => "transaction-not-found",
        }
    }
}
