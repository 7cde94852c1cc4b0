//! Samples of every page, rendered in every language: nothing undefined, nothing unescaped.
//!
//! `LOCKSTEP_SAMPLES_DIR=/some/folder cargo test -p lockstep --lib ui::samples` also writes them as files, for
//! tests/browser/pages.mjs, which takes screenshots and runs axe.

use std::sync::Arc;

use lockstep_core::factors::phone::Region;
use serde_json::Map;

use super::{
    Brand, Ctx, FormError, Page, Pages, PasswordRules,
    brand::{Background, Rgb, Scheme},
    countries,
    screens::*,
};

/// The values that a sample is filled with.
struct Words {
    email: String,
    app: String,
    tenant: String,
    state: String,
}

impl Words {
    fn friendly() -> Self {
        Self {
            email: "ann.example@example.com".into(),
            app: "Acme Invoices".into(),
            tenant: "Acme".into(),
            state: "hKFo2SBfQWxpY2VJbldvbmRlcmxhbmQ".into(),
        }
    }

    fn hostile(value: &str) -> Self {
        Self { email: value.into(), app: value.into(), tenant: value.into(), state: value.into() }
    }

    fn ctx(&self, locale: &str) -> Ctx {
        Ctx {
            locale: locale.into(),
            locales: ["en", "es", "fr", "de", "ja", "ar"].map(str::to_owned).to_vec(),
            tenant_name: self.tenant.clone(),
            client_name: self.app.clone(),
            state: self.state.clone(),
            nonce: "c2FtcGxl".into(),
            ..Ctx::default()
        }
    }
}

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const RECOVERY: &str = "K7QF2M9XTB4HWD8NRL3VJ6PC";

