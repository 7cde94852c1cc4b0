//! An enrolled authenticator: what one user holds to prove a factor.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::factors::FactorKind;
use crate::ids::{AuthenticatorId, UserId};
use crate::time::Timestamp;

/// An authenticator of a user, confirmed or still being enrolled.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct Authenticator {
    /// Its identifier, `dev_…`.
    pub id: AuthenticatorId,
    /// Whose it is.
    pub user: UserId,
    /// Which factor it proves.
    pub kind: FactorKind,
    /// Whether its owner has shown that it works. An unconfirmed one never satisfies a login.
    pub confirmed: bool,
    /// The name that people see.
    pub name: Option<String>,
    /// The factor's own data: seed, hash, key. Private to the factor's folder; the store seals it.
    pub data: Value,
    /// The highest TOTP step or signature counter that was ever spent; lower ones are dead, whatever the clock says.
    pub spent_step: Option<i64>,
    /// When its enrolment began.
    pub created_at: Timestamp,
    /// When it was confirmed.
    pub enrolled_at: Option<Timestamp>,
    /// When it last proved its owner.
    pub last_auth_at: Option<Timestamp>,
    /// Joins authenticators that were made together and go together (sms and voice, push and its code).
    pub link_id: Option<String>,
}

impl Authenticator {
    /// Returns the identifier of the authentication-method API, `totp|dev_…`.
    pub fn method_id(&self) -> String {
        self.kind.method_id(&self.id)
    }
}

/// Without `data`: it holds secrets, and debug output ends in logs.
impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("kind", &self.kind)
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}
