//! The screens: one struct a template, with what that page shows.
//!
//! All borrow from the handler. All but a few fields have a sensible default, so handlers write `..Default::default()`.

use serde::Serialize;

use super::forms::{FormError, PasswordRules};

/// What the renderer needs to know of a screen besides its data.
pub trait Screen: Serialize {
    /// The template's file name.
    const TEMPLATE: &'static str;
    /// Auth0's name of the prompt, the first part of text keys.
    const PROMPT: &'static str;
    /// Auth0's name of the screen, the second part of text keys.
    const SCREEN: &'static str;

    /// Returns what is wrong with the form.
    fn errors(&self) -> &[FormError] {
        &[]
    }

    /// Returns the keys of the page's title and description. Unknown ones become `genericTitle` and `genericDescription`.
    fn words(&self) -> (String, String) {
        ("title".to_owned(), "description".to_owned())
    }

    /// Returns values of `${…}` in texts, besides those that every page knows.
    fn variables(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// Returns the `otpauth://` address to show as a QR code and as a link.
    fn otp_uri(&self) -> Option<&str> {
        None
    }

    /// Returns the secret to show in groups of four.
    fn secret(&self) -> Option<&str> {
        None
    }
}

/// Ties a struct to its template and names.
macro_rules! screen {
    ($type:ident, $prompt:literal, $screen:literal $(, errors = $errors:ident)? $(, uri = $uri:ident)? $(, secret = $secret:ident)? $(, words = $words:expr)? $(, vars = [$($name:literal = $field:ident),*])?) => {
        impl Screen for $type<'_> {
            const TEMPLATE: &'static str = concat!($screen, ".html");
            const PROMPT: &'static str = $prompt;
            const SCREEN: &'static str = $screen;
            $(fn errors(&self) -> &[FormError] { self.$errors })?
            $(fn otp_uri(&self) -> Option<&str> { Some(self.$uri) })?
            $(fn secret(&self) -> Option<&str> { Some(self.$secret) })?
            $(fn words(&self) -> (String, String) { ($words)(self) })?
            $(fn variables(&self) -> Vec<(&'static str, &str)> { vec![$(($name, self.$field)),*] })?
        }
    };
}

/// Writes the screens that differ in their words alone: one template, several names.
macro_rules! family {
    ($template:literal, $fields:ident: $($(#[$doc:meta])* $type:ident, $prompt:literal, $screen:literal $(, words = $words:expr)? $(, vars = [$($name:literal = $field:ident),*])?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Serialize)]
            #[serde(transparent)]
            pub struct $type<'a>(pub $fields<'a>);

            impl Screen for $type<'_> {
                const TEMPLATE: &'static str = $template;
                const PROMPT: &'static str = $prompt;
                const SCREEN: &'static str = $screen;
                fn errors(&self) -> &[FormError] { self.0.errors }
                $(fn words(&self) -> (String, String) { ($words)(&self.0) })?
                $(fn variables(&self) -> Vec<(&'static str, &str)> { vec![$(($name, self.0.$field)),*] })?
            }
        )*
    };
}

mod account;
mod keys;
mod verification;

pub use account::{Account, AccountPasskey, AccountRemove, BrowserRow, FactorRow};
pub use keys::{
    Key, MfaDetectBrowserCapabilities, MfaWebauthnChangeKeyNickname, MfaWebauthnEnrollmentSuccess,
    MfaWebauthnPlatformChallenge, MfaWebauthnPlatformEnrollment, MfaWebauthnRoamingChallenge,
    MfaWebauthnRoamingEnrollment, OfferedPasskey, PasskeyEnrollment, PasskeyEnrollmentLocal, PasskeyLogin,
};
pub use verification::{EmailVerification, EmailVerificationResult, VerificationOutcome};

/// Which identifiers a connection takes at login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identifier {
    /// An email address.
    #[default]
    Email,
    /// A username.
    Username,
    /// Either.
    Both,
}

/// A way to prove who you are, as a row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MethodRow<'a> {
    /// The wire name: `otp`, `sms`, `voice`, `phone`, `push-notification`, `email`, `recovery-code`, `webauthn-roaming`,
    /// `webauthn-platform`. The row posts `action=NAME::ROW`.
    pub method: &'a str,
    /// The masked number, address, or device; empty if there is none.
    pub detail: &'a str,
    /// How many days ago it was last used; `None` if unknown or never.
    pub last_used_days: Option<u32>,
}

/// The remember-this-browser box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Remember {
    /// Ticked already.
    pub checked: bool,
    /// For how long.
    pub days: u32,
}