/// Renders every page in each of its states.
fn all(pages: &Pages, ctx: &Ctx, words: &Words) -> Vec<(String, Page)> {
    let email = words.email.as_str();
    let uri = format!(
        "otpauth://totp/Acme:ann@example.com?secret={SECRET}&issuer=Acme&algorithm=SHA1&digits=6&period=30"
    );
    let link = Some("/u/elsewhere?state=abc");
    let wrong = [FormError::new("wrong-credentials")];
    let empty = [FormError::new("no-username"), FormError::new("no-password")];
    let weak = [FormError::new("password-too-weak")];
    let code = [FormError::new("invalid-code")];
    let budget = [FormError::new("too-many-failures")];
    let untick = [FormError::new("no-confirmation")];
    let named = [FormError::new("access_denied").saying(words.app.as_str())];
    let row = |method, detail, last_used_days| MethodRow { method, detail, last_used_days };
    let enrollable = [
        row("otp", "", None),
        row("push-notification", "", None),
        row("phone", "", None),
        row("webauthn-roaming", "", None),
    ];
    let usable = [
        row("otp", "", Some(0)),
        row("push-notification", email, Some(1)),
        row("sms", "XXXXXXXXX9167", Some(12)),
        row("email", "ann***@exam***", None),
        row("webauthn-platform", "MacBook", None),
        row("recovery-code", "", None),
        row("voice", "XXXXXXXXX9167", None),
    ];
    let scopes = [
        ScopeRow { name: "openid", description: "" },
        ScopeRow { name: "profile", description: "" },
        ScopeRow { name: "offline_access", description: "" },
        ScopeRow { name: "read:invoices", description: "Read your invoices" },
        ScopeRow { name: "write:invoices", description: "" },
    ];
    let mut samples = Vec::new();
    let mut add = |name: &str, page: Page| samples.push((name.to_owned(), page));

    let login = || Login { signup_url: link, reset_url: link, ..Login::default() };
    add("login", pages.login(ctx, &login()));
    add("login.wrong", pages.login(ctx, &Login { identifier: email, errors: &wrong, ..login() }));
    add(
        "login.empty",
        pages.login(ctx, &Login { identifier_kind: Identifier::Both, errors: &empty, ..login() }),
    );
    add(
        "login.action",
        pages.login(ctx, &Login { identifier_kind: Identifier::Username, errors: &named, ..login() }),
    );
    add(
        "login-id",
        pages.login_id(ctx, &LoginId { identifier: email, signup_url: link, ..LoginId::default() }),
    );
    let asked = serde_json::json!({"challenge": "AAAA", "rpId": words.tenant}).to_string();
    let passkey = |button, autofill| {
        Some(PasskeyLogin { options: &asked, button, autofill, seconds: 299, unknown: "" })
    };
    add("login.passkey", pages.login(ctx, &Login { passkey: passkey(true, true), ..login() }));
    let gone = [FormError::new("no-passkey")];
    let unknown = PasskeyLogin { unknown: &words.app, ..passkey(true, false).unwrap_or_default() };
    let unknown = LoginId { passkey: Some(unknown), errors: &gone, ..LoginId::default() };
    add("login-id.passkey", pages.login_id(ctx, &unknown));
    let password =
        LoginPassword { identifier: email, edit_url: link, reset_url: link, ..LoginPassword::default() };
    add("login-password", pages.login_password(ctx, &password));
    add("login-password.wrong", pages.login_password(ctx, &LoginPassword { errors: &wrong, ..password }));
    add("signup", pages.signup(ctx, &Signup { login_url: link, ..Signup::default() }));
    let signup = Signup {
        email,
        username: Some("ann"),
        rules: PasswordRules::of_policy("excellent", None),
        errors: &weak,
        ..Signup::default()
    };
    add("signup.weak", pages.signup(ctx, &signup));
    add(
        "signup-id",
        pages.signup_id(ctx, &SignupId { username: Some(""), login_url: link, ..SignupId::default() }),
    );
    let rules = PasswordRules::of_policy("fair", Some(12));
    let signup = SignupPassword { email, edit_url: link, rules, ..SignupPassword::default() };
    add("signup-password", pages.signup_password(ctx, &signup));

    let request = ResetPasswordRequest { email, login_url: link, ..ResetPasswordRequest::default() };
    add("reset-password-request", pages.reset_password_request(ctx, &request));
    let sent = ResetPasswordEmail { email, login_url: link, resend_in: 30, ..ResetPasswordEmail::default() };
    add("reset-password-email", pages.reset_password_email(ctx, &sent));
    let differ = [FormError::new("password-mismatch")];
    let reset = ResetPassword { ticket: "tick", email, ..ResetPassword::default() };
    add("reset-password", pages.reset_password(ctx, &reset));
    add("reset-password.differ", pages.reset_password(ctx, &ResetPassword { errors: &differ, ..reset }));
    add(
        "reset-password-success",
        pages.reset_password_success(ctx, &ResetPasswordSuccess { continue_url: link }),
    );
    for problem in [ResetProblem::Generic, ResetProblem::Expired, ResetProblem::Used] {
        let page = pages.reset_password_error(ctx, &ResetPasswordError { problem, request_url: link });
        add(&format!("reset-password-error.{problem:?}"), page);
    }

    let options =
        MfaBeginEnrollOptions { methods: &enrollable, back: true, ..MfaBeginEnrollOptions::default() };
    add("mfa-begin-enroll-options", pages.mfa_begin_enroll_options(ctx, &options));
    let options = MfaLoginOptions { methods: &usable, back: true, ..MfaLoginOptions::default() };
    add("mfa-login-options", pages.mfa_login_options(ctx, &options));
    let scan = MfaOtpEnrollmentQr {
        uri: &uri,
        digits: 6,
        pick_authenticator: true,
        ..MfaOtpEnrollmentQr::default()
    };
    add("mfa-otp-enrollment-qr", pages.mfa_otp_enrollment_qr(ctx, &scan));
    add(
        "mfa-otp-enrollment-qr.wrong",
        pages.mfa_otp_enrollment_qr(ctx, &MfaOtpEnrollmentQr { errors: &code, ..scan }),
    );
    let typed = MfaOtpEnrollmentCode {
        secret: SECRET,
        uri: &uri,
        account: email,
        digits: 6,
        pick_authenticator: true,
        errors: &[],
    };
    add("mfa-otp-enrollment-code", pages.mfa_otp_enrollment_code(ctx, &typed));
    let remember = Some(Remember { checked: false, days: 30 });
    let ask = MfaOtpChallenge { digits: 6, remember, pick_authenticator: true, errors: &[] };
    add("mfa-otp-challenge", pages.mfa_otp_challenge(ctx, &ask));
    add("mfa-otp-challenge.wrong", pages.mfa_otp_challenge(ctx, &MfaOtpChallenge { errors: &code, ..ask }));
    let plain = MfaOtpChallenge { digits: 8, errors: &budget, ..MfaOtpChallenge::default() };
    add("mfa-otp-challenge.budget", pages.mfa_otp_challenge(ctx, &plain));
    let options = serde_json::json!({"challenge": "AAAA", "rp": {"name": words.tenant}}).to_string();
    let key = Key {
        ceremony: "create",
        options: &options,
        platform: false,
        remember: None,
        pick_authenticator: true,
        may_be_left: false,
        errors: &[],
    };
    let roaming = MfaWebauthnRoamingEnrollment(key.clone());
    add("mfa-webauthn-roaming-enrollment", pages.mfa_webauthn_roaming_enrollment(ctx, &roaming));
    let cancelled = [FormError::new("webauthn-not-allowed")];
    let platform = Key { platform: true, errors: &cancelled, ..key.clone() };
    let platform = MfaWebauthnPlatformEnrollment(platform);
    add("mfa-webauthn-platform-enrollment.cancelled", pages.mfa_webauthn_platform_enrollment(ctx, &platform));
    let offer = Key { platform: true, pick_authenticator: false, may_be_left: true, ..key.clone() };
    let offer = MfaWebauthnPlatformEnrollment(offer);
    add("mfa-webauthn-platform-enrollment", pages.mfa_webauthn_platform_enrollment(ctx, &offer));
    let plain = MfaDetectBrowserCapabilities::default();
    add("mfa-detect-browser-capabilities", pages.mfa_detect_browser_capabilities(ctx, &plain));
    for (name, platform) in
        [("mfa-webauthn-enrollment-success", false), ("mfa-webauthn-enrollment-success.platform", true)]
    {
        let done = MfaWebauthnEnrollmentSuccess { platform, errors: &[] };
        add(name, pages.mfa_webauthn_enrollment_success(ctx, &done));
    }
    let key = Key { ceremony: "get", remember, ..key };
    let roaming = MfaWebauthnRoamingChallenge(key.clone());
    add("mfa-webauthn-roaming-challenge", pages.mfa_webauthn_roaming_challenge(ctx, &roaming));
    let refused = [FormError::new("webauthn-platform-challenge-error")];
    let platform = MfaWebauthnPlatformChallenge(Key { platform: true, errors: &refused, ..key });
    add("mfa-webauthn-platform-challenge.refused", pages.mfa_webauthn_platform_challenge(ctx, &platform));
    let named = MfaWebauthnChangeKeyNickname { nickname: "", platform: false, errors: &[] };
    add("mfa-webauthn-change-key-nickname", pages.mfa_webauthn_change_key_nickname(ctx, &named));
    let unnamed = [FormError::new("nickname-too-long")];
    let unnamed = MfaWebauthnChangeKeyNickname { nickname: email, platform: true, errors: &unnamed };
    add("mfa-webauthn-change-key-nickname.long", pages.mfa_webauthn_change_key_nickname(ctx, &unnamed));
    // Not for this device alone: a browser without such passkeys would leave the sample by itself.
    let offered = OfferedPasskey {
        options: &options,
        may_be_left: true,
        may_be_declined: true,
        ..OfferedPasskey::default()
    };
    let offer = PasskeyEnrollment(offered.clone());
    add("passkey-enrollment", pages.passkey_enrollment(ctx, &offer));
    let signup = OfferedPasskey {
        signup: true,
        account: email,
        edit_url: link,
        login_url: link,
        may_be_declined: false,
        ..offered.clone()
    };
    let only = OfferedPasskey { may_be_left: false, ..signup.clone() };
    add("passkey-enrollment.signup", pages.passkey_enrollment(ctx, &PasskeyEnrollment(signup)));
    add("passkey-enrollment.only", pages.passkey_enrollment(ctx, &PasskeyEnrollment(only)));
    let failed = [FormError::new("passkey-authentication-failed")];
    let offer = PasskeyEnrollmentLocal(OfferedPasskey { errors: &failed, ..offered });
    add("passkey-enrollment-local.failed", pages.passkey_enrollment_local(ctx, &offer));
    let (bad, odd) = ([FormError::new("invalid-phone")], [FormError::new("invalid-phone-format")]);
    let regions: Vec<_> = Region::all().collect();
    let rows = countries::rows(&regions, Some("DE"), &ctx.locale);
    add(
        "mfa-country-codes",
        pages.mfa_country_codes(ctx, &MfaCountryCodes { countries: &rows, errors: &[] }),
    );
    let number = Number {
        number: "0151",
        country: rows.iter().find(|row| row.chosen).copied(),
        countries: true,
        choice: true,
        pick_authenticator: true,
        errors: &bad,
    };
    add("mfa-phone-enrollment", pages.mfa_phone_enrollment(ctx, &MfaPhoneEnrollment(number.clone())));
    let number = Number { number: "", country: None, choice: false, errors: &[], ..number };
    add("mfa-sms-enrollment", pages.mfa_sms_enrollment(ctx, &MfaSmsEnrollment(number.clone())));
    let wrong = Number { number: "two", errors: &odd, ..number.clone() };
    add("mfa-sms-enrollment.wrong", pages.mfa_sms_enrollment(ctx, &MfaSmsEnrollment(wrong)));
    let number = Number { country: rows.first().copied(), countries: false, ..number };
    add("mfa-voice-enrollment", pages.mfa_voice_enrollment(ctx, &MfaVoiceEnrollment(number)));
    let masked = if email.starts_with("ann") { "XXXXXXXXX0143" } else { email };
    let sent = CodeSent {
        to: masked,
        remember,
        resend_in: 30,
        other_channel: "voice",
        edit: false,
        listed: true,
        pick_authenticator: true,
        errors: &[],
    };
    add("mfa-sms-challenge", pages.mfa_sms_challenge(ctx, &MfaSmsChallenge(sent.clone())));
    let called = CodeSent { other_channel: "sms", errors: &code, edit: true, ..sent.clone() };
    add("mfa-voice-challenge", pages.mfa_voice_challenge(ctx, &MfaVoiceChallenge(called)));
    let mailed = CodeSent { other_channel: "", to: email, ..sent };
    add("mfa-email-challenge", pages.mfa_email_challenge(ctx, &MfaEmailChallenge(mailed)));
    let ask = MfaPhoneChallenge { to: masked, listed: true, pick_authenticator: true, errors: &[] };
    add("mfa-phone-challenge", pages.mfa_phone_challenge(ctx, &ask));
    let rows = ["sms", "sms"].map(|method| MethodRow { method, detail: masked, last_used_days: None });
    add("mfa-sms-list", pages.mfa_sms_list(ctx, &MfaSmsList(Reachable { methods: &rows, errors: &[] })));
    let rows = ["email", "email"].map(|method| MethodRow { method, detail: email, last_used_days: None });
    add(
        "mfa-email-list",
        pages.mfa_email_list(ctx, &MfaEmailList(Reachable { methods: &rows, errors: &[] })),
    );
    let address = MfaEmailEnrollment { email: "", pick_authenticator: true, errors: &[] };
    add("mfa-email-enrollment", pages.mfa_email_enrollment(ctx, &address));
    let saved = MfaRecoveryCodeEnrollment { code: RECOVERY, errors: &[] };
    add("mfa-recovery-code-enrollment", pages.mfa_recovery_code_enrollment(ctx, &saved));
    let saved = MfaRecoveryCodeEnrollment { code: RECOVERY, errors: &untick };
    add("mfa-recovery-code-enrollment.untick", pages.mfa_recovery_code_enrollment(ctx, &saved));
    let ask = MfaRecoveryCodeChallenge { pick_authenticator: true, errors: &[] };
    add("mfa-recovery-code-challenge", pages.mfa_recovery_code_challenge(ctx, &ask));
    let ask = MfaRecoveryCodeChallenge { pick_authenticator: false, errors: &code };
    add("mfa-recovery-code-challenge.wrong", pages.mfa_recovery_code_challenge(ctx, &ask));
    let fresh = MfaRecoveryCodeNewCode { code: RECOVERY, errors: &[] };
    add("mfa-recovery-code-challenge-new-code", pages.mfa_recovery_code_challenge_new_code(ctx, &fresh));
    let verification = EmailVerification { ticket: "tick", account: email };
    add("email-verification", pages.email_verification(ctx, &verification));
    for outcome in [
        VerificationOutcome::Verified,
        VerificationOutcome::Invalid,
        VerificationOutcome::Expired,
        VerificationOutcome::AlreadyUsed,
        VerificationOutcome::Generic,
    ] {
        let page = EmailVerificationResult { outcome, continue_url: None };
        let page = pages.email_verification_result(ctx, &page);
        add(&format!("email-verification-result.{outcome:?}"), page);
    }
    let welcome = MfaEnrollWelcome { ticket: "gten_abc", account: email };
    add("mfa-enroll-welcome", pages.mfa_enroll_welcome(ctx, &welcome));
    for outcome in [
        EnrollOutcome::Enrolled,
        EnrollOutcome::InvalidTicket,
        EnrollOutcome::ExpiredTicket,
        EnrollOutcome::AlreadyUsed,
        EnrollOutcome::AlreadyEnrolled,
        EnrollOutcome::Generic,
    ] {
        let page = pages.mfa_enroll_result(ctx, &MfaEnrollResult { outcome, continue_url: None });
        add(&format!("mfa-enroll-result.{outcome:?}"), page);
    }

    let consent = Consent { user: email, audience: "Invoices API", scopes: &scopes, errors: &[] };
    add("consent", pages.consent(ctx, &consent));
    let factor = FactorRow {
        id: "dev_sEe99pcpN0xp0yOO".to_owned(),
        method: "otp",
        name: words.app.clone(),
        added_days: 40,
        last_used_days: Some(0),
        removable: true,
        ..FactorRow::default()
    };
    let phone = FactorRow {
        method: "phone",
        name: String::new(),
        detail: "XXXXXXXX9167".to_owned(),
        added_days: 1,
        last_used_days: None,
        ..factor.clone()
    };
    let address = FactorRow {
        method: "email",
        detail: words.email.clone(),
        address_of_account: true,
        removable: false,
        ..phone.clone()
    };
    let here = BrowserRow {
        id: "a".to_owned(),
        browser: "Firefox, Windows".to_owned(),
        ip: "2001:db8::1".to_owned(),
        active_days: 0,
        current: true,
    };
    let there = BrowserRow { browser: String::new(), active_days: 3, current: false, ..here.clone() };
    let (rows, both) = ([factor.clone(), phone, address], [here.clone(), there.clone()]);
    let passkey = FactorRow {
        id: "dev_Hp4sRk8tQ2zWm1Xc".to_owned(),
        method: "passkey",
        name: words.app.clone(),
        added_days: 12,
        last_used_days: Some(1),
        removable: true,
        synced: Some(true),
        ..FactorRow::default()
    };
    let bound =
        FactorRow { name: String::new(), synced: Some(false), last_used_days: None, ..passkey.clone() };
    let last = [FactorRow { removable: false, ..bound.clone() }];
    let passkeys = [passkey, bound];
    let account = Account {
        account: email,
        form_token: &words.state,
        factors: &rows,
        can_add: true,
        passkeys: &passkeys,
        can_add_passkey: true,
        keeps_last: false,
        recovery_code: Some(true),
        sessions: &both,
        remembered: &both[..1],
        keys: Some("{\"rpId\":\"localhost\",\"userId\":\"AAAA\",\"allAcceptedCredentialIds\":[]}"),
        errors: &[],
    };
    add("account", pages.account(ctx, &account));
    let errors_of_account = [FormError::new("last-factor")];
    let (only, alone) = ([FactorRow { removable: false, ..factor.clone() }], [here]);
    let kept = Account {
        factors: &only,
        passkeys: &last,
        can_add_passkey: false,
        keeps_last: true,
        recovery_code: Some(false),
        sessions: &alone,
        remembered: &[],
        errors: &errors_of_account,
        ..account
    };
    add("account.last", pages.account(ctx, &kept));
    let empty = Account {
        account: email,
        form_token: &words.state,
        can_add: true,
        can_add_passkey: true,
        sessions: &alone,
        ..Account::default()
    };
    add("account.empty", pages.account(ctx, &empty));
    let remove = AccountRemove { form_token: &words.state, factor, errors: &[] };
    let giving_up = Ctx { cancel_url: "/account", ..ctx.clone() };
    let begun = MfaOtpEnrollmentCode {
        secret: SECRET,
        uri: &uri,
        account: email,
        digits: 6,
        pick_authenticator: true,
        errors: &[],
    };
    add("mfa-otp-enrollment-code.account", pages.mfa_otp_enrollment_code(&giving_up, &begun));
    add("account-remove", pages.account_remove(ctx, &remove));
    let new = AccountPasskey { options: &options, errors: &[] };
    add("account-passkey", pages.account_passkey(&giving_up, &new));
    let errors_of_passkey = [FormError::new("passkey-already-there")];
    let new = AccountPasskey { errors: &errors_of_passkey, ..new };
    add("account-passkey.error", pages.account_passkey(&giving_up, &new));
    add("logout", pages.logout(ctx, &Logout { user: email }));
    add("logout-complete", pages.logout_complete(ctx, &LogoutComplete { login_url: link }));
    add("logout-aborted", pages.logout_aborted(ctx, &LogoutAborted { back_url: link }));
    let support = Some("mailto:help@example.com");
    for status in ["mfa-required", "unheard-of"] {
        let page = pages.status(ctx, &Status { code: status, back_url: link, support_url: support });
        add(&format!("status.{status}"), page);
    }
    for kind in [
        "generic",
        "transactionNotFound",
        "cookiesOff",
        "callbackMismatch",
        "invalidRequest",
        "unknownClient",
        "tooManyRequests",
        "notFound",
        "methodNotAllowed",
        "unavailable",
        "accessDenied",
        "unheard-of",
    ] {
        let page = ErrorPage {
            kind,
            detail: &words.app,
            code: "invalid_request",
            log_id: "90020261125045701234567",
            back_url: link,
            support_url: support,
        };
        add(&format!("error.{kind}"), pages.error(ctx, &page));
    }
    add("error.bare", pages.error(ctx, &ErrorPage::default()));
    for kind in ["generic", "emailVerified", "unblocked", "unheard-of"] {
        add(&format!("ok.{kind}"), pages.ok(ctx, &OkPage { kind, continue_url: None }));
    }
    add(
        "form-post",
        pages.form_post(ctx, "https://app.example/cb", &[("code", "abc"), ("state", &words.state)]),
    );
    samples
}

