//! An application (OAuth client).

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::document::{Document, change_leaves};
use crate::ids::ClientId;
use crate::time::{Span, Timestamp};

/// An application, as the Management API stores it (contract/management-api.md 7.2).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// The document of the wire, without `client_id` and `client_secret`.
    pub data: Document,
    /// The shared secret; present for public clients too, who cannot use it.
    pub secret: Zeroizing<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How a client proves who it is at the token endpoint (contract/oidc.md 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMethod {
    /// Nothing but its id: a public client.
    None,
    /// A shared secret, in the body or in a Basic header.
    Secret,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

/// The refresh-token settings of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTokenSettings {
    /// Whether each use yields a new token and spends the old one.
    pub rotating: bool,
    /// How long the token used last may be replayed.
    pub leeway: Span,
    /// Life of the whole family; none: it never ends.
    pub absolute: Option<Span>,
    /// Life between two uses; none: no limit.
    pub idle: Option<Span>,
}

/// The default of `refresh_token` for a new client.
pub fn default_refresh_token(long_lived: bool) -> Value {
    let (lifetime, idle) = if long_lived { (31_557_600, 2_592_000) } else { (2_592_000, 1_296_000) };
    json!({"rotation_type": "non-rotating", "expiration_type": "non-expiring", "leeway": 0, "token_lifetime": lifetime,
           "infinite_token_lifetime": true, "infinite_idle_token_lifetime": true, "idle_token_lifetime": idle})
}

/// Fills in what Auth0 adds to a new client's document (contract/management-api.md 7.2, defaults by condition).
pub fn with_defaults(given: Map<String, Value>) -> Document {
    let mut data = Document(Map::new());
    let app_type = given.get("app_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let public = matches!(app_type.as_str(), "spa" | "native");
    let grants = match app_type.as_str() {
        "spa" | "native" => json!(["authorization_code", "implicit", "refresh_token"]),
        "resource_server" => json!([]),
        _ => json!(["authorization_code", "implicit", "refresh_token", "client_credentials"]),
    };
    data.set("is_first_party", true);
    data.set("is_token_endpoint_ip_header_trusted", false);
    data.set("oidc_conformant", false);
    data.set("sso_disabled", false);
    data.set("cross_origin_authentication", false);
    data.set("custom_login_page_on", true);
    data.set("jwt_configuration", json!({"lifetime_in_seconds": 36000, "secret_encoded": false}));
    data.set("grant_types", grants);
    if public {
        data.set("token_endpoint_auth_method", "none");
    }
    let long_lived = matches!(app_type.as_str(), "regular_web" | "non_interactive")
        && given.get("token_endpoint_auth_method").is_none_or(|m| m == "client_secret_post");
    data.set(
        "refresh_token",
        default_refresh_token(long_lived && given.contains_key("token_endpoint_auth_method")),
    );
    if matches!(app_type.as_str(), "resource_server" | "express_configuration") {
        data.set("oidc_conformant", true);
        data.set("jwt_configuration", json!({"secret_encoded": false, "alg": "RS256"}));
    }
    if given.get("third_party_security_mode").is_some_and(|mode| mode == "strict") {
        data.set("oidc_conformant", true);
        data.set(
            "jwt_configuration",
            json!({"lifetime_in_seconds": 3600, "secret_encoded": false, "alg": "RS256"}),
        );
        data.set("grant_types", json!(["authorization_code"]));
    }
    patch(&mut data, &given);
    data
}

/// Objects of an application whose parts can be sent alone: what is left out stays as it was, or gets its default.
const PARTIAL: &[&str] =
    &["jwt_configuration", "refresh_token", "session_transfer", "mobile", "native_social_login"];

/// Changes an application's document: null removes.
pub fn patch(data: &mut Document, changes: &Map<String, Value>) {
    for (key, value) in changes {
        match value {
            Value::Null => drop(data.0.remove(key)),
            Value::Object(part) if PARTIAL.contains(&key.as_str()) => {
                let mut whole = match data.0.get(key) {
                    Some(Value::Object(stored)) => stored.clone(),
                    _ => default_part(key),
                };
                change_leaves(&mut whole, part);
                data.set(key, Value::Object(whole));
            }
            _ => data.set(key, value.clone()),
        }
    }
}

fn default_part(key: &str) -> Map<String, Value> {
    let default = match key {
        "session_transfer" => json!({
            "can_create_session_transfer_token": false, "allowed_authentication_methods": [],
            "enforce_device_binding": "ip", "allow_refresh_token": false, "enforce_online_refresh_tokens": true,
            "enforce_cascade_revocation": true
        }),
        _ => json!({}),
    };
    default.as_object().cloned().unwrap_or_default()
}

impl Client {
    /// Returns the name shown to people.
    pub fn name(&self) -> &str {
        self.data.text("name").unwrap_or_default()
    }

    /// Returns `app_type`: spa, native, regular_web, non_interactive …
    pub fn app_type(&self) -> Option<&str> {
        self.data.text("app_type")
    }

    /// Returns whether this is the "All Applications" object, which cannot log anybody in.
    pub fn is_global(&self) -> bool {
        self.data.flag("global").unwrap_or(false)
    }

    /// Returns whether the tenant's owner made it; others need the user's consent.
    pub fn is_first_party(&self) -> bool {
        self.data.flag("is_first_party").unwrap_or(true)
    }

    /// Returns how it has to authenticate.
    pub fn auth_method(&self) -> ClientAuthMethod {
        match self.data.text("token_endpoint_auth_method") {
            Some("none") => ClientAuthMethod::None,
            Some(_) => ClientAuthMethod::Secret,
            None if self.data.at("client_authentication_methods.private_key_jwt").is_some() => {
                ClientAuthMethod::PrivateKeyJwt
            }
            None => ClientAuthMethod::Secret,
        }
    }

    /// Returns whether it cannot keep a secret.
    pub fn is_public(&self) -> bool {
        self.auth_method() == ClientAuthMethod::None
    }

    /// Returns whether it may use a grant, by its name in `grant_types` (contract/oidc.md 6.4).
    pub fn allows_grant(&self, grant_type: &str) -> bool {
        self.data.texts("grant_types").any(|g| g == grant_type)
    }

    /// Returns the Allowed Callback URLs.
    pub fn callbacks(&self) -> impl Iterator<Item = &str> {
        self.data.texts("callbacks")
    }

    /// Returns the Allowed Logout URLs.
    pub fn allowed_logout_urls(&self) -> impl Iterator<Item = &str> {
        self.data.texts("allowed_logout_urls")
    }

    /// Returns the Allowed Web Origins.
    pub fn web_origins(&self) -> impl Iterator<Item = &str> {
        self.data.texts("web_origins")
    }

    /// Returns the Allowed Origins (CORS).
    pub fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        self.data.texts("allowed_origins")
    }

    /// Returns the algorithm of its ID tokens; RS256 unless set. Public clients never get HS256.
    pub fn id_token_alg(&self) -> &str {
        match self.data.text("jwt_configuration.alg") {
            Some("HS256") if self.is_public() => "RS256",
            Some(alg) => alg,
            None => "RS256",
        }
    }

    /// Returns how long its ID tokens live.
    pub fn id_token_lifetime(&self) -> Span {
        Span::seconds(self.data.int("jwt_configuration.lifetime_in_seconds").unwrap_or(36_000))
    }

    /// Returns whether it may only come with a pushed request (RFC 9126 section 6).
    pub fn requires_par(&self) -> bool {
        self.data.flag("require_pushed_authorization_requests").unwrap_or(false)
    }

    /// Returns where a login that lost its transaction goes to start again.
    pub fn initiate_login_uri(&self) -> Option<&str> {
        self.data.filled("initiate_login_uri")
    }

    /// Returns its refresh-token settings.
    pub fn refresh_token(&self) -> RefreshTokenSettings {
        let at = |key: &str| self.data.int(&format!("refresh_token.{key}"));
        let infinite = |key: &str| self.data.flag(&format!("refresh_token.{key}")).unwrap_or(false);
        let expires = self.data.text("refresh_token.expiration_type") == Some("expiring");
        let life = |infinite: bool, secs: Option<i64>, default: i64| {
            (!infinite).then(|| Span::seconds(secs.unwrap_or(default)))
        };
        RefreshTokenSettings {
            rotating: self.data.text("refresh_token.rotation_type") == Some("rotating"),
            leeway: Span::seconds(at("leeway").unwrap_or(0)),
            absolute: if expires {
                life(infinite("infinite_token_lifetime"), at("token_lifetime"), 2_592_000)
            } else {
                None
            },
            idle: if expires {
                life(infinite("infinite_idle_token_lifetime"), at("idle_token_lifetime"), 1_296_000)
            } else {
                None
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(given: Value) -> Client {
        Client {
            id: ClientId::trusted("c"),
            data: with_defaults(given.as_object().cloned().unwrap()),
            secret: Zeroizing::new("s".to_owned()),
            created_at: Timestamp::from_secs(0),
            updated_at: Timestamp::from_secs(0),
        }
    }

    #[test]
    fn a_minimal_client_is_confidential_and_a_spa_is_public() {
        let minimal = client(json!({"name": "Shop"}));
        assert_eq!(minimal.auth_method(), ClientAuthMethod::Secret);
        assert!(minimal.allows_grant("client_credentials") && minimal.is_first_party());
        assert_eq!(minimal.data.text("token_endpoint_auth_method"), None);
        let spa = client(json!({"name": "Shop", "app_type": "spa"}));
        assert!(spa.is_public() && !spa.allows_grant("client_credentials"));
    }

    #[test]
    fn mfa_and_password_grants_are_off_until_chosen() {
        let minimal = client(json!({"name": "Shop"}));
        assert!(!minimal.allows_grant("password"));
        assert!(!minimal.allows_grant("http://auth0.com/oauth/grant-type/mfa-otp"));
    }

    #[test]
    fn a_public_client_never_gets_hs256() {
        let spa = client(json!({"name": "x", "app_type": "spa", "jwt_configuration": {"alg": "HS256"}}));
        assert_eq!(spa.id_token_alg(), "RS256");
        let web = client(json!({"name": "x", "jwt_configuration": {"alg": "HS256"}}));
        assert_eq!(web.id_token_alg(), "HS256");
        assert_eq!(web.id_token_lifetime(), Span::seconds(36_000));
    }

    #[test]
    fn refresh_settings_follow_the_document() {
        let c = client(
            json!({"name": "x", "refresh_token": {"rotation_type": "rotating", "expiration_type": "expiring",
            "leeway": 5, "infinite_token_lifetime": false, "infinite_idle_token_lifetime": false}}),
        );
        let r = c.refresh_token();
        assert!(r.rotating);
        assert_eq!(
            (r.leeway, r.absolute, r.idle),
            (Span::seconds(5), Some(Span::days(30)), Some(Span::days(15)))
        );
        assert_eq!(client(json!({"name": "x"})).refresh_token().absolute, None);
    }
}
