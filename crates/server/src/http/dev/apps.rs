//! Virtual authenticator apps: what a test presses instead of a phone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use lockstep_core::factors::totp::device::{AuthenticatorApp, CannotScan};
use lockstep_core::time::Timestamp;
use serde::Serialize;

/// How many entries the twin holds; the oldest go first.
const MOST: usize = 10_000;

/// All entries of all virtual apps, by id.
#[derive(Default)]
pub struct Apps(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    last: u64,
    all: BTreeMap<u64, AuthenticatorApp>,
}

/// What an entry shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The entry's id.
    pub id: String,
    /// The label, `issuer:account`; empty if only a secret was typed in.
    pub label: String,
    /// The code of now.
    pub code: String,
    /// For how many more seconds this code is shown.
    pub seconds_left: i64,
}

impl Apps {
    /// Adds an entry by an `otpauth://` URI or a base32 secret.
    pub fn add(&self, text: &str, now: Timestamp) -> Result<Shown, CannotScan> {
        let app = AuthenticatorApp::scan(text.trim())?;
        let mut entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.last += 1;
        let number = entries.last;
        let shown = show(number, &app, now);
        entries.all.insert(number, app);
        if entries.all.len() > MOST {
            entries.all.pop_first();
        }
        Ok(shown)
    }

    /// Returns what an entry shows now.
    pub fn find(&self, id: &str, now: Timestamp) -> Option<Shown> {
        let number = id.strip_prefix("app_")?.parse().ok()?;
        let entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.all.get(&number).map(|app| show(number, app, now))
    }

    /// Returns all entries, the latest first.
    pub fn list(&self, now: Timestamp) -> Vec<Shown> {
        let entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.all.iter().rev().map(|(number, app)| show(*number, app, now)).collect()
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.0.lock().expect("no code panics while it holds this lock").all.clear();
    }
}

fn show(number: u64, app: &AuthenticatorApp, now: Timestamp) -> Shown {
    Shown {
        id: format!("app_{number}"),
        label: app.label.clone(),
        code: app.code_at(now),
        seconds_left: app.seconds_left(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_the_code_of_the_twins_time() {
        let apps = Apps::default();
        // RFC 6238, appendix B: at 59 s the eight-digit code is 94287082.
        let first = apps.add("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Timestamp::from_secs(59)).unwrap();
        assert_eq!((first.code.as_str(), first.seconds_left), ("287082", 1));
        let uri = "otpauth://totp/Shop:ana?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8";
        let second = apps.add(uri, Timestamp::from_secs(59)).unwrap();
        assert_eq!((second.code.as_str(), second.label.as_str()), ("94287082", "Shop:ana"));
        assert_ne!(apps.find(&first.id, Timestamp::from_secs(60)).unwrap().code, first.code);
        assert_eq!(apps.list(Timestamp::from_secs(59)), [second, first]);
        assert!(apps.add("otpauth://hotp/x?secret=AAAA", Timestamp::from_secs(0)).is_err());
        assert!(apps.find("app_99", Timestamp::from_secs(0)).is_none());
        apps.clear();
        assert!(apps.list(Timestamp::from_secs(0)).is_empty());
    }
}
