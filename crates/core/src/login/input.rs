//! What comes into the machine: a session, the facts of a user, and the answers of a person.

use super::demand::{Held, Means};
use super::effect::Problem;
use super::enrolment::Enrolling;
use super::offer::{Leave, Offers};
use super::signup::Names;
use super::state::Progress;
use crate::assurance::{Method, Methods, Rules};
use crate::factors::webauthn::passkey::Registration;
use crate::factors::{FactorKind, KeyAsks, Keys, Place, UserHandle};
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::message::Channel;
use crate::time::Timestamp;

use serde::{Deserialize, Serialize};

/// A valid session that the browser brought along.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// Whose.
    pub user: UserId,
    /// What fills the identifier field when the session will not do.
    pub identifier: Option<String>,
    /// What it proves.
    pub methods: Methods,
    /// When its last interactive ceremony ended.
    pub auth_time: Timestamp,
}

/// What is true at a decision. Loaded anew for each answer behind the first factor.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whose facts these are.
    pub user: UserId,
    /// What counts as multi-factor.
    pub rules: Rules,
    /// Whether the tenant's policy is `all-applications`.
    pub policy_always: bool,
    /// The factors that the tenant has enabled.
    pub enabled: Vec<FactorKind>,
    /// The user's authenticators.
    pub held: Vec<Authenticator>,
    /// Whether the browser brought a valid remember cookie of this user.
    pub remembered: bool,
    /// Whether the tenant shows the box "Remember this device".
    pub remember_display: bool,
    /// The channels of the phone factor that the tenant has enabled.
    pub channels: Vec<Channel>,
    /// Whether a person who enrols chooses the factor first.
    pub show_options: bool,
    /// Whether consent has to be asked for, `prompt=consent` included.
    pub consent_needed: bool,
    /// Whether an enrolment starts with the key instead of the QR code: the browser is on a phone.
    pub key_first: bool,
    /// The name that an authenticator app shows for us: the tenant's.
    pub issuer: String,
    /// The name that it shows for the account.
    pub account: String,
    /// Who asks for keys.
    pub keys: Keys,
    /// Where the person sits, as far as the browser says.
    pub place: Option<Place>,
    /// The name under which a new key will know the user; none where no key can be enrolled.
    pub user_handle: Option<UserHandle>,
    /// What may be offered once nothing more is asked.
    pub offers: Offers,
}

impl Facts {
    pub(super) fn mine<'a>(&'a self, progress: &'a Progress) -> impl Iterator<Item = &'a Authenticator> {
        self.held.iter().filter(|a| a.user == progress.user)
    }

    pub(super) fn means(&self, progress: &Progress) -> Means {
        let seen = |a| Held::of(a, &self.keys).seen_from(a, self.place.as_ref());
        let held = self.mine(progress).map(seen);
        Means::new(held, &self.enabled, &progress.methods, self.rules)
    }

    pub(super) fn enrolling(&self) -> Enrolling {
        let mine: Vec<_> = self.held.iter().filter(|on| on.user == self.user).cloned().collect();
        Enrolling {
            user: self.user.clone(),
            issuer: self.issuer.clone(),
            account: self.account.clone(),
            profile: self.rules.profile,
            channels: self.channels.clone(),
            key_first: self.key_first,
            show_options: self.show_options,
            keys: KeyAsks::new(&self.keys, self.user_handle.as_ref(), &mine, self.place.as_ref()),
        }
    }

    /// Returns the same facts once this authenticator is saved.
    pub(super) fn and(&self, authenticator: &Authenticator) -> Self {
        let mut facts = self.clone();
        facts.held.push(authenticator.clone());
        facts
    }
}

/// An answer up to the first factor.
#[derive(Clone, Debug)]
pub enum FirstAnswer {
    /// An identifier.
    Identifier(String),
    /// "Edit" beside it.
    EditIdentifier,
    /// The link to sign-up.
    GoToSignup,
    /// The link to login.
    GoToLogin,
    /// A password was checked.
    Password {
        /// What was typed as identifier.
        identifier: String,
        /// What the check found.
        check: PasswordCheck,
    },
    /// The answer of a passkey was checked.
    Passkey(PasskeyCheck),
    /// An account was created, with its password.
    SignedUp(UserId),
    /// Who signs up, before the passkey or the password.
    SignupNames {
        /// Who.
        names: Names,
        /// What the passkey is asked; none where none can be made.
        registration: Option<Box<Registration>>,
    },
    /// An account was created with a passkey.
    SignedUpByPasskey {
        /// Who.
        user: UserId,
        /// What the passkey proves.
        method: Method,
    },
    /// There is no passkey to make an account with.
    NoPasskey {
        /// What is told.
        why: Problem,
        /// What is asked now; none: the same.
        anew: Option<Box<Registration>>,
    },
    /// Goes on by a password.
    WithoutPasskey,
    /// No account could be made of these names.
    NotSignedUp,
}