#[test]
fn every_page_renders_in_every_language() {
    let pages = Pages::new();
    let words = Words::friendly();
    let languages: Vec<_> = pages.texts().languages().collect();
    for locale in languages.into_iter().chain(["sw"]) {
        for (name, page) in all(&pages, &words.ctx(locale), &words) {
            assert!(page.html.contains("class=\"card\""), "{name} in {locale} could not be rendered");
            assert!(!page.html.contains("${"), "{name} in {locale} left a variable");
            assert!(page.html.len() < 24_000, "{name} in {locale} weighs {} bytes", page.html.len());
            assert_eq!(page.html.matches("<h1>").count(), 1, "{name} in {locale}");
            assert!(page.csp.contains("frame-ancestors 'none'") && !page.csp.contains("unsafe"), "{name}");
        }
    }
}

#[test]
fn the_page_says_its_language_and_direction() {
    let pages = Pages::new();
    let login = |locale| pages.login(&Words::friendly().ctx(locale), &Login::default()).html;
    assert!(login("ar").contains("<html lang=\"ar\" dir=\"rtl\">"));
    assert!(login("fr-FR").contains("<html lang=\"fr\" dir=\"ltr\">"));
}

#[test]
fn fields_have_the_names_that_end_to_end_tests_look_for() {
    let pages = Pages::new();
    let ctx = Words::friendly().ctx("en");
    let login = pages.login(&ctx, &Login::default()).html;
    for part in ["<input id=\"username\" name=\"username\"", "<input id=\"password\" name=\"password\""] {
        assert!(login.contains(part), "{part}");
    }
    assert!(login.contains("name=\"action\" value=\"default\"") && login.contains("name=\"state\""));
    assert!(login.contains("autocomplete=\"current-password\""));
    let ask =
        pages.mfa_otp_challenge(&ctx, &MfaOtpChallenge { digits: 6, ..MfaOtpChallenge::default() }).html;
    assert!(ask.contains(
        "id=\"code\" name=\"code\" type=\"text\" inputmode=\"numeric\" autocomplete=\"one-time-code\""
    ));
    assert!(!ask.contains("rememberBrowser"), "the box is shown only when it may be");
}

