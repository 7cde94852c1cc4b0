//! An API (resource server) and what a client may ask of it (client grant).

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::ids::{ClientGrantId, ClientId, ResourceServerId};
use crate::time::{Span, Timestamp};

/// An API, as the Management API stores it (contract/management-api.md 8).
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its id.
    pub id: ResourceServerId,
    /// Its identifier: the `aud` of its tokens.
    pub identifier: String,
    /// The document of the wire, without `id` and `identifier`.
    pub data: Document,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Fills in what Auth0 adds to a new API's document.
pub fn with_defaults(given: Map<String, Value>) -> Document {
    let mut data = Document(Map::new());
    data.set("allow_offline_access", false);
    data.set("skip_consent_for_verifiable_first_party_clients", false);
    data.set(
        "subject_type_authorization",
        json!({"client": {"policy": "require_client_grant"}, "user": {"policy": "allow_all"}}),
    );
    data.set("token_lifetime", 86_400);
    data.set("token_lifetime_for_web", 7_200);
    data.set("signing_alg", "RS256");
    for (key, value) in given {
        if !value.is_null() {
            data.set(&key, value);
        }
    }
    data
}

impl ResourceServer {
    /// Returns the name shown to people.
    pub fn name(&self) -> &str {
        self.data.text("name").unwrap_or(&self.identifier)
    }

    /// Returns whether it is the Management API itself.
    pub fn is_system(&self) -> bool {
        self.data.flag("is_system").unwrap_or(false)
    }

    /// Returns the scopes that it defines.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.data
            .at("scopes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|s| s.get("value").and_then(Value::as_str))
    }

    /// Returns what a scope means, for the consent page.
    pub fn scope_description(&self, scope: &str) -> Option<&str> {
        let scopes = self.data.at("scopes")?.as_array()?;
        let found = scopes.iter().find(|s| s.get("value").and_then(Value::as_str) == Some(scope))?;
        found.get("description").and_then(Value::as_str).filter(|d| !d.is_empty())
    }

    /// Returns whether its audience may be combined with `offline_access`.
    pub fn allows_offline_access(&self) -> bool {
        self.data.flag("allow_offline_access").unwrap_or(false)
    }

    /// Returns how long its access tokens live.
    pub fn token_lifetime(&self) -> Span {
        Span::seconds(self.data.int("token_lifetime").unwrap_or(86_400))
    }

    /// Returns how long access tokens live that went through the browser (implicit and hybrid flows).
    pub fn token_lifetime_for_web(&self) -> Span {
        Span::seconds(self.data.int("token_lifetime_for_web").unwrap_or(7_200))
    }

    /// Returns the algorithm of its access tokens.
    pub fn signing_alg(&self) -> &str {
        self.data.text("signing_alg").unwrap_or("RS256")
    }

    /// Returns whether its tokens follow RFC 9068.
    pub fn is_rfc9068(&self) -> bool {
        self.data.text("token_dialect").is_some_and(|d| d.starts_with("rfc9068"))
    }

    /// Returns whether verifiable first-party callbacks need no consent (contract/oidc.md 3.6).
    pub fn skips_consent_for_first_party(&self) -> bool {
        self.data.flag("skip_consent_for_verifiable_first_party_clients").unwrap_or(false)
    }

    /// Returns what users need to get a token for it: allow_all, deny_all or require_client_grant.
    pub fn user_policy(&self) -> &str {
        self.data.text("subject_type_authorization.user.policy").unwrap_or("allow_all")
    }
}

/// What a client may ask of an API.
#[derive(Clone, Debug)]
pub struct ClientGrant {
    /// Its id.
    pub id: ClientGrantId,
    /// The client.
    pub client: ClientId,
    /// The API's identifier.
    pub audience: String,
    /// `client` for machine tokens, `user` for tokens of people.
    pub subject_type: String,
    /// The document of the wire, without the four above.
    pub data: Document,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ClientGrant {
    /// Returns the granted scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.data.texts("scope")
    }

    /// Returns whether all scopes of the API are granted.
    pub fn allows_all_scopes(&self) -> bool {
        self.data.flag("allow_all_scopes").unwrap_or(false)
    }
}