/// `login`: identifier and password on one page.
#[derive(Debug, Default, Serialize)]
pub struct Login<'a> {
    /// What was typed, or the login hint.
    pub identifier: &'a str,
    /// What may be typed.
    pub identifier_kind: Identifier,
    /// The sign-up page, if people may sign up.
    pub signup_url: Option<&'a str>,
    /// The forgot-password page, if the connection has passwords.
    pub reset_url: Option<&'a str>,
    /// Passkeys, where the connection has them.
    pub passkey: Option<PasskeyLogin<'a>>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(Login, "login", "login", errors = errors);

/// `login-id`: the identifier alone.
#[derive(Debug, Default, Serialize)]
pub struct LoginId<'a> {
    /// What was typed, or the login hint.
    pub identifier: &'a str,
    /// What may be typed.
    pub identifier_kind: Identifier,
    /// The sign-up page, if people may sign up.
    pub signup_url: Option<&'a str>,
    /// Passkeys, where the connection has them.
    pub passkey: Option<PasskeyLogin<'a>>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(LoginId, "login-id", "login-id", errors = errors);

/// `login-password`: the password of a fixed identifier.
#[derive(Debug, Default, Serialize)]
pub struct LoginPassword<'a> {
    /// The identifier, shown and posted again.
    pub identifier: &'a str,
    /// Where the identifier can be changed; `None` if it is fixed (a step-up).
    pub edit_url: Option<&'a str>,
    /// The forgot-password page.
    pub reset_url: Option<&'a str>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(LoginPassword, "login-password", "login-password", errors = errors, vars = ["email" = identifier]);

/// `signup`: identifiers and a new password on one page.
#[derive(Debug, Default, Serialize)]
pub struct Signup<'a> {
    /// The address typed.
    pub email: &'a str,
    /// The username typed; `None` if the connection has none.
    pub username: Option<&'a str>,
    /// The rules to show.
    pub rules: PasswordRules,
    /// Back to logging in.
    pub login_url: Option<&'a str>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(Signup, "signup", "signup", errors = errors);

/// `signup-id`: identifiers alone.
#[derive(Debug, Default, Serialize)]
pub struct SignupId<'a> {
    /// The address typed.
    pub email: &'a str,
    /// The username typed; `None` if the connection has none.
    pub username: Option<&'a str>,
    /// Back to logging in.
    pub login_url: Option<&'a str>,
    /// The passkey that was made in vain, as JSON for the browser to forget it.
    pub forget: Option<&'a str>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(SignupId, "signup-id", "signup-id", errors = errors);

/// `signup-password`: the new password of identifiers given before.
#[derive(Debug, Default, Serialize)]
pub struct SignupPassword<'a> {
    /// The address given before.
    pub email: &'a str,
    /// Where it can be changed.
    pub edit_url: Option<&'a str>,
    /// The rules to show.
    pub rules: PasswordRules,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(SignupPassword, "signup-password", "signup-password", errors = errors, vars = ["email" = email]);

/// `reset-password-request`: whom to send the link.
#[derive(Debug, Default, Serialize)]
pub struct ResetPasswordRequest<'a> {
    /// The address typed, or carried over from the login page.
    pub email: &'a str,
    /// Back to logging in.
    pub login_url: Option<&'a str>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(ResetPasswordRequest, "reset-password", "reset-password-request", errors = errors);

/// `reset-password-email`: the link is on its way, whether or not there is an account.
#[derive(Debug, Default, Serialize)]
pub struct ResetPasswordEmail<'a> {
    /// The address typed.
    pub email: &'a str,
    /// Back to logging in.
    pub login_url: Option<&'a str>,
    /// Seconds until the link may be sent again.
    pub resend_in: u32,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    ResetPasswordEmail,
    "reset-password",
    "reset-password-email",
    errors = errors,
    vars = ["email" = email]
);

/// `reset-password`: the new password, twice.
#[derive(Debug, Default, Serialize)]
pub struct ResetPassword<'a> {
    /// The ticket of the link, posted back as `ticket`.
    pub ticket: &'a str,
    /// Whose password it is, so that password managers file it right; may be empty.
    pub email: &'a str,
    /// The rules to show.
    pub rules: PasswordRules,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(ResetPassword, "reset-password", "reset-password", errors = errors, vars = ["email" = email]);

/// `reset-password-success`.
#[derive(Debug, Default, Serialize)]
pub struct ResetPasswordSuccess<'a> {
    /// The application's login address.
    pub continue_url: Option<&'a str>,
}
screen!(ResetPasswordSuccess, "reset-password", "reset-password-success");

