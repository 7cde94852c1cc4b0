//! One row of an import of users: read, checked, and told what is wrong with it (contract/management-api.md 17; Auth0 docs, "Bulk User Import
//! Database Schema and Examples"). The job of the Management API and `lockstep import` share it.
//!
//! What is wrong with a factor does not keep the rest of a row out: factors come in all or none, and the row is told as failed.

use serde_json::{Map, Value, json};

use crate::crypto::hasher::StoredHash;
use crate::crypto::imported_hash;
use crate::factors::totp::Seed;
use crate::ids::UserId;
use crate::model::user::{Profile, normal_email};
use crate::time::Timestamp;

/// What is wrong with a row, as `jobs/{id}/errors` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// `INVALID_TYPE`, `FORMAT` …
    pub code: &'static str,
    /// In words, without the value.
    pub message: String,
    /// Where: `email`, `mfa_factors.0.totp.secret`.
    pub path: String,
}

impl RowError {
    /// Returns an error.
    pub fn new(code: &'static str, message: impl Into<String>, path: &str) -> Self {
        Self { code, message: message.into(), path: path.to_owned() }
    }

    /// Returns the object of the wire.
    pub fn to_json(&self) -> Value {
        json!({"code": self.code, "message": self.message, "path": self.path})
    }
}

/// A second factor that comes along.
#[derive(Clone, PartialEq, Eq)]
pub enum Factor {
    /// The seed of an authenticator app.
    Totp(Seed),
    /// A telephone number, E.164.
    Phone(String),
    /// An address.
    Email(String),
}

/// A row that can be stored.
#[derive(Clone, Default)]
pub struct Row {
    /// The id without its provider.
    pub identity: Option<String>,
    /// The address, normal.
    pub email: Option<String>,
    /// Whether it was proven.
    pub email_verified: Option<bool>,
    /// The user name.
    pub username: Option<String>,
    /// The number, E.164.
    pub phone_number: Option<String>,
    /// Whether it was proven.
    pub phone_verified: Option<bool>,
    /// The profile: what is not there is not changed.
    pub profile: Profile,
    /// `user_metadata`.
    pub user_metadata: Option<Map<String, Value>>,
    /// `app_metadata`.
    pub app_metadata: Option<Map<String, Value>>,
    /// Whether logging in is forbidden.
    pub blocked: Option<bool>,
    /// The password's hash.
    pub hash: Option<StoredHash>,
    /// The factors; none where the row says nothing of them, or something wrong.
    pub factors: Option<Vec<Factor>>,
    /// What an export says about the past; a job does not read it.
    pub past: Past,
}

/// What an export says about a user's past.
#[derive(Clone, Default)]
pub struct Past {
    /// When the user was made.
    pub created_at: Option<Timestamp>,
    /// The last login.
    pub last_login: Option<Timestamp>,
    /// How often the user logged in.
    pub logins_count: Option<i64>,
    /// When the password was changed last.
    pub password_changed_at: Option<Timestamp>,
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file for the job: only what its schema knows.
    Job,
    /// What Auth0 exports: with its ids whole, a past, and properties that mean nothing elsewhere.
    Export,
}

/// The most factors of a row.
const MAX_FACTORS: usize = 10;

/// Properties that a job's file may have.
const KNOWN: &[&str] = &[
    "email",
    "email_verified",
    "user_id",
    "username",
    "given_name",
    "family_name",
    "name",
    "nickname",
    "picture",
    "blocked",
    "password_hash",
    "password_set_date",
    "custom_password_hash",
    "app_metadata",
    "user_metadata",
    "mfa_factors",
    "phone_number",
    "phone_verified",
];