/// What the check of a passkey's answer found.
#[derive(Clone, Debug, PartialEq)]
pub enum PasskeyCheck {
    /// It is this user's, and proves this.
    Right {
        /// Who.
        user: UserId,
        /// The evidence.
        method: Method,
        /// Whether the passkey is on another device than the browser.
        from_elsewhere: bool,
    },
    /// It logs nobody in.
    No(Problem),
}

/// What the check of a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is this user's.
    Right(UserId),
    /// It is wrong, or there is no such user: nobody can tell which.
    Wrong,
    /// The account is blocked.
    Blocked,
}

/// An answer behind the first factor.
#[derive(Clone)]
pub enum Answer {
    /// A typed code.
    Code {
        /// What was typed.
        code: String,
        /// Whether "Remember this device" was ticked.
        remember: bool,
    },
    /// What the browser says of a key.
    Key {
        /// Its `PublicKeyCredential` as JSON.
        credential: String,
        /// Whether "Remember this device" was ticked.
        remember: bool,
    },
    /// The browser says why there is no answer of a key.
    KeyFailed(KeyFailure),
    /// A name for a new key.
    Name(String),
    /// Continue below a recovery code.
    Saved {
        /// Whether "I have saved it" was ticked.
        ticked: bool,
    },
    /// Show the key.
    ShowKey,
    /// Show the QR code.
    ShowQr,
    /// A telephone number to enrol.
    Number {
        /// What was typed.
        number: String,
        /// The region that was chosen beside it, `US`.
        region: Option<String>,
        /// By text or call.
        channel: Option<Channel>,
    },
    /// The list of countries that a number may be of.
    ListCountries {
        /// What was typed as number so far.
        typed: String,
    },
    /// The number is of this country, `US`.
    PickCountry(String),
    /// An address to enrol.
    Address(String),
    /// "Edit" beside the number or address that a code was sent to.
    Edit,
    /// Send another code.
    Resend,
    /// Send it by this channel.
    By(Channel),
    /// Another number or address.
    List,
    /// This one.
    PickAuthenticator(AuthenticatorId),
    /// "Try another method".
    TryAnother,
    /// This method.
    Pick(FactorKind),
    /// Goes on without what is offered.
    Leave(Leave),
    /// "Back".
    Back,
    /// What the browser says of itself.
    Browser {
        /// Whether the device has an authenticator that verifies its user.
        platform: bool,
    },
    /// Accept or decline.
    Consent {
        /// Accept.
        accepted: bool,
    },
}

/// Why a browser has no answer of a key, by the name of its exception (WebAuthn sections 5.1.3 and 5.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyFailure {
    /// Cancelled, or nobody answered in time: browsers do not tell which.
    NotAllowed,
    /// The key is enrolled already.
    InvalidState,
    /// The page's domain may not ask for keys of this relying party.
    Security,
    /// No key can do what was asked.
    NotSupported,
    /// The key cannot verify its user as was asked.
    Constraint,
    /// Anything else.
    Unknown,
}

impl KeyFailure {
    const ALL: [Self; 6] = [
        Self::NotAllowed,
        Self::InvalidState,
        Self::Security,
        Self::NotSupported,
        Self::Constraint,
        Self::Unknown,
    ];

    /// Returns the name of the exception.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "NotAllowedError",
            Self::InvalidState => "InvalidStateError",
            Self::Security => "SecurityError",
            Self::NotSupported => "NotSupportedError",
            Self::Constraint => "ConstraintError",
            Self::Unknown => "UnknownError",
        }
    }

    /// Reads the name of an exception. A page that was left aborts as one that was cancelled.
    pub fn parse(name: &str) -> Self {
        if name == "AbortError" {
            return Self::NotAllowed;
        }
        Self::ALL.into_iter().find(|failure| failure.as_str() == name).unwrap_or(Self::Unknown)
    }
}

impl Answer {
    /// Returns whether it may be a guess, to be counted before it is judged.
    pub fn guesses(&self) -> bool {
        match self {
            Self::Code { code, .. } => !code.trim().is_empty(),
            Self::Key { .. } => true,
            _ => false,
        }
    }
}