/// Why a reset link does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ResetProblem {
    /// Unknown or broken.
    #[default]
    Generic,
    /// Too old.
    Expired,
    /// Used before.
    Used,
}

impl ResetProblem {
    fn words(self) -> (String, String) {
        let name = match self {
            Self::Generic => "Generic",
            Self::Expired => "Expired",
            Self::Used => "Used",
        };
        (format!("eventTitle{name}"), format!("description{name}"))
    }
}

/// `reset-password-error`.
#[derive(Debug, Default, Serialize)]
pub struct ResetPasswordError<'a> {
    /// What is wrong with the link.
    pub problem: ResetProblem,
    /// Where a new link can be asked for.
    pub request_url: Option<&'a str>,
}
screen!(
    ResetPasswordError,
    "reset-password",
    "reset-password-error",
    words = |page: &ResetPasswordError<'_>| page.problem.words()
);

/// `mfa-begin-enroll-options`: which method to set up.
#[derive(Debug, Default, Serialize)]
pub struct MfaBeginEnrollOptions<'a> {
    /// The methods, the likeliest first.
    pub methods: &'a [MethodRow<'a>],
    /// Whether a page precedes this one (`action=back`).
    pub back: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaBeginEnrollOptions, "mfa", "mfa-begin-enroll-options", errors = errors);

/// `mfa-login-options`: which method to use.
#[derive(Debug, Default, Serialize)]
pub struct MfaLoginOptions<'a> {
    /// The methods, the likeliest first.
    pub methods: &'a [MethodRow<'a>],
    /// Whether a page precedes this one (`action=back`).
    pub back: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaLoginOptions, "mfa", "mfa-login-options", errors = errors);

/// `mfa-otp-enrollment-qr`: scan, then type the first code.
#[derive(Debug, Default, Serialize)]
pub struct MfaOtpEnrollmentQr<'a> {
    /// The `otpauth://` address; shown as a QR code and as a link on phones.
    #[serde(skip)]
    pub uri: &'a str,
    /// Digits of a code.
    pub digits: u8,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaOtpEnrollmentQr, "mfa-otp", "mfa-otp-enrollment-qr", errors = errors, uri = uri);

/// `mfa-otp-enrollment-code`: type the key into the app, then the first code here.
#[derive(Debug, Default, Serialize)]
pub struct MfaOtpEnrollmentCode<'a> {
    /// The key in Base32; shown in groups of four, copied without spaces.
    #[serde(skip)]
    pub secret: &'a str,
    /// The `otpauth://` address, for the link that opens an app on this phone.
    #[serde(skip)]
    pub uri: &'a str,
    /// The account name to give in the app.
    pub account: &'a str,
    /// Digits of a code.
    pub digits: u8,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    MfaOtpEnrollmentCode,
    "mfa-otp",
    "mfa-otp-enrollment-code",
    errors = errors,
    uri = uri,
    secret = secret
);

/// `mfa-otp-challenge`.
#[derive(Debug, Default, Serialize)]
pub struct MfaOtpChallenge<'a> {
    /// Digits of a code.
    pub digits: u8,
    /// The remember box, if it may be shown.
    pub remember: Option<Remember>,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaOtpChallenge, "mfa-otp", "mfa-otp-challenge", errors = errors);

/// A country and its calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CountryRow {
    /// Its code in ISO 3166.
    pub id: &'static str,
    /// Its name in the page's language.
    pub name: &'static str,
    /// The calling code, without `+`.
    pub code: u16,
    /// Whether it is the present choice.
    pub chosen: bool,
}

/// `mfa-country-codes`: which country a number is of.
#[derive(Debug, Default, Serialize)]
pub struct MfaCountryCodes<'a> {
    /// All that may be chosen.
    pub countries: &'a [CountryRow],
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaCountryCodes, "mfa-sms", "mfa-country-codes", errors = errors);

/// What the pages that ask for a telephone number show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Number<'a> {
    /// The number typed.
    pub number: &'a str,
    /// The country that a number without `+` is read in.
    pub country: Option<CountryRow>,
    /// Whether there are others.
    pub countries: bool,
    /// Whether text and call may be chosen between.
    pub choice: bool,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
