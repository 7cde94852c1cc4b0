//! A virtual authenticator app: what tests and the development twin hold instead of a phone.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Algorithm, Parameters, Seed};
use crate::time::Timestamp;

/// An entry of a virtual authenticator app.
#[derive(Clone)]
pub struct AuthenticatorApp {
    /// The label, `issuer:account`; empty if only a secret was typed in.
    pub label: String,
    parameters: Parameters,
}

/// Why an app cannot add an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an otpauth://totp URI nor a base32 secret")]
pub struct CannotScan;

impl AuthenticatorApp {
    /// Adds an entry by scanning a QR code (an `otpauth://totp/` URI) or by typing its secret.
    pub fn scan(text: &str) -> Result<Self, CannotScan> {
        if !text.starts_with("otpauth:") {
            let secret = Seed::parse(text).map_err(|_| CannotScan)?;
            return Ok(Self { label: String::new(), parameters: Parameters::usual(secret) });
        }
        let uri = Url::parse(text).map_err(|_| CannotScan)?;
        if uri.scheme() != "otpauth" || uri.host_str() != Some("totp") {
            return Err(CannotScan);
        }
        let query = |name: &str| uri.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
        let number = |name: &str, default: u32| query(name).map_or(Ok(default), |v| v.parse::<u32>());
        let secret = query("secret").and_then(|s| Seed::parse(&s).ok()).ok_or(CannotScan)?;
        let algorithm = query("algorithm").map_or(Some(Algorithm::Sha1), |name| Algorithm::parse(&name));
        Ok(Self {
            label: percent_decode_str(uri.path().trim_start_matches('/')).decode_utf8_lossy().into_owned(),
            parameters: Parameters {
                secret,
                algorithm: algorithm.ok_or(CannotScan)?,
                digits: number("digits", 6).map_err(|_| CannotScan)?,
                period: number("period", 30).map_err(|_| CannotScan)?.into(),
            },
        })
    }

    /// Returns the code that the app shows at that moment.
    pub fn code_at(&self, now: Timestamp) -> String {
        self.parameters.code(self.parameters.step_at(now))
    }

    /// Returns how many seconds the code shown at that moment stays, for a countdown.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        let period = self.parameters.period.max(1);
        period - now.as_secs().rem_euclid(period)
    }

    /// Returns the secret in base32.
    pub fn secret(&self) -> String {
        self.parameters.secret.base32()
    }
}