/// Reads a row. It can be stored if there is a [`Row`]; errors beside one are about its factors.
pub fn parse(value: &Value, source: Source) -> (Option<Row>, Vec<RowError>) {
    let Value::Object(map) = value else {
        return (None, vec![RowError::new("OBJECT_REQUIRED", "A user has to be an object", "")]);
    };
    let mut reader = Reader { map, errors: Vec::new() };
    let row = reader.row(source);
    if !reader.errors.is_empty() {
        return (None, reader.errors);
    }
    let mut row = row;
    let mut errors = Vec::new();
    if let Some(factors) = map.get("mfa_factors") {
        match read_factors(factors) {
            Ok(factors) => row.factors = Some(factors),
            Err(error) => errors.push(error),
        }
    }
    (Some(row), errors)
}

/// Returns the row as it is told beside its errors: without secrets.
pub fn shown(value: &Value) -> Value {
    let Value::Object(map) = value else { return Value::Null };
    let secret = ["password_hash", "custom_password_hash", "passwordHash", "password", "mfa_factors"];
    let kept = map.iter().map(|(name, value)| {
        let hidden = secret.contains(&name.as_str());
        (name.clone(), if hidden { json!("*****") } else { value.clone() })
    });
    Value::Object(kept.collect())
}

struct Reader<'m> {
    map: &'m Map<String, Value>,
    errors: Vec<RowError>,
}