family!("mfa-number.html", Number:
    /// `mfa-sms-enrollment`: a number for text messages.
    MfaSmsEnrollment, "mfa-sms", "mfa-sms-enrollment";
    /// `mfa-voice-enrollment`: a number for calls.
    MfaVoiceEnrollment, "mfa-voice", "mfa-voice-enrollment";
    /// `mfa-phone-enrollment`: a number for either.
    MfaPhoneEnrollment, "mfa-phone", "mfa-phone-enrollment";
);

/// What the pages that wait for a code that was sent show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CodeSent<'a> {
    /// Where to, masked.
    pub to: &'a str,
    /// The remember box, if it may be shown.
    pub remember: Option<Remember>,
    /// Seconds until another one may be sent.
    pub resend_in: u32,
    /// The channel that it may come by instead: `sms`, `voice`, or empty.
    pub other_channel: &'a str,
    /// Whether the number or address may still be changed.
    pub edit: bool,
    /// Whether there are other numbers or addresses.
    pub listed: bool,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
family!("mfa-code-sent.html", CodeSent:
    /// `mfa-sms-challenge`: the code of a text message.
    MfaSmsChallenge, "mfa-sms", "mfa-sms-challenge", vars = ["to" = to];
    /// `mfa-voice-challenge`: the code of a call.
    MfaVoiceChallenge, "mfa-voice", "mfa-voice-challenge", vars = ["to" = to];
    /// `mfa-email-challenge`: the code of a mail.
    MfaEmailChallenge, "mfa-email", "mfa-email-challenge", vars = ["to" = to];
);

/// `mfa-phone-challenge`: text or call; nothing is sent yet.
#[derive(Debug, Default, Serialize)]
pub struct MfaPhoneChallenge<'a> {
    /// The number, masked.
    pub to: &'a str,
    /// Whether there are other numbers.
    pub listed: bool,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaPhoneChallenge, "mfa-phone", "mfa-phone-challenge", errors = errors, vars = ["to" = to]);

/// What the lists of numbers and addresses show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reachable<'a> {
    /// The rows: `sms` or `email`, with the masked number or address as detail.
    pub methods: &'a [MethodRow<'a>],
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
family!("mfa-list.html", Reachable:
    /// `mfa-sms-list`: which number.
    MfaSmsList, "mfa-sms", "mfa-sms-list";
    /// `mfa-email-list`: which address.
    MfaEmailList, "mfa-email", "mfa-email-list";
);

/// `mfa-email-enrollment` (ours): an address to add.
#[derive(Debug, Default, Serialize)]
pub struct MfaEmailEnrollment<'a> {
    /// The address typed.
    pub email: &'a str,
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaEmailEnrollment, "mfa-email", "mfa-email-enrollment", errors = errors);

/// `mfa-recovery-code-enrollment`: the code, once.
#[derive(Debug, Default, Serialize)]
pub struct MfaRecoveryCodeEnrollment<'a> {
    /// The code, ungrouped.
    #[serde(skip)]
    pub code: &'a str,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    MfaRecoveryCodeEnrollment,
    "mfa-recovery-code",
    "mfa-recovery-code-enrollment",
    errors = errors,
    secret = code
);

/// `mfa-recovery-code-challenge`.
#[derive(Debug, Default, Serialize)]
pub struct MfaRecoveryCodeChallenge<'a> {
    /// Whether another method may be tried.
    pub pick_authenticator: bool,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(MfaRecoveryCodeChallenge, "mfa-recovery-code", "mfa-recovery-code-challenge", errors = errors);

/// `mfa-recovery-code-challenge-new-code`: the replacement of a used code.
#[derive(Debug, Default, Serialize)]
pub struct MfaRecoveryCodeNewCode<'a> {
    /// The fresh code, ungrouped.
    #[serde(skip)]
    pub code: &'a str,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(
    MfaRecoveryCodeNewCode,
    "mfa-recovery-code",
    "mfa-recovery-code-challenge-new-code",
    errors = errors,
    secret = code
);

/// The welcome of an enrolment ticket: opening the link changes nothing, the button does.
#[derive(Debug, Default, Serialize)]
pub struct MfaEnrollWelcome<'a> {
    /// The ticket, posted back as `ticket`.
    pub ticket: &'a str,
    /// Whose account it is, masked or whole; may be empty.
    pub account: &'a str,
}
screen!(MfaEnrollWelcome, "mfa", "mfa-enroll-welcome", vars = ["email" = account]);

/// How an enrolment ticket ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EnrollOutcome {
    /// The method is set up.
    #[default]
    Enrolled,
    /// No such ticket.
    InvalidTicket,
    /// Too old.
    ExpiredTicket,
    /// Used before.
    AlreadyUsed,
    /// The account has a method already.
    AlreadyEnrolled,
    /// Anything else.
    Generic,
}

