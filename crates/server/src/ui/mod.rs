//! The pages that people see: Universal Login, tickets, errors.
//!
//! Nothing here knows of requests: a handler fills one struct of [`screens`] and a [`Ctx`], calls the [`Pages`] method of
//! the same name, and sends the [`Page`] it gets.
//!
//! # What a form posts
//!
//! Every form but those of the account page posts to its own address (`action=""`), with a hidden `state` when there is one, and works without script.
//! Field names, and ids of the same name, are these:
//!
//! | Field | Where | Value |
//! |---|---|---|
//! | `state` | everywhere | the transaction's handle |
//! | `ticket` | `reset-password`, `email-verification`, `mfa-enroll-welcome` | the ticket of the link |
//! | `username` | `login`, `login-id`, `login-password` (read-only), `signup` | the identifier |
//! | `password` | `login`, `login-password`, `signup`, `signup-password`, `reset-password` | |
//! | `re-enter-password` | `reset-password` | the same again |
//! | `email` | `signup*`, `reset-password-request`, `reset-password-email` (hidden) | an address |
//! | `code` | OTP and recovery-code pages | may hold spaces and dashes |
//! | `rememberBrowser` | `mfa-otp-challenge` | `true` if ticked, else absent |
//! | `confirmation` | recovery-code pages that show a code | `true` if ticked, else absent |
//! | `form_token`, `id`, `name` | account page | what shows that the form is ours; the row; a factor's new name |
//! | `language` | footer, when several languages are enabled | a language code; always sent, counts only with `change-language` |
//! | `action` | every button | see below |
//!
//! | `action` | Where | Meaning |
//! |---|---|---|
//! | `default` | the main button of every form | go on (also what Enter sends) |
//! | `METHOD::ROW` | `mfa-begin-enroll-options`, `mfa-login-options` | the row pressed: see [`forms::picked`] |
//! | `pick-authenticator` | enrolment and challenge pages | try another method |
//! | `back` | lists | the page before |
//! | `show-code`, `show-qr` | OTP enrolment | the key as text, the QR code |
//! | `resend-code` | `reset-password-email` | send the link again |
//! | `accept`, `deny` | `consent`, `logout` | the answer |
//! | `change-language` | footer | the page again, in `language`; nothing advances |

pub mod assets;
pub mod brand;
mod browser_name;
pub mod countries;
pub mod documents;
pub mod forms;
pub mod i18n;
pub use lockstep_core::model::languages;
#[cfg(test)]
mod samples;
pub mod screens;
pub mod templates;

use std::sync::Arc;

pub use brand::Brand;
pub use browser_name::browser_name;
pub use forms::{FormError, PasswordRules};
pub use i18n::{CustomTexts, Texts};
pub use templates::Pages;

/// What every page of one request shares.
#[derive(Clone, Debug, Default)]
pub struct Ctx {
    /// The page's language, from [`languages::choose_locale`].
    pub locale: String,
    /// The languages one may change to; the selector shows when there are several.
    pub locales: Vec<String>,
    /// Logo and colours.
    pub brand: Arc<Brand>,
    /// The tenant's friendly name.
    pub tenant_name: String,
    /// The application's name; empty when there is none.
    pub client_name: String,
    /// The transaction's handle; empty when there is none.
    pub state: String,
    /// Where a person goes who gives up; empty where there is no such place.
    pub cancel_url: &'static str,
    /// A fresh random value, for the Content-Security-Policy and the inline style it allows.
    pub nonce: String,
    /// The tenant's custom text in `locale`.
    pub custom_texts: Arc<CustomTexts>,
    /// The tenant's own frame around the pages, if there is one.
    pub frame: Option<Frame>,
}

/// A tenant's own frame around the pages of a login.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The template, in Liquid.
    pub template: Arc<str>,
    /// What the template may know.
    pub values: serde_json::Value,
}

/// A finished page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The document.
    pub html: String,
    /// The value of its `Content-Security-Policy` header.
    pub csp: String,
    /// Whether its client may frame it (`web_message`): then no `X-Frame-Options` may be sent.
    pub framed: bool,
}
