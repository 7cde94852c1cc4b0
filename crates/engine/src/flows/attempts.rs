//! Budgets of second factors: how many wrong answers are looked at, and how many codes are sent (contract/attack-protection.md 7).
//!
//! One place for pages and APIs: whoever guesses or asks on several faces spends one budget.

use lockstep_core::factors::FactorKind;
use lockstep_core::ids::UserId;
use lockstep_core::model::log_event::Origin;
use lockstep_core::time::Span;

use crate::store::buckets::Budget;

/// Wrong codes of one user: ten, then one each six minutes.
const WRONG_CODES: Budget = Budget::new(10, Span::minutes(6));
/// Wrong recovery codes of one user: ten an hour, in a bucket of their own.
const WRONG_RECOVERY_CODES: Budget = Budget::new(10, Span::minutes(6));

/// Answers of a key that were refused: fifteen a minute. Nobody guesses a signature; the limit is for those who try all the same.
const REFUSED_KEYS: Budget = Budget::new(15, Span::seconds(4));

/// What browsers say went wrong with a key: fifteen records a minute. The page says it always.
pub const KEY_REPORTS: Budget = Budget::new(15, Span::seconds(4));

/// Returns the name of the bucket of such records.
pub fn key_reports(user: &UserId) -> String {
    format!("mfa:{user}:key-reports")
}

/// Returns the name of the bucket of such records of passkeys, where nobody has said a name.
pub fn key_reports_from(origin: &Origin) -> String {
    format!("passkey:reports:{}", origin.ip.as_deref().unwrap_or_default())
}

/// How often a person is told of a copied key.
pub const COPY_TOLD: Budget = Budget::new(1, Span::hours(1));

/// Returns the name of the bucket of mails about a copied key.
pub fn copy_told(user: &UserId) -> String {
    format!("mfa:{user}:copy-told")
}

/// Returns the name of the bucket of wrong answers. Codes of all kinds share one: who tries several factors has no more guesses.
pub fn bucket(user: &UserId, kind: FactorKind) -> String {
    match kind {
        FactorKind::RecoveryCode => format!("mfa:{user}:recovery-code"),
        FactorKind::WebauthnPlatform | FactorKind::WebauthnRoaming => format!("mfa:{user}:key"),
        FactorKind::Totp | FactorKind::Phone | FactorKind::Email => format!("mfa:{user}:code"),
    }
}

/// Returns the budget of wrong answers.
pub const fn budget(kind: FactorKind) -> Budget {
    match kind {
        FactorKind::RecoveryCode => WRONG_RECOVERY_CODES,
        FactorKind::WebauthnPlatform | FactorKind::WebauthnRoaming => REFUSED_KEYS,
        FactorKind::Totp | FactorKind::Phone | FactorKind::Email => WRONG_CODES,
    }
}
