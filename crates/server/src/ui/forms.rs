//! What a form says back: errors, and the rules a new password must meet.

use std::borrow::Cow;

use serde::Serialize;

/// Something to mend, shown beside its field or above the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormError {
    /// The text key, e.g. `invalid-code` (contract/universal-login.md 14).
    pub code: Cow<'static, str>,
    /// The field's name; `None` shows the text above the form.
    pub field: Option<&'static str>,
    /// Text to show instead of the key's own, for words that came from an Action.
    pub text: Option<String>,
}

impl FormError {
    /// Returns the error of a key, at the field where people will look for it.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        let field = usual_field(&code);
        Self { code, field, text: None }
    }

    /// Moves the error to another field.
    pub fn on(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Shows the error above the form.
    pub fn on_form(mut self) -> Self {
        self.field = None;
        self
    }

    /// Shows these words.
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }
}

/// Returns the field that an error key speaks of.
fn usual_field(code: &str) -> Option<&'static str> {
    Some(match code {
        "no-username" | "invalid-username" => "username",
        "no-email" | "invalid-email-format" => "email",
        "no-phone" | "invalid-phone" | "invalid-phone-format" => "phone",
        "no-password"
        | "no-password-reset"
        | "password-too-weak"
        | "password-too-common"
        | "password-breached"
        | "password-breached-reset"
        | "password-previously-used"
        | "password-policy-not-conformant"
        | "password-contains-user-information" => "password",
        "no-re-enter-password" | "password-mismatch" => "re-enter-password",
        "no-code" | "invalid-code" | "invalid-code-format" | "invalid-otp-code-format" => "code",
        "no-confirmation" => "confirmation",
        "no-nickname" | "nickname-too-long" => "nickname",
        _ => return None,
    })
}

/// Reads the action of a method list's row: `otp::0` is the method `otp` in row 0.
pub fn picked(action: &str) -> Option<(&str, usize)> {
    let (method, row) = action.split_once("::")?;
    Some((method, row.parse().ok()?))
}

/// What a new password must be, for the list under the field.
///
/// The list informs; the server's own check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PasswordRules {
    /// The least number of characters.
    pub min_length: u32,
    /// How many of the four kinds below are enough; 0 = every kind that is set.
    pub kinds_needed: u8,
    /// A small letter.
    pub lower: bool,
    /// A capital letter.
    pub upper: bool,
    /// A digit.
    pub digit: bool,
    /// One of `!@#$%^&*`.
    pub special: bool,
    /// No more than two identical characters in a row.
    pub no_repeats: bool,
}

impl PasswordRules {
    /// Returns the rules of a connection's `passwordPolicy` (`none`, `low`, `fair`, `good`, `excellent`).
    pub fn of_policy(policy: &str, min_length: Option<u32>) -> Self {
        let (length, classes, kinds_needed, no_repeats) = match policy {
            "low" => (6, [false; 4], 0, false),
            "fair" => (8, [true, true, true, false], 0, false),
            "excellent" => (10, [true; 4], 3, true),
            "none" => (1, [false; 4], 0, false),
            _ => (8, [true; 4], 3, false),
        };
        let [lower, upper, digit, special] = classes;
        Self {
            min_length: min_length.unwrap_or(length),
            kinds_needed,
            lower,
            upper,
            digit,
            special,
            no_repeats,
        }
    }
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self::of_policy("good", None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_beside_the_field_they_speak_of() {
        assert_eq!(FormError::new("invalid-code").field, Some("code"));
        assert_eq!(FormError::new("wrong-credentials").field, None);
        assert_eq!(FormError::new("invalid-code").on_form().field, None);
    }

    #[test]
    fn rows_of_a_method_list_are_read_back() {
        assert_eq!(picked("recovery-code::2"), Some(("recovery-code", 2)));
        assert_eq!(picked("default"), None);
        assert_eq!(picked("otp::x"), None);
    }
}
