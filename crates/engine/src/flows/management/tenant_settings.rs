//! Tenant settings (contract/management-api.md 11).

use lockstep_core::model::document::change_leaves;
use serde_json::{Map, Value, json};

use super::query::Query;
use super::validate::{Kind, Schema, nullable, optional, refused};
use super::{Call, Outcome};
use crate::store::settings;

// Answers have fractions, down to a minute, and what is answered can be sent.
const HOURS: Kind = Kind::Number(0.016, 8760.0);
const MINUTES: Kind = Kind::Number(1.0, 525_600.0);
const HTML: Kind = Kind::Long(0, 500_000);
const LINK: Kind = Kind::Text(0, 2048);

const PAGE: Schema = Schema::open(&[optional("enabled", Kind::Bool), nullable("html", HTML)]);
const ERROR_PAGE: Schema =
    Schema::open(&[nullable("html", HTML), nullable("show_log_link", Kind::Bool), nullable("url", LINK)]);
const COOKIE: Schema = Schema::open(&[optional("mode", Kind::OneOf(&["persistent", "non-persistent"]))]);
const SESSIONS: Schema = Schema::open(&[nullable("oidc_logout_prompt_enabled", Kind::Bool)]);
const OIDC_LOGOUT: Schema = Schema::open(&[nullable("rp_logout_end_session_endpoint_discovery", Kind::Bool)]);
const MTLS: Schema = Schema::open(&[nullable("enable_endpoint_aliases", Kind::Bool)]);
const DEVICE_FLOW: Schema = Schema::open(&[
    nullable("charset", Kind::OneOf(&["base20", "digits"])),
    nullable("mask", Kind::Text(0, 20)),
]);
const COUNTRIES: Schema = Schema::open(&[
    optional("mode", Kind::OneOf(&["allow", "deny"])),
    optional("list", Kind::Set(&Kind::Text(1, 8), 0, 300)),
]);

/// What may be changed.
pub const UPDATE: Schema = Schema::open(&[
    nullable("session_lifetime", HOURS),
    nullable("idle_session_lifetime", HOURS),
    nullable("ephemeral_session_lifetime", HOURS),
    nullable("idle_ephemeral_session_lifetime", HOURS),
    nullable("session_lifetime_in_minutes", MINUTES),
    nullable("idle_session_lifetime_in_minutes", MINUTES),
    nullable("ephemeral_session_lifetime_in_minutes", MINUTES),
    nullable("idle_ephemeral_session_lifetime_in_minutes", MINUTES),
    nullable("sandbox_version", Kind::Text(0, 8)),
    optional("enabled_locales", Kind::Set(&Kind::Text(2, 16), 1, 200)),
    nullable("default_redirection_uri", Kind::HttpsOrEmpty),
    nullable("default_audience", Kind::Text(0, 600)),
    nullable("default_directory", Kind::Text(0, 128)),
    nullable("friendly_name", Kind::Text(0, 256)),
    nullable("picture_url", LINK),
    nullable("support_email", Kind::Text(0, 254)),
    nullable("support_url", LINK),
    nullable("allowed_logout_urls", Kind::List(&LINK, 0, 500)),
    nullable("session_cookie", Kind::Shape(&COOKIE)),
    nullable("sessions", Kind::Shape(&SESSIONS)),
    nullable("oidc_logout", Kind::Shape(&OIDC_LOGOUT)),
    nullable("mtls", Kind::Shape(&MTLS)),
    nullable("device_flow", Kind::Shape(&DEVICE_FLOW)),
    nullable("change_password", Kind::Shape(&PAGE)),
    nullable("guardian_mfa_page", Kind::Shape(&PAGE)),
    nullable("error_page", Kind::Shape(&ERROR_PAGE)),
    nullable("default_token_quota", Kind::Object),
    nullable("country_codes", Kind::Shape(&COUNTRIES)),
    optional("flags", Kind::Map(&Kind::Bool, 100)),
    nullable("customize_mfa_in_postlogin_action", Kind::Bool),
    nullable("acr_values_supported", Kind::Set(&Kind::Text(1, 1024), 0, 100)),
    nullable("pushed_authorization_requests_supported", Kind::Bool),
    nullable("allow_organization_name_in_authentication_api", Kind::Bool),
    nullable("authorization_response_iss_parameter_supported", Kind::Bool),
    nullable("skip_non_verifiable_callback_uri_confirmation_prompt", Kind::Bool),
    nullable("client_id_metadata_document_supported", Kind::Bool),
    nullable("enable_ai_guide", Kind::Bool),
    nullable("phone_consolidated_experience", Kind::Bool),
    nullable("refresh_token_mfa", Kind::OneOf(&["grant", "always"])),
    nullable("refresh_token_mfa_max_age", Kind::Int(60, 31_536_000)),
    nullable("resource_parameter_profile", Kind::OneOf(&["audience", "compatibility"])),
    nullable("dynamic_client_registration_security_mode", Kind::OneOf(&["strict", "permissive"])),
]);

/// Objects of which a part can be sent alone.
const PARTIAL: &[&str] = &["flags", "change_password", "guardian_mfa_page", "error_page"];

/// Returns the settings.
pub async fn read(call: &mut Call, query: &Query) -> Outcome {
    let fields = query.fields()?;
    let tenant = settings::tenant(&mut call.app.db().read().await?).await?;
    Ok(fields.keep(Value::Object(tenant.0.0)))
}

/// Changes settings, and returns all of them. Null unsets.
pub async fn update(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    if body.is_empty() {
        return Err(refused("Payload validation error: 'Too few properties defined (0), minimum 1'."));
    }
    minutes_to_hours(&mut body);
    if body.get("phone_consolidated_experience") == Some(&Value::Bool(true)) {
        // The flag says that the phone factor is configured elsewhere; there is no elsewhere.
        return Err(refused("phone_consolidated_experience cannot be enabled."));
    }
    body.remove("sandbox_versions_available");
    let mut tx = call.app.db().write().await?;
    let mut tenant = settings::tenant(&mut tx).await?;
    for name in PARTIAL {
        if let Some(Value::Object(part)) = body.remove(*name) {
            let mut whole = tenant.0.0.get(*name).and_then(Value::as_object).cloned().unwrap_or_default();
            change_leaves(&mut whole, &part);
            tenant.0.set(name, Value::Object(whole));
        }
    }
    tenant.0.patch(&body);
    settings::save_tenant(&mut tx, &tenant, call.env.now).await?;
    tx.commit().await?;
    Ok(Value::Object(tenant.0.0))
}

/// Some tools send minutes where the settings have hours.
fn minutes_to_hours(body: &mut Map<String, Value>) {
    for name in [
        "session_lifetime",
        "idle_session_lifetime",
        "ephemeral_session_lifetime",
        "idle_ephemeral_session_lifetime",
    ] {
        let Some(minutes) = body.remove(&format!("{name}_in_minutes")).and_then(|v| v.as_f64()) else {
            continue;
        };
        let hours = minutes / 60.0;
        let whole = hours.fract() == 0.0;
        body.insert(name.to_owned(), if whole { json!(hours as i64) } else { json!(hours) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_become_hours() {
        let mut body = json!({"session_lifetime_in_minutes": 90, "idle_session_lifetime_in_minutes": 120});
        let map = body.as_object_mut().unwrap();
        minutes_to_hours(map);
        assert_eq!(body, json!({"session_lifetime": 1.5, "idle_session_lifetime": 2}));
    }
}
