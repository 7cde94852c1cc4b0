//! The screens of security keys, keys of the device and passkeys.

use serde::Serialize;

use super::{Remember, Screen};
use crate::ui::forms::FormError;

/// What the login pages ask the browser for beside the form.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PasskeyLogin<'a> {
    /// What the browser is given, as JSON.
    pub options: &'a str,
    /// Whether there is a button.
    pub button: bool,
    /// Whether the browser offers passkeys in the field.
    pub autofill: bool,
    /// How long the challenge lives, in seconds: the page gets another one before.
    pub seconds: i64,
    /// The identifier of a passkey that nobody here has, for the browser to forget it; or empty.
    pub unknown: &'a str,
}

/// What the pages show that ask the browser for a key.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Key<'a> {
    /// `create` or `get`.
    pub ceremony: &'static str,
    /// What the browser is given, as JSON.
    pub options: &'a str,
    /// Whether it is the device's own key.
    pub platform: bool,
    /// The remember box, if it may be shown.
    pub remember: Option<Remember>,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// Whether it is an offer that may be left.
    pub may_be_left: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
family!("mfa-webauthn-key.html", Key:
    /// `mfa-webauthn-roaming-enrollment`: a new security key.
    MfaWebauthnRoamingEnrollment, "mfa-webauthn", "mfa-webauthn-roaming-enrollment";
    /// `mfa-webauthn-platform-enrollment`: a new key of the device.
    MfaWebauthnPlatformEnrollment, "mfa-webauthn", "mfa-webauthn-platform-enrollment";
    /// `mfa-webauthn-roaming-challenge`: a security key.
    MfaWebauthnRoamingChallenge, "mfa-webauthn", "mfa-webauthn-roaming-challenge";
    /// `mfa-webauthn-platform-challenge`: the device's key.
    MfaWebauthnPlatformChallenge, "mfa-webauthn", "mfa-webauthn-platform-challenge";
);

/// What the pages that offer a passkey show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfferedPasskey<'a> {
    /// What the browser is given, as JSON.
    pub options: &'a str,
    /// Whether it has to be on this device.
    pub platform: bool,
    /// Whether it makes the account.
    pub signup: bool,
    /// At a sign-up: whose account it will be.
    pub account: &'a str,
    /// At a sign-up: where the name can be changed.
    pub edit_url: Option<&'a str>,
    /// At a sign-up: back to logging in.
    pub login_url: Option<&'a str>,
    /// After a new password: what the form has to bring.
    pub ticket: Option<&'a str>,
    /// Whether one may go on without.
    pub may_be_left: bool,
    /// Whether one may say that it is not to be offered again.
    pub may_be_declined: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
family!("passkey-enrollment.html", OfferedPasskey:
    /// `passkey-enrollment`: a passkey, at a sign-up, or after a login or a new password.
    PasskeyEnrollment, "passkeys", "passkey-enrollment", words = |page: &OfferedPasskey<'_>| {
        let of = if page.signup { "Signup" } else { "" };
        (format!("title{of}"), format!("description{of}"))
    };
    /// `passkey-enrollment-local`: a passkey on this device, after a login by one of another.
    PasskeyEnrollmentLocal, "passkeys", "passkey-enrollment-local";
);

/// `mfa-webauthn-change-key-nickname`: a name for a new key.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MfaWebauthnChangeKeyNickname<'a> {
    /// What was typed.
    pub nickname: &'a str,
    /// Whether it is the device's own key.
    pub platform: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    MfaWebauthnChangeKeyNickname,
    "mfa-webauthn",
    "mfa-webauthn-change-key-nickname",
    errors = errors,
    words = |page: &MfaWebauthnChangeKeyNickname<'_>| {
        let of = if page.platform { "Platform" } else { "" };
        (format!("title{of}"), format!("description{of}"))
    }
);

/// `mfa-webauthn-enrollment-success`: a key is enrolled.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MfaWebauthnEnrollmentSuccess<'a> {
    /// Whether it is the device's own key.
    pub platform: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    MfaWebauthnEnrollmentSuccess,
    "mfa-webauthn",
    "mfa-webauthn-enrollment-success",
    errors = errors,
    words = |page: &MfaWebauthnEnrollmentSuccess<'_>| {
        let of = if page.platform { "Platform" } else { "" };
        (format!("title{of}"), format!("description{of}"))
    }
);

/// `mfa-detect-browser-capabilities`: the browser says what it can do.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MfaDetectBrowserCapabilities<'a> {
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaDetectBrowserCapabilities, "mfa", "mfa-detect-browser-capabilities", errors = errors);
