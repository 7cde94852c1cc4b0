//! Attack protection and risk assessment (contract/management-api.md 16, contract/attack-protection.md). Which of it is run stands in
//! docs/COMPATIBILITY.md; all of it is stored, so that tools find what they wrote.

use std::net::IpAddr;

use lockstep_core::codes::ManagementCode;
use lockstep_core::model::address_range::AddressRange;
use lockstep_core::model::attack_protection as model;

use super::documents::{Merge, Subject};
use super::validate::{Kind, Schema, malformed_path, optional};
use super::{Call, Outcome};

const ADDRESSES: Kind = Kind::List(&Kind::Format("ip-or-cidr", is_address_range), 0, 100);
const MAX_RATE: i64 = 86_400_000;
const TEXT: Kind = Kind::Text(0, 1024);

const fn subject(name: &'static str, defaults: &'static str, patch: Schema) -> Subject {
    Subject { name, defaults, patch, merge: Merge::Leaves, secrets: &[] }
}

/// Failed passwords of one identifier.
pub const BRUTE_FORCE: Subject = subject(
    model::BRUTE_FORCE,
    r#"{"enabled": true, "shields": ["block", "user_notification"], "mode": "count_per_identifier_and_ip",
        "allowlist": [], "max_attempts": 10}"#,
    BRUTE_FORCE_PATCH,
);

/// The body of a change of [`BRUTE_FORCE`].
pub const BRUTE_FORCE_PATCH: Schema = Schema::open(&[
    optional("enabled", Kind::Bool),
    optional("shields", Kind::Set(&Kind::OneOf(&["block", "user_notification"]), 0, 2)),
    optional("mode", Kind::OneOf(&["count_per_identifier_and_ip", "count_per_identifier"])),
    optional("allowlist", ADDRESSES),
    optional("max_attempts", Kind::Int(1, 100)),
]);

/// Failed logins and sign-ups from one address.
pub const SUSPICIOUS_IP: Subject = subject(
    "attack-protection.suspicious-ip-throttling",
    r#"{"enabled": true, "shields": ["admin_notification", "block"], "allowlist": [],
        "stage": {"pre-login": {"max_attempts": 100, "rate": 864000},
                  "pre-user-registration": {"max_attempts": 50, "rate": 1200},
                  "pre-custom-token-exchange": {"max_attempts": 10, "rate": 600000}}}"#,
    SUSPICIOUS_IP_PATCH,
);

/// The body of a change of [`SUSPICIOUS_IP`].
pub const SUSPICIOUS_IP_PATCH: Schema = Schema::open(&[
    optional("enabled", Kind::Bool),
    optional("shields", Kind::Set(&Kind::OneOf(&["admin_notification", "block"]), 0, 2)),
    optional("allowlist", ADDRESSES),
    optional("stage", Kind::Shape(&THROTTLED)),
]);

const THROTTLED: Schema = Schema::open(&[
    optional("pre-login", Kind::Shape(&LOGINS)),
    optional("pre-user-registration", Kind::Shape(&SIGN_UPS)),
    optional("pre-custom-token-exchange", Kind::Shape(&SIGN_UPS)),
]);
const LOGINS: Schema = Schema::open(&[
    optional("max_attempts", Kind::Int(1, 2500)),
    optional("rate", Kind::Int(34_560, MAX_RATE)),
]);
const SIGN_UPS: Schema = Schema::open(&[
    optional("max_attempts", Kind::Int(1, 72_000)),
    optional("rate", Kind::Int(1200, MAX_RATE)),
]);

/// Passwords that are known from a breach.
pub const BREACHED_PASSWORDS: Subject = subject(
    "attack-protection.breached-password-detection",
    r#"{"enabled": false, "shields": [], "admin_notification_frequency": [], "method": "standard",
        "stage": {"pre-user-registration": {"shields": []}, "pre-change-password": {"shields": []}}}"#,
    BREACHED_PASSWORDS_PATCH,
);

/// The body of a change of [`BREACHED_PASSWORDS`].
pub const BREACHED_PASSWORDS_PATCH: Schema = Schema::open(&[
    optional("enabled", Kind::Bool),
    optional("shields", Kind::Set(&Kind::OneOf(&["block", "user_notification", "admin_notification"]), 0, 3)),
    optional(
        "admin_notification_frequency",
        Kind::Set(&Kind::OneOf(&["immediately", "daily", "weekly", "monthly"]), 0, 4),
    ),
    optional("method", Kind::OneOf(&["standard", "enhanced"])),
    optional("stage", Kind::Shape(&BREACH_STAGES)),
]);

const BREACH_STAGES: Schema = Schema::open(&[
    optional("pre-user-registration", Kind::Shape(&BREACH_STAGE)),
    optional("pre-change-password", Kind::Shape(&BREACH_STAGE)),
]);
const BREACH_STAGE: Schema =
    Schema::open(&[optional("shields", Kind::Set(&Kind::OneOf(&["block", "admin_notification"]), 0, 2))]);

/// When a person has to show that she is one.
pub const BOT_DETECTION: Subject = subject(
    "attack-protection.bot-detection",
    r#"{"challenge_password_policy": "never", "challenge_passwordless_policy": "never",
        "challenge_password_reset_policy": "never", "allowlist": [], "bot_detection_level": "medium",
        "monitoring_mode_enabled": false}"#,
    BOT_DETECTION_PATCH,
);

