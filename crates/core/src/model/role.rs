//! Roles and permissions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids::RoleId;

/// A role: a name for a set of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its unique name; what Actions see.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
}

impl Role {
    /// Returns the object of the wire.
    pub fn to_json(&self) -> Value {
        json!({"id": self.id, "name": self.name, "description": self.description, "type": "tenant"})
    }
}

/// A scope of an API that a role or a user has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The API's identifier.
    #[serde(rename = "resource_server_identifier")]
    pub audience: String,
    /// The scope.
    #[serde(rename = "permission_name")]
    pub name: String,
}
