//! Tenant settings: the `tenants/settings` document and the MFA switches of `guardian/*`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::document::Document;
use super::message::Channel;
use crate::factors::FactorKind;
use crate::time::Span;

/// Which behaviour counts where Auth0 and the standards disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Auth0's documented behaviour.
    #[default]
    Faithful,
    /// NIST SP 800-63B-4 and OWASP ASVS 5.
    Assured,
}

/// How long sessions live (contract/oidc.md 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Between two uses.
    pub idle: Span,
    /// In all.
    pub absolute: Span,
}

/// The tenant's settings, as `GET /tenants/settings` shows them (contract/management-api.md 11).
#[derive(Clone, Debug)]
pub struct TenantSettings(pub Document);

impl Default for TenantSettings {
    fn default() -> Self {
        let Value::Object(map) = json!({
            "allowed_logout_urls": [], "change_password": {"enabled": false, "html": ""}, "default_audience": "",
            "default_directory": "", "enabled_locales": ["en"],
            "error_page": {"html": "", "show_log_link": false, "url": ""},
            "flags": {
                "allow_changing_enable_sso": false, "allow_legacy_delegation_grant_types": false,
                "allow_legacy_ro_grant_types": false, "change_pwd_flow_v1": false, "disable_impersonation": true,
                "disable_management_api_sms_obfuscation": false, "enable_apis_section": false,
                "enable_client_connections": true, "enable_dynamic_client_registration": false,
                "enable_public_signup_user_exists_error": true, "enable_sso": true,
                "enforce_client_authentication_on_passwordless_start": true,
                "mfa_show_factor_list_on_enrollment": true, "no_disclose_enterprise_connections": false,
                "remove_alg_from_jwks": false, "revoke_refresh_token_grant": false, "universal_login": true,
                "use_scope_descriptions_for_consent": false, "disable_clickjack_protection_headers": false,
                "disable_fields_map_fix": false
            },
            "friendly_name": "Lockstep", "guardian_mfa_page": {"enabled": false, "html": ""},
            "idle_session_lifetime": 72, "session_lifetime": 168, "ephemeral_session_lifetime": 72,
            "idle_ephemeral_session_lifetime": 24, "picture_url": "", "support_email": "", "support_url": "",
            "sandbox_version": "22", "sandbox_versions_available": ["22", "18"],
            "session_cookie": {"mode": "persistent"}, "sessions": {"oidc_logout_prompt_enabled": true},
            "oidc_logout": {"rp_logout_end_session_endpoint_discovery": true},
            "customize_mfa_in_postlogin_action": false, "acr_values_supported": [],
            "mtls": {"enable_endpoint_aliases": false}, "pushed_authorization_requests_supported": false,
            "allow_organization_name_in_authentication_api": false, "resource_parameter_profile": "audience",
            "phone_consolidated_experience": false, "client_id_metadata_document_supported": false,
            "dynamic_client_registration_security_mode": "strict"
        }) else {
            return Self(Document::default());
        };
        Self(Document(map))
    }
}

impl TenantSettings {
    /// Returns the tenant's name for people.
    pub fn friendly_name(&self) -> &str {
        self.0.filled("friendly_name").unwrap_or("Lockstep")
    }

    /// Returns the audience of requests that name none.
    pub fn default_audience(&self) -> Option<&str> {
        self.0.filled("default_audience")
    }

    /// Returns the connection of the password grant.
    pub fn default_directory(&self) -> Option<&str> {
        self.0.filled("default_directory")
    }

    /// Returns the enabled languages; the first is the default.
    pub fn enabled_locales(&self) -> Vec<&str> {
        let all: Vec<_> = self.0.texts("enabled_locales").collect();
        if all.is_empty() { vec!["en"] } else { all }
    }

    /// Returns the tenant-wide Allowed Logout URLs.
    pub fn allowed_logout_urls(&self) -> impl Iterator<Item = &str> {
        self.0.texts("allowed_logout_urls")
    }

