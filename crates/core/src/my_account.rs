//! The My Account API's words: what it shows of an authentication method, and what it refuses (contract/mfa-api.md 12).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::factors::{FactorKind, email, phone, webauthn};
use crate::ids::AuthenticatorId;
use crate::model::authenticator::Authenticator;
use crate::model::user::User;
use crate::time::Timestamp;

/// The scopes of the API, each with what the consent page says of it.
pub const SCOPES: [(&str, &str); 5] = [
    ("read:me:authentication_methods", "See the ways in which you log in"),
    ("create:me:authentication_methods", "Add ways to log in to your account"),
    ("update:me:authentication_methods", "Rename the ways in which you log in"),
    ("delete:me:authentication_methods", "Remove ways to log in from your account"),
    ("read:me:factors", "See which second steps you can set up"),
];

/// Fills in what the document of this API has when it is made: its scopes, and that an application needs a grant of its own to get tokens
/// for it. What is given stands.
pub fn fill_in(document: &mut Map<String, Value>) {
    let scopes: Vec<Value> =
        SCOPES.iter().map(|(value, text)| json!({"value": value, "description": text})).collect();
    let policies = json!({"client": {"policy": "deny_all"}, "user": {"policy": "require_client_grant"}});
    for (name, value) in [
        ("name", json!("My Account API")),
        ("scopes", json!(scopes)),
        ("allow_offline_access", json!(true)),
        ("skip_consent_for_verifiable_first_party_clients", json!(true)),
        ("subject_type_authorization", policies),
    ] {
        document.entry(name).or_insert(value);
    }
}

/// Returns the object of an authenticator.
pub fn method(on: &Authenticator) -> Value {
    let mut object = json!({
        "id": on.method_id(),
        "type": on.kind.method_type(),
        "created_at": on.created_at.to_iso(),
        "confirmed": on.confirmed,
        "usage": ["secondary"],
    });
    match on.kind {
        FactorKind::Phone => {
            if let Some(number) = phone::number(on) {
                object["phone_number"] = json!(number.as_str());
            }
            if let Some(channel) = phone::preferred(on) {
                object["preferred_authentication_method"] = json!(channel.as_str());
            }
        }
        FactorKind::Email => {
            if let Some(address) = email::address(on) {
                object["email"] = json!(address);
            }
        }
        FactorKind::WebauthnPlatform | FactorKind::WebauthnRoaming => {
            if let Some((key_id, public_key)) = webauthn::public_parts(on) {
                object["key_id"] = json!(key_id);
                object["public_key"] = json!(public_key);
            }
        }
        FactorKind::Totp | FactorKind::RecoveryCode => {}
    }
    if let Some(name) = &on.name {
        object["name"] = json!(name);
    }
    if let Some(at) = on.last_auth_at {
        object["last_auth_at"] = json!(at.to_iso());
    }
    object
}

/// What is known of a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Passkey<'a> {
    /// Its id.
    pub id: &'a AuthenticatorId,
    /// Its label.
    pub name: Option<&'a str>,
    /// What is stored of the key. Nothing in it is secret, and only what is named here is shown.
    pub data: &'a Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last logged its owner in.
    pub last_auth_at: Option<Timestamp>,
}

impl Passkey<'_> {
    /// Returns the id on the wire.
    pub fn method_id(&self) -> String {
        format!("passkey|{}", self.id)
    }

    /// Returns the object of the wire.
    pub fn method(&self) -> Value {
        let mut object = json!({
            "id": self.method_id(),
            "type": "passkey",
            "created_at": self.created_at.to_iso(),
            "confirmed": true,
            "usage": ["primary"],
        });
        for name in SHOWN_OF_A_PASSKEY {
            if let Some(value) = self.data.get(name).filter(|value| !value.is_null()) {
                object[name] = value.clone();
            }
        }
        // Here it has a name of its own; the Management API says `relying_party_identifier`.
        if let Some(domain) = self.data.get("relying_party_identifier") {
            object["relying_party_id"] = domain.clone();
        }
        if let Some(name) = self.name {
            object["name"] = json!(name);
        }
        if let Some(at) = self.last_auth_at {
            object["last_auth_at"] = json!(at.to_iso());
        }
        object
    }
}

const SHOWN_OF_A_PASSKEY: [&str; 9] = [
    "key_id",
    "public_key",
    "credential_device_type",
    "credential_backed_up",
    "identity_user_id",
    "user_handle",
    "transports",
    "user_agent",
    "aaguid",
];

/// Returns the id of a user's password.
pub fn password_id(user: &User) -> String {
    format!("password|{}", URL_SAFE_NO_PAD.encode(user.id.as_str()))
}

/// Returns the object of a password.
pub fn password(user: &User) -> Value {
    let mut object = json!({
        "id": password_id(user),
        "type": "password",
        "created_at": user.created_at.to_iso(),
        "confirmed": true,
        "usage": ["primary"],
        "identity_user_id": user.id.parts().1,
    });
    if let Some(at) = user.password_changed_at {
        object["last_password_reset"] = json!(at.to_iso());
    }
    object
}

