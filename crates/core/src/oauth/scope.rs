//! Scopes: what was asked, and what of it is granted (contract/oidc.md 2.2).
//!
//! RFC 6749 section 3.3 lets the server grant less than was asked; what is not granted is dropped silently, as Auth0 does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codes::OAuthError;
use crate::model::client::Client;
use crate::model::management_scopes::OF_USER_TOKENS;
use crate::model::resource_server::ResourceServer;

/// Far above what an API defines; a list of 50,000 words is an attack.
const MAX_SCOPES: usize = 500;

/// The scopes of OpenID Connect and of single profile claims: no API needs to define them.
pub const OIDC: &[&str] = &[
    "openid",
    "profile",
    "email",
    "phone",
    "address",
    "offline_access",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "picture",
    "updated_at",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "created_at",
    "identities",
];

/// A list of scopes without doubles, in the order they were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Parses a list separated by blanks.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut scopes = Self::default();
        for word in text.split_ascii_whitespace() {
            // RFC 6749 section 3.3: printable ASCII without quote and backslash.
            if !word.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')) {
                return Err(OAuthError::invalid_request("Invalid characters in scope"));
            }
            if scopes.0.len() >= MAX_SCOPES {
                return Err(OAuthError::invalid_request("Too many scopes"));
            }
            scopes.add(word);
        }
        Ok(scopes)
    }

    /// Takes a list from our own storage.
    pub fn trusted(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Adds a scope unless it is there.
    pub fn add(&mut self, scope: &str) {
        if !self.has(scope) {
            self.0.push(scope.to_owned());
        }
    }

    /// Returns whether a scope is in the list.
    pub fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s == scope)
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the scopes that `keep` keeps.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        self.iter().filter(|s| keep(s)).collect()
    }

    /// Returns whether every scope is in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|s| other.has(s))
    }

    /// Returns whether the claims of `scope` may be shown: by the scope itself or by the claim's own name.
    pub fn allow_claim(&self, claim: &str, scope: &str) -> bool {
        self.has(scope) || self.has(claim)
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut list = Self::default();
        for scope in scopes {
            list.add(scope);
        }
        list
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// What a user's grant of scopes depends on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The application.
    pub client: &'a Client,
    /// The API; none when no audience, or only `/userinfo`, was asked.
    pub api: Option<&'a ResourceServer>,
    /// What the application may ask of the API at most; none: everything that the API defines.
    pub client_grant: Option<&'a [String]>,
    /// What the user's roles and permissions allow, where the API enforces them; none: it does not.
    pub permissions: Option<&'a [String]>,
    /// Whether the flow can hand over a refresh token at all (it needs the token endpoint).
    pub can_refresh: bool,
}

/// Returns the granted scopes of a request in which a user takes part.
pub fn granted(asked: &Scopes, ask: &Ask<'_>) -> Scopes {
    asked.filter(|scope| match scope {
        "offline_access" => ask.can_refresh && allows_offline_access(ask.client, ask.api),
        scope if OIDC.contains(&scope) => true,
        // A person's token acts on that person, whatever it asks for: an operator's powers come with a machine's token.
        scope if ask.api.is_some_and(ResourceServer::is_system) => OF_USER_TOKENS.contains(&scope),
        scope => ask.api.is_some_and(|api| {
            api.scopes().any(|s| s == scope)
                && ask.client_grant.is_none_or(|g| g.iter().any(|s| s == scope))
                && ask.permissions.is_none_or(|p| p.iter().any(|s| s == scope))
        }),
    })
}

/// Returns whether a refresh token may be issued: grant enabled, the API allows it, and a SPA rotates.
fn allows_offline_access(client: &Client, api: Option<&ResourceServer>) -> bool {
    client.allows_grant("refresh_token")
        && api.is_none_or(ResourceServer::allows_offline_access)
        && (client.app_type() != Some("spa") || client.refresh_token().rotating)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::{ClientId, ResourceServerId};
    use crate::model::{client, resource_server};
    use crate::time::Timestamp;

    fn client(given: Value) -> Client {
        Client {
            id: ClientId::trusted("c"),
            data: client::with_defaults(given.as_object().cloned().unwrap()),
            secret: zeroize::Zeroizing::new(String::new()),
            created_at: Timestamp::from_secs(0),
            updated_at: Timestamp::from_secs(0),
        }
    }

    fn api(given: Value) -> ResourceServer {
        ResourceServer {
            id: ResourceServerId::trusted("r"),
            identifier: "https://api.example/".into(),
            data: resource_server::with_defaults(given.as_object().cloned().unwrap()),
            created_at: Timestamp::from_secs(0),
            updated_at: Timestamp::from_secs(0),
        }
    }

    fn grant(asked: &str, ask: Ask<'_>) -> String {
        granted(&Scopes::parse(asked).unwrap(), &ask).to_string()
    }

    #[test]
    fn unknown_scopes_are_dropped_and_those_of_the_api_stay() {
        let client = client(json!({"name": "x"}));
        let api = api(json!({"scopes": [{"value": "read:a"}, {"value": "transfer:b"}]}));
        let ask = Ask {
            client: &client,
            api: Some(&api),
            client_grant: None,
            permissions: None,
            can_refresh: true,
        };
        assert_eq!(grant("openid read:a nonsense openid", ask), "openid read:a");
        let limited = ["read:a".to_owned()];
        assert_eq!(grant("read:a transfer:b", Ask { client_grant: Some(&limited), ..ask }), "read:a");
        assert_eq!(grant("read:a transfer:b openid", Ask { permissions: Some(&[]), ..ask }), "openid");
        assert_eq!(grant("openid read:a", Ask { api: None, ..ask }), "openid");
    }

    #[test]
    fn offline_access_needs_grant_api_and_in_a_spa_rotation() {
        let web = client(json!({"name": "x"}));
        let spa = client(json!({"name": "x", "app_type": "spa"}));
        let rotating =
            client(json!({"name": "x", "app_type": "spa", "refresh_token": {"rotation_type": "rotating"}}));
        let bare = client(json!({"name": "x", "grant_types": ["authorization_code"]}));
        let (closed, open) = (api(json!({})), api(json!({"allow_offline_access": true})));
        let try_it = |client, api, can_refresh| {
            let ask = Ask { client, api, client_grant: None, permissions: None, can_refresh };
            grant("offline_access", ask) == "offline_access"
        };
        assert!(try_it(&web, None, true) && try_it(&web, Some(&open), true) && try_it(&rotating, None, true));
        assert!(
            !try_it(&web, Some(&closed), true) && !try_it(&spa, None, true) && !try_it(&bare, None, true)
        );
        assert!(!try_it(&web, None, false));
    }

    #[test]
    fn fifty_thousand_words_are_refused() {
        let words: Vec<_> = (0..50_000).map(|n| n.to_string()).collect();
        assert!(Scopes::parse(&words.join(" ")).is_err());
        assert!(Scopes::parse("a\"b").is_err());
        assert_eq!(Scopes::parse("  ").unwrap(), Scopes::default());
    }
}