    /// Returns where lost people are sent.
    pub fn default_redirection_uri(&self) -> Option<&str> {
        self.0.filled("default_redirection_uri")
    }

    /// Returns whether every client has to push its requests (RFC 9126 section 6).
    pub fn requires_par(&self) -> bool {
        self.flag("require_pushed_authorization_requests")
    }

    /// Returns a flag of `flags`.
    pub fn flag(&self, name: &str) -> bool {
        self.0.flag(&format!("flags.{name}")).unwrap_or(false)
    }

    /// Returns how long sessions live: those that end with the browser's window have lifetimes of their own. Fractions of an hour count.
    pub fn session_lifetimes(&self) -> SessionLifetimes {
        let hours = |key: &str, default: f64| {
            let value = self.0.at(key).and_then(Value::as_f64).unwrap_or(default);
            Span::millis((value * 3_600_000.0) as i64)
        };
        if self.cookies_persist() {
            SessionLifetimes {
                idle: hours("idle_session_lifetime", 72.0),
                absolute: hours("session_lifetime", 168.0),
            }
        } else {
            SessionLifetimes {
                idle: hours("idle_ephemeral_session_lifetime", 24.0),
                absolute: hours("ephemeral_session_lifetime", 72.0),
            }
        }
    }

    /// Returns whether cookies outlive the browser's window.
    pub fn cookies_persist(&self) -> bool {
        self.0.text("session_cookie.mode") != Some("non-persistent")
    }

    /// Returns whether logging out without a fitting hint asks first.
    pub fn logout_prompt(&self) -> bool {
        self.0.flag("sessions.oidc_logout_prompt_enabled").unwrap_or(true)
    }
}

/// The MFA settings of a tenant: what `guardian/*` reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guardian {
    /// The enabled factors, by their wire names (`otp`, `sms`, `recovery-code` …).
    pub factors: Vec<String>,
    /// The policies: `all-applications`, `confidence-score`, or none.
    pub policies: Vec<String>,
    /// Message types of the phone factor: `sms`, `voice`.
    pub message_types: Vec<String>,
    /// Other settings, each under its own name (`phone.selected-provider`, `webauthn-roaming.settings` …).
    pub other: serde_json::Map<String, Value>,
    /// Remembered browsers.
    pub remember: RememberSettings,
}

/// `GET /guardian/settings` (contract/management-api.md 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RememberSettings {
    /// Whether the box is shown.
    pub display_remember_me_checkbox: bool,
    /// Whether it is ticked at first.
    pub remember_me_default_value: bool,
    /// Seconds without a login after which a browser is forgotten.
    pub mfa_session_inactivity_timeout: i64,
    /// Seconds after which it is forgotten in any case.
    pub mfa_session_overall_timeout: i64,
}

impl Default for RememberSettings {
    fn default() -> Self {
        Self {
            display_remember_me_checkbox: true,
            remember_me_default_value: false,
            mfa_session_inactivity_timeout: 604_800,
            mfa_session_overall_timeout: 2_592_000,
        }
    }
}

impl Guardian {
    /// Returns whether a factor is enabled, by its wire name.
    pub fn is_enabled(&self, factor: &str) -> bool {
        self.factors.iter().any(|f| f == factor)
    }

    /// Returns the enabled factors that this version runs.
    pub fn enabled(&self) -> Vec<FactorKind> {
        self.factors.iter().filter_map(|name| FactorKind::from_guardian_name(name)).collect()
    }

    /// Returns the channels of the phone factor: texts unless the tenant says otherwise.
    pub fn channels(&self) -> Vec<Channel> {
        let named = |channel: &Channel| self.message_types.iter().any(|t| t == channel.as_str());
        let all: Vec<Channel> = [Channel::Sms, Channel::Voice].into_iter().filter(named).collect();
        if all.is_empty() { vec![Channel::Sms] } else { all }
    }

    /// Returns whether every login needs MFA.
    pub fn always(&self) -> bool {
        self.policies.iter().any(|p| p == "all-applications")
    }
}
