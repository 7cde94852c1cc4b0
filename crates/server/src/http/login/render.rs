//! From the state of a login to its page.

use lockstep_core::factors::FactorKind;
use lockstep_core::login::effect::Problem;
use lockstep_core::login::offer::OfferKind;
use lockstep_core::login::state::{Login, Refusal, Refused};
use lockstep_core::model::connection::{Connection, PasswordRule};
use lockstep_core::time::Timestamp;
use lockstep_engine::flows::login::{Showing, Trouble};

use super::enrolment;
use crate::ui::forms::{FormError, PasswordRules};
use crate::ui::screens::{self, CodeSent, Identifier, Key, PasskeyLogin, Remember, ScopeRow};
use crate::ui::{Ctx, Page, Pages};

/// Returns the address of the page that a login shows.
pub(super) fn path(login: &Login) -> String {
    match login.screen().map(|s| s.name) {
        Some("login") => "/u/login".to_owned(),
        Some("login-id") => "/u/login/identifier".to_owned(),
        Some("login-password") => "/u/login/password".to_owned(),
        Some("signup-id") => "/u/signup/identifier".to_owned(),
        Some("signup-password") => "/u/signup/password".to_owned(),
        Some(name) => format!("/u/{name}"),
        None => "/u/login".to_owned(),
    }
}

