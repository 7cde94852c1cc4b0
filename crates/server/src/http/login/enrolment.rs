//! The pages of an enrolment, in a login, by a ticket or on the account page: from its stage to the page, from a form to an answer.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use lockstep_core::factors::phone::{PhoneCountries, Region};
use lockstep_core::factors::{FactorKind, Sent, Shown};
use lockstep_core::login::enrolment::{Enrolment, Stage};
use lockstep_core::login::offer::Leave;
use lockstep_core::login::steps::{Answer, KeyFailure};
use lockstep_core::model::languages::wished_region;
use lockstep_core::model::message::Channel;
use lockstep_core::model::settings::TenantSettings;
use lockstep_core::time::Timestamp;

use crate::http::Web;
use crate::ui::countries;
use crate::ui::forms::{FormError, picked};
use crate::ui::screens::{self, CodeSent, Key, MethodRow, Number, Reachable};
use crate::ui::{Ctx, Page, Pages};

/// What the page needs besides the enrolment.
pub(in crate::http) struct About<'a> {
    /// The name of the account.
    pub(in crate::http) account: &'a str,
    /// The number or address that was typed into a form that comes back.
    pub(in crate::http) typed: &'a str,
    /// The moment.
    pub(in crate::http) now: Timestamp,
    /// What is wrong with the last answer.
    pub(in crate::http) errors: &'a [FormError],
    /// The channels of the phone factor.
    pub(in crate::http) channels: &'a [Channel],
    /// The countries of telephone numbers.
    pub(in crate::http) countries: &'a Countries,
    /// Whether it is an offer that may be left.
    pub(in crate::http) may_be_left: bool,
}

/// Which countries telephone numbers may be of, and which one this browser's person most likely means.
pub(in crate::http) struct Countries {
    allowed: PhoneCountries,
    likely: Option<Region>,
}

impl Countries {
    /// Reads settings and request.
    pub(in crate::http) fn new(web: &Web, tenant: &TenantSettings, headers: &HeaderMap) -> Self {
        let allowed = PhoneCountries::new(&web.app().config().phone_countries, tenant);
        let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let likely = allowed.likely(accept.and_then(wished_region));
        Self { allowed, likely }
    }

    /// Returns the country that a number is read in: the chosen one, while it is allowed.
    fn of(&self, regions: &[Region], chosen: Option<&str>) -> Option<Region> {
        let chosen = regions.iter().find(|region| Some(region.id) == chosen);
        chosen.copied().or(self.likely)
    }
}

