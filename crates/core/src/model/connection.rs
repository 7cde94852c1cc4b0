//! A database connection: where users and their passwords live.

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::ids::ConnectionId;
use crate::time::Timestamp;

/// The name of the connection that every tenant starts with.
pub const DEFAULT_CONNECTION: &str = "Username-Password-Authentication";

/// A connection, as the Management API stores it (contract/management-api.md 9).
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its unique name; also the realm.
    pub name: String,
    /// The document of the wire, without `id`, `name` and `enabled_clients`.
    pub data: Document,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How strong a password has to be (contract/management-api.md 9, `passwordPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Least number of characters.
    pub min_length: usize,
    /// How many of the four kinds of characters it must have.
    pub kinds: usize,
    /// The longest run of one character that is allowed; none: any.
    pub max_run: Option<usize>,
}

/// The `options` of a new database connection.
pub fn default_options() -> Map<String, Value> {
    let Value::Object(options) = json!({
        "mfa": {"active": true, "return_enroll_settings": true},
        "passwordPolicy": "good",
        "strategy_version": 2,
        "brute_force_protection": true,
        "disable_self_service_change_password": false,
        "authentication_methods": {
            "password": {"enabled": true, "api_behavior": "required", "signup_behavior": "allow"},
            "passkey": {"enabled": false}, "email_otp": {"enabled": false}, "phone_otp": {"enabled": false}
        },
        "passkey_options": {
            "challenge_ui": "both", "progressive_enrollment_enabled": true, "local_enrollment_enabled": true
        }
    }) else {
        return Map::new();
    };
    options
}

impl Connection {
    /// Returns whether it can be used.
    pub fn is_active(&self) -> bool {
        self.data.flag("authentication.active").unwrap_or(true)
    }

    /// Returns how people log in: `auth0` (a database), `email`, `sms`.
    pub fn strategy(&self) -> &str {
        self.data.text("strategy").unwrap_or("auth0")
    }

    /// Returns whether its users have passwords.
    pub fn is_database(&self) -> bool {
        self.strategy() == "auth0"
    }

    /// Returns whether its users log in with codes that are sent to them.
    pub fn is_passwordless(&self) -> bool {
        matches!(self.strategy(), "email" | "sms")
    }

    /// Returns whether people may sign themselves up.
    pub fn allows_signup(&self) -> bool {
        !self.data.flag("options.disable_signup").unwrap_or(false)
            && self.data.text("options.authentication_methods.password.signup_behavior") != Some("block")
    }

    /// Returns whether its users may log in by passkeys.
    pub fn has_passkeys(&self) -> bool {
        self.is_database()
            && self.data.flag("options.authentication_methods.passkey.enabled").unwrap_or(false)
    }

    /// Returns whether the login page has a button for passkeys.
    pub fn has_passkey_button(&self) -> bool {
        self.data.text("options.passkey_options.challenge_ui") != Some("autofill")
    }

    /// Returns whether the browser offers passkeys in the field of the login page.
    pub fn has_passkey_autofill(&self) -> bool {
        self.data.text("options.passkey_options.challenge_ui") != Some("button")
    }

    /// Returns whether who logs in by a password and has no passkey is offered one.
    pub fn offers_passkeys(&self) -> bool {
        self.data.flag("options.passkey_options.progressive_enrollment_enabled").unwrap_or(true)
    }

    /// Returns whether who logs in by a passkey of another device is offered one on this device.
    pub fn offers_local_passkeys(&self) -> bool {
        self.data.flag("options.passkey_options.local_enrollment_enabled").unwrap_or(true)
    }

    /// Returns whether people may set a new password themselves when they forgot theirs. An operator's ticket lets them in any case.
    pub fn allows_password_reset(&self) -> bool {
        !self.data.flag("options.disable_self_service_change_password").unwrap_or(false)
    }

    /// Returns whether people may sign themselves up with a passkey. `signup_behavior` is about passwords alone.
    pub fn allows_passkey_signup(&self) -> bool {
        self.has_passkeys() && !self.data.flag("options.disable_signup").unwrap_or(false)
    }

    /// Returns whether a telephone number names a user.
    pub fn has_phone_identifier(&self) -> bool {
        self.data.flag("options.attributes.phone_number.identifier.active").unwrap_or(false)
    }

    /// Returns whether failed passwords count here (contract/attack-protection.md 3).
    pub fn brute_force_protection(&self) -> bool {
        self.data.flag("options.brute_force_protection").unwrap_or(true)
    }

    /// Returns whether every user has a user name beside the e-mail address.
    pub fn requires_username(&self) -> bool {
        self.data.flag("options.requires_username").unwrap_or(false)
            || self.data.flag("options.attributes.username.identifier.active").unwrap_or(false)
    }

    /// Returns the least and the greatest length of a user name.
    pub fn username_length(&self) -> (usize, usize) {
        let at = |path: &str| self.data.int(path).and_then(|n| usize::try_from(n).ok());
        (
            at("options.validation.username.min").unwrap_or(1),
            at("options.validation.username.max").unwrap_or(15),
        )
    }

    /// Returns whether the tenant's MFA policy applies to its users.
    pub fn mfa_active(&self) -> bool {
        self.data.flag("options.mfa.active").unwrap_or(true)
    }

    /// Returns how strong its passwords have to be.
    pub fn password_policy(&self) -> PasswordPolicy {
        if let Some(own) = self.data.at("options.password_options.complexity") {
            return own_policy(&Document(own.as_object().cloned().unwrap_or_default()));
        }
        let (min_length, kinds, max_run) = match self.data.text("options.passwordPolicy").unwrap_or("none") {
            "low" => (6, 0, None),
            "fair" => (8, 3, None),
            "good" => (8, 3, None),
            "excellent" => (10, 3, Some(2)),
            _ => (1, 0, None),
        };
        let own = self
            .data
            .int("options.password_complexity_options.min_length")
            .and_then(|n| usize::try_from(n).ok());
        PasswordPolicy { min_length: own.unwrap_or(min_length), kinds, max_run }
    }
}

/// Reads `password_options.complexity`. Which kinds of characters it names does not matter, only how many: a password has so many of the
/// four.
fn own_policy(complexity: &Document) -> PasswordPolicy {
    let named = complexity.texts("character_types").count().min(4);
    let kinds = match complexity.text("character_type_rule") {
        Some("three_of_four") => named.min(3),
        _ => named,
    };
    PasswordPolicy {
        min_length: complexity.int("min_length").and_then(|n| usize::try_from(n).ok()).unwrap_or(15),
        kinds,
        max_run: (complexity.text("identical_characters") == Some("block")).then_some(2),
    }
}

/// Returns what `password_options` has for what is left out.
pub fn default_password_options() -> Map<String, Value> {
    let Value::Object(options) = json!({
        "complexity": {
            "min_length": 15, "character_types": [], "character_type_rule": "all", "identical_characters": "allow",
            "sequential_characters": "allow", "max_length_exceeded": "error"
        },
        "dictionary": {"active": false, "default": "en_100k", "custom": []},
        "history": {"active": false, "size": 3},
        "profile_data": {
            "active": false,
            "blocked_fields": [
                "name", "username", "nickname", "email", "phone_number", "user_metadata.name", "user_metadata.first",
                "user_metadata.last"
            ]
        }
    }) else {
        return Map::new();
    };
    options
}

/// One requirement on a password and whether it is met, for the sign-up page and the `rules` of `PasswordStrengthError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordRule {
    /// At least this many characters.
    Length(usize),
    /// At least this many of the four kinds; which of them it has: lower, upper, digit, special.
    Kinds(usize, [bool; 4]),
    /// No more than this many identical characters in a row.
    Run(usize),
}

impl PasswordPolicy {
    /// Returns the requirements, each with whether `password` meets it.
    pub fn check(&self, password: &str) -> Vec<(PasswordRule, bool)> {
        let has = |test: fn(&char) -> bool| password.chars().any(|c| test(&c));
        let kinds = [
            has(|c| c.is_lowercase()),
            has(|c| c.is_uppercase()),
            has(char::is_ascii_digit),
            has(|c| !c.is_alphanumeric()),
        ];
        let mut rules =
            vec![(PasswordRule::Length(self.min_length), password.chars().count() >= self.min_length)];
        if self.kinds > 0 {
            let met = kinds.iter().filter(|k| **k).count() >= self.kinds;
            rules.push((PasswordRule::Kinds(self.kinds, kinds), met));
        }
        if let Some(max) = self.max_run {
            let chars: Vec<char> = password.chars().collect();
            let run = chars.chunk_by(|a, b| a == b).map(<[char]>::len).max().unwrap_or(0);
            rules.push((PasswordRule::Run(max), run <= max));
        }
        rules
    }

    /// Returns whether `password` meets all requirements.
    pub fn accepts(&self, password: &str) -> bool {
        self.check(password).iter().all(|(_, met)| *met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_wants_eight_characters_of_three_kinds() {
        let good = PasswordPolicy { min_length: 8, kinds: 3, max_run: None };
        assert!(good.accepts("Pw-ana-1!"));
        assert!(good.accepts("passpass$12$12"));
        assert!(!good.accepts("password"));
        assert!(!good.accepts("Pw-1"));
    }

    #[test]
    fn excellent_refuses_long_runs() {
        let excellent = PasswordPolicy { min_length: 10, kinds: 3, max_run: Some(2) };
        assert!(!excellent.accepts("Aaaa-12345"));
        assert!(excellent.accepts("Aab-123456"));
    }
}