macro_rules! my_account_codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $number:literal, $text:literal;)*) => {
        /// What the API refuses. The number is the last part of `type`, and ours: Auth0 lists none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MyAccountCode {
            $($(#[$doc])* $variant,)*
        }

        impl MyAccountCode {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            const fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)* }
            }

            /// Returns the text that is sent unless a better one is known.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

my_account_codes! {
    /// A parameter of the query is not one of those that exist.
    InvalidQuery = 400, 1, "Invalid query";
    /// The body is not of its shape.
    InvalidBody = 400, 3, "Invalid request body";
    /// The code is wrong.
    WrongCode = 400, 4, "Invalid one-time code";
    /// The `auth_session` is not that of this enrolment, or its time or tries are over.
    BadSession = 400, 5, "The auth_session is invalid or has expired";
    /// The new password does not meet the policy.
    WeakPassword = 400, 6, "The password does not meet the password policy";
    /// Messages are not sent to this number.
    NotSent = 400, 7, "Messages are not sent to this number";
    /// The answer of the passkey does not hold.
    WrongAnswer = 400, 8, "The passkey's answer is not valid";
    /// No token, or not one for this API.
    InvalidToken = 401, 1, "The access token is missing, expired or invalid";
    /// The token lacks the scope.
    InsufficientScope = 403, 1, "Insufficient scope";
    /// A factor changes only after a fresh second factor (RFC 9470).
    StepUp = 403, 2, "Recent multi-factor authentication is required";
    /// The factor is not enabled, or not one that this API enrols here.
    NotAvailable = 403, 3, "This authentication method is not available";
    /// No such method of this user.
    NotFound = 404, 1, "The authentication method was not found";
    /// The tenant has no API with this audience.
    Inactive = 404, 2, "The My Account API is not activated: create an API whose identifier is this domain's /me/";
    /// No such path.
    NoRoute = 404, 3, "Not found";
    /// What is there cannot be removed.
    NotDeletable = 409, 1, "This authentication method cannot be removed";
    /// It is there already.
    Duplicate = 409, 2, "This authentication method is already enrolled";
    /// Too many methods.
    TooManyMethods = 409, 3, "No more authentication methods can be enrolled";
    /// The body is too large.
    PayloadTooLarge = 413, 1, "The body is too large";
    /// Not JSON.
    UnsupportedMediaType = 415, 1, "Send the body as application/json";
    /// Too many calls, wrong codes or messages.
    TooMany = 429, 1, "Too many requests";
    /// A fault of ours.
    Internal = 500, 1, "Internal server error";
    /// Too many passwords are being hashed.
    Busy = 503, 1, "The server is busy";
}

/// A refusal: envelope C.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct MyAccountError {
    /// Which one.
    pub code: MyAccountCode,
    /// `detail`.
    pub detail: String,
    /// `validation_errors`: what is wrong, and the path of the property, `phone_number`.
    pub problems: Vec<(String, String)>,
}

impl MyAccountError {
    /// Returns a refusal with its own text.
    pub fn new(code: MyAccountCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), problems: Vec::new() }
    }

    /// Returns the refusal of a property of the body.
    pub fn property(detail: impl Into<String>, field: &str) -> Self {
        Self { problems: vec![(detail.into(), field.to_owned())], ..MyAccountCode::InvalidBody.into() }
    }

    /// Returns the body; `title` is the status line's phrase.
    pub fn body(&self, title: &str) -> Value {
        let status = self.code.status();
        let mut body = json!({
            "type": format!("https://auth0.com/api-errors#A0E-{status}-{:04}", self.code.number()),
            "status": status,
            "title": title,
            "detail": self.detail,
        });
        if !self.problems.is_empty() {
            let problem = |(detail, field): &(String, String)| {
                let pointer = format!("/{}", field.replace('.', "/"));
                json!({"detail": detail, "field": field, "pointer": pointer, "source": "body"})
            };
            body["validation_errors"] = self.problems.iter().map(problem).collect();
        }
        body
    }
}

impl From<MyAccountCode> for MyAccountError {
    fn from(code: MyAccountCode) -> Self {
        Self::new(code, code.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_the_body_is_wrong() {
        let body =
            MyAccountError::property("must be a valid phone number", "phone_number").body("Bad Request");
        assert_eq!(
            body.to_string(),
            r#"{"detail":"Invalid request body","status":400,"title":"Bad Request","type":"https://auth0.com/api-errors#A0E-400-0003","validation_errors":[{"detail":"must be a valid phone number","field":"phone_number","pointer":"/phone_number","source":"body"}]}"#
        );
    }

    #[test]
    fn no_type_stands_twice() {
        let mut types: Vec<_> = MyAccountCode::ALL.iter().map(|c| (c.status(), c.number())).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), MyAccountCode::ALL.len());
    }

    #[test]
    fn what_an_operator_says_of_the_api_stands() {
        let mut document = Map::new();
        document.insert("name".to_owned(), json!("Mine"));
        fill_in(&mut document);
        assert_eq!(document["name"], "Mine");
        assert_eq!(document["scopes"][0]["value"], "read:me:authentication_methods");
    }
}