/// Returns the page that a login shows.
pub(super) fn page(
    pages: &Pages,
    ctx: &Ctx,
    showing: &Showing,
    countries: &enrolment::Countries,
    now: Timestamp,
) -> Page {
    let login = &showing.running.login;
    let errors = errors(showing.trouble.as_ref());
    let errors = errors.as_slice();
    let links = Links::of(showing);
    let typed = &showing.typed;
    let identifier = typed.identifier.as_deref().or_else(|| login.identifier()).unwrap_or_default();
    let identifier_kind = identifier_kind(showing.connection.as_ref());
    let asked = AskedPasskey::of(showing, now);
    match login {
        Login::AskIdentifier(_) => pages.login_id(
            ctx,
            &screens::LoginId {
                identifier,
                identifier_kind,
                signup_url: links.signup.as_deref(),
                passkey: asked.as_ref().map(AskedPasskey::shown),
                errors,
            },
        ),
        Login::AskPassword(_) if login.screen().is_some_and(|s| s.name == "login-password") => pages
            .login_password(
                ctx,
                &screens::LoginPassword {
                    identifier,
                    edit_url: Some(&links.edit),
                    reset_url: links.reset.as_deref(),
                    errors,
                },
            ),
        Login::AskPassword(_) => pages.login(
            ctx,
            &screens::Login {
                identifier,
                identifier_kind,
                signup_url: links.signup.as_deref(),
                reset_url: links.reset.as_deref(),
                passkey: asked.as_ref().map(AskedPasskey::shown),
                errors,
            },
        ),
        Login::AskSignup(state) => {
            let with_names = showing.connection.as_ref().is_some_and(Connection::requires_username);
            let username = typed.username.as_deref().or_else(|| state.username()).unwrap_or_default();
            let username = with_names.then_some(username);
            if state.names_only() {
                let forget = typed.made_in_vain.as_deref();
                let page = screens::SignupId {
                    email: identifier,
                    username,
                    login_url: Some(&links.login),
                    forget,
                    errors,
                };
                return pages.signup_id(ctx, &page);
            }
            let page = screens::Signup {
                email: identifier,
                username,
                rules: rules(showing.connection.as_ref()),
                login_url: Some(&links.login),
                errors,
            };
            pages.signup(ctx, &page)
        }
        Login::AskSignupPasskey(state) => {
            let options =
                state.registration().options(showing.tenant.friendly_name(), identifier).to_string();
            let page = screens::OfferedPasskey {
                options: &options,
                signup: true,
                account: identifier,
                edit_url: Some(&links.edit_signup),
                login_url: Some(&links.login),
                may_be_left: state.may_be_left(),
                errors,
                ..screens::OfferedPasskey::default()
            };
            pages.passkey_enrollment(ctx, &screens::PasskeyEnrollment(page))
        }
        Login::AskSignupPassword(_) => {
            let page = screens::SignupPassword {
                email: identifier,
                edit_url: Some(&links.edit_signup),
                rules: rules(showing.connection.as_ref()),
                errors,
            };
            pages.signup_password(ctx, &page)
        }
        Login::Enrol(state) => {
            let about = enrolment::About {
                account: showing.user_name.as_deref().unwrap_or_default(),
                typed: typed.identifier.as_deref().unwrap_or_default(),
                now,
                errors,
                channels: &showing.channels,
                countries,
                may_be_left: state.may_be_left(),
            };
            enrolment::page(pages, ctx, state.enrolment(), &about).unwrap_or_else(|| broken(pages, ctx))
        }
        Login::ChallengeFactor(state) => {
            let remember = state.remember_offered().then_some(Remember { checked: false, days: 30 });
            if let Some(options) = state.key_options() {
                let Ok(options) = options.map(|options| options.to_string()) else {
                    return broken(pages, ctx);
                };
                let platform = state.kind() == FactorKind::WebauthnPlatform;
                let pick_authenticator = state.can_try_another();
                let key = Key {
                    ceremony: "get",
                    options: &options,
                    platform,
                    remember,
                    pick_authenticator,
                    may_be_left: false,
                    errors,
                };
                return if platform {
                    pages.mfa_webauthn_platform_challenge(ctx, &screens::MfaWebauthnPlatformChallenge(key))
                } else {
                    pages.mfa_webauthn_roaming_challenge(ctx, &screens::MfaWebauthnRoamingChallenge(key))
                };
            }
            match (state.sent(), state.to()) {
                (Some(sent), Some(to)) => {
                    let page = CodeSent {
                        to,
                        remember,
                        resend_in: enrolment::resend_in(Some(sent), now),
                        other_channel: state.other_channel().map_or("", |channel| channel.as_str()),
                        edit: false,
                        listed: state.listed(),
                        pick_authenticator: state.can_try_another(),
                        errors,
                    };
                    enrolment::code_sent(pages, ctx, sent.channel, page)
                }
                _ => {
                    let page = screens::MfaOtpChallenge {
                        digits: 6,
                        remember,
                        pick_authenticator: state.can_try_another(),
                        errors,
                    };
                    pages.mfa_otp_challenge(ctx, &page)
                }
            }
        }
        Login::AskChannel(state) => {
            let page = screens::MfaPhoneChallenge {
                to: state.to(),
                listed: state.listed(),
                pick_authenticator: state.can_try_another(),
                errors,
            };
            pages.mfa_phone_challenge(ctx, &page)
        }
        Login::ListAuthenticators(state) => {
            let mail = login.screen().is_some_and(|s| s.name == "mfa-email-list");
            let to: Vec<&str> = state.options().iter().map(|(_, to)| to.as_str()).collect();
            enrolment::list(pages, ctx, mail, &to, errors)
        }
        Login::ChallengeRecovery(_) => pages.mfa_recovery_code_challenge(
            ctx,
            &screens::MfaRecoveryCodeChallenge { pick_authenticator: true, errors },
        ),
        Login::ShowEnrolled(state) => {
            let platform = state.kind() == FactorKind::WebauthnPlatform;
            let page = screens::MfaWebauthnEnrollmentSuccess { platform, errors };
            pages.mfa_webauthn_enrollment_success(ctx, &page)
        }
        Login::DetectBrowser(_) => {
            pages.mfa_detect_browser_capabilities(ctx, &screens::MfaDetectBrowserCapabilities { errors })
        }
        Login::ShowNewRecoveryCode(state) => pages.mfa_recovery_code_challenge_new_code(
            ctx,
            &screens::MfaRecoveryCodeNewCode { code: state.code(), errors },
        ),
        Login::ChooseMethod(state) => {
            let rows = enrolment::rows(state.options(), &showing.channels);
            pages.mfa_login_options(ctx, &screens::MfaLoginOptions { methods: &rows, back: true, errors })
        }
        Login::AskOffer(state) => {
            let account = showing.user_name.as_deref().unwrap_or_default();
            let options = state.registration().options(showing.tenant.friendly_name(), account).to_string();
            let offered = |platform| screens::OfferedPasskey {
                options: &options,
                platform,
                may_be_left: true,
                may_be_declined: true,
                errors,
                ..screens::OfferedPasskey::default()
            };
            match state.kind() {
                // A key of the device is offered by an enrolment, never by this page.
                OfferKind::Passkey | OfferKind::DeviceKey => {
                    pages.passkey_enrollment(ctx, &screens::PasskeyEnrollment(offered(false)))
                }
                OfferKind::PasskeyHere => {
                    pages.passkey_enrollment_local(ctx, &screens::PasskeyEnrollmentLocal(offered(true)))
                }
            }
        }
        Login::AskConsent(_) => {
            let scopes: Vec<ScopeRow<'_>> =
                showing.scopes.iter().map(|(name, description)| ScopeRow { name, description }).collect();
            let page = screens::Consent {
                user: showing.user_name.as_deref().unwrap_or_default(),
                audience: showing.api_name.as_deref().unwrap_or_default(),
                scopes: &scopes,
                errors,
            };
            pages.consent(ctx, &page)
        }
        Login::Refused(Refused { why: Refusal::NoFactorAvailable }) => {
            let page = screens::Status {
                code: "mfa-required",
                back_url: showing.client.initiate_login_uri(),
                support_url: showing.tenant.0.filled("support_url"),
            };
            pages.status(ctx, &page)
        }
        Login::Deciding(_) | Login::LoggedIn(_) | Login::Refused(_) => broken(pages, ctx),
    }
}

