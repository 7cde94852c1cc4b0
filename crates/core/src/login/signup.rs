//! Making an account: on one page with a password, or, where the connection has passkeys, by names first and then by a passkey, with the
//! password as the way out (contract/universal-login.md 3 and 4).
//!
//! Nothing is looked up for the names before the end: the pages are the same whoever has an account.

use serde::{Deserialize, Serialize};

use super::effect::{Problem, Step};
use super::input::FirstAnswer;
use super::offer::OfferKind;
use super::state::{Login, Request};
use super::steps::{Came, first_page, password_at, proven};
use crate::env::Env;
use crate::factors::webauthn::passkey::Registration;
use crate::time::Timestamp;

/// With what people may make an account on the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignupBy {
    /// A password.
    #[default]
    Password,
    /// A passkey.
    Passkey,
    /// A passkey, or a password for who wants none.
    Either,
}

/// Who signs up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The address.
    pub email: String,
    /// The user name, where the connection has them.
    pub username: Option<String>,
}

/// See [`Login::AskSignup`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskSignup {
    pub(super) request: Request,
    pub(super) identifier: Option<String>,
    #[serde(default)]
    pub(super) username: Option<String>,
}

/// See [`Login::AskSignupPasskey`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskSignupPasskey {
    pub(super) request: Request,
    pub(super) names: Names,
    registration: Registration,
}

/// See [`Login::AskSignupPassword`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskSignupPassword {
    pub(super) request: Request,
    pub(super) names: Names,
}

impl AskSignup {
    /// Returns whether the page asks for the names alone.
    pub fn names_only(&self) -> bool {
        self.request.signup_by != SignupBy::Password
    }

    /// Returns the user name that was given before.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    pub(super) fn answer(self, answer: FirstAnswer, now: Timestamp) -> Step {
        let request = self.request.clone();
        match answer {
            FirstAnswer::SignedUp(user) if !self.names_only() => {
                Step::to(proven(request, user, password_at(now), Came::default()))
            }
            FirstAnswer::SignupNames { names, registration } if self.names_only() => match registration {
                Some(registration) => Step::to(Login::AskSignupPasskey(AskSignupPasskey {
                    request,
                    names,
                    registration: *registration,
                })),
                None => Step::to(Login::AskSignupPassword(AskSignupPassword { request, names })),
            },
            FirstAnswer::GoToLogin => to_login(request),
            _ => Step::to(Login::AskSignup(self)),
        }
    }
}

impl AskSignupPasskey {
    /// Returns who signs up.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Returns what the new passkey is asked.
    pub const fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Returns whether one may go on by a password.
    pub fn may_be_left(&self) -> bool {
        self.request.signup_by == SignupBy::Either
    }

    /// Asks anew if what was asked is over soon: a page may stand open for longer than that. Returns whether it did.
    pub fn renew(&mut self, env: &mut Env) -> bool {
        let over = !self.registration.is_fresh(env.now);
        if over {
            self.registration = self.registration.anew(env);
        }
        over
    }

    pub(super) fn answer(self, answer: FirstAnswer) -> Step {
        let Self { request, names, .. } = self.clone();
        match answer {
            FirstAnswer::SignedUpByPasskey { user, method } => {
                Step::to(proven(request, user, method, Came::default()))
            }
            FirstAnswer::NoPasskey { why, anew } => {
                let registration = anew.map_or(self.registration, |anew| *anew);
                Step::to(Login::AskSignupPasskey(Self { request, names, registration })).but(why)
            }
            FirstAnswer::WithoutPasskey if self.may_be_left() => {
                Step::to(Login::AskSignupPassword(AskSignupPassword { request, names }))
            }
            FirstAnswer::EditIdentifier => to_names(request, names),
            FirstAnswer::NotSignedUp => to_names(request, names).but(Problem::NotSignedUp),
            FirstAnswer::GoToLogin => to_login(request),
            _ => Step::to(Login::AskSignupPasskey(self)),
        }
    }
}

impl AskSignupPassword {
    /// Returns who signs up.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn answer(self, answer: FirstAnswer, now: Timestamp) -> Step {
        let Self { request, names } = self;
        match answer {
            // Who has just gone on without a passkey is not offered one in the same login.
            FirstAnswer::SignedUp(user) => {
                let came = Came { offered: vec![OfferKind::Passkey], ..Came::default() };
                Step::to(proven(request, user, password_at(now), came))
            }
            FirstAnswer::EditIdentifier => to_names(request, names),
            FirstAnswer::NotSignedUp => to_names(request, names).but(Problem::NotSignedUp),
            FirstAnswer::GoToLogin => to_login(request),
            _ => Step::to(Login::AskSignupPassword(Self { request, names })),
        }
    }
}

fn to_names(request: Request, names: Names) -> Step {
    let Names { email, username } = names;
    Step::to(Login::AskSignup(AskSignup { request, identifier: Some(email), username }))
}

fn to_login(request: Request) -> Step {
    Step::to(first_page(Request { signup_first: false, ..request }))
}