/// Returns the page of an enrolment; none if what is stored cannot be read.
pub(in crate::http) fn page(pages: &Pages, ctx: &Ctx, at: &Enrolment, about: &About<'_>) -> Option<Page> {
    let About { account, typed, errors, .. } = *about;
    let pick_authenticator = at.can_try_another();
    Some(match at.stage() {
        Stage::Choose => {
            let rows = rows(at.options(), about.channels);
            let page = screens::MfaBeginEnrollOptions { methods: &rows, back: false, errors };
            pages.mfa_begin_enroll_options(ctx, &page)
        }
        Stage::Totp { as_key, .. } => {
            let Ok(Shown::Totp { secret, uri, .. }) = at.shown()? else { return None };
            if *as_key {
                let (secret, uri) = (&secret, &uri);
                let page = screens::MfaOtpEnrollmentCode {
                    secret,
                    uri,
                    account,
                    digits: 6,
                    pick_authenticator,
                    errors,
                };
                pages.mfa_otp_enrollment_code(ctx, &page)
            } else {
                let page = screens::MfaOtpEnrollmentQr { uri: &uri, digits: 6, pick_authenticator, errors };
                pages.mfa_otp_enrollment_qr(ctx, &page)
            }
        }
        Stage::Country { of, .. } => {
            let regions = about.countries.allowed.regions();
            let chosen = about.countries.of(&regions, of.region.as_deref());
            let rows = countries::rows(&regions, chosen.map(|region| region.id), &ctx.locale);
            pages.mfa_country_codes(ctx, &screens::MfaCountryCodes { countries: &rows, errors })
        }
        Stage::Number { of, .. } => {
            let regions = about.countries.allowed.regions();
            let country = about.countries.of(&regions, of.region.as_deref());
            let number = Number {
                number: if typed.is_empty() { &of.typed } else { typed },
                country: country.map(|region| countries::row(region, None, &ctx.locale)),
                countries: regions.len() > 1,
                choice: false,
                pick_authenticator,
                errors,
            };
            match at.screen().name {
                "mfa-phone-enrollment" => {
                    let number = Number { choice: true, ..number };
                    pages.mfa_phone_enrollment(ctx, &screens::MfaPhoneEnrollment(number))
                }
                "mfa-voice-enrollment" => {
                    pages.mfa_voice_enrollment(ctx, &screens::MfaVoiceEnrollment(number))
                }
                _ => pages.mfa_sms_enrollment(ctx, &screens::MfaSmsEnrollment(number)),
            }
        }
        Stage::Address => {
            let page = screens::MfaEmailEnrollment { email: typed, pick_authenticator, errors };
            pages.mfa_email_enrollment(ctx, &page)
        }
        Stage::Code { channels, .. } => {
            let Ok(Shown::Sent { channel, to }) = at.shown()? else { return None };
            let other = channels.iter().find(|other| **other != channel);
            let page = CodeSent {
                to: &to,
                remember: None,
                resend_in: resend_in(at.sent(), about.now),
                other_channel: other.map_or("", |other| other.as_str()),
                edit: true,
                listed: false,
                pick_authenticator,
                errors,
            };
            code_sent(pages, ctx, channel, page)
        }
        Stage::Key { draft } => {
            let Ok(Shown::PublicKey(options)) = at.shown()? else { return None };
            let options = options.to_string();
            let platform = draft.kind == FactorKind::WebauthnPlatform;
            let key = Key {
                ceremony: "create",
                options: &options,
                platform,
                remember: None,
                pick_authenticator,
                may_be_left: about.may_be_left,
                errors,
            };
            if platform {
                pages.mfa_webauthn_platform_enrollment(ctx, &screens::MfaWebauthnPlatformEnrollment(key))
            } else {
                pages.mfa_webauthn_roaming_enrollment(ctx, &screens::MfaWebauthnRoamingEnrollment(key))
            }
        }
        Stage::Name { draft, .. } => {
            let platform = draft.kind == FactorKind::WebauthnPlatform;
            let page = screens::MfaWebauthnChangeKeyNickname { nickname: typed, platform, errors };
            pages.mfa_webauthn_change_key_nickname(ctx, &page)
        }
        Stage::WriteDown { .. } => {
            let Ok(Shown::RecoveryCode(code)) = at.shown()? else { return None };
            let page = screens::MfaRecoveryCodeEnrollment { code: &code, errors };
            pages.mfa_recovery_code_enrollment(ctx, &page)
        }
    })
}

/// Returns the page that waits for a code.
pub(in crate::http) fn code_sent(pages: &Pages, ctx: &Ctx, channel: Channel, page: CodeSent<'_>) -> Page {
    match channel {
        Channel::Sms => pages.mfa_sms_challenge(ctx, &screens::MfaSmsChallenge(page)),
        Channel::Voice => pages.mfa_voice_challenge(ctx, &screens::MfaVoiceChallenge(page)),
        Channel::Email => pages.mfa_email_challenge(ctx, &screens::MfaEmailChallenge(page)),
    }
}

/// Returns the list of numbers or addresses.
pub(in crate::http) fn list(pages: &Pages, ctx: &Ctx, mail: bool, to: &[&str], errors: &[FormError]) -> Page {
    let method = if mail { "email" } else { "sms" };
    let rows: Vec<_> = to.iter().map(|detail| MethodRow { method, detail, last_used_days: None }).collect();
    let page = Reachable { methods: &rows, errors };
    if mail {
        pages.mfa_email_list(ctx, &screens::MfaEmailList(page))
    } else {
        pages.mfa_sms_list(ctx, &screens::MfaSmsList(page))
    }
}

