//! The account page's screens.

use serde::Serialize;

use super::Screen;
use crate::ui::forms::FormError;

/// A factor or passkey of the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FactorRow {
    /// Its id, posted back.
    pub id: String,
    /// The wire name, as in [`super::MethodRow`], or `passkey`.
    pub method: &'static str,
    /// The name that the person gave it; may be empty.
    pub name: String,
    /// The masked number or address; may be empty.
    pub detail: String,
    /// How many days ago it was added.
    pub added_days: u32,
    /// How many days ago it was last used; `None` if never.
    pub last_used_days: Option<u32>,
    /// Whether it can be removed.
    pub removable: bool,
    /// Whether it is the address of the account, which is no entry of its own.
    pub address_of_account: bool,
    /// Whether a key can be on several devices; `None` if it never said, or is none.
    pub synced: Option<bool>,
}

/// A browser: one that is logged in, or one that skips the second step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BrowserRow {
    /// The id, posted back.
    pub id: String,
    /// What it is, as in "Firefox, Windows"; empty if it cannot be told.
    pub browser: String,
    /// Its last address in the network; may be empty.
    pub ip: String,
    /// How many days ago it was last active.
    pub active_days: u32,
    /// Whether it is this one.
    pub current: bool,
}

/// `account`: what a person has, and where she is logged in.
#[derive(Debug, Default, Serialize)]
pub struct Account<'a> {
    /// Who, as words.
    pub account: &'a str,
    /// What each form has to bring.
    pub form_token: &'a str,
    /// The factors.
    pub factors: &'a [FactorRow],
    /// Whether another one can be added.
    pub can_add: bool,
    /// The passkeys.
    pub passkeys: &'a [FactorRow],
    /// Whether another one can be added.
    pub can_add_passkey: bool,
    /// Whether the last factor is kept because the tenant demands one.
    pub keeps_last: bool,
    /// Whether there is a recovery code; `None` if there cannot be one.
    pub recovery_code: Option<bool>,
    /// Where the person is logged in.
    pub sessions: &'a [BrowserRow],
    /// The browsers that skip the second step.
    pub remembered: &'a [BrowserRow],
    /// The keys that know the person, as JSON for her browser.
    pub keys: Option<&'a str>,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(Account, "account", "account", errors = errors);

/// `account-passkey`: a new passkey.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AccountPasskey<'a> {
    /// What the browser is given, as JSON.
    pub options: &'a str,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(AccountPasskey, "account", "account-passkey", errors = errors);

/// `account-remove`: whether to remove a factor.
#[derive(Debug, Default, Serialize)]
pub struct AccountRemove<'a> {
    /// What each form has to bring.
    pub form_token: &'a str,
    /// The factor.
    pub factor: FactorRow,
    /// What to mend.
    #[serde(skip)]
    pub errors: &'a [FormError],
}
screen!(AccountRemove, "account", "account-remove", errors = errors);
