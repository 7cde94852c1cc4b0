//! What a person is offered once a login needs nothing more, and may leave: a passkey.
//!
//! An offer stands between nobody and the application: every way out of it leads on, and none is made twice in a login. It comes when MFA is
//! decided, and never by the password alone to somebody who has a factor: what is added here may log in by itself from then on, so
//! whoever adds it must have proven all there is to prove.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Problem, Step};
use super::input::{Answer, Facts};
use super::state::{Login, Progress};
use super::steps::decide_next;
use crate::assurance::{MethodName, multi_factor};
use crate::env::Env;
use crate::factors::webauthn::passkey::{No, Registration};
use crate::factors::{Listed, RelyingParty, UserHandle};
use crate::time::Span;

/// How long an offer is not repeated that was put off (contract/universal-login.md 7.4).
pub const PUT_OFF: Span = Span::days(7);

/// The passkeys that one user may have (contract/oidc.md 12).
pub const MOST_PASSKEYS: usize = 20;

/// What can be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferKind {
    /// A passkey: to who has a password only.
    Passkey,
    /// A passkey on this device: to who has logged in by one on another.
    PasskeyHere,
    /// A key of the device as a second factor. It is declined in one browser, and offered in others.
    DeviceKey,
}

impl OfferKind {
    /// Returns the name under which it is kept that somebody declined it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::PasskeyHere => "passkey-here",
            Self::DeviceKey => "device-key",
        }
    }

    /// Reads such a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Passkey, Self::PasskeyHere, Self::DeviceKey].into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns whether it is declined for one browser only.
    pub const fn of_browser(self) -> bool {
        match self {
            Self::DeviceKey => true,
            Self::Passkey | Self::PasskeyHere => false,
        }
    }
}

/// How a person leaves an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Not now.
    Later,
    /// Not again.
    Never,
    /// The browser cannot do what is offered: nobody declined.
    Unable,
}

/// What is known of the offers that a user may get.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// Passkeys, where the connection has them.
    pub passkeys: Option<PasskeyOffers>,
    /// What the user has declined, for now or for ever.
    pub declined: Vec<OfferKind>,
}

/// How a connection offers passkeys, and what the user has.
#[derive(Clone, Debug)]
pub struct PasskeyOffers {
    /// Who asks for them.
    pub relying_party: RelyingParty,
    /// The name under which a new one will know the user.
    pub user_handle: UserHandle,
    /// Those that the user has.
    pub held: Vec<Listed>,
    /// Whether who has none is offered one after a login by password.
    pub progressive: bool,
    /// Whether who used one of another device is offered one on this.
    pub local: bool,
}

impl PasskeyOffers {
    /// Draws the challenge for another passkey of the user.
    pub fn draw(&self, kind: OfferKind, env: &mut Env) -> Registration {
        let (party, handle) = (self.relying_party.clone(), self.user_handle.clone());
        let registration = Registration::draw(party, handle, env).excluding(self.held.clone());
        if kind == OfferKind::PasskeyHere { registration.on_this_device() } else { registration }
    }

    /// Returns whether the user has as many as one may have.
    pub const fn is_full(&self) -> bool {
        self.held.len() >= MOST_PASSKEYS
    }
}

/// See [`Login::AskOffer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskOffer {
    pub(super) progress: Progress,
    kind: OfferKind,
    registration: Registration,
}

impl AskOffer {
    /// Returns what is offered.
    pub const fn kind(&self) -> OfferKind {
        self.kind
    }

    /// Returns what the new passkey is asked.
    pub const fn registration(&self) -> &Registration {
        &self.registration
    }
}

/// Returns what is to be offered now, if anything.
pub(super) fn due(progress: &Progress, facts: &Facts) -> Option<OfferKind> {
    let (offers, passkeys) = (&facts.offers, facts.offers.passkeys.as_ref()?);
    // Who comes with a session wants to go on, and has proven nothing here.
    if !progress.first.here() || !may_add(progress, facts) {
        return None;
    }
    let by = |name: MethodName| progress.methods.iter().next().is_some_and(|first| first.name == name);
    let kind = if by(MethodName::Pwd) && passkeys.progressive && passkeys.held.is_empty() {
        OfferKind::Passkey
    } else if by(MethodName::Passkey) && progress.from_elsewhere && passkeys.local {
        OfferKind::PasskeyHere
    } else {
        return None;
    };
    let told = progress.offered.contains(&kind) || offers.declined.contains(&kind);
    (!told && !passkeys.is_full()).then_some(kind)
}

/// Who has a factor must have passed one in this login, here or in the passkey itself.
fn may_add(progress: &Progress, facts: &Facts) -> bool {
    !facts.means(progress).enrolled() || multi_factor(&progress.methods, facts.rules)
}

/// Makes an offer.
pub(super) fn make(mut progress: Progress, kind: OfferKind, facts: &Facts, env: &mut Env) -> Option<Login> {
    let passkeys = facts.offers.passkeys.as_ref()?;
    progress.offered.push(kind);
    let registration = passkeys.draw(kind, env);
    Some(Login::AskOffer(AskOffer { progress, kind, registration }))
}

impl AskOffer {
    pub(super) fn answer(self, answer: Answer, facts: &Facts, env: &mut Env) -> Step {
        // Switched off, declined in another tab, or no longer hers to add: the login goes on without.
        let open = !facts.offers.declined.contains(&self.kind) && may_add(&self.progress, facts);
        let passkeys = facts.offers.passkeys.as_ref().filter(|passkeys| !passkeys.is_full());
        let Some(passkeys) = passkeys.filter(|_| open) else {
            return decide_next(self.progress, facts, env);
        };
        match answer {
            Answer::Leave(how) => {
                let kind = self.kind;
                let next = decide_next(self.progress, facts, env);
                match how {
                    Leave::Unable => next,
                    Leave::Later => {
                        next.before(Effect::DeclineOffer { kind, until: Some(env.now + PUT_OFF) })
                    }
                    Leave::Never => next.before(Effect::DeclineOffer { kind, until: None }),
                }
            }
            Answer::Key { credential, .. } => match self.registration.answer(&credential, env) {
                Ok(new) => {
                    let next = decide_next(self.progress, facts, env);
                    next.before(Effect::SavePasskey(Box::new(new)))
                }
                // What was asked is over with its answer.
                Err(why) => {
                    let registration = passkeys.draw(self.kind, env);
                    let report = match why {
                        No::Model(why) => Some(Effect::PasskeyReport(why.as_str())),
                        _ => None,
                    };
                    let step =
                        Step::to(Login::AskOffer(Self { registration, ..self })).but(Problem::not_made(why));
                    report.into_iter().fold(step, Step::with)
                }
            },
            Answer::KeyFailed(why) => {
                let problem = Problem::no_passkey_made(why);
                Step::to(Login::AskOffer(self)).with(Effect::PasskeyReport(why.as_str())).but(problem)
            }
            _ => Step::to(Login::AskOffer(self)),
        }
    }

    /// Asks anew if what was asked is over soon: a page may stand open for longer than that. Returns whether it did.
    pub fn renew(&mut self, env: &mut Env) -> bool {
        let over = !self.registration.is_fresh(env.now);
        if over {
            self.registration = self.registration.anew(env);
        }
        over
    }
}
