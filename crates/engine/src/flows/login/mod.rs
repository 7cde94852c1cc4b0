//! Universal Login: from `/authorize` to the answer for the application, one page at a time.
//!
//! The rules are in `lockstep_core::login`; here its states are loaded, stepped and saved. Between two requests a login lives in one
//! sealed row with a version: of two submits of one step one wins and the other is shown the page as it is now. All that a step asks
//! for (sessions, spent codes, log records) is written in the commit that saves the next state.

mod apply;
mod begin;
mod facts;
mod first_factor;
mod passkeys;
mod signup;
mod step;

pub use begin::{Begun, begin};
pub(in crate::flows) use facts::is_phone;
pub use first_factor::{FirstInput, first_factor};
pub use passkeys::open;
pub use step::{answer, language, show};

use lockstep_core::factors::webauthn::passkey;
use lockstep_core::ids::{SessionId, TransactionId, UserId};
use lockstep_core::login::effect::Problem;
use lockstep_core::login::state::Login;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::{Connection, PasswordRule};
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::message::Channel;
use lockstep_core::model::settings::TenantSettings;
use lockstep_core::oauth::request::AuthorizeRequest;
use lockstep_core::oauth::response::AuthorizeResponse;
use lockstep_core::time::Span;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::db::DbError;
use crate::store::transactions::Stored;

/// How long a login may take (contract/universal-login.md 12).
const LIFETIME: Span = Span::minutes(60);

/// The cookies that the browser brought along.
#[derive(Clone, Copy, Debug, Default)]
pub struct Browser<'a> {
    /// The session's handle.
    pub session: Option<&'a str>,
    /// The handle of a remembered browser.
    pub remembered: Option<&'a str>,
    /// The handle of a browser on which something was declined.
    pub declined: Option<&'a str>,
    /// The handle that binds running logins to this browser.
    pub transaction: Option<&'a str>,
}

/// A cookie that the answer sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewCookie {
    /// The session's new handle.
    Session {
        /// The secret.
        handle: String,
        /// How long the cookie lives; none: as long as the window.
        lifetime: Option<Span>,
    },
    /// The handle of a browser on which something was declined.
    Declined {
        /// It opens nothing: it only says that this is the same browser.
        handle: String,
        /// How long the cookie lives; none: as long as the window.
        lifetime: Option<Span>,
    },
    /// The handle of a remembered browser.
    Remembered {
        /// The secret.
        handle: String,
        /// How long the cookie lives; none: as long as the window.
        lifetime: Option<Span>,
    },
    /// Binds running logins to this browser.
    Transaction {
        /// The secret.
        handle: String,
    },
}

/// A running login, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    /// What the application asked for.
    pub request: AuthorizeRequest,
    /// How far it is.
    pub login: Login,
    /// The session of this browser, once there is one.
    pub session: Option<SessionId>,
    /// The language that the person chose.
    pub language: Option<String>,
    /// The connection that passwords are checked against.
    pub connection: Option<String>,
    /// What a passkey is asked, on the pages that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<passkey::Login>,
}

/// Everything a page may need of its login.
#[derive(Clone, Debug)]
pub struct Showing {
    /// The `state` of the page.
    pub transaction: TransactionId,
    /// How far it is.
    pub running: Running,
    /// The application.
    pub client: Client,
    /// The tenant.
    pub tenant: TenantSettings,
    /// The connection, before the first factor.
    pub connection: Option<Connection>,
    /// The user's name, once the first factor stands.
    pub user_name: Option<String>,
    /// What consent is asked for.
    pub scopes: Vec<(String, String)>,
    /// The channels of the phone factor.
    pub channels: Vec<Channel>,
    /// The API's name, on the consent page.
    pub api_name: Option<String>,
    /// What is wrong with the last answer.
    pub trouble: Option<Trouble>,
    /// What was typed into a form that comes back; never a secret.
    pub typed: Typed,
}

/// What was typed into a form that comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The address, identifier or telephone number.
    pub identifier: Option<String>,
    /// The user name of a sign-up.
    pub username: Option<String>,
    /// The identifier of a passkey that nobody here has.
    pub unknown_passkey: Option<String>,
    /// The passkey that a sign-up made in vain, as JSON for the browser to forget it.
    pub made_in_vain: Option<String>,
}

/// What the page says is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The login machine says so.
    Problem(Problem),
    /// The sign-up form is wrong somewhere: the text key and the field.
    Form(&'static str, &'static str),
    /// The password does not meet the policy.
    WeakPassword(Vec<(PasswordRule, bool)>),
}

/// What follows an answer.
#[derive(Clone, Debug)]
pub enum Next {
    /// Show the page of the login's present state at its own address (POST, redirect, GET).
    GoTo(Box<Showing>),
    /// Show the page again, with what is wrong.
    Again(Box<Showing>),
    /// The login is over: this goes to the application.
    Answer(AuthorizeResponse),
    /// The login is over, and the person is told why: the status screen.
    Status(Box<Showing>),
}

/// Where a request about a login leads when there is no such login.
#[derive(Clone, Debug)]
pub enum Lost {
    /// To the application's login page, to start again.
    StartAgain(String),
    /// Nowhere: an error page.
    Nowhere,
}

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The login is unknown, over, expired, or another browser's.
    #[error("there is no such login in this browser")]
    Lost(Lost),
    /// The application may use no connection, or not this one.
    #[error("no connection is enabled for the application")]
    NoConnection,
    /// Passwords cannot be checked right now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A token or code could not be made.
    #[error("{0}")]
    Internal(String),
}

/// The request that an answer came by.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) app: &'a App,
    pub(super) origin: &'a Origin,
    pub(super) browser: &'a Browser<'a>,
}

/// A login that was loaded for this browser.
pub(super) struct Loaded {
    pub(super) stored: Stored<Running>,
    pub(super) client: Client,
    pub(super) tenant: TenantSettings,
}

impl Running {
    /// Returns who is logging in, once the first factor stands.
    pub fn user(&self) -> Option<&UserId> {
        self.login.user()
    }
}