#[test]
fn what_was_typed_comes_back_but_no_password() {
    let pages = Pages::new();
    let errors = [FormError::new("wrong-credentials")];
    let page = Login { identifier: "ann@example.com", errors: &errors, ..Login::default() };
    let html = pages.login(&Words::friendly().ctx("en"), &page).html;
    assert!(html.contains("value=\"ann@example.com\""));
    let password = html.split("<input id=\"password\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(!password.contains("value="), "{password}");
    assert!(password.contains("aria-describedby=\"form-errors\""), "{password}");
}

#[test]
fn an_error_without_words_still_says_what_to_do() {
    let errors = [FormError::new("no-such-key")];
    let page = Login { errors: &errors, ..Login::default() };
    let html = Pages::new().login(&Words::friendly().ctx("en"), &page).html;
    assert!(html.contains("Try again in a few minutes."));
}

/// Names and parameters that tried to become markup, script or template code elsewhere.
#[test]
fn names_and_parameters_are_text_on_every_page() {
    let pages = Pages::new();
    for hostile in [
        "<a href=//evil.example>log in</a>",
        "<img src=//evil.example/p>",
        "\"onfocus=alert(1) x=\"",
        "'onfocus=alert(1) x='",
        "{{ 7*7 }}{% raw %}",
        "${7*7}",
        "{{user.app_metadata}}",
        "</script><svg onload=alert(1)>",
        "javascript:alert(1)",
        "a\u{2028}b",
    ] {
        let words = Words::hostile(hostile);
        for (name, page) in all(&pages, &words.ctx("en"), &words) {
            let html = page.html;
            assert!(html.contains("class=\"card\""), "{name} could not be rendered with {hostile}");
            for sign in
                ["<a href=//", "<img src=//", "\"onfocus", "'onfocus", "<svg onload", "href=\"javascript"]
            {
                assert!(!html.contains(sign), "{name}: {hostile} became {sign}");
            }
            let text = html.replace("2e49", "").replace("4.49", "");
            assert!(!text.contains(">49<") && !text.contains(" 49 "), "{name}: {hostile} was calculated");
        }
    }
}

#[test]
fn a_link_that_runs_script_loses_its_address() {
    for address in ["javascript:alert(1)", " java\nscript:alert(1)", "DATA:text/html,x"] {
        let page = LogoutAborted { back_url: Some(address) };
        let html = Pages::new().logout_aborted(&Words::friendly().ctx("en"), &page).html;
        assert!(html.contains("class=\"button main\" href=\"\""), "{address}");
    }
}

#[test]
fn custom_text_is_text() {
    let Ok(serde_json::Value::Object(custom)) = serde_json::from_str(
        r#"{"login": {"login": {"title": "<b>Hi</b> ${clientName}", "buttonText": "Go"}}}"#,
    ) else {
        unreachable!()
    };
    let ctx = Ctx { custom_texts: Arc::new(custom), ..Words::friendly().ctx("en") };
    let html = Pages::new().login(&ctx, &Login::default()).html;
    assert!(
        html.contains("<h1>&lt;b&gt;Hi&lt;/b&gt; Acme Invoices</h1>")
            || html.contains("&lt;b&gt;Hi&lt;&#x2f;b&gt; Acme")
    );
    assert!(html.contains(">Go</button>"));
}

/// Writes the samples for tests/browser/pages.mjs.
#[test]
fn samples_are_written_where_asked() {
    let Ok(folder) = std::env::var("LOCKSTEP_SAMPLES_DIR") else {
        return;
    };
    let folder = std::path::Path::new(&folder);
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for name in ["page.css", "page.js", "webauthn.js", "capabilities.js", "favicon.svg"] {
        std::fs::write(folder.join("assets").join(name), super::assets::get(name).unwrap().1).unwrap();
    }
    let pages = Pages::new();
    let words = Words::friendly();
    let loud = Brand {
        logo_url: Some("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='120' height='32'%3E%3Crect width='120' height='32' rx='6' fill='%23d60'/%3E%3C/svg%3E".into()),
        primary: Rgb::parse("#ffd400"),
        background: Some(Background::Plain(Rgb(0x10, 0x2a, 0x43))),
        control_radius: Some(24),
        card_radius: Some(2),
        ..Brand::default()
    };
    let mut index = Map::new();
    let mut write = |name: String, page: &Page| {
        std::fs::write(folder.join(format!("{name}.html")), &page.html).unwrap();
        index.insert(name, page.csp.clone().into());
    };
    let languages: Vec<_> = pages.texts().languages().collect();
    for locale in languages {
        for (name, page) in all(&pages, &words.ctx(locale), &words) {
            write(format!("{locale}.{name}"), &page);
        }
    }
    for (look, brand) in [("brand", loud.clone()), ("brand-dark", Brand { scheme: Scheme::Dark, ..loud })] {
        let ctx = Ctx { brand: Arc::new(brand), ..words.ctx("en") };
        for (name, page) in all(&pages, &ctx, &words) {
            write(format!("{look}.{name}"), &page);
        }
    }
    std::fs::write(folder.join("index.json"), serde_json::to_string(&index).unwrap()).unwrap();
}
