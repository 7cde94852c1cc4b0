//! How logins begin (contract/management-api.md 12).

use super::documents::{Merge, Subject};
use super::validate::{Kind, Schema, nullable, optional};

/// The settings: all three are always there.
pub const PROMPTS: Subject = Subject {
    name: "prompts",
    defaults: r#"{"universal_login_experience": "new", "identifier_first": false, "webauthn_platform_first_factor": false}"#,
    patch: PATCH,
    merge: Merge::Properties,
    secrets: &[],
};

/// The body of a change.
pub const PATCH: Schema = Schema::closed(&[
    optional("universal_login_experience", Kind::OneOf(&["new", "classic"])),
    nullable("identifier_first", Kind::Bool),
    nullable("webauthn_platform_first_factor", Kind::Bool),
]);
