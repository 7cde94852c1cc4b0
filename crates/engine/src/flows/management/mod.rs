//! What the Management API does, one file a resource (contract/management-api.md).
//!
//! Every flow gets a [`Call`] and values of the wire, and returns the object of the wire. Who may call what is decided before,
//! in [`access`]; what is written to the audit trail afterwards, in [`audit`].

pub mod access;
pub mod actions;
pub mod attack_protection;
pub mod audit;
pub mod authentication_methods;
pub mod authenticators;
pub mod branding;
pub mod client_credentials;
pub mod client_grants;
pub mod clients;
pub mod connections;
pub mod custom_domains;
pub mod device_credentials;
pub mod documents;
pub mod effective;
pub mod email_templates;
pub mod emails;
pub mod encryption_keys;
pub mod enrollments;
pub mod factors;
pub mod grants;
pub mod guardian_settings;
pub mod identities;
pub mod jobs;
pub mod log_streams;
pub mod logs;
pub mod page_templates;
pub mod phone_providers;
pub mod phone_templates;
pub mod policies;
pub mod prompt_texts;
pub mod prompts;
pub mod query;
pub mod refresh_tokens;
pub mod resource_servers;
pub mod roles;
pub mod sessions;
pub mod signing_keys;
pub mod stats;
pub mod tenant_settings;
pub mod themes;
pub mod tickets;
pub mod user_blocks;
pub mod user_search;
pub mod users;
pub mod validate;

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::env::Env;
use lockstep_core::ids::UserId;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use serde_json::Value;
use tracing::error;

use self::access::Caller;
use super::admin_reset::By;
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::db::{Conn, DbError};
use crate::store::search::Unsearchable;
use crate::store::users as user_store;

/// What a flow returns.
pub type Outcome<T = Value> = Result<T, ManagementError>;

/// A call that may be made: the tenant, the moment, and who calls from where.
pub struct Call {
    /// The tenant.
    pub app: App,
    /// The world as this request sees it.
    pub env: Env,
    /// Where the request came from.
    pub origin: Origin,
    /// Who calls.
    pub caller: Caller,
    /// Why, where the caller says so (header `Lockstep-Reason`).
    pub reason: Option<String>,
    /// Whether taking factors away ends the person's sessions too (`?end_sessions=true`).
    pub end_sessions: bool,
}

impl Call {
    /// Returns where the request came from without the languages of whoever sent it: what is told to a user is in the user's language.
    fn origin_of_operator(&self) -> Origin {
        Origin { languages: None, ..self.origin.clone() }
    }

    /// Returns who takes something away, and why.
    fn by(&self) -> By {
        let client = Some(self.caller.client.clone());
        By { client, reason: self.reason.clone(), end_sessions: self.end_sessions }
    }

    /// Writes a log record in the caller's transaction, with where the request came from and which client made it.
    async fn log(&self, tx: &mut Conn, event: LogEvent) -> Result<(), DbError> {
        let mut event = event.from(&self.origin);
        if event.client.is_none() {
            event.client = Some(self.caller.client.clone());
            event.client_name = Some(String::new());
        }
        self.app.logs().insert(tx, &self.env, &event).await
    }
}

impl From<DbError> for ManagementError {
    fn from(cause: DbError) -> Self {
        if let DbError::TooLong = cause {
            return ManagementCode::QueryTimeout.into();
        }
        error!(%cause, "A Management API call failed: {cause}");
        ManagementCode::Internal.into()
    }
}

impl From<PasswordError> for ManagementError {
    fn from(cause: PasswordError) -> Self {
        match cause {
            PasswordError::Overloaded => ManagementCode::Busy.into(),
            PasswordError::Hash(cause) => validate::refused(cause.to_string()),
        }
    }
}

impl From<Unsearchable> for ManagementError {
    fn from(cause: Unsearchable) -> Self {
        query::not_searchable(&cause.to_string())
    }
}

/// Returns the error of something unexpected that is no database error.
fn internal(cause: &dyn std::fmt::Display) -> ManagementError {
    error!(%cause, "A Management API call failed: {cause}");
    ManagementCode::Internal.into()
}

/// Turns a taken key into the error that names it.
fn taken(code: ManagementCode) -> impl FnOnce(DbError) -> ManagementError {
    move |cause| match cause {
        DbError::Conflict => code.into(),
        other => other.into(),
    }
}

/// Parses the id of a user in a path.
pub fn user_id(text: &str) -> Outcome<UserId> {
    UserId::parse(text).map_err(|_| {
        // An id that was encoded twice is well-formed and nobody's.
        if text.contains("%7C") || text.contains("%7c") {
            return ManagementCode::InexistentUser.into();
        }
        validate::malformed_path("user-id", text, "id", "The user_id of the user.")
    })
}

/// Returns a user, or the error that says there is none.
async fn load_user(conn: &mut Conn, id: &UserId) -> Outcome<User> {
    user_store::find(conn, id).await?.ok_or_else(|| ManagementCode::InexistentUser.into())
}