impl Reader<'_> {
    fn row(&mut self, source: Source) -> Row {
        if source == Source::Job
            && let Some(name) = self.map.keys().find(|name| !KNOWN.contains(&name.as_str()))
        {
            let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("Additional properties not allowed: {name}");
            self.fail("NOT_PASSED", message, "");
        }
        let email = self.text("email", 1, 254);
        let email = email.and_then(|email| match normal_email(&email) {
            Ok(email) => Some(email),
            Err(_) => {
                self.fail("FORMAT", "Object didn't pass validation for format email".to_owned(), "email");
                None
            }
        });
        let row = Row {
            identity: self.identity(source),
            email,
            email_verified: self.flag("email_verified"),
            username: self.text("username", 1, 128),
            phone_number: self.phone(),
            phone_verified: self.flag("phone_verified"),
            profile: Profile {
                name: self.text("name", 1, 300),
                nickname: self.text("nickname", 1, 300),
                given_name: self.text("given_name", 1, 150),
                family_name: self.text("family_name", 1, 150),
                picture: self.text("picture", 1, 4096),
            },
            user_metadata: self.object("user_metadata"),
            app_metadata: self.object("app_metadata"),
            blocked: self.flag("blocked"),
            hash: self.hash(source),
            factors: None,
            past: if source == Source::Export { self.past() } else { Past::default() },
        };
        if row.email.is_none()
            && row.username.is_none()
            && row.phone_number.is_none()
            && self.errors.is_empty()
        {
            let message = "A user needs an email, a username or a phone_number".to_owned();
            self.fail("ANY_OF_MISSING", message, "");
        }
        row
    }

    fn fail(&mut self, code: &'static str, message: String, path: &str) {
        self.errors.push(RowError::new(code, message, path));
    }

    /// Null means that nothing is said.
    fn given(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong_type(&mut self, name: &str, expected: &str) {
        self.fail("INVALID_TYPE", format!("Expected type {expected}"), name);
    }

    fn text(&mut self, name: &str, min: usize, max: usize) -> Option<String> {
        let Some(text) = self.given(name)?.as_str().map(str::to_owned) else {
            self.wrong_type(name, "string");
            return None;
        };
        let count = text.chars().count();
        if count < min {
            self.fail("MIN_LENGTH", format!("String is too short ({count} chars), minimum {min}"), name);
        } else if count > max {
            self.fail("MAX_LENGTH", format!("String is too long ({count} chars), maximum {max}"), name);
        } else if text.chars().any(char::is_control) {
            self.fail("PATTERN", "String must not contain control characters".to_owned(), name);
        } else {
            return Some(text);
        }
        None
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = self.given(name)?.as_bool();
        if flag.is_none() {
            self.wrong_type(name, "boolean");
        }
        flag
    }

    fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let value = self.given(name)?;
        let Some(map) = value.as_object().cloned() else {
            self.wrong_type(name, "object");
            return None;
        };
        if has_nul(value) {
            self.fail("PATTERN", "String must not contain control characters".to_owned(), name);
            return None;
        }
        Some(map)
    }

    fn phone(&mut self) -> Option<String> {
        let number = self.text("phone_number", 1, 32)?;
        if is_e164(&number) {
            return Some(number);
        }
        self.fail("PATTERN", r"String does not match pattern ^\+[0-9]{1,15}$".to_owned(), "phone_number");
        None
    }

    fn identity(&mut self, source: Source) -> Option<String> {
        // The export of hashes writes the id as MongoDB does.
        let oid = self.map.get("_id").and_then(|id| id["$oid"].as_str()).filter(|_| source == Source::Export);
        let id = match oid {
            Some(oid) => oid.to_owned(),
            None => self.text("user_id", 1, 255)?,
        };
        let id = match source {
            Source::Export => id.strip_prefix("auth0|").unwrap_or(&id),
            Source::Job => &id,
        };
        if source == Source::Export && id.contains('|') {
            let message =
                "Users of social and enterprise connections have no password to bring along".to_owned();
            self.fail("CONNECTION_NOT_FOUND", message, "user_id");
            return None;
        }
        let odd = id.chars().any(char::is_whitespace) || UserId::database(id).is_err();
        if odd {
            self.fail("FORMAT", "Object didn't pass validation for format user-id".to_owned(), "user_id");
            return None;
        }
        Some(id.to_owned())
    }

    fn hash(&mut self, source: Source) -> Option<StoredHash> {
        let plain = ["password_hash", "passwordHash"];
        let name = plain.into_iter().find(|name| {
            (*name == "password_hash" || source == Source::Export) && self.given(name).is_some()
        });
        let custom = self.given("custom_password_hash").cloned();
        let (name, read) = match (name, custom) {
            (Some(name), None) => {
                let text = self.text(name, 1, 2048)?;
                // The plain property takes bcrypt alone.
                let read = StoredHash::parse(&text).ok().filter(|hash| matches!(hash, StoredHash::Bcrypt(_)));
                (name, read)
            }
            (None, Some(Value::Object(map))) => ("custom_password_hash", imported_hash::custom(&map).ok()),
            (None, Some(_)) => {
                self.wrong_type("custom_password_hash", "object");
                return None;
            }
            (Some(_), Some(_)) => {
                let message = "password_hash and custom_password_hash exclude each other".to_owned();
                self.fail("NOT_PASSED", message, "custom_password_hash");
                return None;
            }
            (None, None) => return None,
        };
        if read.is_none() {
            let message = "The hash is of no format that can be verified, or takes too much work".to_owned();
            self.fail("FORMAT", message, name);
        }
        read
    }

    /// Reads what it can: somebody is not kept out by his past.
    fn past(&self) -> Past {
        let time = |name: &str| {
            let value = self.given(name)?;
            let text = value.as_str().or_else(|| value["$date"].as_str())?;
            Timestamp::parse_iso(text)
        };
        Past {
            created_at: time("created_at"),
            last_login: time("last_login"),
            logins_count: self.given("logins_count").and_then(Value::as_i64).filter(|n| *n >= 0),
            password_changed_at: time("last_password_reset").or_else(|| time("password_set_date")),
        }
    }
}

