//! One method a page: fills a template with a screen's data, in the page's language.

use std::{borrow::Cow, sync::Arc};

use lockstep_engine::flows::page_frame::{self, Framed};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use qrcode::{QrCode, render::svg};

use super::{
    Ctx, Page, Texts, assets, documents,
    i18n::{COMMON, fill},
    languages,
    screens::{self, Screen},
};

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../templates/", $name)))),*];
    };
}

templates![
    "base.html",
    "form.html",
    "parts.html",
    "icons.html",
    "login.html",
    "login-id.html",
    "login-password.html",
    "signup.html",
    "signup-id.html",
    "signup-password.html",
    "reset-password-request.html",
    "reset-password-email.html",
    "reset-password.html",
    "reset-password-success.html",
    "reset-password-error.html",
    "mfa-begin-enroll-options.html",
    "mfa-login-options.html",
    "mfa-otp-enrollment-qr.html",
    "mfa-otp-enrollment-code.html",
    "mfa-otp-challenge.html",
    "mfa-number.html",
    "mfa-country-codes.html",
    "mfa-code-sent.html",
    "mfa-phone-challenge.html",
    "mfa-list.html",
    "mfa-email-enrollment.html",
    "mfa-recovery-code-enrollment.html",
    "mfa-recovery-code-challenge.html",
    "mfa-recovery-code-challenge-new-code.html",
    "mfa-webauthn-key.html",
    "mfa-webauthn-change-key-nickname.html",
    "passkey-enrollment.html",
    "mfa-webauthn-enrollment-success.html",
    "mfa-detect-browser-capabilities.html",
    "mfa-enroll-welcome.html",
    "email-verification.html",
    "email-verification-result.html",
    "mfa-enroll-result.html",
    "account.html",
    "account-passkey.html",
    "account-remove.html",
    "consent.html",
    "logout.html",
    "logout-complete.html",
    "logout-aborted.html",
    "status.html",
    "error.html",
    "ok.html",
    "form-post.html",
    "web-message.html",
];

/// Shown when a template fails, which only a mistake of ours can cause.
const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Something went wrong</title>\
                           <h1>Something went wrong</h1><p>Go back to the application and try again.</p></html>";

/// The pages: templates and texts, read once at start.
#[derive(Debug)]
pub struct Pages {
    env: Environment<'static>,
    texts: Arc<Texts>,
    style_url: String,
    script_url: String,
    webauthn_url: String,
    capabilities_url: String,
    favicon_url: String,
}