/// The body of a change of [`BOT_DETECTION`].
pub const BOT_DETECTION_PATCH: Schema = Schema::open(&[
    optional("challenge_password_policy", CHALLENGE),
    optional("challenge_passwordless_policy", CHALLENGE),
    optional("challenge_password_reset_policy", CHALLENGE),
    optional("allowlist", ADDRESSES),
    optional("bot_detection_level", Kind::OneOf(&["low", "medium", "high"])),
    optional("monitoring_mode_enabled", Kind::Bool),
]);

const CHALLENGE: Kind = Kind::OneOf(&["never", "when_risky", "always"]);

/// How she shows it.
pub const CAPTCHA: Subject = Subject {
    name: "attack-protection.captcha",
    defaults: r#"{"active_provider_id": "simple_captcha", "simple_captcha": {}, "auth_challenge": {"fail_open": true},
        "recaptcha_v2": {"site_key": ""}, "recaptcha_enterprise": {"site_key": "", "project_id": ""},
        "hcaptcha": {"site_key": ""}, "friendly_captcha": {"site_key": ""},
        "arkose": {"site_key": "", "client_subdomain": "client-api", "verify_subdomain": "verify-api", "fail_open": false}}"#,
    patch: CAPTCHA_PATCH,
    merge: Merge::Leaves,
    secrets: &["secret", "api_key"],
};

/// The body of a change of [`CAPTCHA`].
pub const CAPTCHA_PATCH: Schema = Schema::open(&[
    optional(
        "active_provider_id",
        Kind::OneOf(&[
            "auth_challenge",
            "simple_captcha",
            "recaptcha_v2",
            "recaptcha_enterprise",
            "hcaptcha",
            "friendly_captcha",
            "arkose",
        ]),
    ),
    optional("simple_captcha", Kind::Object),
    optional("auth_challenge", Kind::Shape(&FAIL_OPEN)),
    optional("recaptcha_v2", Kind::Shape(&SITE)),
    optional("recaptcha_enterprise", Kind::Shape(&RECAPTCHA_ENTERPRISE)),
    optional("hcaptcha", Kind::Shape(&SITE)),
    optional("friendly_captcha", Kind::Shape(&SITE)),
    optional("arkose", Kind::Shape(&ARKOSE)),
]);

const FAIL_OPEN: Schema = Schema::open(&[optional("fail_open", Kind::Bool)]);
const SITE: Schema = Schema::open(&[optional("site_key", TEXT), optional("secret", TEXT)]);
const RECAPTCHA_ENTERPRISE: Schema =
    Schema::open(&[optional("site_key", TEXT), optional("api_key", TEXT), optional("project_id", TEXT)]);
const ARKOSE: Schema = Schema::open(&[
    optional("site_key", TEXT),
    optional("secret", TEXT),
    optional("client_subdomain", TEXT),
    optional("verify_subdomain", TEXT),
    optional("fail_open", Kind::Bool),
]);

/// How text messages and calls are slowed down.
pub const PHONE_PROVIDER: Subject = subject(
    "attack-protection.phone-provider-protection",
    r#"{"type": "default"}"#,
    Schema::open(&[optional("type", Kind::OneOf(&["default", "exponential"]))]),
);

/// Whether logins are assessed without a policy that asks for it.
pub const RISK: Subject = subject(
    "risk-assessments.settings",
    r#"{"enabled": false}"#,
    Schema::open(&[optional("enabled", Kind::Bool)]),
);

/// For how many days a device is known.
pub const NEW_DEVICE: Subject = subject(
    "risk-assessments.new-device",
    r#"{"remember_for": 30}"#,
    Schema::open(&[optional("remember_for", Kind::Int(1, 365))]),
);

/// Risk signals that a proxy in front may send along.
pub const SUPPLEMENTAL_SIGNALS: Subject = subject(
    "supplemental-signals",
    r#"{"akamai_enabled": false}"#,
    Schema::open(&[optional("akamai_enabled", Kind::Bool)]),
);

/// Tells whether an address is throttled: none ever is, since throttling by address is not run.
pub fn read_ip_block(ip: &str) -> Outcome<()> {
    address(ip)?;
    Err(ManagementCode::NotFound.into())
}

/// Lifts the throttle of an address, if there is one.
pub async fn delete_ip_block(_: &mut Call, ip: &str) -> Outcome<()> {
    address(ip).map(drop)
}

fn address(text: &str) -> Outcome<IpAddr> {
    text.parse().map_err(|_| malformed_path("ip", text, "id", "IP address to check."))
}

fn is_address_range(text: &str) -> bool {
    AddressRange::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use lockstep_core::model::document::Document;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_default_is_an_object_that_its_own_schema_accepts() {
        for subject in [
            BRUTE_FORCE,
            SUSPICIOUS_IP,
            BREACHED_PASSWORDS,
            BOT_DETECTION,
            CAPTCHA,
            PHONE_PROVIDER,
            RISK,
            NEW_DEVICE,
            SUPPLEMENTAL_SIGNALS,
        ] {
            let defaults: Value = serde_json::from_str(subject.defaults).unwrap();
            assert!(subject.patch.check(Some(defaults)).is_ok(), "{}", subject.name);
        }
    }

    #[test]
    fn what_a_fresh_tenant_shows_is_what_counts() {
        let shown: Document = serde_json::from_str(BRUTE_FORCE.defaults).unwrap();
        assert_eq!(model::BruteForce::from(&shown), model::BruteForce::default());
    }
}