fn read_factors(value: &Value) -> Result<Vec<Factor>, RowError> {
    let Value::Array(items) = value else {
        return Err(RowError::new("INVALID_TYPE", "Expected type array", "mfa_factors"));
    };
    if items.is_empty() {
        return Err(RowError::new("ARRAY_LENGTH_SHORT", "Array is too short (0), minimum 1", "mfa_factors"));
    }
    if items.len() > MAX_FACTORS {
        let message = format!("Array is too long ({}), maximum {MAX_FACTORS}", items.len());
        return Err(RowError::new("ARRAY_LENGTH_LONG", message, "mfa_factors"));
    }
    let mut factors = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let path = format!("mfa_factors.{n}");
        let one = item.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let Some((name, inner)) = one else {
            return Err(RowError::new(
                "MFA_FACTORS_FAILED",
                "A factor is an object with one property",
                &path,
            ));
        };
        let text = |key: &str| {
            let known = inner.as_object().is_some_and(|map| map.keys().all(|name| name == key));
            inner[key].as_str().filter(|_| known)
        };
        let factor = match name.as_str() {
            "totp" => text("secret")
                .filter(|secret| secret.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)))
                .and_then(|secret| Seed::parse(secret).ok())
                .map(Factor::Totp)
                .ok_or(("PATTERN", "totp.secret", "String does not match pattern ^[A-Z2-7]+$")),
            "phone" => text("value")
                .filter(|number| is_e164(number))
                .map(|number| Factor::Phone(number.to_owned()))
                .ok_or(("PATTERN", "phone.value", r"String does not match pattern ^\+[0-9]{1,15}$")),
            "email" => text("value").and_then(|email| normal_email(email).ok()).map(Factor::Email).ok_or((
                "FORMAT",
                "email.value",
                "Object didn't pass validation for format email",
            )),
            _ => Err((
                "MFA_FACTORS_FAILED",
                "",
                "Unable to import MFA factors: totp, phone and email are known",
            )),
        };
        match factor {
            // The same twice is one.
            Ok(factor) if factors.contains(&factor) => {}
            Ok(factor) => factors.push(factor),
            Err((code, place, message)) => {
                return Err(RowError::new(code, message, format!("{path}.{place}").trim_end_matches('.')));
            }
        }
    }
    Ok(factors)
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+');
    digits.is_some_and(|d| (1..=15).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()))
}

