//! A tenant log record (contract/log-events.md): data for the tenant, apart from the server's own trace.

use serde_json::Value;

use crate::ids::{ClientId, UserId};

/// An event that becomes a log record once it has a date and an id.
#[derive(Clone, Debug, Default)]
pub struct LogEvent {
    /// The code: `s`, `fp`, `seacft` …
    pub code: &'static str,
    /// What happened, for people.
    pub description: String,
    /// The application.
    pub client: Option<ClientId>,
    /// The application's name.
    pub client_name: Option<String>,
    /// The user.
    pub user: Option<UserId>,
    /// The user's name; on failed logins what was typed.
    pub user_name: Option<String>,
    /// The connection's name.
    pub connection: Option<String>,
    /// The connection's id.
    pub connection_id: Option<String>,
    /// The audience of token events.
    pub audience: Option<String>,
    /// The scopes of token events, separated by blanks.
    pub scope: Option<String>,
    /// Code-specific details; never a secret.
    pub details: Option<Value>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Whether an application's own server speaks for the person: then the address is that of many.
    pub of_server: bool,
    /// The end user's address.
    pub ip: Option<String>,
    /// The raw `User-Agent` header.
    pub user_agent: Option<String>,
    /// The host that was asked.
    pub hostname: Option<String>,
    /// The decoded `Auth0-Client` header.
    pub auth0_client: Option<Value>,
    /// `X-Correlation-ID`, or `correlation_id` of `/authorize`.
    pub correlation_id: Option<String>,
    /// The raw `Accept-Language` header: what a message to the person speaks unless something says better.
    pub languages: Option<String>,
}

impl LogEvent {
    /// Returns an event of this code and description.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), ..Self::default() }
    }

    /// Adds the user.
    #[must_use]
    pub fn user(mut self, id: &UserId, name: &str) -> Self {
        self.user = Some(id.clone());
        self.user_name = Some(name.to_owned());
        self
    }

    /// Adds the application.
    #[must_use]
    pub fn client(mut self, id: &ClientId, name: &str) -> Self {
        self.client = Some(id.clone());
        self.client_name = Some(name.to_owned());
        self
    }

    /// Adds where the request came from.
    #[must_use]
    pub fn from(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        self
    }

    /// Adds code-specific details.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}