/// Writes the method of a screen.
macro_rules! pages {
    ($($(#[$doc:meta])* $method:ident: $screen:ident,)*) => {
        impl Pages {
            $($(#[$doc])* pub fn $method(&self, ctx: &Ctx, page: &screens::$screen<'_>) -> Page {
                self.page(ctx, page, Value::from(()))
            })*
        }
    };
}

pages! {
    /// Identifier and password.
    login: Login,
    /// The identifier alone.
    login_id: LoginId,
    /// The password of a fixed identifier.
    login_password: LoginPassword,
    /// A new account.
    signup: Signup,
    /// A new account's identifiers.
    signup_id: SignupId,
    /// A new account's password.
    signup_password: SignupPassword,
    /// Whom to send a reset link.
    reset_password_request: ResetPasswordRequest,
    /// The reset link is on its way.
    reset_password_email: ResetPasswordEmail,
    /// A new password.
    reset_password: ResetPassword,
    /// The password is changed.
    reset_password_success: ResetPasswordSuccess,
    /// The reset link does not work.
    reset_password_error: ResetPasswordError,
    /// A link that proves an address was opened.
    email_verification: EmailVerification,
    /// How such a link ended.
    email_verification_result: EmailVerificationResult,
    /// Which method to set up.
    mfa_begin_enroll_options: MfaBeginEnrollOptions,
    /// Which method to use.
    mfa_login_options: MfaLoginOptions,
    /// Scan a QR code.
    mfa_otp_enrollment_qr: MfaOtpEnrollmentQr,
    /// Type a key into an app.
    mfa_otp_enrollment_code: MfaOtpEnrollmentCode,
    /// Give a code of the app.
    mfa_otp_challenge: MfaOtpChallenge,
    /// A number for text messages.
    mfa_sms_enrollment: MfaSmsEnrollment,
    /// A number for calls.
    mfa_voice_enrollment: MfaVoiceEnrollment,
    /// A number for either.
    mfa_phone_enrollment: MfaPhoneEnrollment,
    /// The country of a number.
    mfa_country_codes: MfaCountryCodes,
    /// Text or call.
    mfa_phone_challenge: MfaPhoneChallenge,
    /// The code of a text message.
    mfa_sms_challenge: MfaSmsChallenge,
    /// The code of a call.
    mfa_voice_challenge: MfaVoiceChallenge,
    /// The code of a mail.
    mfa_email_challenge: MfaEmailChallenge,
    /// Which number.
    mfa_sms_list: MfaSmsList,
    /// Which address.
    mfa_email_list: MfaEmailList,
    /// An address to add.
    mfa_email_enrollment: MfaEmailEnrollment,
    /// Save a recovery code.
    mfa_recovery_code_enrollment: MfaRecoveryCodeEnrollment,
    /// Give a recovery code.
    mfa_recovery_code_challenge: MfaRecoveryCodeChallenge,
    /// Save the replacement of a used recovery code.
    mfa_recovery_code_challenge_new_code: MfaRecoveryCodeNewCode,
    /// A security key to add.
    mfa_webauthn_roaming_enrollment: MfaWebauthnRoamingEnrollment,
    /// The device's own key to add.
    mfa_webauthn_platform_enrollment: MfaWebauthnPlatformEnrollment,
    /// A name for a new key.
    mfa_webauthn_change_key_nickname: MfaWebauthnChangeKeyNickname,
    /// A key is there.
    mfa_webauthn_enrollment_success: MfaWebauthnEnrollmentSuccess,
    /// What the browser can do.
    mfa_detect_browser_capabilities: MfaDetectBrowserCapabilities,
    /// Use a security key.
    mfa_webauthn_roaming_challenge: MfaWebauthnRoamingChallenge,
    /// Use the device's own key.
    mfa_webauthn_platform_challenge: MfaWebauthnPlatformChallenge,
    /// A passkey to add, or not.
    passkey_enrollment: PasskeyEnrollment,
    /// A passkey of this device to add, or not.
    passkey_enrollment_local: PasskeyEnrollmentLocal,
    /// An enrolment ticket was opened.
    mfa_enroll_welcome: MfaEnrollWelcome,
    /// How an enrolment ticket ended.
    mfa_enroll_result: MfaEnrollResult,
    /// The account page.
    account: Account,
    /// A new passkey, on the account page.
    account_passkey: AccountPasskey,
    /// Whether to remove a factor.
    account_remove: AccountRemove,
    /// What an application asks for.
    consent: Consent,
    /// Whether to log out.
    logout: Logout,
    /// Logged out.
    logout_complete: LogoutComplete,
    /// Still logged in.
    logout_aborted: LogoutAborted,
    /// A message where no form helps.
    status: Status,
    /// Something went wrong.
    error: ErrorPage,
    /// Something worked.
    ok: OkPage,
}

impl Pages {
    /// Reads templates and texts.
    pub fn new() -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::Html);
        env.set_syntax(
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("the usual markers"),
        );
        env.add_filter("href", href);
        for (name, source) in TEMPLATES {
            env.add_template(name, source).expect("a unit test parses every embedded template");
        }
        Self {
            env,
            texts: Arc::new(Texts::new()),
            style_url: assets::url("page.css"),
            script_url: assets::url("page.js"),
            webauthn_url: assets::url("webauthn.js"),
            capabilities_url: assets::url("capabilities.js"),
            favicon_url: assets::url("favicon.svg"),
        }
    }

    /// Returns the texts, for mails and for checking custom text.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    pub(super) fn page<S: Screen>(&self, ctx: &Ctx, screen: &S, extra: Value) -> Page {
        let html = self.render(S::TEMPLATE, self.context(ctx, screen, extra));
        let framed =
            if OURS.contains(&S::PROMPT) { None } else { put_in_frame(ctx, S::PROMPT, S::SCREEN, &html) };
        let (html, styles) = framed.map_or_else(|| (html, Vec::new()), |framed| (framed.html, framed.styles));
        Page { html, csp: documents::policy(ctx, &styles), framed: false }
    }

    pub(super) fn render(&self, template: &str, values: Value) -> String {
        self.try_render(template, values).unwrap_or_else(|error| {
            tracing::error!(template, error = format!("{error:#}"), "A page could not be rendered");
            LAST_RESORT.to_owned()
        })
    }

    fn try_render(&self, template: &str, values: Value) -> Result<String, Error> {
        self.env.get_template(template)?.render(values)
    }

    fn context<S: Screen>(&self, ctx: &Ctx, screen: &S, extra: Value) -> Value {
        let speaker = self.speaker(ctx, screen);
        let say = |key: &str| speaker.say(key, |_| None);
        let errors: Vec<_> = screen
            .errors()
            .iter()
            .map(|error| {
                let text =
                    error.text.clone().or_else(|| say(&error.code)).or_else(|| say("authentication-failure"));
                (error.field, text.unwrap_or_default())
            })
            .collect();
        let above: Vec<_> =
            errors.iter().filter(|(field, _)| field.is_none()).map(|(_, text)| text.clone()).collect();
        let beside: Vec<_> = errors.into_iter().filter_map(|(field, text)| Some((field?, text))).collect();
        let first_field = beside.first().map_or("", |(field, _)| field);
        let error_on = move |name: &str| {
            beside
                .iter()
                .filter(|(field, _)| *field == name)
                .map(|(_, text)| text.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let languages: Vec<_> = ctx
            .locales
            .iter()
            .map(|code| context! { code => code.as_str(), name => languages::name(code), chosen => *code == ctx.locale })
            .collect();
        let (title, description) = screen.words();
        let groups = screen.secret().map(groups_of_four).unwrap_or_default();
        context! {
            lang => languages::lang(&ctx.locale),
            dir => languages::direction(&ctx.locale),
            screen => S::SCREEN,
            title => say(&title).or_else(|| say("genericTitle")).unwrap_or_default(),
            description => say(&description).or_else(|| say("genericDescription")).unwrap_or_default(),
            nonce => ctx.nonce.as_str(),
            state => ctx.state.as_str(),
            cancel_url => ctx.cancel_url,
            tenant_name => ctx.tenant_name.as_str(),
            logo_url => ctx.brand.logo_url.as_deref(),
            favicon_url => ctx.brand.favicon_url.as_deref().unwrap_or(&self.favicon_url),
            color_scheme => ctx.brand.color_scheme(),
            tokens => Value::from_safe_string(ctx.brand.css()),
            style_url => self.style_url.as_str(),
            script_url => self.script_url.as_str(),
            webauthn_url => self.webauthn_url.as_str(),
            capabilities_url => self.capabilities_url.as_str(),
            languages => languages,
            error_code => screen.errors().first().map_or("", |e| e.code.as_ref()),
            form_errors => above,
            error_on => Value::from_function(move |name: String| error_on(&name)),
            error_field => first_field,
            page => Value::from(Serde(screen)),
            otp_uri => screen.otp_uri(),
            qr => screen.otp_uri().map(|uri| Value::from_safe_string(qr_svg(uri))),
            secret => screen.secret(),
            secret_groups => groups,
            extra => extra,
            has => speaker.clone().has_function(),
            t => speaker.function(),
        }
    }

    fn speaker<S: Screen>(&self, ctx: &Ctx, screen: &S) -> Speaker {
        let client = if ctx.client_name.is_empty() { &ctx.tenant_name } else { &ctx.client_name };
        let mut variables = vec![
            ("clientName", client.clone()),
            ("appName", client.clone()),
            ("companyName", ctx.tenant_name.clone()),
            ("tenantName", ctx.tenant_name.clone()),
        ];
        variables.extend(screen.variables().into_iter().map(|(name, value)| (name, value.to_owned())));
        Speaker {
            texts: Arc::clone(&self.texts),
            custom: Arc::clone(&ctx.custom_texts),
            locale: ctx.locale.clone(),
            prompt: S::PROMPT,
            screen: S::SCREEN,
            variables: variables.into(),
        }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

/// Prompts that are no part of a login: a tenant's frame is not for them, and a broken one must not hide an error.
const OURS: &[&str] = &["account", COMMON];

/// Puts a page into the tenant's frame. A template that fails leaves the page as it is.
fn put_in_frame(ctx: &Ctx, prompt: &str, screen: &str, html: &str) -> Option<Framed> {
    let frame = ctx.frame.as_ref()?;
    let (_, rest) = html.split_once("<head>")?;
    let (head, rest) = rest.split_once("</head>")?;
    let (_, rest) = rest.split_once("<body>")?;
    let (body, _) = rest.rsplit_once("</body>")?;
    let mut values = frame.values.clone();
    values["prompt"] = serde_json::json!({"name": prompt, "screen": {"name": screen}});
    page_frame::fill(&frame.template, &values, head, body)
        .inspect_err(
            |error| tracing::warn!(%error, "The tenant's page template could not be filled in: {error}"),
        )
        .ok()
}

/// Finds a screen's texts and fills in their variables.
#[derive(Clone)]
struct Speaker {
    texts: Arc<Texts>,
    custom: Arc<super::CustomTexts>,
    locale: String,
    prompt: &'static str,
    screen: &'static str,
    variables: Arc<[(&'static str, String)]>,
}

impl Speaker {
    fn say(&self, key: &str, more: impl Fn(&str) -> Option<String>) -> Option<String> {
        let words = self.texts.get(&self.custom, &self.locale, self.prompt, self.screen, key)?;
        Some(fill(words, |name| {
            let known =
                || self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
            more(name).map(Cow::Owned).or_else(|| known().map(Cow::Borrowed))
        }))
    }

    /// Returns the templates' `t("key", name=value …)`. A key without words is a mistake in the template.
    fn function(self) -> Value {
        Value::from_function(move |key: String, named: Kwargs| -> Result<String, Error> {
            let said = self.say(&key, |name| named.get::<Value>(name).ok().map(|value| value.to_string()));
            said.ok_or_else(|| {
                let missing = format!("no text {}.{}.{key}", self.prompt, self.screen);
                Error::new(ErrorKind::UndefinedError, missing)
            })
        })
    }

    /// Returns the templates' `has("key")`: whether there are words for it.
    fn has_function(self) -> Value {
        Value::from_function(move |key: String| self.say(&key, |_| None).is_some())
    }
}

/// Lets an address into a link only if pressing it cannot run script.
fn href(url: String) -> String {
    let visible: String = url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let scheme = visible.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("javascript" | "vbscript" | "data" | "blob" | "file" | "about") => String::new(),
        _ => url,
    }
}

fn groups_of_four(secret: &str) -> Vec<String> {
    let characters: Vec<char> = secret.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect()
}

/// Draws a QR code, dark on white in both colour schemes, with its quiet zone. The page says what it is beside it.
fn qr_svg(uri: &str) -> String {
    let Ok(code) = QrCode::new(uri) else {
        return String::new();
    };
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    let body = drawn.find("<svg ").map_or("", |at| &drawn[at..]);
    body.replacen("<svg ", "<svg aria-hidden=\"true\" focusable=\"false\" ", 1)
}