/// PostgreSQL's text cannot hold NUL.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn codes(row: Value) -> Vec<(&'static str, String)> {
        parse(&row, Source::Job).1.into_iter().map(|e| (e.code, e.path)).collect()
    }

    fn code(row: Value) -> &'static str {
        codes(row).first().map_or("none", |(code, _)| code)
    }

    #[test]
    fn what_is_wrong_has_a_code_and_a_place() {
        for (row, expected, path) in [
            (json!([]), "OBJECT_REQUIRED", ""),
            (json!({}), "ANY_OF_MISSING", ""),
            (json!({"email": 1}), "INVALID_TYPE", "email"),
            (json!({"email": "nobody"}), "FORMAT", "email"),
            (json!({"email": "a@example.com\r\nBcc: x@evil.example"}), "PATTERN", "email"),
            (json!({"email": "a@exam\u{0}ple.com"}), "PATTERN", "email"),
            (json!({"email": "a@example.com", "name": ""}), "MIN_LENGTH", "name"),
            (json!({"email": "a@example.com", "name": "Eve\r\nSubject: Pay"}), "PATTERN", "name"),
            (json!({"email": "a@example.com", "given_name": "x".repeat(151)}), "MAX_LENGTH", "given_name"),
            (json!({"email": "a@example.com", "email_verified": "yes"}), "INVALID_TYPE", "email_verified"),
            (json!({"email": "a@example.com", "app_metadata": []}), "INVALID_TYPE", "app_metadata"),
            (json!({"email": "a@example.com", "app_metadata": {"a": ["\u{0}"]}}), "PATTERN", "app_metadata"),
            (json!({"phone_number": "2025550143"}), "PATTERN", "phone_number"),
            (json!({"email": "a@example.com", "user_id": "a b"}), "FORMAT", "user_id"),
            (json!({"email": "a@example.com", "password_hash": "plain"}), "FORMAT", "password_hash"),
            (json!({"email": "a@example.com", "roles": ["admin"]}), "NOT_PASSED", ""),
            (
                json!({"email": "a@example.com", "custom_password_hash": {"algorithm": "rot13"}}),
                "FORMAT",
                "custom_password_hash",
            ),
        ] {
            assert_eq!(codes(row.clone()), [(expected, path.to_owned())], "{row}");
            assert!(parse(&row, Source::Job).0.is_none());
        }
    }

    #[test]
    fn factors_are_read_all_or_none_and_the_rest_is_kept() {
        let row = |factors: Value| json!({"email": "a@example.com", "name": "Ann", "mfa_factors": factors});
        let totp = |secret: &str| json!([{"totp": {"secret": secret}}]);
        let good = parse(
            &row(json!([{"totp": {"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}},
            {"phone": {"value": "+15551234"}}, {"email": {"value": "b@example.com"}}])),
            Source::Job,
        );
        assert_eq!((good.0.unwrap().factors.unwrap().len(), good.1), (3, vec![]));
        for (factors, expected) in [
            (totp("gezdgnbvgy3tqojqgezdgnbvgy3tqojq"), "PATTERN"),
            (totp("GEZDGNBVGY3TQOJQ===="), "PATTERN"),
            (totp("GEZD GNBV"), "PATTERN"),
            (totp("JBSWY3DPEHPK3PX0"), "PATTERN"),
            (totp(""), "PATTERN"),
            (json!([{"phone": {"value": "2025550143"}}]), "PATTERN"),
            (json!([{"totp": {"secret": "GEZDGNBV"}, "phone": {"value": "+1555"}}]), "MFA_FACTORS_FAILED"),
            (Value::Array(vec![json!({"phone": {"value": "+1555"}}); 11]), "ARRAY_LENGTH_LONG"),
            (json!([]), "ARRAY_LENGTH_SHORT"),
            (json!([{"webauthn": {"key": "x"}}]), "MFA_FACTORS_FAILED"),
            (json!([{"totp": {"secret": "GEZDGNBV"}}, {"email": {"value": "nobody"}}]), "FORMAT"),
            (json!("totp"), "INVALID_TYPE"),
        ] {
            let (row, errors) = parse(&row(factors.clone()), Source::Job);
            let row = row.expect("the rest is right");
            assert_eq!((row.profile.name.as_deref(), row.factors.is_none()), (Some("Ann"), true));
            assert_eq!(errors[0].code, expected, "{factors}");
            assert!(errors[0].path.starts_with("mfa_factors"));
        }
    }

    #[test]
    fn an_export_brings_ids_hashes_and_a_past() {
        let row = json!({"_id": {"$oid": "5f00"}, "email": "a@example.com", "passwordHash": BCRYPT, "tenant": "t",
            "password_set_date": {"$date": "2024-01-02T03:04:05.000Z"}, "logins_count": 3, "created_at": "2020-01-01T00:00:00.000Z"});
        let read = parse(&row, Source::Export).0.unwrap();
        assert_eq!(read.identity.as_deref(), Some("5f00"));
        assert!(
            read.hash.is_some()
                && read.past.logins_count == Some(3)
                && read.past.password_changed_at.is_some()
        );
        let whole = json!({"user_id": "auth0|5f00", "email": "a@example.com", "identities": []});
        assert_eq!(parse(&whole, Source::Export).0.unwrap().identity.as_deref(), Some("5f00"));
        let social = json!({"user_id": "google-oauth2|1", "email": "a@example.com"});
        assert_eq!(parse(&social, Source::Export).1[0].code, "CONNECTION_NOT_FOUND");
        assert_eq!(code(row), "NOT_PASSED", "a job's file has a closed schema");
    }

    #[test]
    fn errors_show_no_secret() {
        let row = json!({"email": "a@example.com", "password_hash": BCRYPT, "mfa_factors": [{"totp": {"secret": "GEZDGNBV"}}]});
        let text = shown(&row).to_string();
        assert!(text.contains("a@example.com") && !text.contains("$2a$") && !text.contains("GEZDGNBV"));
    }
}
