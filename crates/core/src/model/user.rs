//! A user.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::UserId;
use crate::time::Timestamp;

/// A user of a database connection (contract/management-api.md 3).
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// `auth0|…`.
    pub id: UserId,
    /// The name of the connection that holds the password.
    pub connection: String,
    /// The e-mail address, as [`normal_email`] leaves it.
    pub email: Option<String>,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// The user name, as it was typed at creation.
    pub username: Option<String>,
    /// The number, E.164.
    pub phone_number: Option<String>,
    /// Whether the number was proven.
    pub phone_verified: bool,
    /// The profile.
    pub profile: Profile,
    /// What the user may see and change.
    pub user_metadata: Option<Map<String, Value>>,
    /// What only the tenant may change.
    pub app_metadata: Option<Map<String, Value>>,
    /// The accounts that log this user in.
    pub identities: Vec<Identity>,
    /// Whether logging in is forbidden.
    pub blocked: bool,
    /// Whether somebody ever said so or the opposite: the wire shows `blocked` from then on.
    pub blocked_set: bool,
    /// When the password was changed last.
    pub password_changed_at: Option<Timestamp>,
    /// When a factor was added or removed last.
    pub mfa_changed_at: Option<Timestamp>,
    /// The last login.
    pub last_login: Option<Timestamp>,
    /// The address of the last login.
    pub last_ip: Option<String>,
    /// How often the user logged in.
    pub logins_count: i64,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was changed last.
    pub updated_at: Timestamp,
}

/// The free parts of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Full name.
    pub name: Option<String>,
    /// Short name.
    pub nickname: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Picture URL.
    pub picture: Option<String>,
}

/// One account of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The connection's name.
    pub connection: String,
    /// The id within the provider: the part behind `auth0|`.
    pub user_id: String,
    /// `auth0` for database connections.
    pub provider: String,
    /// Whether it is a social account.
    #[serde(rename = "isSocial")]
    pub is_social: bool,
    /// The profile of a linked account.
    #[serde(rename = "profileData", skip_serializing_if = "Option::is_none", default)]
    pub profile_data: Option<Value>,
}

impl Identity {
    /// Returns what a user's account is among those of the user whom it was linked to, with its profile (Auth0 docs, "User Account Linking").
    pub fn linked(account: &User) -> Self {
        let (provider, user_id) = account.id.parts();
        let mut profile = Map::new();
        let texts = [
            ("email", &account.email),
            ("username", &account.username),
            ("phone_number", &account.phone_number),
            ("name", &account.profile.name),
            ("nickname", &account.profile.nickname),
            ("given_name", &account.profile.given_name),
            ("family_name", &account.profile.family_name),
            ("picture", &account.profile.picture),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                profile.insert(name.to_owned(), text.clone().into());
            }
        }
        if account.email.is_some() {
            profile.insert("email_verified".to_owned(), account.email_verified.into());
        }
        if account.phone_number.is_some() {
            profile.insert("phone_verified".to_owned(), account.phone_verified.into());
        }
        Self {
            connection: account.connection.clone(),
            user_id: user_id.to_owned(),
            provider: provider.to_owned(),
            is_social: false,
            profile_data: Some(Value::Object(profile)),
        }
    }

    /// Returns whether it is the account that has, or had, this id as a user.
    pub fn is_of(&self, id: &UserId) -> bool {
        id.parts() == (self.provider.as_str(), self.user_id.as_str())
    }
}

impl User {
    /// Returns a user of a database connection with nothing but the account that logs in: no address, no profile, nothing proven.
    pub fn new(id: UserId, connection: &str, now: Timestamp) -> Self {
        let (provider, user_id) = id.parts();
        let identity = Identity {
            connection: connection.to_owned(),
            user_id: user_id.to_owned(),
            provider: provider.to_owned(),
            is_social: false,
            profile_data: None,
        };
        Self {
            id,
            connection: connection.to_owned(),
            email: None,
            email_verified: false,
            username: None,
            phone_number: None,
            phone_verified: false,
            profile: Profile::default(),
            user_metadata: None,
            app_metadata: None,
            identities: vec![identity],
            blocked: false,
            blocked_set: false,
            password_changed_at: None,
            mfa_changed_at: None,
            last_login: None,
            last_ip: None,
            logins_count: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Returns what the user is called in logs and greetings: user name, else address, else number.
    pub fn display_name(&self) -> &str {
        self.username
            .as_deref()
            .or(self.email.as_deref())
            .or(self.phone_number.as_deref())
            .unwrap_or_else(|| self.id.as_str())
    }
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid e-mail address")]
pub struct InvalidEmail;

/// Returns the one spelling of an address that is stored and compared: trimmed, lower-case.
///
/// Refuses whatever could break a mail header or hide a second address (control characters, blanks, commas, quotes), and
/// lengths above RFC 5321's. Deliberately linear: no regular expression runs over what a stranger typed.
pub fn normal_email(text: &str) -> Result<String, InvalidEmail> {
    let text = text.trim_matches(' ');
    if text.len() > 254 {
        return Err(InvalidEmail);
    }
    let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
    let odd = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, ',' | ';' | '<' | '>' | '"' | '(' | ')' | '\\' | '@' | '%' | '[' | ']' | ':')
    };
    let domain_ok = !domain.is_empty()
        && domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
        && domain.contains('.');
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.chars().any(odd)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    if domain_ok && local_ok { Ok(text.to_lowercase()) } else { Err(InvalidEmail) }
}

/// Returns the spelling of a user name that is compared.
pub fn normal_username(text: &str) -> String {
    text.trim_matches(' ').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        for text in ["ana@example.com", "ANA@example.com", " ana@EXAMPLE.com "] {
            assert_eq!(normal_email(text).as_deref(), Ok("ana@example.com"));
        }
        assert_eq!(normal_email("a+b@x.example").as_deref(), Ok("a+b@x.example"));
    }

    #[test]
    fn line_breaks_and_second_addresses_are_refused() {
        for text in [
            "a@example.com\r\nBcc: x@evil.example",
            "a@example.com%0d%0aDATA",
            "\"a\r\nb\"@example.com",
            "a@exam\u{0}ple.com",
            "ana@example.com,x@evil.example",
            "a@b@example.com",
            "a@",
            "@example.com",
            "ana",
            "a b@example.com",
            "a@localhost",
        ] {
            assert_eq!(normal_email(text), Err(InvalidEmail), "{text:?}");
        }
        assert_eq!(normal_email(&format!("a@{}", "a.".repeat(50_000))), Err(InvalidEmail));
    }
}