impl EnrollOutcome {
    fn words(self) -> (String, String) {
        named_words(match self {
            Self::Enrolled => "enrolled",
            Self::InvalidTicket => "invalidTicket",
            Self::ExpiredTicket => "expiredTicket",
            Self::AlreadyUsed => "alreadyUsed",
            Self::AlreadyEnrolled => "alreadyEnrolled",
            Self::Generic => "generic",
        })
    }
}

/// `mfa-enroll-result`.
#[derive(Debug, Default, Serialize)]
pub struct MfaEnrollResult<'a> {
    /// What happened.
    pub outcome: EnrollOutcome,
    /// Where to go on; `None` if the window may be closed.
    pub continue_url: Option<&'a str>,
}
screen!(
    MfaEnrollResult,
    "mfa",
    "mfa-enroll-result",
    words = |page: &MfaEnrollResult<'_>| page.outcome.words()
);

/// One thing that an application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeRow<'a> {
    /// The scope's name.
    pub name: &'a str,
    /// The API's description of it; empty if it has none. `openid`, `profile`, `email`, `address`, `phone` and
    /// `offline_access` have words of ours.
    pub description: &'a str,
}

/// `consent`.
#[derive(Debug, Default, Serialize)]
pub struct Consent<'a> {
    /// Who is logged in, as words.
    pub user: &'a str,
    /// The API's name; empty if the request names none.
    pub audience: &'a str,
    /// What is asked for.
    pub scopes: &'a [ScopeRow<'a>],
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(Consent, "consent", "consent", errors = errors, vars = ["userName" = user, "audience" = audience]);

/// `logout`: asks whether to log out.
#[derive(Debug, Default, Serialize)]
pub struct Logout<'a> {
    /// Who is logged in, as words; may be empty.
    pub user: &'a str,
}
screen!(Logout, "logout", "logout", vars = ["userName" = user]);

/// `logout-complete`.
#[derive(Debug, Default, Serialize)]
pub struct LogoutComplete<'a> {
    /// Where to log in again.
    pub login_url: Option<&'a str>,
}
screen!(LogoutComplete, "logout", "logout-complete");

/// `logout-aborted`.
#[derive(Debug, Default, Serialize)]
pub struct LogoutAborted<'a> {
    /// The way back.
    pub back_url: Option<&'a str>,
}
screen!(LogoutAborted, "logout", "logout-aborted");

/// `status`: a message where no form can help, e.g. `mfa-required` with no method available.
#[derive(Debug, Default, Serialize)]
pub struct Status<'a> {
    /// The text key; an unknown one shows the generic text.
    pub code: &'a str,
    /// The way back.
    pub back_url: Option<&'a str>,
    /// Where to get help: `mailto:` or `https:`.
    pub support_url: Option<&'a str>,
}
screen!(Status, "status", "status", words = |page: &Status<'_>| ("title".to_owned(), page.code.to_owned()));

/// The error page (ours; Auth0's is not a prompt).
#[derive(Debug, Default, Serialize)]
pub struct ErrorPage<'a> {
    /// A key of `common.error`: `generic`, `transactionNotFound`, `cookiesOff`, `callbackMismatch`, `invalidRequest`,
    /// `unknownClient`, `tooManyRequests`, `notFound`, `methodNotAllowed`, `unavailable`, `accessDenied`. Unknown: `generic`.
    pub kind: &'a str,
    /// The developer's detail, in English, e.g. OAuth's `error_description`; may be empty.
    pub detail: &'a str,
    /// The OAuth error code; may be empty.
    pub code: &'a str,
    /// The log id to quote; may be empty.
    pub log_id: &'a str,
    /// The way back.
    pub back_url: Option<&'a str>,
    /// Where to get help: `mailto:` or `https:`.
    pub support_url: Option<&'a str>,
}
screen!(ErrorPage, "common", "error", words = |page: &ErrorPage<'_>| named_words(page.kind));

/// A page that only says that something worked.
#[derive(Debug, Default, Serialize)]
pub struct OkPage<'a> {
    /// A key of `common.ok`: `generic`, `emailVerified`, `unblocked`. Unknown: `generic`.
    pub kind: &'a str,
    /// Where to go on.
    pub continue_url: Option<&'a str>,
}
screen!(OkPage, "common", "ok", words = |page: &OkPage<'_>| named_words(page.kind));

fn named_words(name: &str) -> (String, String) {
    (format!("{name}Title"), format!("{name}Description"))
}
