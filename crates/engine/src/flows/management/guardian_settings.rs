//! The settings of single factors: phone, push, Duo, WebAuthn, remembered browsers (contract/management-api.md 2.3 to 2.7).
//!
//! Those of factors that this version does not run are stored and answered all the same: a tool that reads back what it wrote
//! must find it. All are sealed, since provider credentials are among them.

use lockstep_core::env::Issuer;
use lockstep_core::factors::{FactorKind, Keys, RelyingParty, UserVerification};
use lockstep_core::model::settings::{Guardian, RememberSettings};
use serde_json::{Map, Value, json};

use super::factors::tenant_update;
use super::validate::{Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome};
use crate::flows::key_domain::{self, LeftBehind};
use crate::store::settings;

/// A group of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Which kinds of message the phone factor sends.
    PhoneMessageTypes,
    /// Who sends them.
    PhoneProvider,
    /// What they say.
    PhoneTemplates,
    /// The account at Twilio.
    Twilio,
    /// Who sends push messages.
    PushProvider,
    /// Apple's push service.
    Apns,
    /// Google's push service, legacy.
    Fcm,
    /// Google's push service.
    FcmV1,
    /// Amazon's push service.
    Sns,
    /// The app that push enrolments name.
    PushApp,
    /// Duo.
    Duo,
    /// Security keys.
    WebauthnRoaming,
    /// Device biometrics.
    WebauthnPlatform,
    /// Remembered browsers.
    Remember,
}

const TEMPLATE: Kind = Kind::Long(1, 10_000);
const LONG: Kind = Kind::Text(1, 1000);
const SNS_REGION: Kind = Kind::Format("aws-region", is_aws_region);
const LINK: Kind = Kind::HttpsOrEmpty;

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::PhoneMessageTypes => "phone.message-types",
            Self::PhoneProvider => "phone.selected-provider",
            Self::PhoneTemplates => "phone.templates",
            Self::Twilio => "phone.twilio",
            Self::PushProvider => "push.selected-provider",
            Self::Apns => "push.apns",
            Self::Fcm => "push.fcm",
            Self::FcmV1 => "push.fcmv1",
            Self::Sns => "push.sns",
            Self::PushApp => "push.custom-app",
            Self::Duo => "duo.settings",
            Self::WebauthnRoaming => "webauthn-roaming.settings",
            Self::WebauthnPlatform => "webauthn-platform.settings",
            Self::Remember => "remember",
        }
    }

    /// What a body may hold.
    pub const fn schema(self) -> Schema {
        match self {
            Self::PhoneMessageTypes => Schema::closed(
                const { &[required("message_types", Kind::Set(&Kind::OneOf(&["sms", "voice"]), 0, 2))] },
            ),
            Self::PhoneProvider => Schema::closed(
                const { &[required("provider", Kind::OneOf(&["auth0", "twilio", "phone-message-hook"]))] },
            ),
            Self::PhoneTemplates => Schema::closed(
                const { &[required("enrollment_message", TEMPLATE), required("verification_message", TEMPLATE)] },
            ),
            Self::Twilio => Schema::closed(
                const {
                    &[
                        nullable("from", Kind::Text(0, 64)),
                        nullable("messaging_service_sid", LONG),
                        nullable("auth_token", LONG),
                        nullable("sid", LONG),
                    ]
                },
            ),
            Self::PushProvider => {
                Schema::closed(const { &[required("provider", Kind::OneOf(&["guardian", "sns", "direct"]))] })
            }
            Self::Apns => Schema::closed(
                const {
                    &[
                        optional("sandbox", Kind::Bool),
                        nullable("bundle_id", LONG),
                        nullable("p12", Kind::Long(1, 10_000)),
                        optional("enabled", Kind::Bool),
                    ]
                },
            ),
            Self::Fcm => Schema::closed(const { &[nullable("server_key", Kind::Text(1, 152))] }),
            Self::FcmV1 => Schema::closed(const { &[nullable("server_credentials", Kind::Long(1, 10_000))] }),
            Self::Sns => Schema::closed(
                const {
                    &[
                        nullable("aws_access_key_id", LONG),
                        nullable("aws_secret_access_key", LONG),
                        nullable("aws_region", SNS_REGION),
                        nullable("sns_apns_platform_application_arn", LONG),
                        nullable("sns_gcm_platform_application_arn", LONG),
                    ]
                },
            ),
            Self::PushApp => Schema::closed(
                const {
                    &[
                        optional("app_name", Kind::Text(0, 300)),
                        optional("apple_app_link", LINK),
                        optional("google_app_link", LINK),
                    ]
                },
            ),
            Self::Duo => Schema::closed(
                const {
                    &[
                        optional("ikey", Kind::Text(0, 10_000)),
                        optional("skey", Kind::Text(1, 10_000)),
                        optional("host", Kind::Text(0, 10_000)),
                    ]
                },
            ),
            Self::WebauthnRoaming => Schema::closed(
                const {
                    &[
                        optional("userVerification", Kind::OneOf(&["discouraged", "preferred", "required"])),
                        optional("overrideRelyingParty", Kind::Bool),
                        optional("relyingPartyIdentifier", Kind::Text(0, 253)),
                    ]
                },
            ),
            Self::WebauthnPlatform => Schema::closed(
                const {
                    &[
                        optional("overrideRelyingParty", Kind::Bool),
                        optional("relyingPartyIdentifier", Kind::Text(0, 253)),
                    ]
                },
            ),
            Self::Remember => Schema::closed(
                const {
                    &[
                        optional("display_remember_me_checkbox", Kind::Bool),
                        optional("remember_me_default_value", Kind::Bool),
                        optional("mfa_session_inactivity_timeout", Kind::Int(3600, 2_592_000)),
                        optional("mfa_session_overall_timeout", Kind::Int(3600, 7_776_000)),
                    ]
                },
            ),
        }
    }

    /// What a fresh tenant answers.
    fn defaults(self) -> Map<String, Value> {
        let value = match self {
            Self::PhoneProvider => json!({"provider": "auth0"}),
            Self::PhoneTemplates => json!({
                "enrollment_message": "{{code}} is your verification code for {{tenant.friendly_name}}. Please enter this \
                    code to verify your enrollment.",
                "verification_message": "{{code}} is your verification code for {{tenant.friendly_name}}"
            }),
            Self::PushProvider => json!({"provider": "guardian"}),
            Self::WebauthnRoaming => {
                json!({"userVerification": UserVerification::UNSET.as_str(), "overrideRelyingParty": false})
            }
            Self::WebauthnPlatform => json!({"overrideRelyingParty": false}),
            _ => json!({}),
        };
        value.as_object().cloned().unwrap_or_default()
    }

    /// Whether PUT keeps what it does not name.
    const fn put_merges(self) -> bool {
        matches!(self, Self::WebauthnRoaming | Self::WebauthnPlatform | Self::Remember)
    }

    /// The secrets among them, which a GET gives away.
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Twilio => &["auth_token"],
            Self::Duo => &["skey"],
            _ => &[],
        }
    }
}

