//! What `/dbconnections/*` refuses, and how: envelope B (contract/oidc.md 0.2 and 11).

use serde_json::{Value, json};

use crate::codes::OAuthError;
use crate::model::connection::PasswordRule;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is malformed.
    #[error("{0}")]
    Invalid(String),
    /// Nobody may sign up in this connection.
    #[error("Public signup is disabled")]
    SignupDisabled,
    /// No account was made. That somebody has one already is told in no other words.
    #[error("Invalid sign up")]
    Signup,
    /// The password does not meet the connection's rules.
    #[error("Password is too weak")]
    WeakPassword(Vec<(PasswordRule, bool)>),
    /// Too many requests.
    #[error("Too many requests. Wait a moment before retrying.")]
    TooMany {
        /// How many may come at once.
        limit: i64,
        /// After how many seconds one more may come.
        seconds: i64,
    },
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::Invalid(error.description)
    }
}

impl Refusal {
    /// Returns the HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::SignupDisabled => 403,
            Self::TooMany { .. } => 429,
            Self::Invalid(_) | Self::Signup | Self::WeakPassword(_) => 400,
        }
    }

    /// Returns the body.
    pub fn body(&self) -> Value {
        let (name, code) = match self {
            Self::Invalid(_) => ("BadRequestError", "invalid_request"),
            Self::SignupDisabled => ("ForbiddenError", "public_signup"),
            Self::Signup => ("BadRequestError", "invalid_signup"),
            Self::WeakPassword(_) => ("PasswordStrengthError", "invalid_password"),
            Self::TooMany { .. } => ("TooManyRequestsError", "too_many_requests"),
        };
        // Some SDKs show the one text, some the other.
        let text = self.to_string();
        let mut body = json!({
            "name": name, "code": code, "description": text, "message": text, "statusCode": self.status(),
        });
        if let Self::WeakPassword(rules) = self {
            body["policy"] = json!(policy(rules));
            let rules: Vec<Value> = rules.iter().map(|(rule, met)| shown(rule, *met)).collect();
            body["description"] = json!({"rules": rules, "verified": false});
        }
        body
    }
}

/// The kinds of characters, in the order of [`PasswordRule::Kinds`].
const KINDS: [(&str, &str); 4] = [
    ("lowerCase", "lower case letters (a-z)"),
    ("upperCase", "upper case letters (A-Z)"),
    ("numbers", "numbers (i.e. 0-9)"),
    ("specialCharacters", "special characters (e.g. !@#$%^&*)"),
];

/// Returns a rule as the pages of applications show it, and whether it is met.
fn shown(rule: &PasswordRule, met: bool) -> Value {
    let items = |has: &[bool; 4]| -> Vec<Value> {
        let each = KINDS.iter().zip(has);
        each.map(|((code, text), has)| json!({"code": code, "message": text, "verified": has})).collect()
    };
    match rule {
        PasswordRule::Length(least) => json!({
            "code": "lengthAtLeast", "message": "At least %d characters in length", "format": [least], "verified": met,
        }),
        PasswordRule::Kinds(4, has) => {
            json!({"code": "shouldContain", "message": "Should contain:", "items": items(has), "verified": met})
        }
        PasswordRule::Kinds(least, has) => json!({
            "code": "containsAtLeast", "message": "Contain at least %d of the following %d types of characters:",
            "format": [least, KINDS.len()], "items": items(has), "verified": met,
        }),
        PasswordRule::Run(most) => json!({
            "code": "identicalChars", "message": "No more than %d identical characters in a row (e.g., \"%s\" not allowed)",
            "format": [most, "a".repeat(most + 1)], "verified": met,
        }),
    }
}

/// Returns the rules as text, a line each.
fn policy(rules: &[(PasswordRule, bool)]) -> String {
    let lines = rules.iter().map(|(rule, met)| {
        let shown = shown(rule, *met);
        let mut line = format!("* {}", shown["message"].as_str().unwrap_or_default());
        for part in shown["format"].as_array().into_iter().flatten() {
            let mark = if part.is_string() { "%s" } else { "%d" };
            line = line.replacen(mark, &part.as_str().map_or_else(|| part.to_string(), str::to_owned), 1);
        }
        for item in shown["items"].as_array().into_iter().flatten() {
            line.push_str("\n * ");
            line.push_str(item["message"].as_str().unwrap_or_default());
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(min_length: usize, kinds: usize, max_run: Option<usize>) -> Refusal {
        let policy = crate::model::connection::PasswordPolicy { min_length, kinds, max_run };
        Refusal::WeakPassword(policy.check("aaab"))
    }

    #[test]
    fn a_weak_password_is_told_rule_by_rule() {
        let item = |(code, message): (&str, &str), verified: bool| json!({"code": code, "message": message, "verified": verified});
        let [lower, upper, numbers, special] = KINDS;
        let items = [item(lower, true), item(upper, false), item(numbers, false), item(special, false)];
        let body = rules(8, 3, Some(2)).body();
        assert_eq!(
            body,
            json!({
                "name": "PasswordStrengthError", "code": "invalid_password", "message": "Password is too weak",
                "statusCode": 400,
                "description": {"verified": false, "rules": [
                    {"code": "lengthAtLeast", "message": "At least %d characters in length", "format": [8], "verified": false},
                    {"code": "containsAtLeast", "message": "Contain at least %d of the following %d types of characters:",
                     "format": [3, 4], "items": items, "verified": false},
                    {"code": "identicalChars", "format": [2, "aaa"], "verified": false,
                     "message": "No more than %d identical characters in a row (e.g., \"%s\" not allowed)"},
                ]},
                "policy": "* At least 8 characters in length\n\
                    * Contain at least 3 of the following 4 types of characters:\n \
                    * lower case letters (a-z)\n * upper case letters (A-Z)\n * numbers (i.e. 0-9)\n \
                    * special characters (e.g. !@#$%^&*)\n\
                    * No more than 2 identical characters in a row (e.g., \"aaa\" not allowed)",
            })
        );
        let all = rules(4, 4, None).body();
        assert_eq!(all["description"]["rules"][0]["verified"], true);
        assert_eq!(
            all["description"]["rules"][1],
            json!({"code": "shouldContain", "message": "Should contain:", "items": items, "verified": false})
        );
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let cases = [
            (Refusal::Invalid("no".to_owned()), 400, "invalid_request", "no"),
            (Refusal::Signup, 400, "invalid_signup", "Invalid sign up"),
            (Refusal::SignupDisabled, 403, "public_signup", "Public signup is disabled"),
            (
                Refusal::TooMany { limit: 10, seconds: 60 },
                429,
                "too_many_requests",
                "Too many requests. Wait a moment before retrying.",
            ),
        ];
        for (refusal, status, code, text) in cases {
            let body = refusal.body();
            assert_eq!((refusal.status(), &body["statusCode"]), (status, &json!(status)));
            assert_eq!((&body["code"], &body["description"]), (&json!(code), &json!(text)));
            assert_eq!(body["message"], text);
        }
    }
}