/// What the login page asks a passkey.
struct AskedPasskey<'a> {
    options: String,
    button: bool,
    autofill: bool,
    seconds: i64,
    unknown: &'a str,
}

impl<'a> AskedPasskey<'a> {
    fn of(showing: &'a Showing, now: Timestamp) -> Option<Self> {
        let (asked, connection) = (showing.running.passkey.as_ref()?, showing.connection.as_ref()?);
        Some(Self {
            options: asked.options().to_string(),
            button: connection.has_passkey_button(),
            autofill: connection.has_passkey_autofill(),
            seconds: asked.expires_at().since(now).as_secs(),
            unknown: showing.typed.unknown_passkey.as_deref().unwrap_or_default(),
        })
    }

    fn shown(&self) -> PasskeyLogin<'_> {
        PasskeyLogin {
            options: &self.options,
            button: self.button,
            autofill: self.autofill,
            seconds: self.seconds,
            unknown: self.unknown,
        }
    }
}

fn broken(pages: &Pages, ctx: &Ctx) -> Page {
    pages.error(ctx, &screens::ErrorPage { kind: "generic", ..screens::ErrorPage::default() })
}

/// The links of the pages before the first factor.
struct Links {
    login: String,
    signup: Option<String>,
    edit: String,
    edit_signup: String,
    reset: Option<String>,
}

impl Links {
    fn of(showing: &Showing) -> Self {
        let state = &showing.transaction;
        let connection = showing.connection.as_ref();
        let resettable = connection
            .filter(|c| c.allows_password_reset())
            .map(|c| percent_encoding::utf8_percent_encode(&c.name, percent_encoding::NON_ALPHANUMERIC));
        Self {
            login: format!("/u/login?state={state}"),
            signup: connection
                .filter(|c| c.allows_signup() || c.allows_passkey_signup())
                .map(|_| format!("/u/signup?state={state}")),
            edit: format!("/u/login/identifier?state={state}"),
            edit_signup: format!("/u/signup/identifier?state={state}"),
            reset: resettable.map(|name| format!("/u/reset-password/request/{name}?state={state}")),
        }
    }
}

fn identifier_kind(connection: Option<&Connection>) -> Identifier {
    if connection.is_some_and(Connection::requires_username) { Identifier::Both } else { Identifier::Email }
}

/// Returns the rules of a connection's passwords, for the list under the field.
pub(super) fn rules(connection: Option<&Connection>) -> PasswordRules {
    let Some(connection) = connection else { return PasswordRules::default() };
    let policy = connection.password_policy();
    PasswordRules {
        min_length: u32::try_from(policy.min_length).unwrap_or(u32::MAX),
        kinds_needed: u8::try_from(policy.kinds).unwrap_or(u8::MAX),
        lower: policy.kinds > 0,
        upper: policy.kinds > 0,
        digit: policy.kinds > 0,
        special: policy.kinds > 0,
        no_repeats: policy.max_run.is_some(),
    }
}

fn errors(trouble: Option<&Trouble>) -> Vec<FormError> {
    match trouble {
        None => Vec::new(),
        Some(Trouble::Problem(problem)) => vec![error(*problem)],
        Some(Trouble::Form(key, field)) => vec![FormError::new(*key).on(field)],
        Some(Trouble::WeakPassword(rules)) => vec![weak(rules)],
    }
}

fn error(problem: Problem) -> FormError {
    FormError::new(problem.key())
}

fn weak(_rules: &[(PasswordRule, bool)]) -> FormError {
    FormError::new("password-too-weak")
}