/// How a body changes what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// PUT.
    Replace,
    /// PATCH.
    Merge,
}

/// Returns a group of settings.
pub async fn read(call: &mut Call, group: Group) -> Outcome {
    let guardian = settings::guardian(&mut call.app.db().read().await?).await?;
    Ok(shown(&guardian, group))
}

/// Changes a group of settings.
pub async fn write(call: &mut Call, group: Group, change: Change, body: Option<Value>) -> Outcome {
    let body = group.schema().check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut guardian = settings::guardian(&mut tx).await?;
    match group {
        Group::PhoneMessageTypes => {
            let types = body.get("message_types").cloned().unwrap_or_default();
            guardian.message_types = serde_json::from_value(types).unwrap_or_default();
        }
        Group::Remember => guardian.remember = merged_remember(guardian.remember, &body)?,
        _ => {
            let merge = change == Change::Merge || group.put_merges();
            let mut stored = if merge { stored(&guardian, group) } else { Map::new() };
            for (name, value) in &body {
                if value.is_null() {
                    stored.remove(name)
                } else {
                    stored.insert(name.clone(), value.clone())
                };
            }
            let keys = match group {
                Group::WebauthnRoaming => Some(FactorKind::WebauthnRoaming),
                Group::WebauthnPlatform => Some(FactorKind::WebauthnPlatform),
                _ => None,
            };
            if keys.is_some() {
                check_relying_party(&call.env.issuer, &stored)?;
            }
            let before = keys.map(|_| Keys::of(&call.env.issuer, &guardian));
            guardian.other.insert(group.name().to_owned(), Value::Object(stored));
            if let Some((kind, before)) = keys.zip(before) {
                let after = Keys::of(&call.env.issuer, &guardian);
                check_move(key_domain::left_behind(&mut tx, kind, (&before, &after)).await?)?;
            }
        }
    }
    settings::save_guardian(&mut tx, &guardian, call.env.now).await?;
    call.log(&mut tx, tenant_update(json!({"group": group.name()}))).await?;
    tx.commit().await?;
    Ok(echo(&guardian, group, body))
}