/// Returns what a form held that comes back: a number, an address or a name.
pub(in crate::http) fn typed(fields: &HashMap<String, String>) -> Option<String> {
    let typed = ["phone", "email", "nickname"].iter().find_map(|name| fields.get(*name));
    typed.map(|text| text.chars().take(320).collect())
}

/// Returns the rows of a list of factors.
pub(in crate::http) fn rows(kinds: &[FactorKind], channels: &[Channel]) -> Vec<MethodRow<'static>> {
    let name = |kind: FactorKind| match (kind, channels) {
        (FactorKind::Phone, [Channel::Voice]) => "voice",
        (FactorKind::Phone, [_, _, ..]) => "phone",
        (kind, _) => kind.guardian_name(),
    };
    kinds.iter().map(|kind| MethodRow { method: name(*kind), detail: "", last_used_days: None }).collect()
}

/// Returns how long another code is not sent yet, in seconds.
pub(in crate::http) fn resend_in(sent: Option<Sent>, now: Timestamp) -> u32 {
    let Some(sent) = sent.filter(|sent| !sent.may_resend(now)) else { return 0 };
    let left = (sent.at + lockstep_core::factors::RESEND_AFTER).since(now).as_millis();
    u32::try_from((left + 999) / 1000).unwrap_or(0)
}

/// Reads the answer of a form behind the first factor. `writes_down`: the page shows a recovery code.
pub(in crate::http) fn answer(action: &str, fields: &HashMap<String, String>, writes_down: bool) -> Answer {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match action {
        "pick-authenticator" => return Answer::TryAnother,
        "back" => return Answer::Back,
        "snooze-enrollment" => return Answer::Leave(Leave::Later),
        "refuse-add-device" => return Answer::Leave(Leave::Never),
        "show-code" => return Answer::ShowKey,
        "show-qr" => return Answer::ShowQr,
        "resend-code" => return Answer::Resend,
        "use-sms" => return Answer::By(Channel::Sms),
        "use-voice" => return Answer::By(Channel::Voice),
        "edit" => return Answer::Edit,
        "pick-phone" => return Answer::List,
        "pick-country-code" => return Answer::ListCountries { typed: field("phone") },
        "pick-country" => return Answer::PickCountry(field("country")),
        _ => {}
    }
    let kind = picked(action).and_then(|(name, _)| match name {
        "phone" | "voice" => Some(FactorKind::Phone),
        name => FactorKind::from_guardian_name(name),
    });
    if let Some(kind) = kind {
        return Answer::Pick(kind);
    }
    let remember = fields.get("rememberBrowser").is_some_and(|v| v == "true");
    if let Some(said) = fields.get("isWebAuthnPlatformAvailable") {
        return Answer::Browser { platform: said == "true" };
    }
    if let Some(failure) = fields.get("failure") {
        return Answer::KeyFailed(KeyFailure::parse(failure));
    }
    if let Some(credential) = fields.get("response") {
        return Answer::Key { credential: credential.clone(), remember };
    }
    if fields.contains_key("nickname") {
        return Answer::Name(field("nickname"));
    }
    if writes_down {
        return Answer::Saved { ticked: fields.contains_key("confirmation") };
    }
    let channel = fields.get("type").and_then(|name| Channel::parse(name));
    if fields.contains_key("phone") {
        // The country that the page showed: what the person saw counts.
        let region = fields.get("region").cloned();
        return Answer::Number { number: field("phone"), region, channel };
    }
    if fields.contains_key("email") && !fields.contains_key("code") {
        return Answer::Address(field("email"));
    }
    if let (Some(channel), false) = (channel, fields.contains_key("code")) {
        return Answer::By(channel);
    }
    Answer::Code { code: field("code"), remember }
}