/// Refuses a relying party that no browser would let our pages ask for: nobody could enrol or use a key.
fn check_relying_party(issuer: &Issuer, settings: &Map<String, Value>) -> Outcome<()> {
    if settings.get("overrideRelyingParty").and_then(Value::as_bool) != Some(true) {
        return Ok(());
    }
    let named = settings.get("relyingPartyIdentifier").and_then(Value::as_str).unwrap_or_default();
    match RelyingParty::at(issuer, Some(named)) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(format!("The relyingPartyIdentifier cannot be used: {error}."))),
    }
}

/// Refuses to leave keys behind: they would answer no more, and their owners would be locked out without a word.
fn check_move(left: Option<LeftBehind>) -> Outcome<()> {
    let Some(LeftBehind { count, domain }) = left else { return Ok(()) };
    Err(refused(format!(
        "The relying party cannot be changed: {count} enrolled keys were made for {domain} and answer to no other domain, so their owners \
         could not log in with them any more. Remove these keys first."
    )))
}

fn stored(guardian: &Guardian, group: Group) -> Map<String, Value> {
    let stored = guardian.other.get(group.name()).and_then(Value::as_object).cloned();
    stored.unwrap_or_else(|| group.defaults())
}

/// What a GET shows.
fn shown(guardian: &Guardian, group: Group) -> Value {
    let mut stored = stored(guardian, group);
    match group {
        Group::PhoneMessageTypes => return json!({"message_types": guardian.message_types}),
        Group::Remember => return json!(guardian.remember),
        Group::Twilio if !stored.is_empty() => {
            for name in ["auth_token", "sid", "from", "messaging_service_sid"] {
                stored.entry(name).or_insert(Value::Null);
            }
        }
        Group::Apns => {
            let certificate = stored.remove("p12").is_some();
            stored.insert("enabled".to_owned(), certificate.into());
        }
        Group::Sns => {
            stored.remove("aws_secret_access_key");
        }
        _ => {}
    }
    Value::Object(stored)
}

/// What a PUT or PATCH answers: mostly what was sent.
fn echo(guardian: &Guardian, group: Group, mut body: Map<String, Value>) -> Value {
    match group {
        Group::Remember => json!(guardian.remember),
        Group::Fcm | Group::FcmV1 => json!({}),
        Group::PushApp => shown(guardian, group),
        Group::Apns => {
            body.remove("p12");
            body.remove("enabled");
            Value::Object(body)
        }
        _ => Value::Object(body),
    }
}

fn merged_remember(stored: RememberSettings, body: &Map<String, Value>) -> Outcome<RememberSettings> {
    let flag = |name: &str, old: bool| body.get(name).and_then(Value::as_bool).unwrap_or(old);
    let int = |name: &str, old: i64| body.get(name).and_then(Value::as_i64).unwrap_or(old);
    let merged = RememberSettings {
        display_remember_me_checkbox: flag(
            "display_remember_me_checkbox",
            stored.display_remember_me_checkbox,
        ),
        remember_me_default_value: flag("remember_me_default_value", stored.remember_me_default_value),
        mfa_session_inactivity_timeout: int(
            "mfa_session_inactivity_timeout",
            stored.mfa_session_inactivity_timeout,
        ),
        mfa_session_overall_timeout: int("mfa_session_overall_timeout", stored.mfa_session_overall_timeout),
    };
    if merged.mfa_session_inactivity_timeout > merged.mfa_session_overall_timeout {
        return Err(refused(
            "mfa_session_inactivity_timeout must not be greater than mfa_session_overall_timeout.",
        ));
    }
    Ok(merged)
}

/// Such as `eu-west-1`: the regions that the contract knows.
fn is_aws_region(text: &str) -> bool {
    const AREAS: [&str; 7] =
        ["us-east", "us-west", "ap-southeast", "ap-northeast", "ap-central", "eu-west", "eu-central"];
    text.rsplit_once('-').is_some_and(|(area, number)| {
        AREAS.contains(&area) && (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_an_area_and_a_number() {
        assert!(is_aws_region("us-west-1") && is_aws_region("eu-central-12"));
        assert!(!is_aws_region("us-west") && !is_aws_region("mars-west-1") && !is_aws_region("us-west-123"));
    }

    #[test]
    fn browsers_are_not_forgotten_later_than_they_are_forgotten() {
        let body = json!({"mfa_session_overall_timeout": 3600}).as_object().cloned().unwrap();
        assert!(merged_remember(RememberSettings::default(), &body).is_err());
    }
}
